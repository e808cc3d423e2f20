"""Pattern cards: what an analyst would call a series, a spree, a hot place and so on, with evidence and doubts.

A card says that *events* are alike and close, and how seldom that comes about by chance. It never says that the same
people are behind them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd

from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.pattern import IACA_TYPES, Distinctiveness, PatternCard, PatternType
from crimepatterns.domain.protocols import Executor
from crimepatterns.errors import PatternError
from crimepatterns.patterns.cards_candidates import CITYWIDE, REACHES, find_candidates
from crimepatterns.patterns.cards_fields import BehaviourColumns
from crimepatterns.patterns.cards_scene import CardScene, make_scene
from crimepatterns.patterns.cards_windows import Reach
from crimepatterns.patterns.cards_writing import Told, write_card

__all__ = ["CardList", "find_cards"]

_LIMITED = 3
"""Place of the condition of limited duration in the checklist."""


@dataclass(frozen=True, eq=False)
class CardList:
    """Pattern cards of one analysis.

    Parameters
    ----------
    cards : tuple of PatternCard
        The most distinct first.
    skipped : mapping of type to str
        Types that could not be looked for, and why.
    scene : CardScene
        What is needed to write further cards, such as merged ones.
    parameters : mapping
    """

    cards: tuple[PatternCard, ...]
    skipped: Mapping[str, str]
    scene: CardScene = field(repr=False)
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per card."""
        return pd.DataFrame(
            {
                "card": [card.card_id for card in self.cards],
                "iaca_type": [card.iaca_type for card in self.cards],
                "title": [card.title for card in self.cards],
                "events": [len(card.members) for card in self.cards],
                "p_value": [card.distinctiveness.p_value for card in self.cards],
                "q_value": [card.distinctiveness.q_value for card in self.cards],
                "status": [card.status for card in self.cards],
                "sentence": [card.sentence() for card in self.cards],
            }
        )

    def sentence(self) -> str:
        """Say how many patterns stand out, and which types could not be looked for."""
        count = len(self.cards)
        if count:
            kinds = [kind for kind in IACA_TYPES if any(card.iaca_type == kind for card in self.cards)]
            told = f"{count} pattern{'s stand' if count > 1 else ' stands'} out: {', '.join(kinds)}."
        else:
            told = "No set of alike events stands out from chance."
        standing = int(str(self.parameters.get("standing", 0)))
        if standing:
            sets = "set is" if standing == 1 else "sets are"
            told += f" {standing} further {sets} nothing new: about as many alike were there before, or for too long."
        return told + "".join(f" No {', '.join(kinds)} looked for: {why}" for why, kinds in self._reasons().items())

    def _reasons(self) -> dict[str, list[str]]:
        by_reason: dict[str, list[str]] = {}
        for kind, reason in self.skipped.items():
            by_reason.setdefault(reason, []).append(kind)
        return by_reason

    def merged(self, cards: Sequence[PatternCard], *, title: str | None = None) -> PatternCard:
        """Write one card for the members of several; its distinctiveness is that of the least distinct of them.

        Raises
        ------
        PatternError
            If there are fewer than two cards.
        """
        if len(cards) < 2:
            raise PatternError(f"Merging needs two or more cards, got {len(cards)}.")
        members = [member for card in cards for member in card.members]
        weakest = max(cards, key=lambda card: card.distinctiveness.q_value)
        largest = max(cards, key=lambda card: len(card.members))
        rows = self.scene.rows_of(members)
        own = weakest.distinctiveness
        expected = sum(card.distinctiveness.expected for card in cards)
        joined = Distinctiveness(
            len(rows), expected, own.p_value, own.q_value, f"{own.null}; each part tested, not the whole"
        )
        told = Told(largest.iaca_type, (), joined, MappingProxyType({**self.parameters, "merged": len(cards)}))
        return write_card(self.scene, rows, told, title=title)


def find_cards(
    incidents: Incidents,
    *,
    columns: BehaviourColumns | None = None,
    as_of: pd.Timestamp | None = None,
    days: int = 182,
    types: Collection[PatternType] = IACA_TYPES,
    reaches: Mapping[PatternType, Reach] = REACHES,
    least_events: int = 3,
    level: float = 0.02,
    replicates: int = 199,
    season_days: int = 91,
    seed: int = 0,
    executor: Executor | None = None,
) -> CardList:
    """Look for patterns of the seven types of IACA among the incidents of the last days.

    A set of alike events that stands out but is not of limited duration, by what the record shows, is no pattern and
    gets no card; how many there were stands in the parameters (``standing``).

    Parameters
    ----------
    incidents : Incidents
        The whole record: base rates come from all of it, candidates from its last `days`.
    columns : BehaviourColumns, optional
        Columns on method, premise, property and business; category and offence are always used.
    as_of : Timestamp, optional
        Only what was known then; the day after the last incident where it is left out.
    days : int
    types : collection of str
    reaches : mapping of type to Reach
        How far members may be from the centre of series, sprees, hot spots and hot places.
    least_events : int
        Fewest events of a card, 2 or more.
    level : float
        Greatest expected share of false cards; also the chance that a city without patterns shows any card.
    replicates : int
        At least ``1 / level - 1``.
    season_days : int
        Labels are exchanged within so many days of one district.
    seed : int
    executor : Executor, optional

    Returns
    -------
    CardList

    Raises
    ------
    PatternError
        If a type is unknown, a number is out of range, a named column is missing, or nothing happened in the window.
    """
    unknown = sorted(set(types) - set(IACA_TYPES))
    if unknown or least_events < 2 or not 0 < level < 1 or days < 7:
        raise PatternError(
            f"Cards need types of {list(IACA_TYPES)}, least_events >= 2, a level in (0, 1) and 7 days or more; "
            f"got {unknown or list(types)}, {least_events}, {level} and {days}."
        )
    if replicates + 1 < 1 / level:
        raise PatternError(f"A level of {level} needs {int(np.ceil(1 / level)) - 1} replicates or more.")
    reach = {name: value for name, value in {**REACHES, **reaches}.items() if name in types}
    scene, skipped = make_scene(
        incidents, columns or BehaviourColumns(), as_of=as_of, days=days, types=types, season_days=season_days
    )
    used = {
        "as_of": str(scene.as_of),
        "days": days,
        "types": tuple(name for name in IACA_TYPES if name in types),
        "reach": {name: (value.distance_m, value.days) for name, value in reach.items() if name not in CITYWIDE},
        "least_events": least_events,
        "level": level,
        "replicates": replicates,
        "season_days": season_days,
        "seed": seed,
        "columns": scene.columns.named(),
        "incidents": len(scene.table),
        "left_out_for_time": scene.left_out,
        "record_from": str(scene.record_from.date()),
    }
    candidates = find_candidates(
        scene.places, reaches=reach, least=least_events, level=level, count=replicates, seed=seed, executor=executor
    )
    null = f"category and behaviour are exchangeable among the incidents of a district within {season_days} days"
    cards, standing = [], 0
    for one in candidates:
        rows = scene.with_copies(one.rows)
        told = Told(
            one.iaca_type,
            one.keys,
            Distinctiveness(len(one.rows), one.expected, one.p_value, one.q_value, null),
            MappingProxyType({**used, "agree_in": one.keys}),
        )
        card = write_card(scene, rows, told)
        if card.checklist[_LIMITED].verdict == "not met":
            standing += 1
        else:
            cards.append(card)
    return CardList(tuple(cards), MappingProxyType(skipped), scene, MappingProxyType({**used, "standing": standing}))
