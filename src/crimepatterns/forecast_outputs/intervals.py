"""Intervals that past weeks taught, as a forecast carries them in its files."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from crimepatterns.domain.forecast import Forecast
from crimepatterns.evaluation.learned_intervals import LearnedIntervals
from crimepatterns.evaluation.union_intervals import cell_quantiles

__all__ = ["PLAIN", "interval_facts", "stored_intervals", "with_intervals"]

PLAIN = "independent Poisson counts, which are too narrow for many cells together"
"""What sums of cells rest on where no past weeks were judged."""


def with_intervals(made: Forecast, learned: LearnedIntervals | None) -> Forecast:
    """Give a forecast's cells the quantiles that past weeks teach; unchanged where there are none."""
    if learned is None or not made.quantiles:
        return made
    quantiles = cell_quantiles(made.mean, learned.effects, tuple(made.quantiles))
    return replace(made, quantiles=MappingProxyType(quantiles))


def interval_facts(learned: LearnedIntervals | None, origin: str) -> dict[str, Any]:
    """Return what is written into the forecast's file, so that any set of cells can be asked about later."""
    return {"intervals_from": origin, "intervals": None if learned is None else learned.to_json()}


def stored_intervals(facts: Mapping[str, Any]) -> LearnedIntervals | None:
    """Read what `interval_facts` wrote."""
    told = facts.get("intervals")
    return None if told is None else LearnedIntervals.from_json(told)
