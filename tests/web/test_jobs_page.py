"""Long work from the Status page, with scripts and without: started, refused a second time, cancelled, done."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app_server import started
from held_city import HeldFile

pytestmark = [pytest.mark.chromium, pytest.mark.slow]

LONG = 90_000
"""Milliseconds that a job may take on a busy machine."""


@pytest.fixture
def address(config: Path) -> Iterator[str]:
    """Address of a server of the held city."""
    with started("-c", str(config)) as (address, _):
        yield address


def status_page(browser: Browser, address: str, *, scripts: bool) -> Page:
    page = browser.new_context(base_url=address, java_script_enabled=scripts).new_page()
    page.set_default_timeout(60_000)
    page.goto("/status")
    return page


def test_work_is_started_refused_twice_cancelled_and_done(browser: Browser, address: str, held: HeldFile) -> None:
    page = status_page(browser, address, scripts=True)
    start = page.locator('[data-key="start-refresh"]')
    first = page.locator("[data-job]").first
    start.click()
    expect(first).to_have_attribute("data-state", "running", timeout=LONG)
    assert held.asked.wait(60)
    expect(first.locator("progress")).to_be_visible()
    expect(page.locator("#live")).to_contain_text("running")
    expect(start).to_be_focused()
    expect(start).to_have_attribute("aria-disabled", "true")

    # What cannot start now says why instead of being dead.
    start.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("wait for it, or cancel it")
    expect(page.locator("[data-job]")).to_have_count(1)
    page.wait_for_timeout(2500)  # longer than the table stays as it is
    expect(page.get_by_role("alert")).to_be_visible()

    first.get_by_role("button", name="Cancel").click()
    expect(first).to_have_attribute("data-state", "cancelled", timeout=LONG)
    expect(first).to_contain_text("Cancelled by")
    expect(page.locator("#live")).to_contain_text("cancelled")

    page.context.set_offline(True)
    start.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The server does not answer.")
    page.context.set_offline(False)

    held.released.set()
    start.click()
    expect(page.locator("[data-job]")).to_have_count(2)
    expect(first).to_have_attribute("data-state", "done", timeout=LONG)
    first.get_by_text("Log", exact=True).click()
    expect(first.locator("pre")).to_be_visible()
    first.get_by_role("link", name="Result").click()
    page.wait_for_url("**/data")
    expect(page.locator("h1")).to_be_visible()
    page.context.close()


def test_work_is_started_and_cancelled_without_scripts(browser: Browser, address: str, held: HeldFile) -> None:
    page = status_page(browser, address, scripts=False)
    page.locator('[data-key="start-refresh"]').click()
    expect(page.locator("[data-job]").first).to_have_attribute("data-state", "running")
    assert held.asked.wait(60)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("[data-job]").first).to_have_attribute("data-state", "cancelled")
    page.context.close()
