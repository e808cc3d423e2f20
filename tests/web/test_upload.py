"""An incident file brought by the browser: sent, looked at, mapped, made a city, seen on its map; and hostile files."""

import contextlib
import gzip
import io
import json
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, expect

from crimepatterns.serving.security.keys import create_key
from crimepatterns.serving.security.roles import Role
from crimepatterns.store.audit_log import check_log

AXE = (
    Path(__file__).resolve().parents[2] / "deployment" / "app" / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
READY = "html[data-ready=yes]"
SENT = {"content-type": "application/octet-stream"}
LONG = 120_000
"""Milliseconds that a preview or a page may take on a busy machine."""
GOOD, MISSING, ZERO, TWICE, BROKEN = 360, 9, 7, 5, 4


def messy_csv() -> bytes:
    """Semicolons, a byte-order mark, two ways to write dates, gaps, null island, repeated rows, a row cut off."""
    rng = np.random.default_rng(3)
    lines = ["Incident No;Date Occurred;Offence Type;Lat;Lng;Victim Name"]
    for i in range(GOOD):
        day, month = 1 + i % 28, 1 + i % 12
        when = f"{day:02d}/{month:02d}/2025 {i % 24:02d}:{i % 60:02d}" if i % 3 else f"2025-{month:02d}-{day:02d}"
        lat, lng = 51.50 + rng.normal(0, 0.008), -0.12 + rng.normal(0, 0.012)
        what = ("Burglary", "Theft of bicycle", '=HYPERLINK("x")')[i % 3 if i % 40 else 2]
        lines.append(f'A{i:05d};{when};"{what.replace(chr(34), chr(34) * 2)}";{lat:.5f};{lng:.5f};Nobody {i}')
    lines += [f"M{i:05d};14/03/2025 10:00;Burglary;;;Nobody" for i in range(MISSING)]
    lines += [f"Z{i:05d};14/03/2025 10:00;Burglary;0;0;Nobody" for i in range(ZERO)]
    lines += lines[1 : 1 + TWICE]
    lines += [f"B{i:05d};soon;Burglary;51.5;-0.12;Nobody" for i in range(BROKEN)]
    lines.append("cut;off")
    return b"\xef\xbb\xbf" + "\r\n".join(lines).encode()


@contextlib.contextmanager
def serving(root: Path, *changes: str) -> Iterator[str]:
    """The server as users start it, on a city that has nothing yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chosen = [f"root={root}", f"serving.port={port}", "uploads.max_mb=20", *changes]
    command = [sys.executable, "-m", "crimepatterns", "serve", *(part for one in chosen for part in ("--set", one))]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 90
            while True:
                assert process.poll() is None
                assert time.monotonic() < deadline
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"{address}/health", trust_env=False).status_code == 200:
                        break
                time.sleep(0.1)
            yield address
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Project folder of the server."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    """Address of the server."""
    with serving(root) as found:
        yield found


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    """A program that talks to the server."""
    with httpx.Client(base_url=address, timeout=200, trust_env=False) as made:
        yield made


@contextlib.contextmanager
def page_of(browser: Browser, address: str, path: str, **options: Any) -> Iterator[Page]:
    """A page whose complaints and requests to elsewhere fail the test."""
    complaints: list[str] = []
    context = browser.new_context(base_url=address, timezone_id="Europe/London", **options)
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda one: None if one.url.startswith((address, f"blob:{address}", "data:")) else complaints.append(one.url),
    )
    page.goto(path)
    page.wait_for_selector(READY, state="attached")
    yield page
    context.close()
    assert complaints == []


def broken_rules(page: Page) -> list[str]:
    page.add_script_tag(path=AXE)
    return page.evaluate(  # type: ignore[no-any-return]
        """async (rules) => (await axe.run(document, { runOnly: rules })).violations.flatMap((rule) =>
            rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 160)} ${node.failureSummary}`))""",
        RULES,
    )


def sent(client: httpx.Client, content: bytes, name: str = "file.csv") -> str:
    got = client.post("/api/uploads", params={"name": name}, content=content, headers=SENT)
    assert got.status_code == 201, got.text
    return str(got.json()["upload_id"])


# -- the journey -------------------------------------------------------------------------------------------------------


@pytest.mark.chromium
def test_a_messy_file_becomes_a_city_that_is_seen_on_its_map_and_leaves_no_trace(
    browser: Browser, address: str, client: httpx.Client, root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "records of 2025.csv"
    path.write_bytes(messy_csv())
    with page_of(browser, address, "/upload", viewport={"width": 1280, "height": 900}) as page:
        page.locator("#file").set_input_files(path)
        page.wait_for_url("**/upload?file=up-*")
        expect(page.get_by_role("heading", level=1)).to_have_text("records of 2025.csv", timeout=LONG)
        words = page.locator('[data-part="words"]')
        expect(words).to_have_text(
            f"{GOOD} of all {GOOD + MISSING + ZERO + TWICE + BROKEN + 1} rows can be used.", timeout=LONG
        )
        expect(page.get_by_label("It happened, or began")).to_have_value("Date Occurred", timeout=LONG)
        expect(page.get_by_label("Longitude", exact=True)).to_have_value("Lng", timeout=LONG)
        expect(page.get_by_label("Offence", exact=True)).to_have_value("Offence Type", timeout=LONG)
        account = page.locator('[data-part="account"]')
        for reason, count in (
            ("coordinates are missing", MISSING), ("coordinates are zero (null island)", ZERO),
            ("equal to an earlier row in every mapped column", TWICE), ("time cannot be read", BROKEN),
            ("row does not fit the header", 1),
        ):  # fmt: skip
            expect(account).to_contain_text(f"{reason}: {count}", timeout=LONG)
        expect(account).to_contain_text("%d/%m/%Y %H:%M", timeout=LONG)
        expect(page.locator("#preview-canvas")).to_have_attribute("data-state", "idle", timeout=LONG)
        page.locator("summary", has_text="First rows").click()
        expect(page.locator('[data-part="rows"] caption')).to_contain_text("Victim Name (", timeout=LONG)
        assert "Nobody" not in page.content()
        # A person corrects the mapping, and the preview follows.
        page.get_by_label("Offence", exact=True).select_option("")
        expect(page.locator('[data-part="advice"]')).to_contain_text(
            "every row counts as the one category", timeout=LONG
        )
        page.get_by_label("Offence", exact=True).select_option("Offence Type")
        expect(page.locator('[data-part="advice"]')).to_be_hidden(timeout=LONG)
        page.get_by_label("Name", exact=True).fill("Riverside")
        expect(page.get_by_role("button", name="Make it a city")).to_be_enabled(timeout=LONG)
        page.get_by_role("button", name="Make it a city").click()
        expect(page.locator('[data-part="job"]')).to_contain_text("Step", timeout=LONG)
        page.get_by_role("button", name="Open its map").click(timeout=240_000)
        page.wait_for_url("**/explore")
        expect(page.get_by_role("status").filter(has_text="incidents").first).to_contain_text(f"{GOOD}", timeout=60_000)
        expect(page.locator(".chosen")).to_contain_text("Riverside", timeout=LONG)
        upload = client.get("/api/uploads").json()["uploads"][0]
        stored = duckdb.read_parquet(
            str(root / "data" / "processed" / upload["upload_id"] / "incidents" / "**" / "*.parquet")
        )
        assert stored.count("*").fetchall()[0][0] == GOOD
        assert not any("ictim" in name for name in stored.columns)
        download = page.context.request.get(f"{address}/api/explore/download.csv").text()
        assert "'=HYPERLINK" in download  # no formula for a spreadsheet
        page.get_by_role("button", name="Back to the city").click()
        page.wait_for_url("**/upload")
        expect(page.locator(".chosen")).to_have_count(0, timeout=LONG)
        page.get_by_role("link", name="Riverside").click()
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Delete this upload").click()
        page.wait_for_url("**/upload")
        expect(page.get_by_text("Nothing was uploaded yet.")).to_be_visible(timeout=LONG)
    left = [str(one.relative_to(root)) for one in root.rglob("*") if upload["upload_id"] in one.name]
    assert left == []


@pytest.mark.chromium
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360), ("dark", 1280), ("light", 320)])
def test_the_page_is_for_everyone(
    browser: Browser, address: str, client: httpx.Client, scheme: Any, width: int
) -> None:
    upload = sent(client, messy_csv(), "records.csv")
    for path in ("/upload", f"/upload?file={upload}"):
        options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}, "bypass_csp": True}
        with page_of(browser, address, path, **options) as page:
            if "?" in path:
                expect(page.locator("#preview-canvas")).to_have_attribute("data-state", "idle", timeout=LONG)
                page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            assert broken_rules(page) == []
            assert page.evaluate("() => document.documentElement.scrollWidth") == width
    assert client.delete(f"/api/uploads/{upload}").status_code == 204


@pytest.mark.chromium
def test_sending_is_stopped_by_the_user(browser: Browser, address: str, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 4_000_000)
    with page_of(browser, address, "/upload") as page:
        # A slow line, so that there is time to change one's mind.
        line = page.context.new_cdp_session(page)
        line.send("Network.enable")
        line.send(
            "Network.emulateNetworkConditions",
            {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 100_000},
        )
        page.locator("#file").set_input_files(path)
        page.get_by_role("button", name="Stop sending").click()
        expect(page.get_by_role("alert")).to_have_text("Stopped; nothing was kept.", timeout=LONG)
        expect(page.get_by_label("Choose a file")).to_be_visible(timeout=LONG)
    deadline = time.monotonic() + 60
    while any((root / "data" / "uploads").glob(".*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.1)


# -- hostile files -----------------------------------------------------------------------------------------------------


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
    client: httpx.Client, root: Path, what: str, content: bytes, says: str
) -> None:
    got = client.post("/api/uploads", params={"name": f"{what}.csv"}, content=content, headers=SENT)
    assert got.status_code == 422
    assert says in got.json()["detail"]
    assert str(root) not in got.text
    assert client.get("/api/uploads").json()["uploads"] == []
    assert list((root / "data" / "uploads").iterdir()) == []


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
def test_what_cannot_be_mapped_says_why(client: httpx.Client, root: Path, what: str, content: bytes, says: str) -> None:
    upload = sent(client, content, what)
    got = client.post(f"/api/uploads/{upload}/preview", json={})
    assert got.status_code in {200, 422}
    told = got.json().get("problem") or got.json().get("detail")
    assert says in told
    assert str(root) not in got.text
    assert client.post(f"/api/uploads/{upload}/city", json={"mapping": {}}).status_code == 422
    assert client.delete(f"/api/uploads/{upload}").status_code == 204
    assert client.get(f"/api/uploads/{upload}").status_code == 404


def test_every_kind_of_file_is_looked_at(client: httpx.Client, tmp_path: Path) -> None:
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
        upload = sent(client, content, "../../../etc/passwd")
        told = client.get(f"/api/uploads/{upload}").json()
        assert (told["kind"], told["name"]) == (kind, "passwd")
        places = (
            {"longitude": "longitude", "latitude": "latitude"}
            if kind == "geojson"
            else {"longitude": "lon", "latitude": "lat"}
        )
        found = client.post(f"/api/uploads/{upload}/preview", json={"mapping": {**said, **places}}).json()
        assert (
            found["problem"],
            found["kept"] + found["rejected"].get("equal to an earlier row in every mapped column", 0),
        ) == ("", 60), kind
        client.delete(f"/api/uploads/{upload}")


# -- who may, and how much ---------------------------------------------------------------------------------------------


def test_roles_limits_and_foreign_pages(tmp_path: Path) -> None:
    keys = {role: create_key(tmp_path / "secrets" / "access_keys.json", name=role.label, role=role)[1] for role in Role}
    with (
        serving(tmp_path, "uploads.max_mb=1", "uploads.most=1") as address,
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


def test_a_client_that_goes_away_leaves_nothing(address: str, root: Path) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(
            f"POST /api/uploads?name=a.csv HTTP/1.1\r\nHost: {host}:{port}\r\n"
            "Content-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\na,b\n1,2\n".encode()
        )
        deadline = time.monotonic() + 60
        while not list((root / "data" / "uploads").glob(".*.part")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    while list((root / "data" / "uploads").glob(".*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
