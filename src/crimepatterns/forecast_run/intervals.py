"""Where a forecast's intervals come from: what past weeks taught about the model, or the model's own."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crimepatterns.city import City
from crimepatterns.evaluation.learned_intervals import LearnedIntervals
from crimepatterns.store.atomic import read_json

__all__ = ["learned_intervals"]


def learned_intervals(
    city: City, category: str, model: str, cutoff: pd.Timestamp, *, again: Mapping[str, Any] | None = None
) -> tuple[LearnedIntervals | None, str]:
    """Find what past weeks taught about the intervals of a model, as far as it was known at the cutoff.

    Parameters
    ----------
    city : City
    category, model : str
    cutoff : Timestamp
    again : mapping, optional
        What an earlier run used, by category and model, for making its forecasts again.

    Returns
    -------
    LearnedIntervals or None
    str
        Where the intervals come from, or why they are the model's own.
    """
    path = city.layout.evaluation / "select" / "intervals.json"
    grid = city.settings.grid.model_dump(mode="json")
    if again is not None:
        stored: Mapping[str, Any] = {"grid": grid, "learned": again}
    else:
        stored = read_json(path) if path.is_file() else {}
    told = stored.get("learned", {}).get(category, {}).get(model)
    if told is None:
        return None, "the model's own: `crimepatterns evaluate` has not judged it on past weeks"
    found = LearnedIntervals.from_json(told)
    if stored["grid"] != grid or found.horizon_days != city.settings.forecast.horizon_days:
        return None, "the model's own: past weeks were judged on another grid or horizon; run `crimepatterns evaluate`"
    if found.learned_until is not None and found.learned_until > cutoff:
        return None, "the model's own: the weeks that were judged end after this forecast begins"
    until = "" if found.learned_until is None else f" until {found.learned_until.date()}"
    return found, f"learned from {found.origins} past forecasts{until}"
