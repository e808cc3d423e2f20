"""Cards with what analysts decided about them, today and before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from crimepatterns.domain.card_decision import CardDecision
from crimepatterns.domain.pattern import Condition, PatternCard

__all__ = ["DecidedCards", "FoundCards", "apply_decisions", "same_card"]

_ALIKE = 0.5


class FoundCards(Protocol):
    """The cards of an analysis, as `crimepatterns.patterns.cards.CardList` holds them."""

    @property
    def cards(self) -> tuple[PatternCard, ...]:
        """The most distinct first."""
        ...

    def merged(self, cards: Sequence[PatternCard], *, title: str | None = None) -> PatternCard:
        """Write one card for the members of several."""
        ...


@dataclass(frozen=True, eq=False)
class DecidedCards:
    """Cards after decisions.

    Parameters
    ----------
    cards : tuple of PatternCard
        Candidates and accepted ones.
    dismissed : tuple of PatternCard
    """

    cards: tuple[PatternCard, ...]
    dismissed: tuple[PatternCard, ...]


def apply_decisions(found: FoundCards, decisions: Iterable[CardDecision]) -> DecidedCards:
    """Apply decisions, the oldest first, to the cards of an analysis.

    A card is known again by its members. Names and acceptance pass on to a card that has grown, as long as at least
    half of the members of both together are common. A dismissal holds only while nothing new has come: a card with a
    new event is shown again. What was merged is merged again, where more than half of each part belongs to it.

    Parameters
    ----------
    found : FoundCards
    decisions : iterable of CardDecision

    Returns
    -------
    DecidedCards
    """
    cards = list(found.cards)
    dismissed: dict[str, PatternCard] = {}
    for decision in decisions:
        if decision.kind == "merge":
            cards = _merged(found, cards, decision)
            continue
        for place, card in enumerate(cards):
            if not _about(card, decision):
                continue
            if decision.kind == "rename":
                cards[place] = replace(card, title=decision.title, notes=(*card.notes, decision.sentence()))
            elif decision.kind == "accept":
                dismissed.pop(card.card_id, None)
                cards[place] = _accepted(card, decision)
            else:
                cards[place] = replace(card, status="candidate", notes=(*card.notes, decision.sentence()))
                dismissed[card.card_id] = cards[place]
    current = {card.card_id: card for card in cards}
    gone = tuple(current[name] for name in dismissed if name in current)
    return DecidedCards(tuple(card for card in cards if card.card_id not in dismissed), gone)


def same_card(members: Iterable[str], others: Iterable[str]) -> bool:
    """Tell whether two sets of members are one card, earlier and later: half of all of them are common."""
    own, other = set(members), set(others)
    return len(own & other) >= _ALIKE * len(own | other)


def _about(card: PatternCard, decision: CardDecision) -> bool:
    if decision.kind == "dismiss":
        return set(card.members) <= set(decision.members)
    return same_card(card.members, decision.members)


def _accepted(card: PatternCard, decision: CardDecision) -> PatternCard:
    grown = set(card.members) - set(decision.members)
    said = decision.sentence() + (f" {len(grown)} of its events came later." if grown else "")
    fifth = Condition(card.checklist[4].name, "met", said)
    return replace(card, status="accepted", checklist=(*card.checklist[:4], fifth), notes=(*card.notes, said))


def _merged(found: FoundCards, cards: Sequence[PatternCard], decision: CardDecision) -> list[PatternCard]:
    wanted = set(decision.members)
    parts = [card for card in cards if len(wanted & set(card.members)) > _ALIKE * len(card.members)]
    if len(parts) < 2:
        return list(cards)
    whole = found.merged(parts, title=decision.title or None)
    whole = replace(whole, notes=(*(note for card in parts for note in card.notes), decision.sentence()))
    first = min(cards.index(card) for card in parts)
    kept = [card for card in cards if card not in parts]
    return [*kept[:first], whole, *kept[first:]]
