"""Upload in the browser: a file is sent, looked at, mapped, made a city and seen on its map."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from accessible import broken_rules
from uploading_files import sent

pytestmark = pytest.mark.chromium

READY = "html[data-ready=yes]"
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


def test_a_messy_file_becomes_a_city_that_is_seen_on_its_map_and_leaves_no_trace(
    browser: Browser, empty_server: str, uploader: httpx.Client, empty_root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "records of 2025.csv"
    path.write_bytes(messy_csv())
    with page_of(browser, empty_server, "/upload", viewport={"width": 1280, "height": 900}) as page:
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
        upload = uploader.get("/api/uploads").json()["uploads"][0]
        stored = duckdb.read_parquet(
            str(empty_root / "data" / "processed" / upload["upload_id"] / "incidents" / "**" / "*.parquet")
        )
        assert stored.count("*").fetchall()[0][0] == GOOD
        assert not any("ictim" in name for name in stored.columns)
        download = page.context.request.get(f"{empty_server}/api/explore/download.csv").text()
        assert "'=HYPERLINK" in download  # no formula for a spreadsheet
        page.get_by_role("button", name="Back to the city").click()
        page.wait_for_url("**/upload")
        expect(page.locator(".chosen")).to_have_count(0, timeout=LONG)
        page.get_by_role("link", name="Riverside").click()
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Delete this upload").click()
        page.wait_for_url("**/upload")
        expect(page.get_by_text("Nothing was uploaded yet.")).to_be_visible(timeout=LONG)
    left = [str(one.relative_to(empty_root)) for one in empty_root.rglob("*") if upload["upload_id"] in one.name]
    assert left == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360), ("dark", 1280), ("light", 320)])
def test_the_page_is_for_everyone(
    browser: Browser, empty_server: str, uploader: httpx.Client, scheme: Any, width: int
) -> None:
    upload = sent(uploader, messy_csv(), "records.csv")
    for path in ("/upload", f"/upload?file={upload}"):
        options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}, "bypass_csp": True}
        with page_of(browser, empty_server, path, **options) as page:
            if "?" in path:
                expect(page.locator("#preview-canvas")).to_have_attribute("data-state", "idle", timeout=LONG)
                page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            assert broken_rules(page) == []
            assert page.evaluate("() => document.documentElement.scrollWidth") == width
    assert uploader.delete(f"/api/uploads/{upload}").status_code == 204


def test_sending_is_stopped_by_the_user(browser: Browser, empty_server: str, empty_root: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 4_000_000)
    with page_of(browser, empty_server, "/upload") as page:
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
    while any((empty_root / "data" / "uploads").glob(".*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
