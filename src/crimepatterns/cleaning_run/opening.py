"""What cleaning starts from: the raw copies of a city as tables, its rules, and its study area."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa

from crimepatterns.cleaning.boundary import area_around, area_from_polygons
from crimepatterns.cleaning.job import CleaningJob, RawPart
from crimepatterns.cleaning.schema import ColumnMap, Rules
from crimepatterns.config import Settings
from crimepatterns.config.taxonomy_tables import open_taxonomy
from crimepatterns.domain.area import StudyArea
from crimepatterns.errors import StudyAreaError
from crimepatterns.sources.local_file import UNREADABLE, read_file
from crimepatterns.sources.registry import open_source
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawEntry, RawStore, read_column, read_rows

__all__ = ["area_is_drawn", "boundary_box", "find_study_area", "open_job", "synthetic_city"]


def open_job(settings: Settings, layout: Layout, entries: Sequence[RawEntry]) -> tuple[CleaningJob, StudyArea | None]:
    """Collect what cleaning needs; a synthetic city brings its own columns, labels and study area."""
    cleaning = settings.cleaning.model_dump()
    cleaning["latest"] = cleaning["latest"] or max(entry.fetched_at for entry in entries)[:10]
    columns = ColumnMap(**settings.columns.model_dump())
    taxonomy, area = open_taxonomy(settings.taxonomy), None
    if settings.source.kind == "synthetic":
        city = synthetic_city(settings)
        columns, area = ColumnMap(**city.columns), city.area
        taxonomy = replace(taxonomy, mapping=city.taxonomy)
    store = RawStore(layout.raw)
    # Nothing can have happened after it was fetched; that holds for each raw copy by itself.
    own_latest = settings.cleaning.latest is None
    parts = [_part(store, entry, latest=entry.fetched_at[:10] if own_latest else None) for entry in entries]
    rules = Rules(timezone=settings.timezone, **cleaning)
    return CleaningJob(parts, columns, rules, taxonomy, UNREADABLE, settings.workers), area


def area_is_drawn(settings: Settings) -> bool:
    """Tell whether the study area is drawn around the incidents, so that more of them change it."""
    return settings.source.kind != "synthetic" and settings.study_area.boundary is None


def find_study_area(settings: Settings, job: CleaningJob) -> StudyArea:
    """Read the study area from the polygons of the settings, or draw it around the incidents.

    Raises
    ------
    StudyAreaError
        If there is no usable boundary.
    """
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


def boundary_box(settings: Settings) -> tuple[float, float, float, float]:
    """Return west, south, east and north of the boundary file, degrees, rounded outwards to about a kilometre.

    Raises
    ------
    StudyAreaError
        If the settings name no boundary file, or it cannot be read or has no reference system.
    """
    path = settings.study_area.boundary
    layer = _read_layer(path, "boundary") if path is not None else None
    if layer is None or layer.crs is None or layer.empty:
        raise StudyAreaError("study_area.boundary must name a polygon layer with a reference system.")
    west, south, east, north = layer.to_crs("EPSG:4326").total_bounds
    down, up = np.floor(np.array([west, south]) * 100) / 100, np.ceil(np.array([east, north]) * 100) / 100
    return float(down[0]), float(down[1]), float(up[0]), float(up[1])


def _read_layer(path: str, setting: str) -> gpd.GeoDataFrame:
    try:
        return gpd.read_file(path)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise StudyAreaError(
            f"study_area.{setting} {path} cannot be read ({reason}): expected a polygon layer."
        ) from error


def synthetic_city(settings: Settings) -> Any:
    """Open the synthetic city of the settings."""
    source = settings.source
    return open_source(
        "synthetic",
        city_class=source.city_class,
        incidents=source.incidents,
        years=source.years,
        seed=source.seed,
        timezone=settings.timezone,
    )


def _part(store: RawStore, entry: RawEntry, *, latest: str | None) -> RawPart:
    path, packed = store.path_of(entry), entry.format == "parquet"
    return RawPart(
        entry.source_name,
        entry.columns,
        entry.dropped_columns,
        entry.rows,
        partial(_batches, path, entry.format, dict(entry.reading)),
        replaces=entry.replaces,
        withdraws=entry.withdraws,
        column=partial(read_column, path) if packed else None,
        pick=partial(read_rows, path) if packed else None,
        latest=latest,
    )


def _batches(path: Path, kind: str, reading: Mapping[str, Any]) -> Iterable[pa.RecordBatch]:
    return read_file(path, format=kind, **reading).batches
