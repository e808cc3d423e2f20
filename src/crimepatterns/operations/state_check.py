"""Look at everything that is kept of a city, byte for byte, and say what is lost or damaged and what to do.

Commands trust a file while its size and time of change are as they were. This check trusts nothing and reads all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from crimepatterns.config import Settings
from crimepatterns.errors import ArtefactError, CrimePatternsError
from crimepatterns.operations.backup import city_models
from crimepatterns.operations.pipeline import stage_manifest
from crimepatterns.operations.stages import JUDGE, STAGES, Stage
from crimepatterns.store.atomic import read_json
from crimepatterns.store.card_decisions import read_decisions
from crimepatterns.store.digests import sha256_file
from crimepatterns.store.gate_records import read_records
from crimepatterns.store.layout import Layout
from crimepatterns.store.ledger import read_ledger
from crimepatterns.store.raw import RawStore

__all__ = ["Fault", "StateOfCity", "check_state"]


@dataclass(frozen=True)
class Fault:
    """One file that is not as it was left.

    Parameters
    ----------
    path : str
        Relative to the project folder.
    problem : str
    advice : str
    """

    path: str
    problem: str
    advice: str


@dataclass(frozen=True)
class StateOfCity:
    """What was looked at, and what is wrong with it.

    Parameters
    ----------
    files : int
        Files that were read.
    faults : tuple of Fault
    """

    files: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class _Listed:
    path: Path
    sha256: str
    advice: str


_RAW = "restore it from a backup, or ingest the file again with `crimepatterns ingest --force`"
_MODEL = "restore it from a backup, or train again with `crimepatterns train --force`"


def check_state(settings: Settings) -> StateOfCity:
    """Read what is kept of a city and compare it with its digests.

    Looked at are raw copies, models, results of stages, the ledger and decisions about pattern cards.
    """
    layout = Layout(settings.root, settings.city)
    files, faults = 0, []
    for one in chain(_raw(layout), _models(layout), _results(settings, layout), _lines(layout)):
        files += not isinstance(one, Fault)
        fault = one if isinstance(one, Fault) else _look(layout, one)
        if fault is not None:
            faults.append(fault)
    return StateOfCity(files, tuple(faults))


def _look(layout: Layout, listed: _Listed) -> Fault | None:
    try:
        if sha256_file(listed.path) == listed.sha256:
            return None
        problem = "is not the file that was written"
    except FileNotFoundError:
        problem = "is gone"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    return Fault(_named(layout, listed.path), problem, listed.advice)


def _raw(layout: Layout) -> Iterator[_Listed | Fault]:
    folders = [path.parent for path in layout.raw_context.rglob("MANIFEST.json")]
    for folder in (layout.raw, *sorted(folders)):
        store = RawStore(folder)
        try:
            for entry in store.entries():
                yield _Listed(store.path_of(entry), entry.sha256, _RAW)
        except ArtefactError as error:
            yield Fault(_named(layout, store.manifest), str(error), _RAW)


def _models(layout: Layout) -> Iterator[_Listed | Fault]:
    for home in city_models(layout):
        try:
            read_records(home)
        except CrimePatternsError as error:
            yield Fault(_named(layout, home), str(error), _MODEL)
    for version in (path for home in city_models(layout) for path in sorted(home.glob("[!.]*/"))):
        try:
            digests = dict(read_json(version / "manifest.json")["sha256"])
        except (ArtefactError, KeyError, TypeError, ValueError) as error:
            yield Fault(_named(layout, version / "manifest.json"), f"is gone or damaged ({error})", _MODEL)
            continue
        for file, digest in digests.items():
            yield _Listed(version / file, digest, _MODEL)


def _results(settings: Settings, layout: Layout) -> Iterator[_Listed | Fault]:
    seen: set[str] = set()
    for stage in (*STAGES, JUDGE):
        manifest = stage_manifest(settings, stage.name) or {"outputs": {}}
        for name, facts in manifest["outputs"].items():
            if not name.startswith(("data/raw/", "models/")) and name not in seen:
                seen.add(name)
                yield _Listed(layout.root / name, facts["sha256"], f"run `crimepatterns {_command(stage)} --force`")


def _command(stage: Stage) -> str:
    return "evaluate --report" if stage is JUDGE else stage.name


def _lines(layout: Layout) -> Iterator[Fault]:
    for path, read in ((layout.ledger, read_ledger), (layout.card_decisions, read_decisions)):
        try:
            read(path)
        except CrimePatternsError as error:
            yield Fault(_named(layout, path), str(error), "restore it from a backup")


def _named(layout: Layout, path: Path) -> str:
    return path.relative_to(layout.root).as_posix()
