"""From a cleaned batch to the tables that are kept: incidents, rejected rows, and counts by area."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crimepatterns.cleaning.checking import CleanBatch
from crimepatterns.cleaning.schema import REASONS, ColumnMap, Reason
from crimepatterns.cleaning.values import as_text
from crimepatterns.domain.incidents import DISCOVERY, INCIDENT_COLUMNS, TIME_PRECISION

__all__ = [
    "area_counts",
    "further_columns",
    "incident_rows",
    "kept_columns",
    "reason_codes",
    "reason_words",
    "rejected_batch",
    "rejected_rows",
    "rejected_schema",
]

_UTC = pa.timestamp("us", tz="UTC")
_WORDS = pa.array([REASONS[reason] for reason in Reason], pa.string())
_TAKEN = {*INCIDENT_COLUMNS, "geometry", "year", "month"}


def further_columns(columns: ColumnMap) -> dict[str, str]:
    """Name the columns that are carried along: raw name to the name in the output, ``_raw`` added where it is taken."""
    names = ["area"] if columns.area is not None else []
    names += [name for name in columns.extra if name not in names]
    return {name: f"{name}_raw" if name.casefold() in _TAKEN else name for name in names}


def incident_rows(batch: CleanBatch, schema: pa.Schema, *, source: str) -> tuple[pa.RecordBatch, NDArray[np.int64]]:
    """Return the kept rows in the columns of `schema`, ordered by civil month, and the month of each.

    Months are counted since January 1970.
    """
    if batch.places is None:
        raise ValueError("A batch without places has no incident rows.")
    spans, places = batch.spans, batch.places
    ready = {
        "id": batch.ids,
        "occurred_from": pa.array(spans.start).view(_UTC),
        "occurred_until": pa.array(spans.end).view(_UTC),
        "known_at": pa.array(spans.known).view(_UTC),
        "time_precision": _coded(spans.precision, TIME_PRECISION),
        "category": batch.category,
        "offence": _words(batch.offence),
        "discovery": _coded(batch.discovery, DISCOVERY),
        "source": _coded(np.zeros(len(batch), dtype=np.int8), (source,)),
        "x": pa.array(places.x),
        "y": pa.array(places.y),
        **dict(zip(schema.names[len(INCIDENT_COLUMNS) : -1], batch.further.values(), strict=True)),
    }
    kept = batch.reason == Reason.KEPT
    rows = pa.record_batch([ready[name] for name in schema.names[:-1]], schema=schema.remove(len(schema) - 1))
    months = batch.months
    if not kept.all():
        rows, months = rows.filter(pa.array(kept)), months[kept]
    if (months[1:] < months[:-1]).any():
        order = np.argsort(months, kind="stable")
        rows, months = rows.take(pa.array(order)), months[order]
    points = point_wkb(rows.column("x").to_numpy(), rows.column("y").to_numpy())
    return pa.record_batch([*rows.columns, points], schema=schema), months


def kept_columns(batch: CleanBatch) -> pa.RecordBatch:
    """Return what `kept_facts` counts of the kept rows, for batches without places."""
    columns = {
        "occurred_from": pa.array(batch.spans.start).view(_UTC),
        "occurred_until": pa.array(batch.spans.end).view(_UTC),
        "time_precision": _coded(batch.spans.precision, TIME_PRECISION),
        "category": batch.category,
        "discovery": _coded(batch.discovery, DISCOVERY),
    }
    return pa.record_batch(columns).filter(pa.array(batch.reason == Reason.KEPT))


def point_wkb(x: NDArray[np.float64], y: NDArray[np.float64]) -> pa.Array:
    """Encode points as little-endian well-known binary, shape (n,)."""
    points = np.empty(len(x), dtype=[("order", "u1"), ("kind", "<u4"), ("x", "<f8"), ("y", "<f8")])
    points["order"], points["kind"], points["x"], points["y"] = 1, 1, x, y
    offsets = np.arange(len(x) + 1, dtype=np.int32) * points.dtype.itemsize
    return pa.Array.from_buffers(pa.binary(), len(x), [None, pa.py_buffer(offsets), pa.py_buffer(points)])


def rejected_schema(columns: list[str]) -> pa.Schema:
    """Return the columns of the table of rejected rows: where it stood, why it went, and its raw values as text."""
    names = [f"{name}_raw" if name in {"source", "row", "id", "reason"} else name for name in columns]
    own = [("source", pa.string()), ("row", pa.int64()), ("id", pa.string()), ("reason", pa.string())]
    return pa.schema([*own, *[(name, pa.string()) for name in names]])


def rejected_rows(batch: CleanBatch, schema: pa.Schema, columns: list[str], *, source: str) -> pa.RecordBatch | None:
    """Return the rows that were not kept, with all raw values as text; None where there are none.

    `columns` are the raw names behind the fields of `schema` from the fifth on.
    """
    gone = np.flatnonzero(batch.reason != Reason.KEPT)
    if not gone.size:
        return None
    rows = pa.array(gone)
    raw, ids = batch.raw.take(rows), batch.ids.take(rows)
    return rejected_batch(raw, gone + batch.first_row, ids, batch.reason[gone], schema, columns, source=source)


def rejected_batch(
    raw: pa.RecordBatch,
    rows: NDArray[np.int64],
    ids: pa.Array,
    reasons: NDArray[np.int8],
    schema: pa.Schema,
    columns: list[str],
    *,
    source: str,
) -> pa.RecordBatch:
    """Put together rows of the table of rejected rows, shape (n,) each; `rows` are their numbers from 1."""
    texts = {name: as_text(column) for name, column in zip(raw.schema.names, raw.columns, strict=True)}
    values = [
        pa.array([source] * len(rows), pa.string()),
        pa.array(rows, pa.int64()),
        ids,
        reason_words(reasons),
        *[texts.get(name, pa.nulls(len(rows), pa.string())) for name in columns],
    ]
    return pa.record_batch(values, schema=schema)


def reason_words(reasons: NDArray[np.int8]) -> pa.Array:
    """Write reasons as the table of rejected rows does."""
    return _WORDS.take(pa.array(reasons))


def reason_codes(words: pa.Array) -> NDArray[np.int8]:
    """Read reasons as the table of rejected rows writes them."""
    return np.asarray(pc.index_in(words, _WORDS), dtype=np.int8)


def area_counts(batch: CleanBatch) -> Counter[tuple[str, str, str]]:
    """Count the kept rows by area, month and category; rows whose area is blank count under an empty name."""
    rows = pa.array(np.flatnonzero(batch.reason == Reason.KEPT))
    months = batch.spans.wall.view("datetime64[us]").astype("datetime64[M]").astype(str)
    table = pa.table(
        {
            "area": batch.further["area"].take(rows).fill_null(""),
            "month": pa.array(months, pa.string()).take(rows),
            "category": batch.category.cast(pa.string()).take(rows),
        }
    )
    grouped = table.group_by(["area", "month", "category"]).aggregate([([], "count_all")]).to_pydict()
    keys = zip(grouped["area"], grouped["month"], grouped["category"], strict=True)
    return Counter(dict(zip(keys, grouped["count_all"], strict=True)))


def _coded(codes: NDArray[np.int8], words: tuple[str, ...]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(list(words), pa.string()))


def _words(column: pa.Array) -> pa.DictionaryArray:
    coded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    return pa.DictionaryArray.from_arrays(coded.indices.cast(pa.int32()), coded.dictionary.cast(pa.string()))
