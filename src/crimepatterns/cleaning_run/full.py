"""Clean all raw copies of a city."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from crimepatterns.cleaning.job import CleaningJob
from crimepatterns.cleaning.output import further_columns, incident_rows, rejected_rows, rejected_schema
from crimepatterns.cleaning.tally import Tally
from crimepatterns.cleaning_run.account import cleaning_facts, nothing_kept, relative, without_coordinates
from crimepatterns.cleaning_run.opening import find_study_area, open_job
from crimepatterns.config import Settings
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import SchemaError
from crimepatterns.reports.cleaning import cleaning_page
from crimepatterns.store.areas import write_study_area
from crimepatterns.store.atomic import replacing_folder, write_json, write_text
from crimepatterns.store.csv_export import export_incidents
from crimepatterns.store.incidents import IncidentWriter, incident_schema
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawStore

__all__ = ["EXPORT", "clean"]

EXPORT = "preprocessed_data.csv"
"""File name of the export to CSV."""

_PAGE = "cleaning_report.html"
_SUMMARY = ("rows_in", "kept", "rejected", "repairs", "categories", "first", "last", "time_precision", "unmapped_rows")
_SUMMARY += ("unmapped",)


def clean(settings: Settings, *, csv: bool = False, progress: Progress = silent) -> dict[str, Any]:
    """Check every raw row, keep the good ones as GeoParquet, and account for each rejected one.

    Parameters
    ----------
    settings : Settings
    csv : bool
        Also write ``preprocessed_data.csv``.
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
    with replacing_folder(layout.processed) as folder:
        tally = _write_cleaned(job, area, folder, progress)
        if not tally.kept:
            raise SchemaError(nothing_kept(tally))
        write_study_area(folder / layout.study_area.name, area)
        report = cleaning_facts(settings, job, entries, tally, area)
        write_json(folder / layout.cleaning_report.name, report)
        write_text(folder / _PAGE, cleaning_page(report))
        if csv:
            export_incidents(folder / layout.incidents.name, folder / EXPORT)
    outputs = [layout.incidents, layout.rejected, layout.study_area, layout.cleaning_report, layout.processed / _PAGE]
    outputs += [layout.processed / EXPORT] if csv else []
    return {**{name: report[name] for name in _SUMMARY}, "outputs": [relative(layout, path) for path in outputs]}


def _write_cleaned(job: CleaningJob, area: StudyArea, folder: Path, progress: Progress) -> Tally:
    tally = Tally(job.taxonomy)
    schema = incident_schema(area.crs, list(further_columns(job.columns).values()))
    refused = rejected_schema(job.raw_columns)
    with (
        IncidentWriter(folder / "incidents", schema) as incidents,
        pq.ParquetWriter(folder / "rejected.parquet", refused, compression="zstd") as rejected,
    ):
        for part, batch in job.run(area):
            tally.add(batch)
            incidents.add(*incident_rows(batch, schema, source=part.name))
            gone = rejected_rows(batch, refused, job.raw_columns, source=part.name)
            if gone is not None:
                rejected.write_batch(gone)
            progress("Cleaning incidents", tally.rows_in, job.rows)
    return tally
