"""From a raw incident file to clean incidents: `ingest`, then `clean`; and `forget`, which erases a record."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crimepatterns.cleaning.boundary import area_around, area_from_polygons
from crimepatterns.cleaning.engine import Cleaner
from crimepatterns.cleaning.output import area_counts, further_columns, incident_rows, rejected_rows, rejected_schema
from crimepatterns.cleaning.places import AreaMask, Projector
from crimepatterns.cleaning.schema import ColumnMap, Reason, Rules, check_columns
from crimepatterns.cleaning.tally import Tally
from crimepatterns.cleaning.taxonomy import Taxonomy
from crimepatterns.config import Settings
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import CrimePatternsError, SchemaError, SourceError, StudyAreaError
from crimepatterns.reports.cleaning import cleaning_page
from crimepatterns.sources.local_file import UNREADABLE, LocalFiles, read_file
from crimepatterns.sources.raw_copy import copy_file, copy_table
from crimepatterns.sources.registry import open_source
from crimepatterns.store.areas import read_study_area, write_study_area
from crimepatterns.store.atomic import replacing_folder, write_json, write_text
from crimepatterns.store.csv_export import export_incidents, write_rows
from crimepatterns.store.incidents import IncidentWriter, incident_schema
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawEntry, RawStore
from crimepatterns.version import __version__

__all__ = ["clean", "forget", "ingest"]

_HULL_SAMPLE = 200_000


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
    if settings.source.kind == "synthetic":
        entries = _ingest_synthetic(settings, store)
    else:
        entries = _ingest_files(settings, store, progress)
    store.record(entries)
    return {
        "files": len(entries),
        "rows": sum(entry.rows for entry in entries),
        "columns": sorted({name for entry in entries for name in entry.columns}),
        "dropped_personal_columns": sorted({name for entry in entries for name in entry.dropped_columns}),
        "outputs": [_relative(layout, store.path_of(entry)) for entry in entries] + [_relative(layout, store.manifest)],
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
    job = _prepare(settings, layout)
    if not job.columns.has_coordinates:
        raise _without_coordinates(settings, layout, job)
    area = _study_area(settings, job)
    projector = Projector(job.rules.coordinates_crs, area.crs)
    cleaner = job.cleaner(projector, AreaMask(area.polygon))
    tally = Tally(job.taxonomy)
    with replacing_folder(layout.processed) as folder:
        _write_cleaned(job, cleaner, tally, area, folder, progress=progress, workers=settings.workers)
        if not tally.kept:
            raise SchemaError(_nothing_kept(tally))
        write_study_area(folder / layout.study_area.name, area)
        report = _report(settings, job, tally, area)
        write_json(folder / layout.cleaning_report.name, report)
        write_text(folder / "cleaning_report.html", cleaning_page(report))
        if csv:
            export_incidents(folder / layout.incidents.name, folder / "preprocessed_data.csv")
    names = [layout.incidents, layout.rejected, layout.study_area, layout.cleaning_report]
    names += [layout.processed / "cleaning_report.html"] + ([layout.processed / "preprocessed_data.csv"] if csv else [])
    facts = ("rows_in", "kept", "rejected", "repairs", "categories", "first", "last", "time_precision")
    return {**{name: report[name] for name in facts}, "outputs": [_relative(layout, path) for path in names]}


def forget(settings: Settings, ids: Sequence[str]) -> dict[str, Any]:
    """Erase records from raw copies, cleaned incidents and rejected rows; the manifest keeps only their number.

    The publisher's own file is not touched: where it still holds the record, a changed version of it brings the
    record back at the next ingest.

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
    store, wanted = RawStore(layout.raw), pa.array(sorted(set(ids)), pa.string())
    with_csv = (layout.processed / "preprocessed_data.csv").exists()
    erased = _erase_from_raw(settings, layout, store, wanted)
    if erased and layout.processed.exists():
        try:
            clean(settings, csv=with_csv)
        except CrimePatternsError:
            shutil.rmtree(layout.processed)
            raise
    return {"asked": len(wanted), "erased_rows": erased, "outputs": [_relative(layout, store.manifest)]}


# -- ingest -----------------------------------------------------------------------------------------------------------


def _local_files(settings: Settings) -> LocalFiles:
    source = settings.source
    return LocalFiles(source.paths, source.format, source.delimiter, source.encoding, source.sheet)


def _ingest_files(settings: Settings, store: RawStore, progress: Progress) -> list[RawEntry]:
    source, columns = _local_files(settings), ColumnMap(**settings.columns.model_dump())
    files, entries = source.files(), []
    for i, path in enumerate(files):
        progress("Copying raw records", i, len(files))
        entry = copy_file(
            store,
            source,
            path,
            keep_columns=settings.source.keep_columns,
            mapped=columns.mapped,
            origin=settings.source.origin,
            licence=settings.source.licence,
        )
        entries.append(entry)
    progress("Copying raw records", len(files), len(files))
    return entries


def _ingest_synthetic(settings: Settings, store: RawStore) -> list[RawEntry]:
    source = settings.source
    recipe = f"{source.city_class}|{source.incidents}|{source.years}|{source.seed}|{settings.timezone}|{__version__}"
    key = hashlib.sha256(recipe.encode()).hexdigest()
    known = store.find(key, (), {})
    if known is not None:
        return [known]
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


@dataclass(frozen=True, eq=False)
class _Job:
    """What one cleaning works on."""

    store: RawStore
    entries: list[RawEntry]
    columns: ColumnMap
    rules: Rules
    taxonomy: Taxonomy
    own_area: StudyArea | None

    def cleaner(self, projector: Projector | None, mask: AreaMask | None) -> Cleaner:
        return Cleaner(self.columns, self.rules, self.taxonomy, projector=projector, mask=mask, unreadable=UNREADABLE)

    def batches(self, entry: RawEntry) -> Iterator[pa.RecordBatch]:
        path = self.store.path_of(entry)
        return iter(
            read_file(path, format=entry.format, **(entry.reading if entry.format != "parquet" else {})).batches
        )


def _prepare(settings: Settings, layout: Layout) -> _Job:
    store = RawStore(layout.raw)
    entries = store.current()
    cleaning = settings.cleaning.model_dump()
    cleaning["latest"] = cleaning["latest"] or max(entry.fetched_at for entry in entries)[:10]
    rules = Rules(timezone=settings.timezone, **cleaning)
    columns = ColumnMap(**settings.columns.model_dump())
    taxonomy = Taxonomy(**settings.taxonomy.model_dump())
    area = None
    if settings.source.kind == "synthetic":
        city = _synthetic(settings)
        columns, taxonomy, area = ColumnMap(**city.columns), Taxonomy(**city.taxonomy), city.area
    for entry in entries:
        check_columns(columns, entry.columns, source=entry.source_name, dropped=entry.dropped_columns)
    if not sum(entry.rows for entry in entries):
        raise SourceError(f"{entries[0].source_name} has a header but no rows: expected at least one incident.")
    return _Job(store, entries, columns, rules, taxonomy, area)


def _study_area(settings: Settings, job: _Job) -> StudyArea:
    if job.own_area is not None:
        return job.own_area
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
    longitude, latitude = _sample_places(job)
    return area_around(longitude, latitude, neighbourhoods=parts, **common)


def _sample_places(job: _Job) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read the places of all rows, or of every k-th where there are very many."""
    every = max(1, sum(entry.rows for entry in job.entries) // _HULL_SAMPLE)
    cleaner = job.cleaner(Projector(job.rules.coordinates_crs, "EPSG:4326"), None)
    parts = []
    for entry in job.entries:
        for batch in cleaner.run(job.batches(entry)):
            if batch.places is not None:
                good = np.flatnonzero(batch.places.reason == Reason.KEPT)[::every]
                parts.append(np.column_stack([batch.places.x[good], batch.places.y[good]]))
    places = np.concatenate(parts) if parts else np.empty((0, 2))
    return places[:, 0], places[:, 1]


def _read_layer(path: str, setting: str) -> gpd.GeoDataFrame:
    try:
        return gpd.read_file(path)
    except Exception as error:
        raise StudyAreaError(
            f"study_area.{setting} {path} cannot be read ({' '.join(str(error).split())[:200]}): expected a polygon layer."
        ) from error


def _write_cleaned(
    job: _Job, cleaner: Cleaner, tally: Tally, area: StudyArea, folder: Path, *, progress: Progress, workers: int
) -> None:
    total = sum(entry.rows for entry in job.entries)
    schema = incident_schema(area.crs, list(further_columns(job.columns).values()))
    columns = list(dict.fromkeys(name for entry in job.entries for name in (*entry.columns, UNREADABLE)))
    refused = rejected_schema(columns)
    with (
        IncidentWriter(folder / "incidents", schema) as incidents,
        pq.ParquetWriter(folder / "rejected.parquet", refused, compression="zstd") as rejected,
    ):
        for entry in job.entries:
            for batch in cleaner.run(job.batches(entry), workers=workers):
                tally.add(batch)
                incidents.add(*incident_rows(batch, schema, source=entry.source_name))
                gone = rejected_rows(batch, refused, columns, source=entry.source_name)
                if gone is not None:
                    rejected.write_batch(gone)
                progress("Cleaning incidents", tally.rows_in, total)


def _report(settings: Settings, job: _Job, tally: Tally, area: StudyArea | None) -> dict[str, Any]:
    sources = [
        {
            "name": entry.source_name,
            "origin": entry.origin,
            "licence": entry.licence,
            "sha256": entry.sha256,
            "rows": entry.rows,
            "fetched_at": entry.fetched_at,
            "columns": list(entry.columns),
            "dropped_columns": list(entry.dropped_columns),
            "erased_rows": entry.erased_rows,
        }
        for entry in job.entries
    ]
    place = (
        {}
        if area is None
        else {
            "study_area": {
                "area_km2": round(area.area_km2, 2),
                "crs": area.crs,
                "neighbourhoods": len(area.neighbourhoods),
                "derived": settings.source.kind == "file" and settings.study_area.boundary is None,
            }
        }
    )
    return {
        "city": settings.city,
        "title": settings.title,
        "timezone": settings.timezone,
        "sources": sources,
        "columns_used": job.columns.mapped | ({"extra": list(job.columns.extra)} if job.columns.extra else {}),
        "coordinates_crs": job.rules.coordinates_crs,
        "latest": job.rules.latest,
        "earliest": job.rules.earliest,
        "assumed_delay_days": None if job.columns.known_at else job.rules.assumed_delay_days,
        "drop_duplicates": job.rules.drop_duplicates,
        **tally.report(),
        **place,
    }


def _nothing_kept(tally: Tally) -> str:
    listed = "; ".join(f"{reason}: {count:,}" for reason, count in list(tally.rejected.items())[:4])
    hints = {
        "time cannot be read": "set cleaning.time_format",
        "outside the study area": "check cleaning.coordinates_crs, cleaning.swap_coordinates and the boundary",
        "category is not in taxonomy.mapping": "check taxonomy.mapping",
    }
    hint = next(
        (advice for reason, advice in hints.items() if reason in tally.rejected), "check columns in the city file"
    )
    return f"None of {tally.rows_in:,} rows can be used ({listed}): {hint}. Earlier results are untouched."


def _without_coordinates(settings: Settings, layout: Layout, job: _Job) -> SchemaError:
    """Write what a file without coordinates still allows, and return the message that says so."""
    lacks = f"No coordinates: {job.entries[0].source_name} has no mapped pair of longitude and latitude or x and y"
    advice = "Maps, forecasts and plans need columns.longitude and columns.latitude (or columns.x and columns.y)."
    if job.columns.area is None:
        return SchemaError(f"{lacks}. {advice} With columns.area, counts by area and month would still be possible.")
    tally, counts = Tally(job.taxonomy), Counter[tuple[str, str, str]]()
    cleaner = job.cleaner(None, None)
    for entry in job.entries:
        for batch in cleaner.run(job.batches(entry), workers=settings.workers):
            tally.add(batch)
            counts.update(area_counts(batch))
    if not tally.kept:
        return SchemaError(_nothing_kept(tally))
    path = layout.processed / "area_counts.csv"
    write_rows(path, ("area", "month", "category", "incidents"), [(*key, counts[key]) for key in sorted(counts)])
    report = _report(settings, job, tally, None)
    write_json(layout.processed / "area_counts_report.json", report)
    return SchemaError(
        f"{lacks}. Still possible, and written: counts of {tally.kept:,} incidents by area ({job.columns.area}), month "
        f"and category in {_relative(layout, path)}. {advice}"
    )


# -- forget -----------------------------------------------------------------------------------------------------------


def _erase_from_raw(settings: Settings, layout: Layout, store: RawStore, wanted: pa.Array) -> int:
    """Clean the current copies once more to learn which rows carry the ids, and rewrite those that do."""
    job = _prepare(settings, layout)
    projector, mask = None, None
    if job.columns.has_coordinates:
        area = read_study_area(layout.study_area) if layout.study_area.exists() else _study_area(settings, job)
        projector, mask = Projector(job.rules.coordinates_crs, area.crs), AreaMask(area.polygon)
    cleaner = job.cleaner(projector, mask)
    erased = 0
    for entry in job.entries:
        rows: list[NDArray[np.bool_]] = []
        for batch in cleaner.run(job.batches(entry), workers=settings.workers):
            rows.append(np.asarray(pc.is_in(batch.ids, wanted)))
        gone = int(sum(part.sum() for part in rows))
        if gone:
            staying = (batch.filter(pa.array(~part)) for batch, part in zip(job.batches(entry), rows, strict=True))
            store.erase(entry, staying, rows=gone)
            erased += gone
    return erased


def _relative(layout: Layout, path: Path) -> str:
    return str(path.relative_to(layout.root))
