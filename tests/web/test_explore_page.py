"""The analyst explores: filters, clock, shapes and charts agree with another program, and the address keeps it all."""

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import httpx
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from accessible import broken_rules
from crimepatterns.config import Settings
from crimepatterns.store.layout import Layout

pytestmark = pytest.mark.chromium

READY = "html[data-ready=yes] #explore[data-state=idle]"
FRONTEND = Path(__file__).resolve().parents[2] / "deployment" / "app" / "frontend"

Opener = Callable[..., Page]

COLOURS = """one => {
  const { data } = one.getContext("2d").getImageData(0, 0, one.width, one.height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


@pytest.fixture(scope="module")
def truth(layout: Layout, small_city_run: Settings) -> pd.DataFrame:
    files = [str(path) for path in layout.incidents.rglob("*.parquet")]
    asked = duckdb.connect().sql("SELECT * EXCLUDE (geometry) FROM read_parquet(?)", params=[files])
    table = asked.to_arrow_table().to_pandas()
    return table.assign(wall=table["occurred_from"].dt.tz_convert(small_city_run.timezone).dt.tz_localize(None))


def settled(page: Page) -> None:
    page.wait_for_timeout(60)
    page.wait_for_selector(READY, state="attached")


def shown(page: Page) -> int:
    settled(page)
    return int(re.sub(r"\D", "", page.locator("#count").inner_text().split(" incident")[0]))


def tells(page: Page, incidents: int) -> None:
    """Wait until the page tells so many incidents: a busy machine answers late."""
    expect(page.locator("#count")).to_contain_text(re.compile(rf"^\s*{int(incidents):,} incident"))
    settled(page)


def test_the_record_opens_whole(opened: Opener, truth: pd.DataFrame) -> None:
    page = opened("/explore", ready=READY)
    tells(page, len(truth))
    expect(page).to_have_title(re.compile("Explore"))
    assert page.locator("#count").get_attribute("role") == "status"
    rows = page.locator('[data-numbers="areas"] tbody tr td:nth-child(2)').all_text_contents()
    assert sum(int(text.replace(",", "")) for text in rows) == len(truth)
    weeks = page.locator('[data-numbers="times"] tbody tr td:nth-child(2)').all_text_contents()
    assert sum(int(text.replace(",", "")) for text in weeks) == len(truth)


def test_a_morning_of_an_analyst(opened: Opener, truth: pd.DataFrame, server: str) -> None:
    page = opened("/explore", ready=READY)
    page.get_by_label(re.compile("^Burglary")).first.check()
    burglary = truth[truth["category"] == "burglary"]
    tells(page, len(burglary))
    page.get_by_role("button", name="28 days").click()
    last = truth["wall"].max().normalize() + pd.Timedelta(days=1)
    recent = burglary[burglary["wall"] >= last - pd.Timedelta(days=28)]
    tells(page, len(recent))
    before = (
        burglary["wall"].between(last - pd.Timedelta(days=56), last - pd.Timedelta(days=28), inclusive="left").sum()
    )
    expect(page.locator('[data-part="before"]')).to_contain_text(f"{before} in the 28 days before")
    # One step of the slider moves the period for everything.
    page.locator('[name="slide"]').focus()
    page.keyboard.press("ArrowLeft")
    moved = burglary["wall"].between(last - pd.Timedelta(days=29), last - pd.Timedelta(days=1), inclusive="left")
    tells(page, moved.sum())
    page.get_by_role("button", name="Whole record").click()
    page.get_by_label("Reported by citizens").check()
    tells(page, (burglary["discovery"] == "reported").sum())
    # The address is the question: another reader sees the same, and going back takes the last change back.
    address = page.url.removeprefix(server)
    assert "offence=burglary" in address
    assert "discovery=reported" in address
    other = opened(address, ready=READY)
    assert shown(other) == shown(page)
    expect(other.get_by_label("Reported by citizens")).to_be_checked()
    page.go_back()
    tells(page, len(burglary))


def test_hours_are_chosen_on_the_chart_and_by_keyboard(opened: Opener, truth: pd.DataFrame) -> None:
    page = opened("/explore?offence=theft", ready=READY)
    known = truth["time_precision"].isin(["minute", "hour"]) & (
        truth["occurred_until"] - truth["occurred_from"] <= pd.Timedelta(hours=1)
    )
    theft = truth[known & (truth["category"] == "theft")]
    hour, day = theft["wall"].dt.hour, theft["wall"].dt.day_of_week
    page.locator(".rhythm").scroll_into_view_if_needed()
    box = page.locator(".rhythm [data-hour='20']").bounding_box()
    end = page.locator(".rhythm [data-hour='47']").bounding_box()
    assert box is not None
    assert end is not None
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    page.mouse.down()
    page.mouse.move(end["x"] + 3, end["y"] + 3, steps=4)
    page.mouse.up()
    tells(page, ((hour >= 20) & (day <= 1)).sum())
    assert "hours=20-23,44-47" in page.url
    page.get_by_role("button", name="All hours").click()
    page.get_by_role("button", name="Sat").press("Enter")
    page.get_by_label("from", exact=True).fill("22")
    page.locator('[name="hour-to"]').fill("4")
    page.get_by_role("button", name="Choose").press("Enter")
    night = ((day == 5) & (hour >= 22)) | ((day == 6) & (hour < 4))
    tells(page, night.sum())


def test_a_shape_is_pasted_drawn_and_removed(opened: Opener, server: str, truth: pd.DataFrame) -> None:
    page = opened("/explore", ready=READY)
    page.get_by_text("Shape on the map").click()
    page.locator('[name="corners"]').fill("POLYGON((-92.96 40.87, -92.90 40.87, -92.93 40.91, -92.96 40.87))")
    page.get_by_role("button", name="Use these corners").click()
    polygon = "-92.96,40.87;-92.90,40.87;-92.93,40.91"
    told = httpx.get(f"{server}/api/explore/counts?polygon={polygon}", trust_env=False).json()
    assert 0 < told["total"] < len(truth)
    tells(page, told["total"])
    page.locator('[name="corners"]').fill("-92.95,40.85;-92.9,40.9;-92.95,40.9;-92.9,40.85")
    page.get_by_role("button", name="Use these corners").click()
    expect(page.locator('[data-part="draw-hint"]')).to_contain_text("cross each other")
    tells(page, told["total"])
    page.get_by_role("button", name="Remove the shape").click()
    tells(page, len(truth))
    page.get_by_role("button", name="Draw a shape").click()
    frame = page.locator("#explore-canvas canvas").bounding_box()
    assert frame is not None
    for across, down in ((0.4, 0.4), (0.6, 0.4), (0.6, 0.6)):
        page.mouse.click(frame["x"] + frame["width"] * across, frame["y"] + frame["height"] * down)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("polygon="))
    assert 0 < shown(page) < len(truth)
    page.get_by_role("button", name="Around the middle").click()
    expect(page).to_have_url(re.compile("near="))
    assert 0 < shown(page) < len(truth)


def test_search_and_layers(opened: Opener, truth: pd.DataFrame) -> None:
    page = opened("/explore", ready=READY)
    page.get_by_role("searchbox").fill("old to")
    page.get_by_role("button", name="Old Town").first.click()
    page.get_by_role("button", name="Only this neighbourhood").click()
    expect(page.locator("#count")).not_to_contain_text(f"{len(truth):,}")
    inside = shown(page)
    assert 0 < inside < len(truth)
    for layer in ("Grid", "Neighbourhoods", "Places"):
        page.locator(".surfaces").get_by_text(layer, exact=True).click()
        tells(page, inside)
    page.locator('details[data-part="incidents"] summary').click()
    expect(page.locator('[data-numbers="incidents"] tbody tr')).to_have_count(50)
    page.get_by_role("button", name="Next page").click()
    expect(page.locator('[data-part="page"]')).to_contain_text("Page 2")


def test_the_clock_plays_and_stops(opened: Opener) -> None:
    page = opened("/explore?from=2024-03-01&until=2024-03-29", ready=READY)
    first = page.locator('[name="from"]').input_value()
    page.locator('[name="speed"]').select_option("300")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("first => document.querySelector('[name=from]').value > first", arg=first)
    page.get_by_role("button", name="Pause").click()
    settled(page)
    first, last = (pd.Timestamp(page.locator(f'[name="{name}"]').input_value()) for name in ("from", "to"))
    length = (last - first).days
    assert length == 27


def test_from_a_shape_to_a_printed_page(opened: Opener, server: str) -> None:
    asked = "from=2025-01-01&until=2025-07-01&offence=theft&hours=0-5&polygon=-92.98,40.86;-92.88,40.86;-92.92,40.94"
    page = opened(f"/explore?{asked}", ready=READY)
    total = httpx.get(f"{server}/api/explore/counts?{asked}", trust_env=False).json()["total"]
    assert total
    tells(page, total)
    pages = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
    assert pages in (1, 2)
    page.emulate_media(media="print")
    paper = page.locator('[data-part="paper"]')
    for words in (
        "2025-01-01 to 2025-06-30",
        "theft",
        "a shape of 3 corners",
        "Mon 0-6",
        "cleaned records v0",
        page.url,
    ):
        expect(paper).to_contain_text(words)
    expect(page.locator("#count")).to_contain_text(f"{total:,} incident")
    expect(page.locator("#paper-map")).to_be_visible()
    expect(page.locator("#explore-canvas")).to_be_hidden()
    colours = page.locator("#paper-map").evaluate(COLOURS)
    assert colours > 20, "the map was printed empty"


def test_streets_are_coloured(opened: Opener, server: str) -> None:
    # The first to ask for streets waits until they are cut; a busy machine takes its time.
    assert httpx.get(f"{server}/api/explore/streets/counts", trust_env=False, timeout=120).status_code == 200
    page = opened("/explore?layer=streets", ready=READY)
    expect(page.locator('[data-part="legend"]')).to_contain_text("Incidents per stretch of street")
    page.locator('input[name="layer"][value="grid"]').check()
    expect(page.locator('[data-part="legend"]')).to_contain_text("Incidents per cell")
    page.locator('input[name="layer"][value="streets"]').check()
    expect(page).to_have_url(re.compile("layer=streets"))
    settled(page)


def test_the_picture_carries_its_question(opened: Opener) -> None:
    page = opened("/explore?offence=robbery", ready=READY)
    with page.expect_download() as taken:
        page.get_by_role("button", name="Picture (PNG)").click()
    path = taken.value.path()
    assert taken.value.suggested_filename.endswith(".png")
    assert path.stat().st_size > 20_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_accessible_by_rule(opened: Opener, scheme: str, width: int) -> None:
    page = opened(
        "/explore?offence=theft&from=2024-06-01&layer=grid",
        ready=READY,
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
        bypass_csp=True,  # for the checker's own script
    )
    page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    settled(page)
    page.wait_for_timeout(300)
    assert broken_rules(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
