"""One build: from raw tables to the incidents, rejected rows and memory of a new version.

A build goes on from an earlier one where it may: then only the new raw tables are cleaned, and only the months are
written again that lose rows. Without one it begins with nothing, on the same path, so that both give the same answer.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crimepatterns.cleaning.job import CleaningJob
from crimepatterns.cleaning.kept_facts import KeptFacts, kept_facts
from crimepatterns.cleaning.output import further_columns, incident_rows, rejected_rows, rejected_schema
from crimepatterns.cleaning.place_counts import PlaceCounts
from crimepatterns.cleaning.runs import Run
from crimepatterns.cleaning.schema import Reason
from crimepatterns.cleaning.seen import SeenBefore, tombs
from crimepatterns.cleaning.tally import Tally
from crimepatterns.cleaning.versions import RecordVersions
from crimepatterns.cleaning_run.basis import STATE, Basis, Built
from crimepatterns.cleaning_run.compacting import compact_incidents, compact_rejected
from crimepatterns.cleaning_run.memory import Shelf
from crimepatterns.cleaning_run.taking_back import compare, find_rows, reject_again, reject_rows, take_back
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.protocols import Executor, Progress, silent
from crimepatterns.store.incident_files import IncidentWriter, incident_schema, move_behind
from crimepatterns.store.rejected_files import RejectedWriter, rejected_files
from crimepatterns.store.snapshots import share_file

__all__ = ["build"]

_SCRATCH = ".scratch"
_REJECTED = "rejected.parquet"


def build(
    job: CleaningJob,
    area: StudyArea,
    folder: Path,
    *,
    basis: Basis,
    progress: Progress = silent,
    executor: Executor | None = None,
) -> Built:
    """Write incidents, rejected rows and what the next build needs into a new version's folder.

    Parameters
    ----------
    job : CleaningJob
        Of all raw tables.
    area : StudyArea
    folder : Path
        ``incidents`` and ``rejected.parquet`` come to lie in it.
    basis : Basis
    progress : Progress
    executor : Executor, optional
        Cleans the tables beside one another; its workers must be able to read and write the city's folders. Where
        duplicates are kept, tables follow one another all the same: their ids count on.

    Raises
    ------
    ArtefactError
        If the earlier build is damaged.
    """
    for name in basis.built.sizes:
        share_file(basis.version / name, folder / name)
    with _scratch(folder):
        making = _Build(job, area, folder, basis)
        spread = executor is not None and executor.workers > 1 and len(making.numbers) > 1
        if executor is None or not spread or not job.rules.drop_duplicates:
            return making.run(progress)
        return making.run_spread(progress, executor)


def build_table(task: "_Table") -> Built:
    """Clean one table by itself into a folder of its own; runs on a worker."""
    # A worker that died may have begun with it.
    shutil.rmtree(task.folder, ignore_errors=True)
    task.folder.mkdir()
    with _scratch(task.folder):
        making = _Build(task.job, task.area, task.folder, Basis.none(task.job), numbers=[task.number])
        return making.run(silent, versions=task.versions)


@dataclass(frozen=True, eq=False)
class _Table:
    """One table that a worker cleans."""

    job: CleaningJob
    area: StudyArea
    folder: Path
    number: int
    versions: RecordVersions


class _Build:
    """A build under way, and what its parts add to."""

    def __init__(
        self, job: CleaningJob, area: StudyArea, folder: Path, basis: Basis, *, numbers: Sequence[int] | None = None
    ) -> None:
        self._job, self._area, self._folder, self._basis = job, area, folder, basis
        new = range(basis.parts, len(job.parts)) if numbers is None else numbers
        self.numbers = [number for number in new if not job.parts[number].withdraws]
        self._rows = sum(job.parts[number].rows for number in self.numbers)
        self._tally = Tally(job.taxonomy)
        self._tally.include(basis.built.tally)
        self._files = {folder / name: facts for name, facts in basis.built.files.items()}
        self._shelf = Shelf(folder / _SCRATCH, "run")
        self._places = PlaceCounts(before=basis.built.place_counts.open(), known=basis.built.places, shelve=self._shelf)
        self._refused = rejected_schema(job.raw_columns)

    def run(self, progress: Progress, *, versions: RecordVersions | None = None) -> Built:
        """Clean table after table."""
        before = self._basis.built.seen.open()
        versions = self._job.versions(first=self._basis.parts) if versions is None else versions
        with RejectedWriter(self._folder / _REJECTED, self._refused) as rejected:
            gone = self._take_back(before, versions, rejected)
            seen = self._remembering([*before, *gone])
            self._clean(seen, versions, rejected, progress)
        return self._settled([*gone, *seen.runs()])

    def run_spread(self, progress: Progress, executor: Executor) -> Built:
        """Clean tables beside one another, then compare their rows in order."""
        before, done = self._basis.built.seen.open(), 0
        versions = self._job.versions(first=self._basis.parts)
        with RejectedWriter(self._folder / _REJECTED, self._refused) as rejected:
            gone = self._take_back(before, versions, rejected)
        seen = self._remembering([*before, *gone])
        alone, scratch = replace(self._job, workers=1), self._folder / _SCRATCH
        tasks = [_Table(alone, self._area, scratch / f"table-{i}", i, versions) for i in self.numbers]
        progress("Cleaning incidents", done, self._rows)
        for task, built in zip(tasks, executor.map(build_table, tasks), strict=True):
            self._take_over(task, built, seen)
            done += self._job.parts[task.number].rows
            progress("Cleaning incidents", done, self._rows)
        return self._settled([*gone, *seen.runs()])

    def _remembering(self, before: Sequence[Run]) -> SeenBefore:
        return SeenBefore(expected=self._rows, before=before, shelve=self._shelf)

    def _take_back(self, before: Sequence[Run], versions: RecordVersions, rejected: RejectedWriter) -> list[Run]:
        """Take back what new tables replace or withdraw of the earlier build."""
        if not before or not len(versions.ids):
            return []
        # The first table that names an id decides what becomes of rows from before all of them.
        keys, place = np.unique(versions.ids, return_index=True)
        reasons = versions.reasons[place]
        gone, known = find_rows(before, keys, reasons)
        earlier = rejected_files(self._folder / _REJECTED)
        changed = take_back(
            gone,
            self._job,
            self._folder / "incidents",
            tally=self._tally,
            places=self._places,
            schema=self._refused,
            rejected=rejected,
        )
        reject_again(earlier, keys, reasons, self._tally)
        self._files = {path: facts for path, facts in {**self._files, **changed}.items() if facts is not None}
        return [tombs(known)] if len(known) else []

    def _clean(self, seen: SeenBefore, versions: RecordVersions, rejected: RejectedWriter, progress: Progress) -> None:
        """Clean the new tables."""
        job, timezone, done = self._job, self._job.rules.timezone, 0
        schema = incident_schema(self._area.crs, list(further_columns(job.columns).values()))
        with IncidentWriter(
            self._folder / "incidents", schema, lambda batches: kept_facts(batches, timezone), behind=job.workers > 1
        ) as incidents:
            for part, batch in job.run(self._area, seen=seen, numbers=self.numbers, versions=versions):
                self._tally.add(batch)
                rows, months = incident_rows(batch, schema, source=part.name)
                incidents.add(rows, months)
                self._places.add(rows.column("x").to_numpy(), rows.column("y").to_numpy())
                gone = rejected_rows(batch, self._refused, job.raw_columns, source=part.name)
                if gone is not None:
                    rejected.add(gone)
                done += len(batch)
                progress("Cleaning incidents", done, self._rows)
        new: dict[Path, KeptFacts] = {path: file.facts for path, file in incidents.files.items()}
        self._files = compact_incidents({**self._files, **new}, list(new))

    def _take_over(self, task: _Table, built: Built, seen: SeenBefore) -> None:
        """Compare the rows of a table that was cleaned by itself with those of the tables before, and take it over."""
        again = compare(built, seen, task.number)
        changed: dict[Path, KeptFacts | None] = {}
        with RejectedWriter(task.folder / _REJECTED, self._refused) as rejected:
            earlier = rejected_files(task.folder / _REJECTED)
            if len(again.kept):
                changed = take_back(
                    again.kept,
                    self._job,
                    task.folder / "incidents",
                    tally=built.tally,
                    places=self._places,
                    schema=self._refused,
                    rejected=rejected,
                )
        reject_rows(earlier, again.rejected, Reason.DUPLICATE, built.tally)
        for run in built.place_counts.open():
            self._places.include(run)
        self._tally.include(built.tally)
        files = {task.folder / name: facts for name, facts in built.files.items()} | changed
        new: dict[Path, KeptFacts] = {}
        for path, facts in files.items():
            if facts is not None:
                new[move_behind(path, self._folder / path.parent.relative_to(task.folder))] = facts
        for path in rejected_files(task.folder / _REJECTED):
            move_behind(path, self._folder / _REJECTED)
        self._files = compact_incidents({**self._files, **new}, list(new))
        shutil.rmtree(task.folder)

    def _settled(self, runs: Sequence[Run]) -> Built:
        """Write what the next build needs."""
        folder, built = self._folder, self._basis.built
        compact_rejected(folder / _REJECTED)
        rejected = rejected_files(folder / _REJECTED)
        return Built(
            tally=self._tally,
            files={str(path.relative_to(folder)): facts for path, facts in sorted(self._files.items())},
            rejected=[str(path.relative_to(folder)) for path in rejected],
            sizes={str(path.relative_to(folder)): path.stat().st_size for path in sorted([*self._files, *rejected])},
            places=self._places.facts(),
            seen=built.seen.extended(folder / STATE, runs, written=self._shelf.let_go),
            place_counts=built.place_counts.extended(folder / STATE, self._places.runs(), written=self._shelf.let_go),
        )


@contextmanager
def _scratch(folder: Path) -> Iterator[None]:
    (folder / _SCRATCH).mkdir()
    try:
        yield
    finally:
        shutil.rmtree(folder / _SCRATCH)
