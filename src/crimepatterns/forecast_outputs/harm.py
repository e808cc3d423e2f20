"""Forecasts of all categories as one map of harm: what a theft and a robbery weigh, added up cell by cell."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.city import City
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.harm import HarmWeights
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import ConfigError
from crimepatterns.store.layers import write_surface
from crimepatterns.store.layout import slug

__all__ = ["HARM", "harm_of", "mean_harm", "write_harm"]

HARM = "harm"
"""Name of the layer; no category can take it."""

_WINDOW_DAYS = 365
_TOP = 5


def harm_of(
    city: City, cutoff: pd.Timestamp, served: Sequence[Forecast], folder: Path, facts: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Write the harm of the champions' forecasts into a folder; None where ``taxonomy.harm`` names no weights.

    Raises
    ------
    ConfigError
        If a category is called harm.
    """
    if city.harm is None or not served:
        return None
    taken = [one.category for one in served if slug(one.category) == HARM]
    if taken:
        raise ConfigError(
            f"A category cannot be called {taken[0]!r} where taxonomy.harm is set: rename it by taxonomy.mapping."
        )
    return write_harm(city.harm, city.incidents.as_of(cutoff), served, folder / f"{HARM}.parquet", facts)


def mean_harm(weights: HarmWeights, incidents: Incidents, category: str) -> tuple[float, float]:
    """Harm of an average incident of a category, by the mix of its offences.

    Parameters
    ----------
    weights : HarmWeights
    incidents : Incidents
        Known at the cutoff; those of the last year of the category count, or all of it where there was none.
    category : str

    Returns
    -------
    float
        In the unit of the table; incidents without a weight count for nothing.
    float
        Share of the incidents without a weight.
    """
    own = incidents.of(category)
    if len(own):
        end = own.table["occurred_from"].max() + pd.Timedelta(1, "us")
        own = own.between(end - pd.DateOffset(days=_WINDOW_DAYS), end)
    weighed = weights.of(own)
    return (weighed.total / len(own) if len(own) else 0.0), weighed.share_missing


def write_harm(
    weights: HarmWeights, known: Incidents, served: Sequence[Forecast], path: Path, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Weigh the champions' forecasts by harm, add them up and write one layer.

    Parameters
    ----------
    weights : HarmWeights
        Of ``taxonomy.harm``.
    known : Incidents
        What was known at the cutoff: gives the mix of offences of each category.
    served : sequence of Forecast
        The champions', one per category, on one grid and horizon.
    path : Path
        The column ``value`` is the expected harm of each cell, ``harm_<category>`` the part of each category; the
        parts sum to it.
    facts : mapping
        Written into the file.

    Returns
    -------
    dict
        ``table``, ``unit``, ``expected`` (total), ``categories`` (weight of an average incident, share without a
        weight, expected incidents and harm), ``top_cells`` and a ``sentence``.
    """
    told: dict[str, dict[str, float]] = {}
    parts: dict[str, NDArray[np.float64]] = {}
    for forecast in served:
        weight, missing = mean_harm(weights, known, forecast.category)
        mean = forecast.mean.sum(axis=1)
        parts[forecast.category] = weight * mean
        told[forecast.category] = {
            "weight": round(weight, 4),
            "share_without_weight": round(missing, 4),
            "expected_incidents": round(float(mean.sum()), 2),
            "expected_harm": round(float(parts[forecast.category].sum()), 2),
        }
    first = served[0]
    total = np.sum(list(parts.values()), axis=0)
    about = {"table": weights.name, "unit": weights.unit, "about": weights.about, "categories": told}
    days = (first.periods.end.tz_localize(None) - first.periods.start.tz_localize(None)).days
    surface = Surface(
        first.grid, "harm_forecast", total, f"{weights.unit} of harm in {days} days", parameters=MappingProxyType(about)
    )
    window = {"start": first.periods.start.isoformat(), "end": first.periods.end.isoformat()}
    columns = {f"{HARM}_{slug(name)}": part for name, part in parts.items()}
    write_surface(path, surface, {**facts, **window}, columns)
    return {**about, "expected": round(float(total.sum()), 2), "top_cells": _top(surface), "sentence": _sentence(about)}


def _top(surface: Surface) -> list[dict[str, Any]]:
    harm = surface.values  # noqa: PD011  # a surface, no frame
    # Equal cells are told apart by their id, so that the list never changes by chance.
    order = np.lexsort((surface.grid.ids.astype(str), -harm))[:_TOP]
    return [
        {
            "cell_id": str(surface.grid.ids[i]),
            "neighbourhood": str(surface.grid.neighbourhood[i]),
            "harm": round(float(harm[i]), 2),
        }
        for i in order
    ]


def _sentence(about: Mapping[str, Any]) -> str:
    ranked = sorted(about["categories"].items(), key=lambda one: (-one[1]["expected_harm"], one[0]))
    total = sum(facts["expected_harm"] for _, facts in ranked)
    if not total > 0:
        return f"No category of the forecast has a weight in the harm table {about['table']}."
    shares = ", ".join(f"{name} {100 * facts['expected_harm'] / total:.0f} %" for name, facts in ranked)
    missing = [
        f"{name} ({100 * facts['share_without_weight']:.0f} %)"
        for name, facts in ranked
        if facts["share_without_weight"] >= 0.005
    ]
    without = f" Without a weight, counting for nothing: {', '.join(missing)}." if missing else ""
    return f"Expected harm: {total:,.0f} {about['unit']} ({about['table']}), {shares}.{without}"
