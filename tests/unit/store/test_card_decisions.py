"""Decisions about cards are kept, line by line, and applied when cards are listed again."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from crimepatterns.domain.card_decision import CardDecision
from crimepatterns.domain.pattern import PatternCard
from crimepatterns.errors import ArtefactError, DomainError
from crimepatterns.patterns.cards import CardList, find_cards
from crimepatterns.patterns.cards_decided import apply_decisions
from crimepatterns.store.card_decisions import append_decision, read_decisions
from planted_series import COLUMNS, planted_town

AT = pd.Timestamp("2025-01-02 09:00", tz="America/Chicago")


@pytest.fixture(scope="module")
def found() -> CardList:
    cards = find_cards(planted_town(series=8, background=2_500, seed=4).incidents, columns=COLUMNS, replicates=99)
    assert len(cards.cards) >= 4
    return cards


def _on(card: PatternCard, kind: str, **more: str) -> CardDecision:
    return CardDecision(kind, card.members, "A. Analyst", AT, **more)  # type: ignore[arg-type]


def test_decisions_are_read_back_as_written(tmp_path: Path, found: CardList) -> None:
    path = tmp_path / "patterns" / "decisions.jsonl"
    assert read_decisions(path) == ()
    assert append_decision(path, _on(found.cards[0], "accept")) == 1
    assert append_decision(path, _on(found.cards[1], "rename", title="Rear doors, Quarter 2")) == 2
    first, second = read_decisions(path)
    assert first.card_id == found.cards[0].card_id
    assert (second.kind, second.title, second.at) == ("rename", "Rear doors, Quarter 2", AT)
    assert path.read_text(encoding="utf-8").count("\n") == 2


def test_decisions_are_applied_when_cards_are_listed_again(tmp_path: Path, found: CardList) -> None:
    path = tmp_path / "decisions.jsonl"
    a, b, c, d = found.cards[:4]
    append_decision(path, _on(a, "accept", reason="worked by the day shift"))
    append_decision(path, _on(b, "rename", title="Back doors"))
    append_decision(path, _on(c, "dismiss", reason="one victim reported twice"))
    merged = CardDecision("merge", (*b.members, *d.members), "A. Analyst", AT, "Both sides of the park")
    decided = apply_decisions(found, read_decisions(path))
    by_id = {card.card_id: card for card in decided.cards}
    assert by_id[a.card_id].status == "accepted"
    fifth = by_id[a.card_id].checklist[4]
    assert fifth.verdict == "met"
    assert fifth.reason == "Accepted by A. Analyst on 02 Jan 2025: worked by the day shift."
    assert by_id[b.card_id].title == "Back doors"
    assert [card.card_id for card in decided.dismissed] == [c.card_id]
    assert c.card_id not in by_id
    append_decision(path, merged)
    append_decision(path, _on(c, "accept"))
    decided = apply_decisions(found, read_decisions(path))
    whole = next(card for card in decided.cards if card.title == "Both sides of the park")
    assert set(whole.members) == {*b.members, *d.members}
    assert any(note.startswith("Merged by") for note in whole.notes)
    assert not decided.dismissed, "a later acceptance undoes the dismissal"
    assert len(decided.cards) == len(found.cards) - 1


def test_a_grown_card_keeps_its_name_but_comes_back_after_a_dismissal(found: CardList) -> None:
    grown = next(card for card in found.cards if len(card.members) >= 5)
    before = grown.members[:-1]
    only = replace(found, cards=(grown,))
    named = CardDecision("rename", before, "A. Analyst", AT, "Known")
    accepted = CardDecision("accept", before, "A. Analyst", AT)
    card = apply_decisions(only, [named, accepted]).cards[0]
    assert (card.title, card.status) == ("Known", "accepted")
    assert "1 of its events came later" in card.checklist[4].reason
    dismissed = CardDecision("dismiss", before, "A. Analyst", AT)
    assert not apply_decisions(only, [dismissed]).dismissed
    other = CardDecision("accept", (before[0], "elsewhere-1", "elsewhere-2"), "A. Analyst", AT)
    assert apply_decisions(only, [other]).cards[0].status == "candidate"


def test_damage_is_told_and_a_torn_line_is_not_glued(tmp_path: Path, found: CardList) -> None:
    path = tmp_path / "decisions.jsonl"
    append_decision(path, _on(found.cards[0], "accept"))
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole + '{"kind": "acc', encoding="utf-8")
    append_decision(path, _on(found.cards[1], "accept"))
    with pytest.raises(ArtefactError, match="line 2 is damaged"):
        read_decisions(path)
    path.write_text(whole.replace(found.cards[0].card_id, "P-0000000000"), encoding="utf-8")
    with pytest.raises(ArtefactError, match="the members are those of"):
        read_decisions(path)


def test_a_decision_is_complete() -> None:
    with pytest.raises(DomainError, match="must be one of"):
        CardDecision("like", ("a", "b"), "x", AT)  # type: ignore[arg-type]
    with pytest.raises(DomainError, match="who decided"):
        CardDecision("accept", ("a", "b"), " ", AT)
    with pytest.raises(DomainError, match="new name"):
        CardDecision("rename", ("a", "b"), "x", AT)
    with pytest.raises(DomainError, match="two or more"):
        CardDecision("accept", ("a", "a"), "x", AT)
