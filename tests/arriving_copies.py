"""Raw copies that arrive one after another, and everything that a cleaned version says."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from crimepatterns.cleaning.place_counts import summed
from crimepatterns.cleaning.runs import merged
from crimepatterns.cleaning.seen import without_gone
from crimepatterns.cleaning.taxonomy import Taxonomy
from crimepatterns.cleaning_run import basis
from crimepatterns.config import Settings
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawEntry, RawStore, write_batches
from crimepatterns.store.snapshots import Snapshots, read_manifest

NAMES = ("case", "when", "what", "lon", "lat")


def some_rows(rng: np.random.Generator, n: int, ids: int = 60) -> pd.DataFrame:
    """Rows that share ids, are equal, blank or wrong often enough to matter."""
    number = rng.integers(0, ids, n)
    day = rng.integers(0, 150, n)
    texts = [str(pd.Timestamp("2020-11-20 10:05") + pd.Timedelta(days=int(d))) for d in day]
    table = pd.DataFrame(
        {
            "case": [f"c{i}" for i in number],
            "when": texts,
            "what": rng.choice(["THEFT", "Burglary", "ARSON"], n),
            "lon": [f"{x:.2f}" for x in rng.uniform(-87.69, -87.61, n)],
            "lat": [f"{y:.2f}" for y in rng.uniform(41.81, 41.91, n)],
        }
    )
    for column, bad in (
        ("case", "  "),
        ("case", None),
        ("when", "soon"),
        ("when", "2999-01-01"),
        ("lat", "0"),
        ("what", ""),
    ):
        table.loc[rng.random(n) < 0.04, column] = bad
    return pd.concat([table, table.sample(frac=0.1, random_state=int(rng.integers(1 << 30)))], ignore_index=True)


def arrive(settings: Settings, table: pd.DataFrame, **facts: Any) -> None:
    store = RawStore(Layout(settings.root, settings.city).raw)
    before = store.entries()
    file = f"copy-{len(before)}.parquet"
    whole = pa.Table.from_pandas(table, preserve_index=False)
    schema = pa.schema([(name, pa.string()) for name in whole.schema.names])
    digest = store.write(file, lambda path: write_batches(path, whole.cast(schema).to_batches(max_chunksize=17)))
    fetched = f"2026-01-{len(before) + 1:02d}T00:00:00+00:00"
    made = RawEntry(
        file, f"feed-{len(before)}", "key", digest, len(table), tuple(table.columns), (), "parquet", fetched_at=fetched
    )
    store.record([*before, RawEntry(**{**vars(made), **facts})])


def state(settings: Settings) -> dict[str, Any]:
    """Everything a version says, in an order of its own."""
    layout = Layout(settings.root, settings.city)
    incidents = ds.dataset(sorted(layout.incidents.rglob("*.parquet")), format="parquet").to_table()
    plain = pa.table({name: as_plain(incidents[name]) for name in incidents.schema.names})
    rejected = pd.read_parquet(layout.rejected)
    version = Snapshots(layout.processed).current
    assert version is not None
    built = basis.Built.from_json(version, Taxonomy(), read_manifest(version)["cleaning"]["built"])
    seen = pd.concat(pd.DataFrame(run.facts).assign(key=run.keys) for run in without_gone(merged(built.seen.open())))
    places = {
        int(k): int(n) for run in summed(built.place_counts.open()) for k, n in zip(run.keys, run.facts, strict=True)
    }
    assert sum(facts.rows for facts in built.files.values()) == incidents.num_rows == built.tally.kept
    return {
        "incidents": plain.sort_by("id"),
        "rejected": rejected.sort_values(["source", "row"]).reset_index(drop=True),
        "report": json.loads(layout.cleaning_report.read_text()),
        "seen": seen.sort_values(["key", "table", "row"]).reset_index(drop=True),
        "places": places,
        "months": {
            path.parent.relative_to(layout.incidents.resolve())
            for path in layout.incidents.resolve().rglob("*.parquet")
        },
    }


def as_plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found["incidents"].equals(expected["incidents"])
    pd.testing.assert_frame_equal(found["rejected"], expected["rejected"])
    assert found["report"] == expected["report"]
    pd.testing.assert_frame_equal(found["seen"], expected["seen"])
    assert found["places"] == expected["places"]
    assert found["months"] == expected["months"]
