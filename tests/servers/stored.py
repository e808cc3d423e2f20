"""What a raw store says is published now, read in the plainest way."""

from typing import Any

import pyarrow.parquet as pq

from crimepatterns.store.raw import RawStore

__all__ = ["stored_records"]


def stored_records(store: RawStore, id_column: str) -> dict[str, dict[str, Any]]:
    """Apply the current entries in order: later versions replace, withdrawn ids go; no id may come twice in one."""
    records: dict[str, dict[str, Any]] = {}
    for entry in store.current():
        rows = pq.read_table(store.path_of(entry), partitioning=None).to_pylist()
        assert len(rows) == entry.rows
        ids = [row[id_column] for row in rows]
        assert len(set(ids)) == len(ids)
        if entry.withdraws:
            for name in ids:
                records.pop(name, None)
            continue
        assert entry.replaces or not records
        records.update({row[id_column]: row for row in rows})
    return records
