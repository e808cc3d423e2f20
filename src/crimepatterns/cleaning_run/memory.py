"""What a build remembers for the next one: fingerprints of its rows and counts of its places, as runs on disk.

Runs of half a million rows and more stay as they are. Smaller ones are merged with what lies before them where that is
of like size, so that their number grows with the logarithm of the rows, and each row is written again only so often.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from crimepatterns.cleaning.place_counts import summed
from crimepatterns.cleaning.runs import Run, merged
from crimepatterns.cleaning.seen import FACTS, without_gone
from crimepatterns.store.run_files import RunFiles, drop_pages, open_run, run_files, write_run
from crimepatterns.store.snapshots import share_file

__all__ = ["PLACES", "SEEN", "Kept", "Memory", "Shelf"]

_LARGE = 1 << 19

Kept = dict[str, Any]
"""Name and rows of one run, as the manifest lists it."""


@dataclass(frozen=True)
class _Kind:
    name: str
    dtype: "np.dtype[Any]"
    settle: Callable[[Sequence[Run], bool], Iterator[Run]]
    """Merges runs; whether the oldest one is among them."""


def _settle_rows(runs: Sequence[Run], oldest: bool) -> Iterator[Run]:  # a pair with the next
    return without_gone(merged(runs)) if oldest else merged(runs)


def _settle_places(runs: Sequence[Run], oldest: bool) -> Iterator[Run]:  # noqa: ARG001  # a pair with the former
    return summed(runs)


SEEN = _Kind("seen", FACTS, _settle_rows)
PLACES = _Kind("places", np.dtype("<i4"), _settle_places)


@dataclass
class Shelf:
    """Puts runs of the build under way on disk, so that they need no memory.

    Parameters
    ----------
    folder : Path
        For scratch files; the caller removes it.
    name : str
    """

    folder: Path
    name: str
    _open: list[RunFiles] = field(default_factory=list)

    def __call__(self, run: Run) -> Run:
        """Put away one run."""
        self.let_go()
        stem = self.folder / f"{self.name}-{len(self._open)}"
        write_run(stem, [(run.keys, run.facts)])
        self._open.append(open_run(stem, run.facts.dtype, rows=len(run)))
        return Run(self._open[-1].keys, self._open[-1].facts)

    def let_go(self) -> None:
        """Let go of the memory of what was looked at on the shelf."""
        for run in self._open:
            drop_pages(run)


@dataclass(frozen=True)
class Memory:
    """The runs of one version.

    Parameters
    ----------
    folder : Path
        Hidden folder of the version.
    kind : SEEN or PLACES
    kept : list of dict
        The runs, the oldest first.
    """

    folder: Path
    kind: _Kind
    kept: list[Kept]

    def open(self) -> list[Run]:
        """Map the runs.

        Raises
        ------
        ArtefactError
            If one is damaged.
        """
        return [self._open(one) for one in self.kept]

    def extended(self, folder: Path, runs: Sequence[Run], *, written: Callable[[], None] = lambda: None) -> "Memory":
        """Write the runs of the next version into its folder: these, shared, and new ones behind them.

        `written` is called after each, so that what it was read from can be let go of.
        """
        stay, groups = list(self.kept), _groups(runs)
        if groups and sum(map(len, groups[0])) < _LARGE:
            while stay and stay[-1]["rows"] < _LARGE and sum(map(len, groups[0])) * 2 >= stay[-1]["rows"]:
                groups[0].insert(0, self._open(stay.pop()))
        for one in stay:
            for source in run_files(self.folder / one["name"]):
                share_file(source, folder / source.name)
        number = max((int(one["name"].rsplit("-", 1)[1]) for one in self.kept), default=-1)
        for group in groups:
            number += 1
            name = f"{self.kind.name}-{number:06d}"
            ranges = self.kind.settle(group, not stay)
            rows = write_run(folder / name, ((run.keys, run.facts) for run in ranges))
            stay.append({"name": name, "rows": rows})
            written()
        return Memory(folder, self.kind, stay)

    def _open(self, one: Kept) -> Run:
        found = open_run(self.folder / one["name"], self.kind.dtype, rows=one["rows"])
        return Run(found.keys, found.facts)


def _groups(runs: Sequence[Run]) -> list[list[Run]]:
    """Put small neighbours together; a large run stays by itself, as merging would write every row once more."""
    groups: list[list[Run]] = []
    room = 0
    for run in runs:
        if not len(run):
            continue
        if len(run) < _LARGE and room >= len(run):
            groups[-1].append(run)
            room -= len(run)
        else:
            groups.append([run])
            room = _LARGE - len(run)
    return groups
