"""What monitoring has to do with a forecast: who is served, and what is kept to be judged later."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crimepatterns.city import City
from crimepatterns.errors import MissingInputError
from crimepatterns.store.issued import keep_issued
from crimepatterns.store.layers import read_forecast
from crimepatterns.store.layout import slug
from crimepatterns.store.retirements import Retired

__all__ = ["BASELINE", "keep_for_judging", "told_of"]

BASELINE = "count_eb"
"""Served where nothing else was chosen, and where the champion is retired."""


def told_of(retired: Retired | None) -> dict[str, Any]:
    """Say in the facts of a forecast that its model stands in for a retired one; nothing where it does not."""
    return {} if retired is None else {"instead_of": retired.model, "retired": retired.sentence}


def keep_for_judging(city: City, folder: Path, champions: Mapping[str, str]) -> None:
    """Keep the forecasts of the champions, served or not, beside the baseline's until their outcome is known.

    Parameters
    ----------
    city : City
    folder : Path
        Where the forecasts were written.
    champions : mapping of str to str
        Model by category. A category without a forecast by the baseline cannot be compared and is not kept.
    """
    for category, model in champions.items():
        try:
            baseline, _ = read_forecast(folder / slug(category) / f"{BASELINE}.parquet", city.area)
            champion, facts = read_forecast(folder / slug(category) / f"{model}.parquet", city.area)
        except MissingInputError:
            continue
        kept = ("run_date", "code_version", "data_digest", "model_version", "grid")
        keep_issued(city.layout, champion, baseline, {name: facts[name] for name in kept if name in facts})
