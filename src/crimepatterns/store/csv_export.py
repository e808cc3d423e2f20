"""Cleaned incidents and small tables as CSV that a spreadsheet can open without running anything in it."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.dataset as ds

from crimepatterns.store.atomic import replacing

__all__ = ["export_incidents", "safe_text", "write_rows"]

_RISKY = r"^([=+\-@\t\r])"


def export_incidents(folder: Path, target: Path) -> None:
    """Write all incidents below `folder` to one CSV file, streamed; times in UTC, without the geometry column.

    Text that begins like a formula (``= + - @``) gets a leading apostrophe.
    """
    files = sorted(folder.rglob("*.parquet"), key=str)
    dataset = ds.dataset(files, format="parquet")
    names = [name for name in dataset.schema.names if name != "geometry"]
    plain = pa.schema([(name, _plain(dataset.schema.field(name).type)) for name in names])
    with replacing(target) as beside, pacsv.CSVWriter(beside, plain) as writer:
        for batch in dataset.to_batches(columns=names):
            columns = [
                safe_text(column.cast(kind)) if pa.types.is_string(kind) else column.cast(kind)
                for column, kind in zip(batch.columns, plain.types, strict=True)
            ]
            writer.write_batch(pa.record_batch(columns, schema=plain))


def safe_text(column: pa.Array) -> pa.Array:
    """Put an apostrophe before text that a spreadsheet would take for a formula."""
    return pc.replace_substring_regex(column, _RISKY, r"'\1")


def write_rows(target: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a small table; text is made safe as in `export_incidents`."""
    with replacing(target) as beside, beside.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        for row in rows:
            writer.writerow(
                ["'" + cell if isinstance(cell, str) and cell[:1] in "=+-@\t\r" and cell else cell for cell in row]
            )


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
