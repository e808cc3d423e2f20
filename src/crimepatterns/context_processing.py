"""Stage: bring in context: places, lines, areas and tables beside the incidents, each with its knowledge date."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from crimepatterns.cleaning.context_rows import CheckedRows, ContextRules, check_rows, newest_versions
from crimepatterns.cleaning.context_shapes import PlaceIndex, key_of, keys_of
from crimepatterns.config import ContextSettings, Settings
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.context import CONTEXT_COLUMNS, ContextLayer
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import SchemaError, SourceError
from crimepatterns.features.audit import refuse_audit_copies
from crimepatterns.sources.context_file import copy_context_file, copy_context_frame, read_context
from crimepatterns.sources.local_file import UNREADABLE, find_files
from crimepatterns.store.areas import read_study_area
from crimepatterns.store.atomic import replacing_folder, write_json
from crimepatterns.store.audit_tables import write_audit_table
from crimepatterns.store.context_layers import write_context_layer
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawEntry, RawStore

__all__ = ["build_context"]

_EMBEDDED = "embedded:"
_RULES = {
    *("known_from", "valid_from", "valid_until", "time_format"),
    *("columns", "only", "key", "x", "y", "wkt", "crs"),
}
_TOLD = ("role", "rows_in", "kept", "rejected", "known", "columns")
_LISTED = ("source_name", "origin", "licence", "sha256", "rows", "fetched_at", "columns", "dropped_columns")


def build_context(settings: Settings, *, progress: Progress = silent) -> dict[str, Any]:
    """Copy context files under ``data/raw/<city>/context`` and turn them into layers, every row accounted for.

    Copies are immutable and listed in a manifest per layer, like incidents. Rows that are not used are counted and kept
    with their reason. The layers are replaced all together when the last one is done.

    Parameters
    ----------
    settings : Settings
    progress : Progress

    Returns
    -------
    dict
        ``layers`` (rows, reasons and knowledge dates of each), ``outputs`` and a ``sentence``.

    Raises
    ------
    MissingInputError
        If cleaning has not run.
    SourceError
        If a file cannot be read.
    SchemaError
        If a named column is missing, no row can be used, or nothing lies near the study area.
    AuditColumnError
        If a layer for features holds what may only audit a map.
    """
    layout = Layout(settings.root, settings.city)
    if not settings.context:
        return _nothing(layout)
    area = read_study_area(layout.study_area)
    made: dict[str, _Made] = {}
    with replacing_folder(layout.context) as folder:
        for step, layer in enumerate(settings.context):
            progress(f"Bringing in {layer.name}", step, len(settings.context))
            made[layer.name] = _make(settings, layout, layer, area)
            _write(folder, made[layer.name], area)
        _refuse_copies(made)
        report = {name: one.report for name, one in made.items()}
        write_json(folder / "report.json", report)
        files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    progress("Bringing in context", len(settings.context), len(settings.context))
    home = layout.context.relative_to(layout.root)
    return {
        "layers": {name: {key: one[key] for key in _TOLD} for name, one in report.items()},
        "sentence": _sentence(report),
        "outputs": [str(home / file) for file in files],
    }


@dataclass(frozen=True, eq=False)
class _Made:
    """One layer with the account of its rows."""

    layer: ContextSettings
    rows: gpd.GeoDataFrame
    geometry: Literal["point", "line", "polygon"]
    rejected: pa.Table
    report: dict[str, Any]


def _nothing(layout: Layout) -> dict[str, Any]:
    """Leave an empty folder, so that layers of former settings are not used."""
    with replacing_folder(layout.context) as folder:
        write_json(folder / "report.json", {})
    report = layout.context.relative_to(layout.root) / "report.json"
    return {"layers": {}, "sentence": "No context layers.", "outputs": [str(report)]}


# -- raw copies -------------------------------------------------------------------------------------------------------


def _copies(settings: Settings, layout: Layout, layer: ContextSettings) -> list[tuple[RawStore, RawEntry]]:
    store = RawStore(layout.raw_context / layer.name)
    entries = [_copy_embedded(settings, store, layer, path) for path in layer.paths if path.startswith(_EMBEDDED)]
    files = _files(layer, [path for path in layer.paths if not path.startswith(_EMBEDDED)])
    entries += [_copy(store, layer, path, _needed(layer)) for path in files]
    store.record(entries)
    return [(store, entry) for entry in entries]


def _copy(store: RawStore, layer: ContextSettings, path: Path, needed: Mapping[str, str]) -> RawEntry:
    return copy_context_file(
        store,
        path,
        needed=needed,
        for_features=layer.role == "feature",
        keep_columns=layer.keep_columns,
        origin=layer.origin,
        licence=layer.licence,
        format=layer.format,
        delimiter=layer.delimiter,
        encoding=layer.encoding,
        sheet=layer.sheet,
    )


def _copy_embedded(settings: Settings, store: RawStore, layer: ContextSettings, path: str) -> RawEntry:
    from crimepatterns.sources.synthetic import SyntheticCity
    from crimepatterns.sources.synthetic_context import context_key, embedded_layer

    source = settings.source
    if source.kind != "synthetic":
        raise SourceError(f"context {layer.name}: {path} belongs to the embedded city, source.kind is {source.kind}.")
    city = SyntheticCity(
        city_class=source.city_class,
        incidents=source.incidents,
        years=source.years,
        seed=source.seed,
        timezone=settings.timezone,
    )
    name = path.removeprefix(_EMBEDDED)
    frame = embedded_layer(city, name)
    origin = "Invented by crimepatterns; nothing in it is real"
    return copy_context_frame(store, frame, key=context_key(city, name), name=name, origin=origin, licence="MIT")


def _files(layer: ContextSettings, paths: Sequence[str]) -> list[Path]:
    try:
        return find_files(paths)
    except SourceError as error:
        raise SourceError(str(error).replace("source.paths", f"the paths of context {layer.name}")) from error


def _needed(layer: ContextSettings) -> dict[str, str]:
    """Map setting to column, for every column that the layer names."""
    named = {
        "known_from": layer.known_from if layer.known_by == "column" else None,
        **{setting: getattr(layer, setting) for setting in ("valid_from", "valid_until", "key", "x", "y", "wkt")},
        **{f"columns[{i}]": name for i, name in enumerate(layer.columns)},
        **{f"only.{name}": name for name in layer.only},
    }
    return {f"context {layer.name}: {setting}": name for setting, name in named.items() if name is not None}


# -- layers -----------------------------------------------------------------------------------------------------------


def _make(settings: Settings, layout: Layout, layer: ContextSettings, area: StudyArea) -> _Made:
    copies = _copies(settings, layout, layer)
    places, place_entry = _places(layout, layer, area)
    rules = ContextRules(
        name=layer.name,
        kind=layer.kind,
        known_by=layer.known_by,
        timezone=settings.timezone,
        misfit=UNREADABLE,
        **layer.model_dump(include=_RULES),
    )
    checked = []
    for store, entry in copies:
        read = read_context(store.path_of(entry), format=entry.format, **entry.reading)
        checked.append(check_rows(read.table, read.geometry, read.crs, rules, area=area, places=places))
    rows, replaced = newest_versions(pd.concat([one.kept for one in checked], ignore_index=True))
    entries = [entry for _, entry in copies] + ([place_entry] if place_entry is not None else [])
    report = _report(layer, checked, entries, rows, replaced, timezone=settings.timezone)
    if rows.empty:
        listed = "; ".join(f"{reason}: {count:,}" for reason, count in list(report["rejected"].items())[:4])
        raise SchemaError(f"Context {layer.name}: none of {report['rows_in']:,} rows can be used ({listed}).")
    geometry = layer.kind if layer.kind != "table" else cast("PlaceIndex", places).kind
    names = [entry.source_name for _, entry in copies]
    return _Made(layer, rows, cast("Any", geometry), _all_rejected(checked, names), report)


def _places(layout: Layout, layer: ContextSettings, area: StudyArea) -> tuple[PlaceIndex | None, RawEntry | None]:
    """Return what the key of a table refers to: a file of places, or the neighbourhoods of the study area."""
    if layer.kind != "table":
        return None, None
    if layer.places is None or layer.places_key is None:
        if area.neighbourhoods.empty:
            raise SchemaError(
                f"Context {layer.name}: the study area has no neighbourhoods that key could name: set places and "
                "places_key."
            )
        named = pd.Series([key_of(name) for name in area.neighbourhoods["name"]])
        return _index(named, area.neighbourhoods.geometry), None
    store = RawStore(layout.raw_context / layer.name / "places")
    file = _files(layer, [layer.places])[0]
    plain = layer.model_copy(update={"format": None, "delimiter": None, "encoding": None, "sheet": None})
    entry = _copy(store, plain, file, {f"context {layer.name}: places_key": layer.places_key})
    store.record([entry])
    read = read_context(store.path_of(entry), format=entry.format, **entry.reading)
    if read.geometry is None:
        raise SchemaError(f"Context {layer.name}: {file.name} holds no geometry: places needs a map layer.")
    shapes = gpd.GeoSeries(read.geometry, crs=read.crs or layer.crs).to_crs(area.crs)
    keys = pd.Series(keys_of(read.table.column(layer.places_key).combine_chunks()))
    there = (keys != "") & shapes.notna() & ~shapes.is_empty
    return _index(keys[there], shapes[there]), entry


def _index(keys: pd.Series, shapes: gpd.GeoSeries) -> PlaceIndex:
    """Unite the parts of places that have the same key."""
    valid = gpd.GeoSeries(shapely.make_valid(shapes.to_numpy()), crs=shapes.crs)
    united = gpd.GeoDataFrame({"key": keys.to_numpy()}, geometry=valid).dissolve("key")
    return PlaceIndex(united.index.to_numpy(dtype=object), united.geometry.to_numpy())


def _write(folder: Path, made: _Made, area: StudyArea) -> None:
    layer, rows = made.layer, made.rows
    facts = {**made.report, "settings": layer.model_dump(mode="json", exclude={"paths", "places"})}
    values = [*CONTEXT_COLUMNS[:2], *layer.columns, "geometry"]
    if layer.role == "audit":
        inner = shapely.get_coordinates(shapely.point_on_surface(rows.geometry.to_numpy()))
        named = rows.assign(neighbourhood=area.neighbourhood_of(inner[:, 0], inner[:, 1]))
        write_audit_table(folder / "audit" / f"{layer.name}.parquet", named[["neighbourhood", "key", *values]], facts)
    else:
        # Each row of a register has a date of its own; before the first one there were none.
        register = layer.known_by == "column" or (layer.known_by == "always" and layer.valid_from is not None)
        source = made.report["sources"][0]
        origin = f"{source['origin']} ({source['licence']})" if source["licence"] else source["origin"]
        table = ContextLayer(layer.name, made.geometry, rows[values], register, origin)
        write_context_layer(folder / "layers" / f"{layer.name}.parquet", table, facts)
    if made.rejected.num_rows:
        (folder / "rejected").mkdir(exist_ok=True)
        pq.write_table(made.rejected, folder / "rejected" / f"{layer.name}.parquet", compression="zstd")


def _refuse_copies(made: Mapping[str, _Made]) -> None:
    """Refuse values that one layer audits and another one brings under another name."""
    tables = {
        name: one.rows.set_index("key")[list(one.layer.columns)]
        for name, one in made.items()
        if one.layer.key is not None and one.layer.columns
    }
    for name, feature in tables.items():
        if made[name].layer.role == "feature":
            for other, audit in tables.items():
                if made[other].layer.role == "audit":
                    refuse_audit_copies(feature, audit, layer=name)


# -- the account ------------------------------------------------------------------------------------------------------


def _report(
    layer: ContextSettings,
    checked: Sequence[CheckedRows],
    entries: Sequence[RawEntry],
    rows: gpd.GeoDataFrame,
    replaced: int,
    *,
    timezone: str,
) -> dict[str, Any]:
    reasons: dict[str, int] = {}
    repairs: dict[str, int] = {}
    for one in checked:
        for total, found in ((reasons, one.reasons), (repairs, one.repairs), (repairs, _unread(one))):
            for name, count in found.items():
                total[name] = total.get(name, 0) + count
    if replaced:
        reasons["replaced by a later row of the same key and date"] = replaced
    starts = rows["starts_at"].dt.tz_convert(timezone)
    return {
        "role": layer.role,
        "kind": layer.kind,
        "how": list(layer.how),
        "columns": list(layer.columns),
        "rows_in": sum(one.rows_in for one in checked),
        "kept": len(rows),
        "rejected": dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        "repairs": repairs,
        "known_by": layer.known_by,
        "known": [] if rows.empty or layer.known_by == "always" else [str(starts.min())[:10], str(starts.max())[:10]],
        "sources": [{name: getattr(entry, name) for name in _LISTED} for entry in entries],
    }


def _unread(one: CheckedRows) -> dict[str, int]:
    return {f"{name}: no number, taken as missing": count for name, count in one.unread.items()}


def _all_rejected(checked: Sequence[CheckedRows], names: Sequence[str]) -> pa.Table:
    parts = [
        one.rejected.append_column("source", pa.array([name] * one.rejected.num_rows, pa.string()))
        for one, name in zip(checked, names, strict=True)
    ]
    return pa.concat_tables(parts, promote_options="default")


def _sentence(report: Mapping[str, Mapping[str, Any]]) -> str:
    parts = [
        f"{name} {one['kept']:,} of {one['rows_in']:,} rows" + (" (audit)" if one["role"] == "audit" else "")
        for name, one in report.items()
    ]
    return f"{', '.join(parts)}."
