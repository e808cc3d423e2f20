"""The methods of pattern analysis by the name settings give them; a new method is one function and one line here."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crimepatterns.domain.incidents import Incidents
from crimepatterns.pattern_methods import cards, clusters, densities, rates, repeats, streets, surfaces, tables, times
from crimepatterns.pattern_methods.work import ALL_CATEGORIES, PatternWork

__all__ = ["ALL_CATEGORIES", "ALL_TOGETHER", "METHODS", "ONE_CATEGORY", "Method", "PatternWork"]

Method = Callable[[PatternWork, Incidents, Mapping[str, Any], Path], dict[str, Any]]
"""Takes the work, the incidents of one category, the facts that every file carries, and a folder to write into; returns
what to tell, with a ``sentence``."""

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "density": densities.density,
        "gi_star": surfaces.hot_cells,
        "optimised": surfaces.chosen_scale,
        "local_moran": surfaces.resemblance,
        "change": surfaces.change,
        "emerging": surfaces.emerging,
        "persistence": surfaces.persistence,
        "dbscan": clusters.places,
        "st_dbscan": clusters.bursts,
        "hdbscan": clusters.densities,
        "knox": repeats.interaction,
        "near_repeat": repeats.chains,
        "self_exciting": repeats.followers,
        "scan": repeats.outbreaks,
        "concentration": tables.concentrated,
        "repeat_places": tables.busiest_places,
        "usual": tables.usual,
        "density_ratio": densities.ratio,
        "smoothed_rates": rates.rates,
        "similarity": rates.alike,
        "network": streets.along_streets,
        "season_trend": times.course,
        "rhythms": times.hours_and_shifts,
        "cards": cards.alike,
    }
)

ONE_CATEGORY = frozenset({"knox", "near_repeat", "scan", "self_exciting"})
"""Methods that say nothing about all categories together: a theft does not repeat a burglary."""

ALL_TOGETHER = frozenset({"cards"})
"""Methods that compare categories with each other, and so look at all of them together only."""
