"""Files of every format arrive as the same table."""

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pytest
import shapely

from crimepatterns.errors import SourceError
from crimepatterns.sources.local_file import UNREADABLE, LocalFiles, find_files, read_file

TABLE = pd.DataFrame({"when": ["2021-01-01", "2021-01-02"], "what": ["Überfall", "theft"], "n": ["1", "2"]})
TEXT = TABLE.to_csv(index=False)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("2021-01/a.csv", TEXT)
        archive.writestr("2021-02/b.csv", TEXT)


WRITERS: dict[str, Callable[[Path], object]] = {
    "plain.csv": lambda path: path.write_text(TEXT, encoding="utf-8"),
    "windows.csv": lambda path: path.write_text(TEXT, encoding="cp1252"),
    "latin.csv": lambda path: path.write_text(TEXT, encoding="latin-1"),
    "utf16.csv": lambda path: path.write_text(TEXT, encoding="utf-16"),
    "utf16le.csv": lambda path: path.write_text(TEXT, encoding="utf-16-le"),
    "bom.csv": lambda path: path.write_text(TEXT, encoding="utf-8-sig"),
    "semicolon.csv": lambda path: path.write_text(TEXT.replace(",", ";"), encoding="utf-8"),
    "tab.tsv": lambda path: path.write_text(TEXT.replace(",", "\t"), encoding="utf-8"),
    "pipe.txt": lambda path: path.write_text(TEXT.replace(",", "|"), encoding="utf-8"),
    "blank first.csv": lambda path: path.write_text("\n\n" + TEXT, encoding="utf-8"),
    "crlf.csv": lambda path: path.write_bytes(TEXT.replace("\n", "\r\n").encode()),
    "packed.csv.gz": lambda path: path.write_bytes(gzip.compress(TEXT.encode())),
    "table.parquet": lambda path: TABLE.to_parquet(path, index=False),
    "sheet.xlsx": lambda path: TABLE.to_excel(path, index=False),
}


def rows_of(path: Path) -> pd.DataFrame:
    table = read_file(path)
    whole = pa.Table.from_batches(list(table.batches)).to_pandas()
    assert tuple(whole.columns) == table.columns
    return whole.drop(columns=UNREADABLE, errors="ignore")


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_table(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    pd.testing.assert_frame_equal(rows_of(path), TABLE, check_dtype=False)


def test_the_files_of_an_archive_are_read_one_after_another(tmp_path: Path) -> None:
    zipped(tmp_path / "two.zip")
    found = rows_of(tmp_path / "two.zip")
    pd.testing.assert_frame_equal(found, pd.concat([TABLE, TABLE], ignore_index=True), check_dtype=False)


@pytest.mark.parametrize("ending", ["geojson", "gpkg", "shp"])
def test_points_of_a_layer_arrive_in_degrees(tmp_path: Path, ending: str) -> None:
    points = gpd.points_from_xy([-122.6, -122.7], [45.5, 45.6])
    layer = gpd.GeoDataFrame({"what": ["a", "b"]}, geometry=points, crs="EPSG:4326")
    crs = "EPSG:4326" if ending == "geojson" else "EPSG:2913"
    layer.to_crs(crs).to_file(tmp_path / f"points.{ending}")
    found = rows_of(tmp_path / f"points.{ending}")
    assert list(found.columns) == ["what", "longitude", "latitude"]
    assert found["longitude"].tolist() == pytest.approx([-122.6, -122.7], abs=1e-6)
    assert found["latitude"].tolist() == pytest.approx([45.5, 45.6], abs=1e-6)


def test_typed_formats_keep_their_types(tmp_path: Path) -> None:
    typed = pd.DataFrame({"when": pd.to_datetime(["2021-01-01 10:00"]), "n": [1], "x": [0.5]})
    typed.to_parquet(tmp_path / "a.parquet", index=False)
    schema = next(iter(read_file(tmp_path / "a.parquet").batches)).schema
    assert pa.types.is_timestamp(schema.field("when").type)
    assert pa.types.is_integer(schema.field("n").type)


def test_quotes_newlines_and_ragged_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a,b\n"x, y","two\nlines"\n1\n1,2,3\n"say ""no""",4\n')
    table = read_file(path)
    rows = [row for batch in table.batches for row in batch.to_pylist()]
    good = [row for row in rows if row[UNREADABLE] is None]
    assert [(row["a"], row["b"]) for row in good] == [("x, y", "two\nlines"), ('say "no"', "4")]
    odd = [row[UNREADABLE] for row in rows if row[UNREADABLE] is not None]
    assert odd == ["1 fields instead of 2: 1", "3 fields instead of 2: 1,2,3"]


def test_repeated_and_empty_names_get_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Date,,Date,Date\n1,2,3,4\n")
    assert read_file(path).columns[:-1] == ("Date", "column_2", "Date (2)", "Date (3)")


def test_many_files_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("a,c\n3,4\n")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    source = LocalFiles([str(tmp_path / "*.csv")])
    table = source.fetch()
    rows = [row for batch in table.batches for row in batch.to_pylist()]
    assert [(row["a"], row["b"], row["c"]) for row in rows] == [("1", "2", None), ("3", None, "4")]


def test_globs_and_repeats_are_resolved_in_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv"):
        (tmp_path / name).write_text("x\n1\n")
    found = find_files([str(tmp_path / "b.csv"), str(tmp_path / "*.csv")])
    assert [path.name for path in found] == ["b.csv", "a.csv"]
    with pytest.raises(SourceError, match="does not exist"):
        find_files([str(tmp_path / "*.parquet")])


def test_reading_is_streamed(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_text("a,b\n" + "1234567890,abcdefghij\n" * 600_000)
    sizes = [batch.num_rows for batch in read_file(path).batches]
    assert sum(sizes) == 600_000
    assert max(sizes) < 300_000


def test_a_point_without_coordinates_is_no_place(tmp_path: Path) -> None:
    points = [shapely.Point(1, 2), shapely.Point(), None]
    gpd.GeoDataFrame({"what": list("abc")}, geometry=points, crs="EPSG:4326").to_file(tmp_path / "a.gpkg")
    found = rows_of(tmp_path / "a.gpkg")
    assert found["what"].tolist() == list("abc")
    assert found["longitude"].isna().tolist() == [False, True, True]
