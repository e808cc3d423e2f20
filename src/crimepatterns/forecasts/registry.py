"""Every forecaster by name. A new one is a file of its own and one line here; the contract tests pick it up."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from crimepatterns.domain.protocols import Forecaster
from crimepatterns.errors import ForecastError
from crimepatterns.forecasts.baselines import Count, Kde, RecentCount
from crimepatterns.forecasts.gradient_boosting import gradient_boosting
from crimepatterns.forecasts.random_forest import random_forest
from crimepatterns.forecasts.seasonal import Seasonal
from crimepatterns.forecasts.shrunk_count import ShrunkCount

__all__ = ["BASELINES", "CLASSIFIERS", "FORECASTERS", "OPTIONS", "make_forecaster"]

_LEARNING = (
    *("train_periods", "max_rows", "tuning_candidates", "tuning_folds", "recent_days"),
    *("jobs", "executor", "settings"),
)


def _kde(*, kde_bandwidth_m: float = 250.0, **options: Any) -> Kde:
    return Kde(bandwidth_m=kde_bandwidth_m, **options)


_MAKERS: Mapping[str, tuple[Callable[..., Forecaster], tuple[str, ...]]] = MappingProxyType(
    {
        "count": (Count, ()),
        "recent_count": (RecentCount, ("recent_days",)),
        "count_eb": (ShrunkCount, ("recent_days",)),
        "kde": (_kde, ("recent_days", "kde_bandwidth_m")),
        "seasonal": (Seasonal, ("recent_days",)),
        "random_forest": (random_forest, _LEARNING),
        "gradient_boosting": (gradient_boosting, _LEARNING),
    }
)

FORECASTERS: Mapping[str, Callable[..., Forecaster]] = MappingProxyType(
    {name: maker for name, (maker, _) in _MAKERS.items()}
)
"""Factory of each forecaster, from simple to complex."""

CLASSIFIERS: frozenset[str] = frozenset({"random_forest", "gradient_boosting"})
"""Forecasters that are trained, stored and judged as classifiers too."""

BASELINES: frozenset[str] = frozenset(FORECASTERS) - CLASSIFIERS
"""Forecasters that every other one is set beside; cheap enough to fit at each origin."""

OPTIONS: frozenset[str] = frozenset(option for _, options in _MAKERS.values() for option in options)
"""Every option some forecaster takes: settings under ``forecast``, and ``jobs``, ``executor`` and ``settings``."""


def make_forecaster(name: str, **options: Any) -> Forecaster:
    """Make a forecaster by name.

    Parameters
    ----------
    name : str
        One of `FORECASTERS`.
    **options
        Any of `OPTIONS`; those that this forecaster does not use are left aside, so that one set serves all.

    Raises
    ------
    ForecastError
        If the name or an option is unknown.
    """
    if name not in _MAKERS:
        raise ForecastError(f"Unknown forecaster {name!r}: choose one of {list(_MAKERS)} in forecast.models.")
    unknown = sorted(set(options) - OPTIONS)
    if unknown:
        raise ForecastError(f"Unknown forecaster options {unknown}: choose from {sorted(OPTIONS)}.")
    maker, accepted = _MAKERS[name]
    return maker(**{key: value for key, value in options.items() if key in accepted})
