"""Every page made from stored results, in a real browser: complaints, access, links, small screens, figures."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from urllib.parse import quote

import duckdb
import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from accessible import broken_rules
from crimepatterns.config import Settings
from crimepatterns.serving.security.keys import create_key
from crimepatterns.serving.security.roles import Role
from crimepatterns.store.layout import Layout
from model_city import copied

ClientOf = Callable[[Settings], httpx.Client]
Opener = Callable[..., Page]
READY = "html[data-ready=yes]"
PAGES = (
    "/", "/patterns?category=theft", "/compare?category=burglary", "/data", "/neighbourhoods",
    "/neighbourhood/Old%20Town", "/status", "/developers", "/monitoring",
)  # fmt: skip


def words(page: str) -> str:
    """Text of a page as people read it."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


# -- in the browser ----------------------------------------------------------------------------------------------------


@pytest.mark.chromium
@pytest.mark.parametrize("address", PAGES)
def test_every_page_is_clean_in_both_themes_and_both_widths(opened: Opener, address: str) -> None:
    for scheme, width in (("light", 1280), ("dark", 360)):
        page = opened(
            address, ready=READY, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
        )
        page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert broken_rules(page) == [], f"{scheme}, {width}"
        assert page.evaluate("() => document.documentElement.scrollWidth") == width


@pytest.mark.chromium
@pytest.mark.parametrize("address", PAGES)
def test_nothing_is_cut_off_and_targets_are_large_enough_at_320(opened: Opener, address: str) -> None:
    page = opened(address, ready=READY, viewport={"width": 320, "height": 640})  # with the policy of the server
    page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    wide, small = page.evaluate(
        """() => [
            [...document.querySelectorAll("body *")].filter((one) => {
                const box = one.getBoundingClientRect();
                const apart = one.closest(".scroll, pre, .visually-hidden, nav");
                return !apart && box.width > 0 && (box.right > 321 || box.left < -1);
            }).map((one) => one.outerHTML.slice(0, 120)),
            [...document.querySelectorAll("a, button, select, summary")].filter((one) => {
                const box = one.getBoundingClientRect();
                const inText = one.matches("p a, th a, td a, h3 a, li a");
                return box.width && !inText && !one.matches(".skip") && (box.width < 24 || box.height < 24);
            }).map((one) => one.outerHTML.slice(0, 120)),
        ]"""
    )
    assert wide == []
    assert small == []


@pytest.mark.chromium
def test_the_menu_leads_through_all_pages_with_the_keyboard(opened: Opener) -> None:
    page = opened("/", ready=READY, viewport={"width": 360, "height": 800})
    menu = page.get_by_role("button", name="Menu")
    menu.focus()
    page.keyboard.press("Enter")
    names = page.locator(".menu a").all_inner_texts()
    assert names == [
        "This morning", "Explore", "Patterns", "Forecast", "Compare", "Neighbourhoods", "Data", "Monitoring",
        "Upload", "Status",
    ]  # fmt: skip
    page.keyboard.press("Tab")
    expect(page.locator(".menu a").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".menu a").first).to_be_hidden()
    page.set_viewport_size({"width": 1280, "height": 800})
    for name in ("Patterns", "Compare", "Neighbourhoods", "Data", "Status", "This morning"):
        page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
        page.wait_for_selector(READY, state="attached")
        current = page.locator('.menu a[aria-current="page"]')
        expect(current).to_have_text(name)
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()


@pytest.mark.chromium
def test_a_cell_of_the_forecast_tells_why(opened: Opener, server: str) -> None:
    page = opened("/forecast?category=theft&show=")
    page.locator(".top-list button").first.click()
    told = page.locator(".detail .why p")
    expect(told).to_contain_text("incidents of theft are expected")
    cell = re.search(r"Cell (\S+)", told.inner_text()).group(1)  # type: ignore[union-attr]
    asked = httpx.get(f"{server}/api/explain/theft?cell={cell}", trust_env=False).json()
    assert told.inner_text() == asked["cells"][0]["sentence"]


@pytest.mark.chromium
def test_without_scripts_every_page_stands(browser: Browser, server: str) -> None:
    context = browser.new_context(base_url=server, java_script_enabled=False)
    page = context.new_page()
    page.goto("/patterns?category=theft")
    page.get_by_label("Category").select_option("burglary")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("burglary")
    context.close()


# -- figures and links -------------------------------------------------------------------------------------------------


def test_every_link_of_every_page_leads_somewhere(client: httpx.Client) -> None:
    seen: dict[str, int] = {}
    for address in (*PAGES, "/forecast"):
        page = client.get(address).text
        ids = set(re.findall(r'id="([^"]+)"', page))
        for link in re.findall(r'<a [^>]*href="([^"]+)"', page):
            path, _, part = unescape(link).partition("#")
            if not path:
                assert part in ids, f"{address} links to #{part}, which is not there"
            elif path not in seen:
                got = client.get(path)
                seen[path] = got.status_code
                # What was never made answers with the command that makes it.
                unmade = path.startswith("/api/") and "run `crimepatterns" in got.text
                assert got.status_code == 200 or unmade, f"{address} links to {path}"
    assert len(seen) > 25


def test_significant_cells_and_emerging_names_are_those_of_the_files(client: httpx.Client, layout: Layout) -> None:
    text = words(client.get("/patterns?category=theft").text)
    hot = duckdb.read_parquet(str(layout.patterns / "theft" / "gi_star.parquet"))
    shown = hot.filter("q_value <= 0.05 AND value > 0").count("*").fetchall()[0][0]
    assert f"{shown:,} cells above" in text
    emerging = duckdb.read_parquet(str(layout.patterns / "theft" / "emerging.parquet"))
    for name, count in emerging.aggregate("emerging, count(*)").fetchall():
        if name != "no pattern":
            assert f"{name} ({count:,})" in text
    scan = duckdb.read_parquet(str(layout.patterns / "theft" / "scan.parquet"))
    assert len(re.findall(r"(\d+) places", text)) >= scan.count("*").fetchall()[0][0]


def test_compared_counts_are_those_of_the_file(client: httpx.Client, layout: Layout) -> None:
    page = client.get("/compare?category=theft").text
    rows = re.findall(r"<tr[^>]*><th scope=\"row\">(.*?)</th>(.*?)</tr>", page, flags=re.DOTALL)
    shown = {words(name).strip(): re.findall(r"<td>([\d,]+)", cells) for name, cells in rows}
    table = duckdb.read_parquet(str(layout.patterns / "theft" / "usual.parquet"))
    order = ("1 day", "7 days", "28 days", "year to date")
    stored: dict[str, dict[str, int]] = {}
    for area, period, count in table.project('area, period, "count"').fetchall():
        stored.setdefault(area, {})[period] = count
    assert shown == {area: [f"{counts[period]:,}" for period in order] for area, counts in stored.items()}


def test_a_profile_counts_what_the_records_hold(client: httpx.Client, layout: Layout, small_city_run: Settings) -> None:
    page = client.get("/neighbourhoods").text
    listed = {words(name): int(year.replace(",", "")) for name, year in
              re.findall(r'<a href="/neighbourhood/[^"]+">(.*?)</a></th><td>([\d,]+)', page)}  # fmt: skip
    pattern = str(layout.incidents / "**" / "*.parquet")
    zone = small_city_run.timezone
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        incidents = connection.read_parquet(pattern)
        last = incidents.aggregate("max(occurred_from)::TIMESTAMP").fetchall()[0][0]
        # Whole weeks begin on Mondays; the record's last day is whole.
        end = duckdb.sql(f"SELECT date_trunc('week', TIMESTAMP '{last}' + INTERVAL 1 DAY)").fetchall()[0][0]
        year = incidents.filter(f"occurred_from >= '{end}'::TIMESTAMP - INTERVAL 364 DAY AND occurred_from < '{end}'")
        total = year.filter("discovery = 'reported'").count("*").fetchall()[0][0]
    assert sum(listed.values()) == total
    name = max(listed, key=lambda one: listed[one])
    text = words(client.get(f"/neighbourhood/{quote(name)}").text)
    assert f"{name} had {listed[name]:,} reported incidents" in text
    assert f"{listed[name] / total * 100:.1f} % of the city's" in text
    areas = duckdb.read_parquet(str(layout.forecasts / "areas" / "theft.parquet")).filter(f"area = '{name}'")
    expected = areas.project("expected").fetchall()[0][0]
    assert f"theft {expected:.1f}" in text if expected >= 1 else f"theft {expected:.2f}" in text


def test_shifts_of_the_forecast_are_those_of_the_file(client: httpx.Client, layout: Layout) -> None:
    stored = duckdb.read_parquet(str(layout.forecasts / "shifts" / "theft.parquet"))
    top = stored.project("cell_id, mean_4").order("mean_4 DESC, cell_id").limit(10).fetchall()
    page = client.get("/forecast?category=theft&shift=4").text
    shifts = page[page.index('id="shifts"') :]
    shifts = shifts[: shifts.index("</section>")]
    assert re.findall(r'<span class="remark">(s\d+_\d+)</span>', shifts) == [cell for cell, _ in top]
    for wrong in ("-1", "99", "x", "4.5", "9" * 50):
        assert client.get(f"/forecast?category=theft&shift={wrong}").status_code == 200


# -- roles -------------------------------------------------------------------------------------------------------------


def test_each_role_sees_its_pages(client_of: ClientOf, small_city_run: Settings, tmp_path: Path) -> None:
    own = copied(small_city_run, tmp_path)
    keys = {role: create_key(tmp_path / own.security.keys_file, name=role.label, role=role)[1] for role in Role}
    client = client_of(own)

    def get(address: str, role: Role) -> httpx.Response:
        return client.get(address, headers={"authorization": f"Bearer {keys[role]}"})

    assert get("/", Role.PUBLIC).status_code == 403
    data = get("/data", Role.PUBLIC)
    assert data.status_code == 200
    assert "What it does not do" in words(data.text)
    assert "Faults of the records" not in words(data.text)
    analyst = words(get("/", Role.ANALYST).text)
    assert "The patrol plan is shown to planners." in analyst
    assert "Response" not in analyst
    assert get("/neighbourhoods", Role.ANALYST).status_code == 403
    assert get("/neighbourhoods", Role.PLANNER).status_code == 200
    assert get("/status", Role.PLANNER).status_code == 403
    assert get("/status", Role.ADMINISTRATOR).status_code == 200
    menu = re.search(r'<nav id="menu".*?</nav>', get("/data", Role.PUBLIC).text, flags=re.DOTALL).group()  # type: ignore[union-attr]
    assert re.findall(r'href="([^"]+)"', menu) == ["/explore", "/data"]
