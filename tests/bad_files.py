"""Bad input files: how each is made, and what the error or the report must say; used by files and by URLs."""

import gzip
import io
import stat
import warnings
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import openpyxl

GOOD = b"when,what,lon,lat\n" + b"".join(
    b"2021-03-%02d 1%d:30:00,THEFT,%.4f,%.4f\n" % (i % 28 + 1, i % 10, -87.65 + i / 1000, 41.85 + i / 1000)
    for i in range(40)
)
ROW = b"2021-05-01 10:15:00,THEFT,-87.6400,41.8600\n"


def wrong_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("incidents.csv", GOOD * 50)
    path.write_bytes(path.read_bytes()[:-60])


def zip_of(**members: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name.replace("__csv", ".csv").replace("__pdf", ".pdf"), content)

    return write


def hostile_zip(
    name: str = "a.csv",
    *,
    inside: bytes = GOOD,
    mode: int = 0,
    encrypted: bool = False,
    again: str = "",
    sharing: bool = False,
) -> Callable[[Path], None]:
    """A zip archive that no honest program would make."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, inside, zipfile.ZIP_DEFLATED)
            if again:
                archive.writestr(again, inside)
        content = bytearray(path.read_bytes())
        first = content.index(b"PK\x01\x02")
        if encrypted:
            content[6] |= 1
            content[first + 8] |= 1
        if sharing:
            second = content.index(b"PK\x01\x02", first + 4)
            content[second + 42 : second + 46] = content[first + 42 : first + 46]
        path.write_bytes(content)

    return write


def bomb(packed: str) -> Callable[[Path], None]:
    """A little file of 300 MB of empty lines."""
    return lambda path: path.write_bytes(bomb_of(packed)) and None


@lru_cache
def bomb_of(packed: str) -> bytes:
    piece, written = b"when,what,lon,lat\n".ljust(1 << 20, b"\n"), io.BytesIO()
    if packed == "gzip":
        with gzip.GzipFile(fileobj=written, mode="wb") as handle:
            for _ in range(300):
                handle.write(piece)
        return written.getvalue()
    name = "xl/workbook.xml" if packed == "excel" else "a.csv"
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as handle:
        for _ in range(300):
            handle.write(piece)
    return written.getvalue()


POINTER = b"""<OGRVRTDataSource><OGRVRTLayer name="passwd">
<SrcDataSource>CSV:/etc/passwd</SrcDataSource><SrcLayer>passwd</SrcLayer></OGRVRTLayer></OGRVRTDataSource>"""


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
    ("path out of a zip", "a.zip", hostile_zip("../../../../tmp/evil.csv"), {}, "path out of the archive"),
    ("absolute path in a zip", "a.zip", hostile_zip("/evil.csv"), {}, "path out of the archive"),
    ("drive in a zip", "a.zip", hostile_zip("C:\\evil.csv"), {}, "path out of the archive"),
    ("backslashes in a zip", "a.zip", hostile_zip("a\\..\\..\\evil.csv"), {}, "path out of the archive"),
    ("link in a zip", "a.zip", hostile_zip(inside=b"/etc/passwd", mode=stat.S_IFLNK | 0o777), {}, "is a link"),
    ("encrypted zip", "a.zip", hostile_zip(encrypted=True), {}, "is encrypted"),
    ("zip in a zip", "a.zip", hostile_zip("b.zip", again="a.csv"), {}, "archive within the archive"),
    ("same name twice in a zip", "a.zip", hostile_zip("a.csv", again="a.csv"), {}, "holds 'a.csv' twice"),
    ("shared bytes in a zip", "a.zip", hostile_zip("a.csv", again="b.csv", sharing=True), {}, "share their bytes"),
    ("zip bomb", "a.zip", bomb("zip"), {}, "decompression bomb"),
    ("gzip bomb", "a.csv.gz", bomb("gzip"), {}, "decompression bomb"),
    ("excel bomb", "a.xlsx", bomb("excel"), {}, "decompression bomb"),
    ("layer that points elsewhere", "a.geojson", content(POINTER), {}, "cannot be read as a map layer"),
    ("layer of another kind", "a.gpkg", content(POINTER), {}, "cannot be read as a map layer"),
    (
        "json bomb",
        "a.geojson",
        content(b'{"type":"FeatureCollection","features":' + b"[" * 200_000),
        {},
        "cannot be read",
    ),
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
    (
        "zip made on a Mac",
        "a.zip",
        zip_of(**{"a__csv": GOOD, "__MACOSX/._a__csv": b"\x00\x05\x16\x07" * 40}),
        {},
        {},
    ),
    ("decimal commas", "a.csv", content(GOOD.replace(b",", b";").replace(b".", b",")), {}, None),
]
