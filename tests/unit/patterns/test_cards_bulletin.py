"""The bulletin says what the card says: complete, escaped, without outside resources, on paper too."""

import re
import zlib
from dataclasses import replace

import pandas as pd
import pytest

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.pattern import PatternCard
from crimepatterns.patterns.cards import find_cards
from crimepatterns.reports.bulletin import LIMITS, bulletin_html, bulletin_values
from crimepatterns.reports.bulletin_pdf import bulletin_pdf
from planted_series import COLUMNS, planted_town

MADE = pd.Timestamp("2025-01-02 09:00", tz="America/Chicago")


@pytest.fixture(scope="module")
def told() -> tuple[PatternCard, StudyArea]:
    incidents = planted_town(series=8, background=2_500, seed=4).incidents
    return find_cards(incidents, columns=COLUMNS, replicates=99).cards[0], incidents.area


def test_the_page_holds_everything_the_card_knows(told: tuple[PatternCard, StudyArea]) -> None:
    card, area = told
    page = bulletin_html(card, area, made_at=MADE)
    for text in (card.card_id, card.sentence(), "02 Jan 2025 09:00 CST", *card.members, *LIMITS):
        assert text in page
    for condition in card.checklist:
        assert condition.name in page
        assert condition.reason.replace("'", "&#39;") in page
    for factor in card.common_factors:
        assert f"{factor.members} of {factor.of}" in page
    for name, value in card.parameters.items():
        assert f"{name}: " in page, value
    assert page.count("<circle") == len(card.members)
    assert (card.window.sentence() if card.window else card.window_note) in page
    assert "@page { size: A4" in page
    assert not re.search(r"(src|href)=|https?://|<script", page)


def test_hostile_values_are_escaped(told: tuple[PatternCard, StudyArea]) -> None:
    card, area = told
    evil = '<script>alert("x")</script>'
    evidence = card.evidence.assign(method=evil)
    factors = tuple(replace(factor, value=evil) for factor in card.common_factors)
    hostile = replace(card, title=evil, evidence=evidence, common_factors=factors, notes=(evil,))
    page = bulletin_html(hostile, area, made_at=MADE)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3 + len(card.members)


def test_long_lists_are_cut_and_said(told: tuple[PatternCard, StudyArea]) -> None:
    card, area = told
    values = bulletin_values(card, rows=2)
    assert len(values["members"]) == 2
    assert values["hidden"] == len(card.members) - 2
    assert f"{values['hidden']} more events belong to the card." in bulletin_html(card, area, made_at=MADE, rows=2)


def test_the_pdf_is_made_from_the_same_values(told: tuple[PatternCard, StudyArea]) -> None:
    card, area = told
    paper = bulletin_pdf(card, area, made_at=MADE)
    assert paper.startswith(b"%PDF-")
    assert paper == bulletin_pdf(card, area, made_at=MADE)
    long = replace(card, notes=tuple(f"Note {k}: $x$ & <b>" for k in range(150)))
    pages = bulletin_pdf(long, area, made_at=MADE)
    assert len(re.findall(rb"/Type /Page\b(?!s)", pages)) >= 3
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", paper, re.DOTALL)
    assert any(
        b" Tj" in zlib.decompress(part) or b" TJ" in zlib.decompress(part) for part in streams if part[:1] == b"x"
    )
