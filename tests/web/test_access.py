"""The page for everyone: keyboard, reading aloud, small screens, stillness, paper, no scripts."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from accessible import broken_rules

pytestmark = pytest.mark.chromium

IDLE = "html[data-ready=yes] #map[data-state=idle]"

Opener = Callable[..., Page]


def brightness(page: Page) -> float:
    """Mean brightness of the map, 0 to 255."""
    shot = Image.open(io.BytesIO(page.locator("#map-canvas canvas").screenshot()))
    return float(np.asarray(shot.convert("L"), dtype=float).mean())


def test_everything_is_reached_with_the_keyboard(opened: Opener) -> None:
    page = opened("/forecast?category=theft&show=")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    reached = []
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement === document.body"):
            break  # after the last one
        focused = page.evaluate(
            """() => {
                const one = document.activeElement, style = getComputedStyle(one);
                const shown = one.matches(":focus-visible") || style.outlineStyle !== "none";
                return [one.id || one.name || one.className || one.textContent.trim(), shown];
            }"""
        )
        assert focused[1], f"no focus ring on {focused[0]}"
        reached.append(focused[0])
    assert {"category", "theme", "maplibregl-canvas", "whole-city", "surface", "overlay"} <= set(reached), reached
    page.locator('input[name="surface"]:checked').focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#map")).to_have_attribute("data-surface", "gi_star")
    page.keyboard.press("ArrowLeft")
    page.locator(".top-list button").first.focus()
    page.keyboard.press("Enter")
    title = page.locator(".detail h3").inner_text()
    page.wait_for_selector(IDLE, state="attached")
    page.locator("#map-canvas canvas").focus()
    expect(page.locator(".cross")).to_have_css("opacity", "1")
    page.keyboard.press("Escape")
    expect(page.locator(".detail h3")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator(".detail h3")).to_have_text(title)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_accessible_by_rule(opened: Opener, scheme: str, width: int) -> None:
    page = opened(
        "/forecast?category=theft&surface=gi_star&show=clusters,plan&at=plan:1",
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
        bypass_csp=True,  # for the checker's own script
    )
    page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert broken_rules(page, least_passed=21) == []


@pytest.mark.parametrize("path", ["/reports/cleaning", "/reports/honesty/", "/reports/plan"])
def test_reports_keep_to_their_policy_and_are_accessible(opened: Opener, path: str) -> None:
    opened(path, ready="body h1")  # any style or script that the policy blocks is a complaint
    page = opened(path, ready="body h1", bypass_csp=True, viewport={"width": 1280, "height": 900})
    assert broken_rules(page) == []


@pytest.mark.parametrize("address", ["/forecast?category=theft&at=plan:1", "/forecast?category=all&surface=density"])
def test_nothing_is_cut_off_at_320_pixels(opened: Opener, address: str) -> None:
    page = opened(address, viewport={"width": 320, "height": 640})
    page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    wide = page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((one) => {
            const box = one.getBoundingClientRect();
            const apart = one.closest(".scroll, .visually-hidden, #map-canvas, nav");
            return !apart && box.width > 0 && (box.right > 321 || box.left < -1);
        }).map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert wide == []
    assert page.evaluate("() => document.documentElement.scrollWidth") == 320


def test_small_targets_are_large_enough(opened: Opener) -> None:
    page = opened("/forecast?category=theft", viewport={"width": 390, "height": 844}, has_touch=True)
    small = page.evaluate(
        """() => [...document.querySelectorAll("a, button, select, label:has(input), summary")].filter((one) => {
            const box = one.getBoundingClientRect();
            const inText = one.matches("p a");
            return box.width && !inText && !one.matches(".skip") && (box.width < 24 || box.height < 24);
        }).map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert small == []


def test_nothing_moves_for_those_who_ask_for_stillness(opened: Opener) -> None:
    page = opened("/forecast?category=theft", reduced_motion="reduce")
    assert page.evaluate("() => getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    page.evaluate("() => { document.querySelector('#map').dataset.state = 'loading'; }")
    assert (
        page.evaluate("() => getComputedStyle(document.querySelector('.map-frame'), '::after').animationName") == "none"
    )
    page.evaluate("() => { document.querySelector('#map').dataset.state = 'idle'; }")
    page.locator(".top-list button").first.click()
    assert page.evaluate("() => document.getAnimations().filter((one) => one.playState === 'running').length") == 0


def test_paper_gets_the_content_without_the_controls(opened: Opener) -> None:
    page = opened("/forecast?category=theft&surface=gi_star")
    page.emulate_media(media="print")
    for hidden in ("nav", ".filter", "#theme", ".surfaces", ".map-table", ".maplibregl-ctrl-top-right"):
        expect(page.locator(hidden).first).to_be_hidden()
    for shown in ("h1", "#map-canvas canvas", ".legend", ".plan-table", ".scoreboard", '[data-chart="trend"] svg'):
        expect(page.locator(shown).first).to_be_visible()
    assert len(page.pdf(format="A4")) > 50_000


def test_paper_is_light_even_for_those_who_read_in_the_dark(opened: Opener) -> None:
    page = opened("/forecast?category=theft&surface=gi_star&view=40.9,-92.9,13.00", color_scheme="light")
    page.get_by_role("button", name="Dark theme").click()
    page.wait_for_timeout(300)
    assert brightness(page) < 90
    page.emulate_media(media="print")
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("() => getComputedStyle(document.body).color") == "rgb(22, 25, 31)"
    page.wait_for_timeout(300)
    assert brightness(page) > 180
    page.emulate_media(media="screen")
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    page.wait_for_timeout(300)
    assert brightness(page) < 90
    assert "view=40.9,-92.9,13.00" in page.url.replace("40.90000", "40.9").replace("-92.90000", "-92.9")


def test_without_scripts_texts_and_tables_stand(browser: Browser, server: str) -> None:
    context = browser.new_context(base_url=server, java_script_enabled=False)
    page = context.new_page()
    page.goto("/forecast?category=burglary")
    expect(page.get_by_role("heading", level=1)).to_contain_text("burglary")
    expect(page.locator(".plan-table tbody tr").first).to_be_visible()
    page.get_by_label("Category").select_option("theft")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("theft")
    context.close()
