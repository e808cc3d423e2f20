"""The page in a real browser: what people see, choose, share and select."""

import io
import re
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.chromium

IDLE = "html[data-ready=yes] #map[data-state=idle]"

Opener = Callable[..., Page]


def picture(page: Page) -> bytes:
    """Pixels of the map's canvas once nothing moves any more."""
    page.wait_for_selector(IDLE, state="attached")
    return page.locator("#map-canvas canvas").screenshot(animations="disabled")


def difference(first: bytes, second: bytes) -> float:
    """Mean absolute difference of two pictures, 0 to 255."""
    one, other = (np.asarray(Image.open(io.BytesIO(data)).convert("L"), dtype=float) for data in (first, second))
    return float(np.abs(one - other).mean())


# -- loading -----------------------------------------------------------------------------------------------------------


def test_the_page_loads_whole_and_asks_nobody_else(opened: Opener) -> None:
    page = opened()
    expect(page).to_have_title(re.compile(r"^Lindenfeld"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("incidents are expected")
    expect(page.locator("#map")).to_have_attribute("data-surface", "forecast")
    expect(page.locator("#map")).to_have_attribute("data-overlays", "plan")
    for chart in ("trend", "rhythm", "catch", "skill", "calibration"):
        drawing = page.locator(f'[data-chart="{chart}"] svg').first
        expect(drawing).to_have_attribute("role", "img")
        expect(drawing).to_have_attribute("aria-label", re.compile(r"\d"))
    assert len(picture(page)) > 10_000  # a blank canvas compresses to far less


def test_charts_and_tables_tell_what_the_server_counted(opened: Opener, server: str) -> None:
    page = opened("/forecast?category=burglary")
    trend = httpx.get(f"{server}/api/charts/trend?category=burglary", trust_env=False).json()["periods"]
    rows = page.locator('[data-numbers="trend"] tbody tr')
    assert rows.count() == len(trend)
    first = rows.first.locator("th, td").all_text_contents()
    last = trend[-1]
    assert first == [last["start"], f"{last['incidents']:,}", "" if last["complete"] else "not a whole week"]
    rhythm = httpx.get(f"{server}/api/charts/rhythm?category=burglary", trust_env=False).json()
    shown = page.locator('[data-numbers="rhythm"] tbody td').all_text_contents()
    assert sum(int(text.replace(",", "")) for text in shown) == sum(cell["incidents"] for cell in rhythm["cells"])


# -- choosing, sharing, going back -------------------------------------------------------------------------------------


def test_another_category_changes_address_headline_map_and_charts(opened: Opener) -> None:
    page = opened("/forecast?category=theft")
    headline = page.get_by_role("heading", level=1)
    before, drawn = headline.inner_text(), picture(page)
    chart = page.locator('[data-chart="trend"] svg').get_attribute("aria-label")
    page.get_by_label("Category").select_option("burglary")
    page.wait_for_selector("html[data-ready=yes] #map[data-category=burglary][data-state=idle]", state="attached")
    assert "category=burglary" in page.url
    assert "burglary" in headline.inner_text()
    assert headline.inner_text() != before
    assert picture(page) != drawn
    assert page.locator('[data-chart="trend"] svg').get_attribute("aria-label") != chart
    expect(page).to_have_title(re.compile("burglary"))
    expect(page.locator("#live")).to_have_text("Now showing Burglary.")
    page.go_back()
    page.wait_for_selector("html[data-ready=yes] #map[data-category=theft][data-state=idle]", state="attached")
    expect(headline).to_have_text(before)
    expect(page.get_by_label("Category")).to_have_value("theft")


def test_the_address_restores_the_view(opened: Opener) -> None:
    page = opened("/forecast?category=burglary")
    page.locator("label", has_text="Hot spots").click()
    page.get_by_role("checkbox", name="Clusters").check()
    page.locator(".top-list button").first.click()
    page.wait_for_selector(IDLE, state="attached")
    chosen = page.locator(".detail h3").inner_text()
    address = page.url.split("/", 3)[3]
    assert "surface=gi_star" in address
    assert "show=clusters,plan" in address
    assert "at=gi_star:" in address
    again = opened("/" + address)
    expect(again.locator("#map")).to_have_attribute("data-surface", "gi_star")
    expect(again.locator("#map")).to_have_attribute("data-overlays", "clusters,plan")
    expect(again.get_by_role("checkbox", name="Clusters")).to_be_checked()
    expect(again.locator(".detail h3")).to_have_text(chosen)
    expect(again.get_by_label("Category")).to_have_value("burglary")


def test_panning_is_kept_in_the_address(opened: Opener) -> None:
    page = opened()
    whole = picture(page)
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_function("() => location.search.includes('view=')")
    shown = picture(page)
    restored = picture(opened("/" + page.url.split("/", 3)[3]))
    # The address is rounded to a metre and a hundredth of a zoom level: edges may move by less than a pixel.
    assert difference(restored, shown) < difference(whole, shown) / 5
    page.get_by_role("button", name="Whole city").click()
    page.wait_for_function("() => !location.search.includes('view=')")


@pytest.mark.parametrize(
    "query", ["surface=heat&show=x&at=forecast:none&view=a,b", "view=91,0,3&at=plan:999", "at=plan"]
)
def test_nonsense_in_the_address_is_ignored(opened: Opener, query: str) -> None:
    page = opened(f"/forecast?{query}")
    expect(page.locator("#map")).to_have_attribute("data-surface", "forecast")
    expect(page.locator(".top-list button")).to_have_count(5)


def test_every_surface_and_overlay_changes_map_legend_and_list(opened: Opener) -> None:
    page = opened("/forecast?category=theft")
    seen = {picture(page)}
    for surface, legend in (
        ("gi_star", "Gi* z-score of significant cells"),
        ("density", "Incidents per km²"),
        ("none", "Planned place"),
        ("forecast", "Expected incidents per cell"),
    ):
        page.locator(f'input[name="surface"][value="{surface}"]').check(force=True)
        expect(page.locator("#map")).to_have_attribute("data-surface", surface)
        expect(page.locator(".legend")).to_contain_text(legend)
        assert f"surface={surface}" in page.url
        seen.add(picture(page))
    assert len(seen) == 4  # the fourth choice is what was there first
    page.get_by_role("checkbox", name="Patrol plan").uncheck()
    assert picture(page) not in seen
    expect(page.locator(".legend")).not_to_contain_text("Planned place")
    page.get_by_role("checkbox", name="Clusters").check()
    expect(page.locator(".legend")).to_contain_text("Cluster outline")


def test_a_category_without_a_forecast_says_so(opened: Opener) -> None:
    page = opened("/forecast?category=all")
    expect(page.locator("#map")).to_have_attribute("data-surface", "gi_star")
    expect(page.locator('input[value="forecast"]')).to_be_disabled()
    expect(page.locator(".absent").first).to_contain_text("not made")
    expect(page.get_by_role("heading", level=1)).to_contain_text("all reported categories")


# -- details -----------------------------------------------------------------------------------------------------------


def test_lists_tables_and_the_map_show_the_same_place(opened: Opener, server: str) -> None:
    page = opened("/forecast?category=theft&show=")
    forecast = httpx.get(f"{server}/api/forecast/theft", trust_env=False).json()
    most = max(forecast["expected"])
    page.locator(".top-list button").first.click()
    detail = page.locator(".detail")
    expect(detail).to_contain_text(f"{most:.1f} incidents" if most >= 1 else f"{most:.2f} incidents")
    expect(detail).to_contain_text("Chance of none")
    title = detail.locator("h3").inner_text()
    # The list centred the map on that cell, so a click in the middle must find it again.
    page.wait_for_selector(IDLE, state="attached")
    page.get_by_role("button", name="Close the details").click()
    expect(page.locator(".top-list button").first).to_be_visible()
    assert "at=" not in page.url
    page.locator("#map-canvas canvas").click()
    expect(detail.locator("h3")).to_have_text(title)
    page.get_by_text("The map as a table").click()
    expect(page.locator(".map-table tr.selected")).to_contain_text(title)
    page.get_by_label("Layer", exact=True).select_option("plan")
    page.locator('.map-table [data-at="plan:2"]').click()
    expect(detail.locator("h3")).to_have_text(re.compile(r"^2\. "))


def test_the_table_grows_on_demand(opened: Opener) -> None:
    page = opened("/forecast?category=theft")
    page.get_by_text("The map as a table").click()
    rows = page.locator(".map-table tbody tr")
    expect(rows).to_have_count(20)
    page.get_by_role("button", name="Show 40 more").click()
    expect(rows).to_have_count(60)
    expect(page.locator(".map-table [role=status]")).to_contain_text("Showing 60 of")


def test_a_theme_is_chosen_and_kept(opened: Opener) -> None:
    page = opened(color_scheme="light")
    light = picture(page)
    button = page.get_by_role("button", name="Dark theme")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 26)"
    page.wait_for_timeout(300)
    assert picture(page) != light
    page.reload()
    page.wait_for_selector(IDLE, state="attached")
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"
