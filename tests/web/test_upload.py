"""Uploads as programs send them: every kind of file, hostile ones, roles, limits, and clients that go away."""

import gzip
import io
import json
import socket
import time
import zipfile
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app_server import started
from crimepatterns.serving.security.keys import create_key
from crimepatterns.serving.security.roles import Role
from crimepatterns.store.audit_log import check_log
from uploading_files import SENT, sent


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


REFUSED = [
    ("nothing", b"", "empty"),
    ("blank lines", b"\xef\xbb\xbf\r\n \n", "empty"),
    ("binary junk", bytes(range(256)) * 50, "not text"),
    ("a program", b"\x7fELF" + b"\x00" * 500, "not text"),
    ("a zip bomb", zipped({"a.csv": b"0" * (300 << 20)}), "times its size"),
    ("a zip that climbs", zipped({"../../etc/cron.csv": b"a,b\n1,2\n"}), "path out of the archive"),
    ("a zip without tables", zipped({"a.exe": b"MZ"}), "no .csv"),
    ("a spreadsheet", zipped({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}), "save it as CSV"),
    ("a torn zip", zipped({"a.csv": b"a,b\n1,2\n"})[:-30], "damaged"),
    ("half a parquet", b"PAR1" + b"\x00" * 400, "cut off"),
]


@pytest.mark.parametrize(("what", "content", "says"), REFUSED, ids=[one[0] for one in REFUSED])
def test_what_is_no_table_is_refused_and_not_kept(
    uploader: httpx.Client, empty_root: Path, what: str, content: bytes, says: str
) -> None:
    got = uploader.post("/api/uploads", params={"name": f"{what}.csv"}, content=content, headers=SENT)
    assert got.status_code == 422
    assert says in got.json()["detail"]
    assert str(empty_root) not in got.text
    assert uploader.get("/api/uploads").json()["uploads"] == []
    assert list((empty_root / "data" / "uploads").iterdir()) == []


ODD = [
    ("a header line of 10 MB", b"x" * (10 << 20) + b"\n1\n", "header"),
    ("no rows", b"when,what,lat,lng\n", "no rows"),
    ("one column", b"lonely\n1\n2\n", "when it happened"),
    ("broken gzip", gzip.compress(b"when,lat,lng\n" + b"2025-01-01,1,2\n" * 5000)[:60], "damaged"),
    ("json that is no layer", b'{"a": [1, 2', "cannot be read"),
    (
        "a quote that is never closed",
        b'when,lat,lng\n"2025-01-01,51.5,0\n' + b"2025-01-02,51.5,0\n" * 5000,
        "never closed",
    ),
]


@pytest.mark.parametrize(("what", "content", "says"), ODD, ids=[one[0] for one in ODD])
def test_what_cannot_be_mapped_says_why(
    uploader: httpx.Client, empty_root: Path, what: str, content: bytes, says: str
) -> None:
    upload = sent(uploader, content, what)
    got = uploader.post(f"/api/uploads/{upload}/preview", json={})
    assert got.status_code in {200, 422}
    told = got.json().get("problem") or got.json().get("detail")
    assert says in told
    assert str(empty_root) not in got.text
    assert uploader.post(f"/api/uploads/{upload}/city", json={"mapping": {}}).status_code == 422
    assert uploader.delete(f"/api/uploads/{upload}").status_code == 204
    assert uploader.get(f"/api/uploads/{upload}").status_code == 404


def test_every_kind_of_file_is_looked_at(uploader: httpx.Client, tmp_path: Path) -> None:
    rows = [(f"2025-03-{1 + i % 28:02d} 10:00", "theft", -87.6 - i % 7 / 100, 41.8 + i % 5 / 100) for i in range(60)]
    text = "when,what,lon,lat\n" + "".join(f"{a},{b},{c},{d}\n" for a, b, c, d in rows)
    columns = list(zip(*rows, strict=True))
    pq.write_table(pa.table(dict(zip(("when", "what", "lon", "lat"), columns, strict=True))), tmp_path / "a.parquet")
    features = [
        {"type": "Feature", "properties": {"when": a, "what": b}, "geometry": {"type": "Point", "coordinates": [c, d]}}
        for a, b, c, d in rows
    ]
    files = {
        "csv": text.encode(),
        "gzip": gzip.compress(text.encode()),
        "zip": zipped({"b/a.csv": text.encode()}),
        "parquet": (tmp_path / "a.parquet").read_bytes(),
        "geojson": json.dumps({"type": "FeatureCollection", "features": features}).encode(),
    }
    said = {"occurred_from": "when", "category": "what", "timezone": "America/Chicago"}
    for kind, content in files.items():
        upload = sent(uploader, content, "../../../etc/passwd")
        told = uploader.get(f"/api/uploads/{upload}").json()
        assert (told["kind"], told["name"]) == (kind, "passwd")
        places = (
            {"longitude": "longitude", "latitude": "latitude"}
            if kind == "geojson"
            else {"longitude": "lon", "latitude": "lat"}
        )
        found = uploader.post(f"/api/uploads/{upload}/preview", json={"mapping": {**said, **places}}).json()
        assert (
            found["problem"],
            found["kept"] + found["rejected"].get("equal to an earlier row in every mapped column", 0),
        ) == ("", 60), kind
        uploader.delete(f"/api/uploads/{upload}")


# -- who may, and how much ---------------------------------------------------------------------------------------------


def test_roles_limits_and_foreign_pages(tmp_path: Path) -> None:
    keys = {role: create_key(tmp_path / "secrets" / "access_keys.json", name=role.label, role=role)[1] for role in Role}
    with (
        started("--set", f"root={tmp_path}", "--set", "uploads.max_mb=1", "--set", "uploads.most=1") as (address, _),
        httpx.Client(base_url=address, timeout=60, trust_env=False) as client,
    ):

        def post(role: Role, content: bytes = b"a,b\n1,2\n", **more: str) -> httpx.Response:
            headers = {**SENT, "authorization": f"Bearer {keys[role]}", **more}
            return client.post("/api/uploads", params={"name": "a.csv"}, content=content, headers=headers)

        assert post(Role.PUBLIC).status_code == 403
        assert post(Role.ANALYST, origin="http://elsewhere.example").status_code == 403
        assert post(Role.ANALYST, **{"sec-fetch-site": "cross-site"}).status_code == 403
        assert post(Role.ANALYST, **{"content-type": "text/plain"}).status_code == 422
        assert post(Role.ANALYST, b"a" * (2 << 20)).status_code == 413
        streamed = client.post(
            "/api/uploads", params={"name": "a.csv"}, content=iter([b"a" * (1 << 19)] * 4),
            headers={**SENT, "authorization": f"Bearer {keys[Role.ANALYST]}"},
        )  # fmt: skip
        assert streamed.status_code == 413
        assert list((tmp_path / "data" / "uploads").glob("*")) == []
        made = post(Role.ANALYST)
        assert made.status_code == 201
        upload = made.json()["upload_id"]
        assert post(Role.ANALYST).status_code == 409  # uploads.most
        analyst = {"authorization": f"Bearer {keys[Role.ANALYST]}"}
        assert client.post(f"/upload/{upload}/open", headers=analyst, data={"token": "guessed"}).status_code == 403
        for name in ("%2e%2e%2fsecrets", "%2e%2e", "up-20250101-00000000", "x" * 300):
            assert client.get(f"/api/uploads/{name}", headers=analyst).status_code in {403, 404}
            assert client.delete(f"/api/uploads/{name}", headers=analyst).status_code in {403, 404}
        # A cookie opens nothing: the public and a city that is none get the server's own.
        for key in (keys[Role.PUBLIC], keys[Role.ANALYST]):
            for value in (upload, "../../x", "a" * 3000):
                cookie = {"authorization": f"Bearer {key}", "cookie": f"crimepatterns_upload={value}"}
                assert "uploaded file" not in client.get("/data", headers=cookie).text
        assert (tmp_path / "secrets" / "access_keys.json").exists()
        events = {one["event"] for one in check_log(tmp_path / "ledger" / "access.jsonl").last}
        assert {"refused", "file uploaded"} <= events


def test_a_client_that_goes_away_leaves_nothing(empty_server: str, empty_root: Path) -> None:
    host, port = empty_server.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(
            f"POST /api/uploads?name=a.csv HTTP/1.1\r\nHost: {host}:{port}\r\n"
            "Content-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\na,b\n1,2\n".encode()
        )
        deadline = time.monotonic() + 60
        while not list((empty_root / "data" / "uploads").glob(".*.part")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    while list((empty_root / "data" / "uploads").glob(".*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
