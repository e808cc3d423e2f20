"""Incidents on disk: partitions, many months, damage."""

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.errors import ArtefactError, MissingInputError
from crimepatterns.store import incident_files as module
from crimepatterns.store.csv_export import export_incidents, safe_text, write_rows
from crimepatterns.store.incident_files import IncidentWriter, incident_schema
from crimepatterns.store.incidents import read_incidents

CRS = "EPSG:32616"
AREA = StudyArea("here", shapely.box(0, 0, 10_000, 10_000), CRS, "America/Chicago", empty_neighbourhoods(CRS))


def rows_of(batches: Sequence[pa.RecordBatch]) -> int:
    return sum(batch.num_rows for batch in batches)


def writer_to(folder: Path, further: Sequence[str] = ("note",)) -> IncidentWriter[int]:
    return IncidentWriter(folder, incident_schema(CRS, further), rows_of)


def batch(start: int, n: int, months: int) -> tuple[pa.RecordBatch, np.ndarray]:  # type: ignore[type-arg]
    schema = incident_schema(CRS, ["note"])
    month = np.sort((start + np.arange(n)) % months) + 12 * 30
    moments = month.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64) + 43_200_000_000
    x = np.arange(start, start + n, dtype=float)
    words = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, dtype=np.int32)), pa.array(["reported"]))
    times = pa.array(moments).view(pa.timestamp("us", tz="UTC"))
    values = [
        pa.array([f"i{i}" for i in range(start, start + n)]),
        times,
        times,
        times,
        words,
        words,
        words,
        words,
        words,
    ]
    points = pa.array(shapely.to_wkb(shapely.points(x, x)), pa.binary())
    notes = pa.array(["=1+1"] * n)
    return pa.record_batch([*values, pa.array(x), pa.array(x), notes, points], schema=schema), month


def test_partitions_hold_every_row_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where rows wait in turns for more months than files may be open."""
    monkeypatch.setattr(module, "_OPEN_FILES", 3)
    monkeypatch.setattr(module, "_FLUSH_ROWS", 10)
    monkeypatch.setattr(module, "_BUFFER_ROWS", 60)
    with writer_to(tmp_path / "out") as writer:
        for start in range(0, 2_000, 100):
            writer.add(*batch(start, 100, months=9))
    assert sum(file.facts for file in writer.files.values()) == 2_000
    for path, file in writer.files.items():
        assert file.facts == file.rows == pq.read_metadata(path).num_rows
    table = read_incidents(tmp_path / "out", AREA).table
    assert sorted(table["id"]) == sorted(f"i{i}" for i in range(2_000))
    assert (table["x"] == table["id"].str[1:].astype(float)).all()
    for file in (tmp_path / "out").rglob("*.parquet"):
        year, month = (int(part.split("=")[1]) for part in file.parts[-3:-1])
        times = pd.read_parquet(file, partitioning=None)["occurred_from"]
        assert {(t.year, t.month) for t in times} == {(year, month)}


def test_files_are_geoparquet(tmp_path: Path) -> None:
    with writer_to(tmp_path / "out") as writer:
        writer.add(*batch(0, 50, months=2))
    layer = gpd.read_parquet(tmp_path / "out")
    assert layer.crs.to_epsg() == 32616
    np.testing.assert_array_equal(layer.geometry.x, layer["x"])


def test_no_incident_is_a_table_without_rows(tmp_path: Path) -> None:
    with writer_to(tmp_path / "out", []):
        pass
    assert len(read_incidents(tmp_path / "out", AREA)) == 0


def test_damage_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="crimepatterns clean"):
        read_incidents(tmp_path / "out", AREA)
    with writer_to(tmp_path / "out") as writer:
        writer.add(*batch(0, 50, months=1))
    file = next((tmp_path / "out").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ArtefactError, match="clean --force"):
        read_incidents(tmp_path / "out", AREA)


def test_the_export_runs_no_formula(tmp_path: Path) -> None:
    with writer_to(tmp_path / "out") as writer:
        writer.add(*batch(0, 50, months=2))
    export_incidents(tmp_path / "out", tmp_path / "all.csv")
    table = pd.read_csv(tmp_path / "all.csv")
    assert len(table) == 50
    assert set(table["note"]) == {"'=1+1"}
    assert "geometry" not in table
    risky = pa.array(["=a", "+a", "-a", "@a", "\ta", "a=", None, ""])
    assert safe_text(risky).to_pylist() == ["'=a", "'+a", "'-a", "'@a", "'\ta", "a=", None, ""]
    write_rows(tmp_path / "rows.csv", ("a", "n"), [("=x", -1), ("y", 2)])
    assert (tmp_path / "rows.csv").read_text().splitlines() == ["a,n", "'=x,-1", "y,2"]
