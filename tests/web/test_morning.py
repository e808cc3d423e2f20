"""This morning: what the page says is what the result files hold, and a sentence stands where a result is missing."""

import re
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path

import duckdb
import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from crimepatterns.config import BriefingSettings, Settings
from crimepatterns.store.layout import Layout

ClientOf = Callable[[Settings], httpx.Client]
Opener = Callable[..., Page]
READY = "html[data-ready=yes]"


def words(page: str) -> str:
    """Text of a page as people read it."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


def test_places_chances_and_shifts_are_those_of_the_files(client: httpx.Client, layout: Layout) -> None:
    text = words(client.get("/").text)
    plan = duckdb.read_csv(str(layout.plan / "plan.csv")).order("rank")
    rows = plan.project("rank, cell_id, expected, chance_of_none, hours, category_mix").fetchall()
    shown = re.findall(r"\b(\d+) [A-Z][\w' ]+ (s\d+_\d+)", text)
    assert [(int(rank), cell) for rank, cell in shown] == [(row[0], row[1]) for row in rows[:7]]
    for _, cell, expected, none, hours, mix in rows[:7]:
        own = text[text.index(cell) :][:900]
        assert hours in own
        assert mix in own
        assert f"Expected {expected:.1f}" in own if expected >= 1 else f"Expected {expected:.2f}" in own
        assert f"Chance of nothing {none * 100:.0f} %" in own if none >= 0.005 else "Chance of nothing < 1 %" in own
        # Shares of the shifts, added up over days and categories by another reader.
        parts = np.zeros(3)
        for category in ("burglary", "theft"):
            path = str(layout.forecasts / "shifts" / f"{category}.parquet")
            own_row = duckdb.read_parquet(path).filter(f"cell_id = '{cell}'").df()
            means = own_row.filter(regex="^mean_").to_numpy()[0]
            # The horizon begins at midnight, within the shift 23-07.
            for shift, first in enumerate((1, 2, 0)):
                parts[shift] += means[first::3].sum()
        told = [f"{value:.1f}" if value >= 1 else f"{value:.2f}" for value in parts]
        assert " ".join(told) in own


def test_unusual_counts_are_those_of_the_files(client: httpx.Client, layout: Layout) -> None:
    page = client.get("/").text
    unusual = compared = 0
    for category in ("burglary", "theft"):
        table = duckdb.read_parquet(str(layout.patterns / category / "usual.parquet"))
        chosen = table.filter("period IN ('1 day', '7 days') AND verdict <> ''")
        compared += chosen.count("*").fetchall()[0][0]
        unusual += chosen.filter("verdict <> 'as usual'").count("*").fetchall()[0][0]
    assert f"{compared} comparisons" in words(page)
    listed = re.findall(r'<span class="chip (?:bad|good)">(?:more|fewer)', page)
    assert len(listed) == min(unusual, 12)
    if not unusual:
        assert "All counts are as usual." in words(page)


def test_at_most_three_news_and_each_ends(client: httpx.Client) -> None:
    text = client.get("/").text
    cards = re.findall(r'<li class="card">(.*?)</li>', text, flags=re.DOTALL)
    assert len(cards) <= 3
    for card in cards:
        assert re.search(r"Until \d+ \w+ \d{4} · p ", card)


def test_alerts_of_one_category_take_one_place_while_others_wait(client: httpx.Client) -> None:
    text = client.get("/").text
    cards = re.findall(r'<li class="card"><p class="eyebrow">(.*?)</p><h3><a href="(.*?)">', text)
    links = [link.partition("#")[0] for kind, link in cards if kind == "near-repeat alert"]
    assert len(cards) == 3
    assert len(set(links)) == len(links)
    assert {kind for kind, _ in cards} >= {"near-repeat alert", "cluster in space and time"}


def test_the_run_is_named_as_its_manifest_is(client: httpx.Client, layout: Layout) -> None:
    named = {path.stem for path in layout.forecast_manifests.glob("*.json")}
    assert re.search(r"Run (\S+),", words(client.get("/").text)).group(1) in named  # type: ignore[union-attr]


def test_each_missing_result_is_a_sentence(client_of: ClientOf, small_city_run: Settings, tmp_path: Path) -> None:
    there = Layout(small_city_run.root, small_city_run.city)
    shutil.copytree(there.processed, tmp_path / "data" / "processed" / there.city)
    shutil.copytree(there.results, tmp_path / "results" / there.city)
    here = Layout(tmp_path, there.city)
    own = client_of(small_city_run.model_copy(update={"root": tmp_path}))
    for gone, sentence in (
        (here.plan, "crimepatterns plan"),
        (here.forecasts / "shifts", "No patrol plan yet"),
        (here.quality, "crimepatterns check"),
        (here.patterns / "theft" / "usual.parquet", "Not compared: theft"),
        (here.patterns, "crimepatterns patterns"),
        (here.forecasts, "crimepatterns run"),
    ):
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
        got = own.get("/")
        assert got.status_code == 200, gone
        assert sentence in words(got.text), f"{gone} is away"
        assert str(tmp_path) not in got.text


def test_what_an_agency_sets_is_what_is_suggested(client_of: ClientOf, small_city_run: Settings) -> None:
    wanted = BriefingSettings(places=2, responses={}, owners={}, response="Ask the <library>.", owner="Desk 4")
    chosen = small_city_run.model_copy(update={"briefing": wanted})
    page = client_of(chosen).get("/").text
    assert page.count("Ask the &lt;library&gt;.") == 2
    assert page.count("Owner: Desk 4") == 2


@pytest.mark.chromium
def test_the_sheet_prints_without_its_controls(opened: Opener) -> None:
    page = opened("/", ready=READY)
    expect(page.locator(".sketch")).to_have_attribute("role", "img")
    page.emulate_media(media="print")
    for hidden in (".masthead nav", ".actions", "#theme"):
        expect(page.locator(hidden).first).to_be_hidden()
    for shown in ("h1", ".sketch", ".place", "#limits"):
        expect(page.locator(shown).first).to_be_visible()
    count = re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))
    assert len(count) <= 3


@pytest.mark.chromium
def test_the_sheet_is_one_page_of_paper(opened: Opener) -> None:
    page = opened("/", ready=READY)
    for paper in ("A4", "Letter"):
        assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=paper))) == 1, paper
    page.emulate_media(media="print")
    expect(page.locator(".place").last).to_be_visible()
    expect(page.locator("#limits .parameters")).to_contain_text("Run ")
