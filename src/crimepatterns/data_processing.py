"""From a raw incident file to clean incidents: `ingest`, then `clean`; and `forget`, which erases a record."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow as pa
import pyarrow.parquet as pq

from crimepatterns.cleaning.boundary import area_around, area_from_polygons
from crimepatterns.cleaning.job import CleaningJob, RawPart
from crimepatterns.cleaning.output import further_columns, incident_rows, rejected_rows, rejected_schema
from crimepatterns.cleaning.schema import ColumnMap, Rules
from crimepatterns.cleaning.tally import Tally
from crimepatterns.cleaning.taxonomy import Taxonomy
from crimepatterns.config import Settings
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import CrimePatternsError, SchemaError, StudyAreaError
from crimepatterns.reports.cleaning import cleaning_page
from crimepatterns.sources.local_file import UNREADABLE, LocalFiles, read_file
from crimepatterns.sources.raw_copy import as_text_batch, copy_file, copy_table
from crimepatterns.sources.registry import open_source
from crimepatterns.store.areas import read_study_area, write_study_area
from crimepatterns.store.atomic import replacing_folder, write_json, write_text
from crimepatterns.store.csv_export import export_incidents, write_rows
from crimepatterns.store.incidents import IncidentWriter, incident_schema
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawEntry, RawStore
from crimepatterns.version import __version__

__all__ = ["clean", "forget", "ingest"]

_CSV = "preprocessed_data.csv"
_PAGE = "cleaning_report.html"
_SUMMARY = ("rows_in", "kept", "rejected", "repairs", "categories", "first", "last", "time_precision")


def ingest(settings: Settings, *, progress: Progress = silent) -> dict[str, Any]:
    """Copy raw records under ``data/raw/<city>``, without columns that look personal, and list them in a manifest.

    A file that was copied before is not copied again; a changed file makes a new copy beside the old one.

    Raises
    ------
    SourceError
        If a file cannot be read.
    ConfigError
        If a mapped column looks personal and is not named in ``source.keep_columns``.
    """
    layout = Layout(settings.root, settings.city)
    store = RawStore(layout.raw)
    copying = _ingest_synthetic if settings.source.kind == "synthetic" else _ingest_files
    entries = copying(settings, store, progress)
    store.record(entries)
    return {
        "files": len(entries),
        "rows": sum(entry.rows for entry in entries),
        "columns": sorted({name for entry in entries for name in entry.columns}),
        "dropped_personal_columns": sorted({name for entry in entries for name in entry.dropped_columns}),
        "outputs": [_relative(layout, path) for path in (*map(store.path_of, entries), store.manifest)],
    }


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
    job, own_area = _job(settings, layout, entries)
    if not job.columns.has_coordinates:
        raise _without_coordinates(settings, layout, job, entries)
    area = own_area if own_area is not None else _study_area(settings, job)
    with replacing_folder(layout.processed) as folder:
        tally = _write_cleaned(job, area, folder, progress)
        if not tally.kept:
            raise SchemaError(_nothing_kept(tally))
        write_study_area(folder / layout.study_area.name, area)
        report = _report(settings, job, entries, tally, area)
        write_json(folder / layout.cleaning_report.name, report)
        write_text(folder / _PAGE, cleaning_page(report))
        if csv:
            export_incidents(folder / layout.incidents.name, folder / _CSV)
    outputs = [layout.incidents, layout.rejected, layout.study_area, layout.cleaning_report, layout.processed / _PAGE]
    outputs += [layout.processed / _CSV] if csv else []
    return {**{name: report[name] for name in _SUMMARY}, "outputs": [_relative(layout, path) for path in outputs]}


def forget(settings: Settings, ids: Sequence[str]) -> dict[str, Any]:
    """Erase records from raw copies, cleaned incidents and rejected rows; the manifest keeps only their number.

    Rows that are equal to an erased one go with it. The publisher's own file is not touched: where it still holds
    the record, a changed version of it brings the record back at the next ingest.

    Parameters
    ----------
    settings : Settings
    ids : sequence of str
        Ids as in the incident table or in the table of rejected rows.

    Raises
    ------
    CrimePatternsError
        If cleaning fails afterwards; the cleaned data are then gone, and `clean` can make them again.
    """
    layout = Layout(settings.root, settings.city)
    store = RawStore(layout.raw)
    with_csv = (layout.processed / _CSV).exists()
    erased = 0
    # Copies of earlier ingests hold the record as well; each ingest is cleaned, and searched, on its own.
    for entries in (store.current(), *[[entry] for entry in store.entries() if not entry.current]):
        erased += _erase(settings, layout, store, entries, ids)
    if erased and layout.processed.exists():
        try:
            clean(settings, csv=with_csv)
        except CrimePatternsError:
            shutil.rmtree(layout.processed)
            raise
    return {"asked": len(set(ids)), "erased_rows": erased, "outputs": [_relative(layout, store.manifest)]}


# -- ingest -----------------------------------------------------------------------------------------------------------


def _ingest_files(settings: Settings, store: RawStore, progress: Progress) -> list[RawEntry]:
    wanted = settings.source
    source = LocalFiles(wanted.paths, wanted.format, wanted.delimiter, wanted.encoding, wanted.sheet)
    mapped = ColumnMap(**settings.columns.model_dump()).mapped
    files, entries = source.files(), []
    for i, path in enumerate(files):
        progress("Copying raw records", i, len(files))
        entry = copy_file(
            store,
            source,
            path,
            keep_columns=wanted.keep_columns,
            mapped=mapped,
            origin=wanted.origin,
            licence=wanted.licence,
        )
        entries.append(entry)
    progress("Copying raw records", len(files), len(files))
    return entries


def _ingest_synthetic(settings: Settings, store: RawStore, progress: Progress) -> list[RawEntry]:
    source = settings.source
    recipe = f"{source.city_class}|{source.incidents}|{source.years}|{source.seed}|{settings.timezone}|{__version__}"
    key = hashlib.sha256(recipe.encode()).hexdigest()
    known = store.find(key, (), {})
    if known is not None:
        return [known]
    progress("Inventing a city", 0, None)
    table = _synthetic(settings).fetch()
    origin = "Invented by crimepatterns; nothing in it is real"
    return [copy_table(store, table, key=key, name=f"synthetic-{source.city_class}", origin=origin, licence="MIT")]


def _synthetic(settings: Settings) -> Any:
    source = settings.source
    return open_source(
        "synthetic",
        city_class=source.city_class,
        incidents=source.incidents,
        years=source.years,
        seed=source.seed,
        timezone=settings.timezone,
    )


# -- clean ------------------------------------------------------------------------------------------------------------


def _job(settings: Settings, layout: Layout, entries: Sequence[RawEntry]) -> tuple[CleaningJob, StudyArea | None]:
    """Collect what cleaning needs; a synthetic city brings its own columns, labels and study area."""
    cleaning = settings.cleaning.model_dump()
    cleaning["latest"] = cleaning["latest"] or max(entry.fetched_at for entry in entries)[:10]
    columns = ColumnMap(**settings.columns.model_dump())
    taxonomy, area = Taxonomy(**settings.taxonomy.model_dump()), None
    if settings.source.kind == "synthetic":
        city = _synthetic(settings)
        columns, area = ColumnMap(**city.columns), city.area
        taxonomy = replace(taxonomy, mapping=city.taxonomy)
    store = RawStore(layout.raw)
    parts = [
        RawPart(entry.source_name, entry.columns, entry.dropped_columns, entry.rows, _reader(store, entry))
        for entry in entries
    ]
    rules = Rules(timezone=settings.timezone, **cleaning)
    return CleaningJob(parts, columns, rules, taxonomy, UNREADABLE, settings.workers), area


def _reader(store: RawStore, entry: RawEntry) -> Callable[[], Iterable[pa.RecordBatch]]:
    read = partial(read_file, store.path_of(entry), format=entry.format, **entry.reading)
    return lambda: read().batches


def _study_area(settings: Settings, job: CleaningJob) -> StudyArea:
    wanted = settings.study_area
    parts = None if wanted.neighbourhoods is None else _read_layer(wanted.neighbourhoods, "neighbourhoods")
    common: dict[str, Any] = {
        "name": settings.title,
        "timezone": settings.timezone,
        "crs": settings.crs,
        "neighbourhood_name": wanted.neighbourhood_name,
        "buffer_m": wanted.buffer_m,
    }
    if wanted.boundary is not None:
        return area_from_polygons(_read_layer(wanted.boundary, "boundary"), parts, **common)
    if wanted.derive == "none":
        raise StudyAreaError(
            "No study area: give study_area.boundary a polygon file, or set study_area.derive: concave_hull to draw "
            "it around the incidents."
        )
    longitude, latitude = job.sample_places()
    return area_around(longitude, latitude, neighbourhoods=parts, **common)


def _read_layer(path: str, setting: str) -> gpd.GeoDataFrame:
    try:
        return gpd.read_file(path)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise StudyAreaError(
            f"study_area.{setting} {path} cannot be read ({reason}): expected a polygon layer."
        ) from error


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


def _report(
    settings: Settings, job: CleaningJob, entries: Sequence[RawEntry], tally: Tally, area: StudyArea | None
) -> dict[str, Any]:
    listed = ("source_name", "origin", "licence", "sha256", "rows", "fetched_at", "columns", "dropped_columns")
    facts: dict[str, Any] = {
        "city": settings.city,
        "title": settings.title,
        "timezone": settings.timezone,
        "sources": [{name: getattr(entry, name) for name in (*listed, "erased_rows")} for entry in entries],
        "columns_used": job.columns.mapped | ({"extra": list(job.columns.extra)} if job.columns.extra else {}),
        "coordinates_crs": job.rules.coordinates_crs,
        "earliest": job.rules.earliest,
        "latest": job.rules.latest,
        "assumed_delay_days": None if job.columns.known_at else job.rules.assumed_delay_days,
        "drop_duplicates": job.rules.drop_duplicates,
    }
    if area is not None:
        facts["study_area"] = {
            "area_km2": round(area.area_km2, 2),
            "crs": area.crs,
            "neighbourhoods": len(area.neighbourhoods),
            "derived": settings.source.kind == "file" and settings.study_area.boundary is None,
        }
    return {**facts, **tally.report()}


def _nothing_kept(tally: Tally) -> str:
    listed = "; ".join(f"{reason}: {count:,}" for reason, count in list(tally.rejected.items())[:4])
    hints = {
        "row does not fit the header": "check source.delimiter",
        "time cannot be read": "set cleaning.time_format",
        "outside the study area": "check cleaning.coordinates_crs, cleaning.swap_coordinates and the boundary",
        "category is not in taxonomy.mapping": "check taxonomy.mapping",
    }
    hint = next((advice for reason, advice in hints.items() if reason in tally.rejected), "check columns")
    return f"None of {tally.rows_in:,} rows can be used ({listed}): {hint}. Earlier results are untouched."


def _without_coordinates(
    settings: Settings, layout: Layout, job: CleaningJob, entries: Sequence[RawEntry]
) -> SchemaError:
    """Write what a file without coordinates still allows, and return the message that says so."""
    lacks = f"No coordinates: {job.parts[0].name} has no mapped pair of longitude and latitude or x and y"
    advice = "Maps, forecasts and plans need columns.longitude and columns.latitude (or columns.x and columns.y)."
    if job.columns.area is None:
        return SchemaError(f"{lacks}. {advice} With columns.area, counts by area and month would still be possible.")
    tally, counts = job.count_areas()
    if not tally.kept:
        return SchemaError(_nothing_kept(tally))
    path = layout.processed / "area_counts.csv"
    write_rows(path, ("area", "month", "category", "incidents"), [(*key, counts[key]) for key in sorted(counts)])
    write_json(layout.processed / "area_counts_report.json", _report(settings, job, entries, tally, None))
    return SchemaError(
        f"{lacks}. Still possible, and written: counts of {tally.kept:,} incidents by area ({job.columns.area}), month "
        f"and category in {_relative(layout, path)}. {advice}"
    )


# -- forget -----------------------------------------------------------------------------------------------------------


def _erase(settings: Settings, layout: Layout, store: RawStore, entries: Sequence[RawEntry], ids: Sequence[str]) -> int:
    """Clean once more to learn which raw rows carry the ids, and rewrite the copies that hold any."""
    job, area = _job(settings, layout, entries)
    if area is None and job.columns.has_coordinates:
        area = read_study_area(layout.study_area) if layout.study_area.exists() else _study_area(settings, job)
    erased = 0
    for entry, part, marks in zip(entries, job.parts, job.rows_named(ids, area), strict=True):
        gone = sum(int(mark.sum()) for mark in marks)
        if gone:
            staying = (batch.filter(pa.array(~mark)) for batch, mark in zip(part.read(), marks, strict=True))
            if entry.format == "excel":
                staying = (as_text_batch(batch) for batch in staying)
            store.erase(entry, staying, rows=gone)
            erased += gone
    return erased


def _relative(layout: Layout, path: Path) -> str:
    return str(path.relative_to(layout.root))
