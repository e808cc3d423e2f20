"""Clean the raw copies of a city: all of them, or only the new ones where the earlier result can be built upon."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from crimepatterns.cleaning.job import CleaningJob
from crimepatterns.cleaning_run.account import cleaning_facts, nothing_kept, relative, without_coordinates
from crimepatterns.cleaning_run.basis import Basis, NoBasis, find_basis, record_of, rules_digest
from crimepatterns.cleaning_run.build import build
from crimepatterns.cleaning_run.opening import area_is_drawn, find_study_area, open_job
from crimepatterns.config import Settings, open_executor
from crimepatterns.domain.protocols import Executor, Progress, silent
from crimepatterns.errors import SchemaError
from crimepatterns.reports.cleaning import cleaning_page
from crimepatterns.store.areas import write_study_area
from crimepatterns.store.atomic import write_json, write_text
from crimepatterns.store.csv_export import export_incidents
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawEntry, RawStore
from crimepatterns.store.snapshots import Snapshots, write_manifest

__all__ = ["EXPORT", "clean"]

EXPORT = "preprocessed_data.csv"
"""File name of the export to CSV."""

_PAGE = "cleaning_report.html"
_SUMMARY = (
    *("rows_in", "kept", "rejected", "repairs", "categories", "first", "last", "time_precision"),
    *("unmapped_rows", "unmapped"),
)


def clean(
    settings: Settings, *, csv: bool = False, rebuild: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Check every raw row, keep the good ones as GeoParquet, and account for each rejected one.

    Where raw copies were only added since the last time, and settings and study area are the same, only the new ones
    are cleaned; the result is the same.

    Parameters
    ----------
    settings : Settings
    csv : bool
        Also write ``preprocessed_data.csv``.
    rebuild : bool
        Clean everything anew.
    progress : Progress

    Raises
    ------
    SchemaError
        If a mapped column is missing, there are no coordinates, or no row is good.
    StudyAreaError
        If there is no usable boundary.
    """
    layout = Layout(settings.root, settings.city)
    entries = RawStore(layout.raw).current()
    job, own_area = open_job(settings, layout, entries)
    if not job.columns.has_coordinates:
        raise without_coordinates(settings, layout, job, entries)
    area = own_area if own_area is not None else find_study_area(settings, job)
    digest = rules_digest(job, area, latest=settings.cleaning.latest)
    snapshots = Snapshots(layout.processed)
    with snapshots.writing() as folder:
        basis = _basis(snapshots.current, settings, job, entries, digest, rebuild=rebuild)
        ground = Basis.none(job) if isinstance(basis, NoBasis) else basis
        with _spreading(settings, len(job.parts) - ground.parts) as executor:
            built = build(job, area, folder, basis=ground, progress=progress, executor=executor)
        account = built.tally.report(built.kept, built.places)
        if not account["kept"]:
            raise SchemaError(nothing_kept(account))
        report = cleaning_facts(settings, job, entries, account, area)
        write_study_area(folder / layout.study_area.name, area)
        write_json(folder / layout.cleaning_report.name, report)
        write_text(folder / _PAGE, cleaning_page(report))
        write_manifest(folder, {"cleaning": record_of(built, job, entries, digest)})
        if csv:
            export_incidents(folder / layout.incidents.name, folder / EXPORT)
    outputs = [layout.incidents, layout.rejected, layout.study_area, layout.cleaning_report, layout.processed / _PAGE]
    outputs += [layout.processed / EXPORT] if csv else []
    return {
        **{name: report[name] for name in _SUMMARY},
        "cleaned_anew": basis.reason if isinstance(basis, NoBasis) else "",
        "outputs": [relative(layout, path) for path in outputs],
    }


def _spreading(settings: Settings, tables: int) -> AbstractContextManager[Executor | None]:
    """Open an executor where settings name one; threads of this process do for all else."""
    wanted = settings.execution
    if tables > 1 and (wanted.kind in {"joblib", "dask"} or wanted.scheduler is not None):
        return open_executor(wanted, workers=settings.workers)
    return nullcontext()


def _basis(
    version: Path | None,
    settings: Settings,
    job: CleaningJob,
    entries: Sequence[RawEntry],
    digest: str,
    *,
    rebuild: bool,
) -> Basis | NoBasis:
    if rebuild:
        return NoBasis("it was asked for")
    if area_is_drawn(settings):
        return NoBasis("the study area is drawn around the incidents")
    return find_basis(version, job, entries, digest)
