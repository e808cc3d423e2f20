"""One build: from raw tables to the incidents, rejected rows and memory of a new version.

A build goes on from an earlier one where it may: then only the new raw tables are cleaned, and only the months are
written again that lose rows. Without one it begins with nothing, on the same path, so that both give the same answer.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crimepatterns.cleaning.job import CleaningJob
from crimepatterns.cleaning.kept_facts import KeptFacts, kept_facts
from crimepatterns.cleaning.output import further_columns, incident_rows, rejected_rows, rejected_schema
from crimepatterns.cleaning.place_counts import PlaceCounts
from crimepatterns.cleaning.runs import Run
from crimepatterns.cleaning.seen import SeenBefore, tombs
from crimepatterns.cleaning.tally import Tally
from crimepatterns.cleaning.versions import RecordVersions
from crimepatterns.cleaning_run.basis import STATE, Basis, Built
from crimepatterns.cleaning_run.compacting import compact_incidents, compact_rejected
from crimepatterns.cleaning_run.memory import Shelf
from crimepatterns.cleaning_run.taking_back import find_rows, reject_again, take_back
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.protocols import Progress
from crimepatterns.store.incident_files import IncidentWriter, incident_schema
from crimepatterns.store.rejected_files import RejectedWriter, rejected_files
from crimepatterns.store.snapshots import share_file

__all__ = ["build"]

_SCRATCH = ".scratch"


def build(job: CleaningJob, area: StudyArea, folder: Path, *, basis: Basis, progress: Progress) -> Built:
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

    Raises
    ------
    ArtefactError
        If the earlier build is damaged.
    """
    for name in basis.built.sizes:
        share_file(basis.version / name, folder / name)
    (folder / _SCRATCH).mkdir()
    try:
        return _Build(job, area, folder, basis).run(progress)
    finally:
        shutil.rmtree(folder / _SCRATCH)


class _Build:
    """A build under way, and what its parts add to."""

    def __init__(self, job: CleaningJob, area: StudyArea, folder: Path, basis: Basis) -> None:
        self._job, self._area, self._folder, self._basis = job, area, folder, basis
        self._tally = Tally(job.taxonomy)
        self._tally.include(basis.built.tally)
        self._files = {folder / name: facts for name, facts in basis.built.files.items()}
        self._places = PlaceCounts(
            before=basis.built.place_counts.open(),
            known=basis.built.places,
            shelve=Shelf(folder / _SCRATCH, "places"),
        )
        self._refused = rejected_schema(job.raw_columns)

    def run(self, progress: Progress) -> Built:
        before, first = self._basis.built.seen.open(), self._basis.parts
        versions = self._job.versions(first=first)
        with RejectedWriter(self._folder / "rejected.parquet", self._refused) as rejected:
            gone = self._take_back(before, versions, rejected)
            rows = sum(part.rows for part in self._job.parts[first:] if not part.withdraws)
            shelf = Shelf(self._folder / _SCRATCH, "seen")
            seen = SeenBefore(expected=rows, before=[*before, *gone], shelve=shelf)
            self._clean(seen, versions, rejected, progress)
        return self._settled([*gone, *seen.runs()])

    def _take_back(self, before: Sequence[Run], versions: RecordVersions, rejected: RejectedWriter) -> list[Run]:
        """Take back what new tables replace or withdraw of the earlier build."""
        if not before or not len(versions.ids):
            return []
        # The first table that names an id decides what becomes of rows from before all of them.
        keys, place = np.unique(versions.ids, return_index=True)
        reasons = versions.reasons[place]
        gone, known = find_rows(before, keys, reasons)
        earlier = rejected_files(self._folder / "rejected.parquet")
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
        for path, facts in changed.items():
            if facts is None:
                del self._files[path]
            else:
                self._files[path] = facts
        return [tombs(known)] if len(known) else []

    def _clean(self, seen: SeenBefore, versions: RecordVersions, rejected: RejectedWriter, progress: Progress) -> None:
        """Clean the new tables."""
        job, timezone, done = self._job, self._job.rules.timezone, 0
        schema = incident_schema(self._area.crs, list(further_columns(job.columns).values()))
        first, total = self._basis.parts, sum(part.rows for part in job.parts[self._basis.parts :])
        with IncidentWriter(
            self._folder / "incidents", schema, lambda batches: kept_facts(batches, timezone)
        ) as incidents:
            for part, batch in job.run(self._area, seen=seen, first=first, versions=versions):
                self._tally.add(batch)
                rows, months = incident_rows(batch, schema, source=part.name)
                incidents.add(rows, months)
                self._places.add(rows.column("x").to_numpy(), rows.column("y").to_numpy())
                gone = rejected_rows(batch, self._refused, job.raw_columns, source=part.name)
                if gone is not None:
                    rejected.add(gone)
                done += len(batch)
                progress("Cleaning incidents", done, total)
        new: dict[Path, KeptFacts] = {path: file.facts for path, file in incidents.files.items()}
        self._files = compact_incidents({**self._files, **new}, list(new))

    def _settled(self, runs: Sequence[Run]) -> Built:
        """Write what the next build needs."""
        folder, built = self._folder, self._basis.built
        compact_rejected(folder / "rejected.parquet")
        rejected = rejected_files(folder / "rejected.parquet")
        return Built(
            tally=self._tally,
            files={str(path.relative_to(folder)): facts for path, facts in sorted(self._files.items())},
            rejected=[str(path.relative_to(folder)) for path in rejected],
            sizes={str(path.relative_to(folder)): path.stat().st_size for path in sorted([*self._files, *rejected])},
            places=self._places.facts(),
            seen=built.seen.extended(folder / STATE, runs),
            place_counts=built.place_counts.extended(folder / STATE, self._places.runs()),
        )
