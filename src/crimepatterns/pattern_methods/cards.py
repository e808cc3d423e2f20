"""The pattern method that looks for pattern cards, among all categories together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crimepatterns.config import open_executor
from crimepatterns.config.cards import CardSettings
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import NotApplicableError
from crimepatterns.pattern_methods.work import PatternWork
from crimepatterns.patterns.cards import CardList, find_cards
from crimepatterns.patterns.cards_fields import BehaviourColumns
from crimepatterns.patterns.window import Window
from crimepatterns.store.pattern_cards import write_cards

__all__ = ["alike", "behaviour_columns"]


def alike(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Look for sets of alike events that stand out; write ``cards.json`` and the layer of their members."""
    if (chosen.table["time_precision"] == "month").all():
        raise NotApplicableError("Times are known to the month only: pattern cards need days.")
    wanted, record = work.settings.cards, work.known.of(*chosen.categories)
    with open_executor(work.city.settings.execution, workers=work.city.settings.workers) as executor:
        found = find_cards(
            record,
            columns=behaviour_columns(wanted, premise=work.settings.premise_column),
            as_of=work.window.end,
            days=wanted.days,
            types=wanted.types,
            least_events=wanted.least_events,
            level=wanted.level,
            replicates=wanted.replicates,
            season_days=wanted.season_days,
            seed=wanted.seed,
            executor=executor,
        )
    write_cards(folder, found.cards, {**facts, **_own_facts(found, chosen)}, crs=work.city.area.crs)
    kinds = [card.iaca_type for card in found.cards]
    return {
        "cards": len(found.cards),
        "types": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        "skipped": dict(found.skipped),
        "sentence": found.sentence(),
    }


def behaviour_columns(wanted: CardSettings, *, premise: str | None = None) -> BehaviourColumns:
    """Name the columns that tell about behaviour; `premise` stands in where the cards have no column of their own."""
    return BehaviourColumns(
        method=wanted.method,
        premise=wanted.premise or premise,
        property=wanted.property,
        business=wanted.business,
        relationship=wanted.relationship,
        strangers=wanted.strangers,
        text=wanted.text,
        vocabulary=wanted.vocabulary,
    )


def _own_facts(found: CardList, chosen: Incidents) -> dict[str, Any]:
    window = Window(found.scene.start, found.scene.as_of)
    return {
        "method": "cards",
        "window_start": window.start.isoformat(),
        "window": str(window),
        "incidents": int(np.asarray(found.parameters["incidents"])),
        "categories": list(chosen.categories),
        "parameters": dict(found.parameters),
        "skipped": dict(found.skipped),
        "sentence": found.sentence(),
    }
