"""The pattern cards of a city's last analysis with everything that analysts decided about them, then and before."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import pandas as pd

from crimepatterns.city import City
from crimepatterns.domain.card_decision import CardDecision
from crimepatterns.domain.pattern import PatternCard
from crimepatterns.errors import PatternError
from crimepatterns.pattern_methods.work import ALL_CATEGORIES
from crimepatterns.patterns.cards import CardList
from crimepatterns.patterns.cards_decided import DecidedCards, apply_decisions, same_card
from crimepatterns.patterns.cards_fields import BehaviourColumns
from crimepatterns.patterns.cards_scene import CardScene, make_scene
from crimepatterns.store.card_decisions import read_decisions
from crimepatterns.store.pattern_cards import StoredCards, read_cards

__all__ = ["CardFile", "card_names"]

_SHORTEST = 3
_LISTED = 8


class CardFile:
    """Cards and decisions of one city, each read when first asked for.

    Parameters
    ----------
    city : City

    Raises
    ------
    MissingInputError
        When cards are asked for and none were looked for yet.
    ArtefactError
        If a file is damaged.
    """

    def __init__(self, city: City) -> None:
        self.city = city

    @cached_property
    def stored(self) -> StoredCards:
        """The cards as they were found."""
        return read_cards(self.city.layout.patterns / ALL_CATEGORIES, timezone=self.city.area.timezone)

    @cached_property
    def decisions(self) -> tuple[CardDecision, ...]:
        """Everything that was ever decided, the oldest first."""
        return read_decisions(self.city.layout.card_decisions)

    @cached_property
    def decided(self) -> DecidedCards:
        """The cards with the decisions applied."""
        return apply_decisions(self, self.decisions)

    @property
    def cards(self) -> tuple[PatternCard, ...]:
        """The cards as they were found, for the decisions."""
        return self.stored.cards

    @property
    def lost(self) -> tuple[CardDecision, ...]:
        """The last word on accepted or named cards that the last analysis does not find any more."""
        now = (*self.decided.cards, *self.decided.dismissed)
        last: list[CardDecision] = []
        for one in self.decisions:
            last = [other for other in last if not same_card(other.members, one.members)]
            last += [one] if one.kind in ("accept", "rename") else []
        return tuple(one for one in last if not any(set(one.members) & set(card.members) for card in now))

    def card(self, name: str) -> PatternCard:
        """Return the card with an id, the beginning of one, or an earlier id of it.

        Raises
        ------
        PatternError
            If there is none, or several begin so.
        """
        every = (*self.decided.cards, *self.decided.dismissed)
        wanted = name.strip().removeprefix("#").casefold()
        wanted = wanted if wanted.startswith("p-") else f"p-{wanted}"
        found = [card for card in every if card.card_id.casefold() == wanted]
        if not found and len(wanted) >= _SHORTEST + 2:
            found = [card for card in every if card.card_id.casefold().startswith(wanted)]
        if not found:
            before = [one for one in self.decisions if one.card_id.casefold() == wanted]
            found = [card for card in every if any(same_card(card.members, one.members) for one in before)]
        if len(found) == 1:
            return found[0]
        if found:
            raise PatternError(f"{name!r} may be {card_names(found)}: write more of the id.")
        there = card_names(every) if every else "none, since nothing stood out"
        raise PatternError(f"No card {name!r}; there are {there}. See `crimepatterns cards list --dismissed`.")

    def merged(self, cards: Sequence[PatternCard], *, title: str | None = None) -> PatternCard:
        """Write one card for the members of several; see `CardList.merged`."""
        if len(cards) < 2:
            raise PatternError(f"Merging needs two or more different cards, got {card_names(cards)}.")
        try:
            whole = CardList(self.cards, {}, self._scene, self.stored.facts["parameters"]).merged(cards, title=title)
        except PatternError as error:
            raise PatternError(
                f"The records are no longer those of the cards ({error}): run `crimepatterns patterns --method cards`."
            ) from error
        return whole

    @cached_property
    def _scene(self) -> CardScene:
        """The incidents as the search saw them; needed to write a card that it did not find."""
        facts = self.stored.facts
        used = facts["parameters"]
        named: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in used["columns"].items()
        }
        strangers = tuple(self.city.settings.patterns.cards.strangers)
        record = self.city.trusted.of(*facts["categories"])
        as_of = pd.Timestamp(used["as_of"]).tz_convert(self.city.area.timezone)
        return make_scene(
            record,
            BehaviourColumns(**named, strangers=strangers),
            as_of=as_of,
            days=used["days"],
            types=used["types"],
            season_days=used["season_days"],
        )[0]


def card_names(cards: Sequence[PatternCard]) -> str:
    """List ids, the first ones where there are many."""
    told = ", ".join(card.card_id for card in cards[:_LISTED])
    return f"{told} and {len(cards) - _LISTED} more" if len(cards) > _LISTED else told or "none"
