"""Bad input files: each gives a one-line error that helps, or a report; never another exception, never half a file."""

import gzip
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pytest
import shapely

from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.errors import CrimePatternsError

GOOD = b"when,what,lon,lat\n" + b"".join(
    b"2021-03-%02d 1%d:30:00,THEFT,%.4f,%.4f\n" % (i % 28 + 1, i % 10, -87.65 + i / 1000, 41.85 + i / 1000)
    for i in range(40)
)
ROW = b"2021-05-01 10:15:00,THEFT,-87.6400,41.8600\n"


@pytest.fixture
def city(tmp_path: Path) -> Callable[..., Settings]:
    """Settings for a file in a square around Chicago's Loop."""
    boundary = tmp_path / "boundary.geojson"
    square = gpd.GeoDataFrame({"name": ["Loop"]}, geometry=[shapely.box(-87.7, 41.8, -87.6, 41.9)], crs="EPSG:4326")
    square.to_file(boundary)

    def make(path: Path | str, **changes: Any) -> Settings:
        base: dict[str, Any] = {
            "city": "test",
            "root": str(tmp_path / "root"),
            "timezone": "America/Chicago",
            "source": {"kind": "file", "paths": [str(path)]},
            "columns": {"occurred_from": "when", "category": "what", "longitude": "lon", "latitude": "lat"},
            "study_area": {"boundary": str(boundary)},
            "workers": 1,
        }
        for section, values in changes.items():
            base[section] = {**base.get(section, {}), **values}
        return load_settings(overrides=base)

    return make


def wrong_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("incidents.csv", GOOD * 50)
    path.write_bytes(path.read_bytes()[:-60])


def zip_of(**members: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name.replace("__", "."), content)

    return write


def other_sheet(path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["when", "what", "lon", "lat"])
    book.save(path)


def content(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


def nothing(path: Path) -> None:
    assert not path.exists()


CASES: list[tuple[str, str, Callable[[Path], None], dict[str, Any], str]] = [
    ("empty", "a.csv", content(b""), {}, "is empty"),
    ("only blank lines", "a.csv", content(b"\n\n \r\n"), {}, "is empty"),
    ("header only", "a.csv", content(b"when,what,lon,lat\n"), {}, "no rows"),
    ("header without line end", "a.csv", content(b"when,what,lon,lat"), {}, "no rows"),
    ("wrong delimiter", "a.csv", content(GOOD), {"source": {"delimiter": ";"}}, "check source.delimiter"),
    ("long delimiter", "a.csv", content(GOOD), {"source": {"delimiter": "::"}}, "one character"),
    ("unknown encoding", "a.csv", content(GOOD), {"source": {"encoding": "klingon"}}, "not known"),
    ("binary", "a.csv", content(bytes(range(256)) * 40), {}, "is not text"),
    ("a picture", "a.csv", content(b"\x89PNG\r\n\x1a\n" + bytes(200)), {}, "is not text"),
    ("truncated zip", "a.zip", wrong_zip, {}, "damaged"),
    ("not a zip", "a.zip", content(GOOD), {}, "not a zip"),
    ("zip without csv", "a.zip", zip_of(readme__pdf=b"x"), {}, "holds no .csv"),
    ("zip of different files", "a.zip", zip_of(a__csv=GOOD, b__csv=b"x,y\n1,2\n"), {}, "same columns"),
    ("truncated gzip", "a.csv.gz", content(gzip.compress(GOOD * 500)[:-40]), {}, "cut off"),
    (
        "damaged gzip",
        "a.csv.gz",
        content(gzip.compress(GOOD)[:30] + b"\x00" * 400),
        {},
        "damaged or cut off|cannot be read",
    ),
    ("unclosed quote", "a.csv", content(b'when,what,lon,lat\n"' + ROW * 150_000), {}, "never closed"),
    ("unclosed quote further on", "a.csv", content(GOOD + b'2021-01-01,"' + ROW * 5_000), {}, "swallows 4999 lines"),
    ("huge field", "a.csv", content(b"when,what,lon,lat\n" + b"x" * (9 << 20) + b",a,1,2\n"), {}, "longer than"),
    ("missing mapped column", "a.csv", content(GOOD.replace(b"lat\n", b"Latitud\n")), {}, "did you mean|Found: when"),
    ("near miss", "a.csv", content(GOOD), {"columns": {"occurred_from": "When"}}, "did you mean 'when'"),
    ("only nulls", "a.csv", content(b"when,what,lon,lat\n" + b",,,\n" * 30), {}, "None of 30 rows"),
    ("all rows rejected", "a.csv", content(GOOD.replace(b"-87.", b"-97.")), {}, "outside the study area"),
    ("unknown time format", "a.csv", content(GOOD.replace(b"2021-03-", b"March ")), {}, "set cleaning.time_format"),
    ("unreadable parquet", "a.parquet", content(b"PAR1" + bytes(300)), {}, "cannot be read as parquet"),
    ("parquet that is csv", "a.parquet", content(GOOD), {}, "cannot be read as parquet"),
    ("broken excel", "a.xlsx", content(b"PK\x03\x04 not really"), {}, "cannot be read as excel"),
    ("old excel", "a.xls", content(b"\xd0\xcf\x11\xe0" + bytes(100)), {}, "save it as .xlsx"),
    ("wrong sheet", "a.xlsx", other_sheet, {"source": {"sheet": "Crimes"}}, "has no sheet 'Crimes'"),
    ("broken geojson", "a.geojson", content(b'{"type": "FeatureCollection", "features": ['), {}, "cannot be read"),
    ("does not exist", "a.csv", nothing, {}, "does not exist"),
    ("a folder", "a.csv", lambda path: path.mkdir(), {}, "is a folder"),
    (
        "personal column mapped",
        "a.csv",
        content(GOOD.replace(b"what", b"victim name")),
        {"columns": {"category": "victim name"}},
        "looks personal",
    ),
    ("no boundary", "a.csv", content(GOOD), {"study_area": {"boundary": None}}, "No study area"),
    ("boundary missing", "a.csv", content(GOOD), {"study_area": {"boundary": "gone.geojson"}}, "cannot be read"),
    ("unknown crs", "a.csv", content(GOOD), {"cleaning": {"coordinates_crs": "EPSG:999999"}}, "reference system"),
]


@pytest.mark.parametrize(("name", "file", "write", "changes", "says"), CASES, ids=[case[0] for case in CASES])
def test_a_bad_file_gives_one_helpful_line_and_changes_nothing(
    city: Callable[..., Settings],
    tmp_path: Path,
    name: str,
    file: str,
    write: Callable[[Path], None],
    changes: dict[str, Any],
    says: str,
) -> None:
    before = make_good(city, tmp_path)
    path = tmp_path / file
    write(path)
    settings = city(path, **changes)
    with pytest.raises(CrimePatternsError, match=says) as caught:
        ingest(settings)
        clean(settings)
    message = str(caught.value)
    assert "\n" not in message, name
    assert 20 < len(message) < 600
    assert fingerprint(tmp_path / "root" / "data" / "processed") == before, "the last good result must be untouched"
    assert not leftovers(tmp_path / "root")


REPORTS: list[tuple[str, str, Callable[[Path], None], dict[str, Any], dict[str, int]]] = [
    ("one row", "a.csv", content(b"when,what,lon,lat\n" + ROW), {}, {}),
    ("no final line end", "a.csv", content(b"when,what,lon,lat\n" + ROW.rstrip()), {}, {}),
    ("byte order mark", "a.csv", content(b"\xef\xbb\xbf" + GOOD), {}, {}),
    ("utf-16", "a.csv", content(GOOD.decode().encode("utf-16")), {}, {}),
    ("windows line ends", "a.csv", content(GOOD.replace(b"\n", b"\r\n")), {}, {}),
    (
        "header not utf-8",
        "a.csv",
        content(GOOD.replace(b"when,what", b"when,stra\xdfe").replace(b"THEFT", b"theft")),
        {"columns": {"category": "stra\xdfe"}},
        {},
    ),
    (
        "mixed encodings",
        "a.csv",
        content(
            GOOD + ROW.replace(b"THEFT", "DÉLIT".encode()) + ROW.replace(b"THEFT", b"D\xc9LIT").replace(b":15", b":16")
        ),
        {},
        {},
    ),
    ("10,000-column row", "a.csv", content(GOOD + b"x," * 10_000 + b"\n"), {}, {"row does not fit the header": 1}),
    (
        "ragged rows",
        "a.csv",
        content(GOOD + b"2021-01-01\n" + ROW[:-1] + b",more\n"),
        {},
        {"row does not fit the header": 2},
    ),
    (
        "10,000 columns",
        "a.csv",
        content(
            b"when,what,lon,lat,"
            + b",".join(b"c%d" % i for i in range(10_000))
            + b"\n"
            + ROW[:-1]
            + b"," * 10_000
            + b"\n"
        ),
        {},
        {},
    ),
    (
        "duplicate columns",
        "a.csv",
        content(GOOD.replace(b"lat\n", b"lat,when\n").replace(b"0\n", b"0,x\n").replace(b"5\n", b"5,x\n")),
        {},
        None,
    ),
    (
        "formula injection",
        "a.csv",
        content(
            GOOD
            + ROW.replace(b"THEFT", b"=cmd|'/C calc'!A0")
            + ROW.replace(b"THEFT", b"@SUM(1)")
            + ROW.replace(b"THEFT", b"+1-2")
        ),
        {},
        {},
    ),
    ("embedded nul", "a.csv", content(GOOD + ROW.replace(b"THEFT", b"THE\x00FT")), {}, {}),
    ("large field", "a.csv", content(GOOD + ROW.replace(b"THEFT", b"X" * (1 << 20))), {}, {}),
    (
        "not-a-number coordinates",
        "a.csv",
        content(
            GOOD
            + ROW.replace(b"-87.6400", b"nan")
            + ROW.replace(b"41.8600", b"inf")
            + ROW.replace(b"41.8600", b"north")
            + ROW.replace(b"41.8600", b"")
            + ROW.replace(b"-87.6400,41.8600", b"0,0.0")
        ),
        {},
        {
            "coordinates are not finite": 2,
            "coordinates cannot be read": 1,
            "coordinates are missing": 1,
            "coordinates are zero (null island)": 1,
        },
    ),
    (
        "reversed intervals",
        "a.csv",
        content(
            b"when,until,what,lon,lat\n2021-01-02 10:00:00,2021-01-01 10:00:00,A,-87.65,41.85\n"
            b"2021-01-02 10:00:00,2021-01-02 12:00:00,A,-87.65,41.85\n"
        ),
        {"columns": {"occurred_until": "until"}},
        {"interval ends before it begins": 1},
    ),
    (
        "bad dates",
        "a.csv",
        content(
            GOOD
            + ROW.replace(b"2021-05-01", b"2021-02-30")
            + ROW.replace(b"2021", b"1021")
            + ROW.replace(b"2021", b"2921")
            + ROW.replace(b"2021-05-01 10:15:00", b"")
        ),
        {},
        {
            "time cannot be read": 1,
            "time is before cleaning.earliest": 1,
            "time is in the future": 1,
            "time is missing": 1,
        },
    ),
    ("path traversal in a zip", "a.zip", zip_of(**{"../../../../tmp/evil__csv": GOOD}), {}, {}),
    ("decimal commas", "a.csv", content(GOOD.replace(b",", b";").replace(b".", b",")), {}, None),
]


@pytest.mark.parametrize(("name", "file", "write", "changes", "rejected"), REPORTS, ids=[case[0] for case in REPORTS])
def test_a_file_with_bad_rows_gives_a_report(
    city: Callable[..., Settings],
    tmp_path: Path,
    name: str,
    file: str,
    write: Callable[[Path], None],
    changes: dict[str, Any],
    rejected: dict[str, int] | None,
) -> None:
    path = tmp_path / file
    write(path)
    settings = city(path, **changes)
    ingest(settings)
    if name == "decimal commas":
        with pytest.raises(CrimePatternsError, match="coordinates cannot be read: 40"):
            clean(settings)
        return
    summary = clean(settings, csv=True)
    processed = tmp_path / "root" / "data" / "processed" / "test"
    report = json.loads((processed / "cleaning_report.json").read_text())
    assert summary["kept"] >= 1
    assert report["rows_in"] == report["kept"] + sum(report["rejected"].values())
    assert len(pd.read_parquet(processed / "rejected.parquet")) == report["rejected_total"]
    if rejected is not None:
        assert report["rejected"] == rejected
    table = gpd.read_parquet(processed / "incidents")
    assert len(table) == report["kept"]
    assert np.isfinite(table.geometry.x).all()
    exported = (processed / "preprocessed_data.csv").read_text()
    assert not any(cell.startswith(("=", "@", "+")) for line in exported.splitlines() for cell in unquoted(line))
    assert (processed / "cleaning_report.html").read_text().startswith("<!doctype html>")
    assert not leftovers(tmp_path / "root")
    assert not Path("/tmp/evil.csv").exists()  # noqa: S108  # the member's name must lead nowhere


def unquoted(line: str) -> list[str]:
    return [cell.strip('"') for cell in line.split(",")]


def make_good(city: Callable[..., Settings], tmp_path: Path) -> dict[str, bytes]:
    path = tmp_path / "good.csv"
    path.write_bytes(GOOD)
    settings = city(path)
    ingest(settings)
    assert clean(settings)["kept"] == 40
    return fingerprint(tmp_path / "root" / "data" / "processed")


def fingerprint(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def leftovers(folder: Path) -> list[str]:
    return [name for _, folders, files in os.walk(folder) for name in (*folders, *files) if name.startswith(".")]
