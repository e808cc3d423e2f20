"""Every forecaster by name. A new one is a file of its own and one line here; the contract tests pick it up."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from crimepatterns.domain.protocols import Forecaster
from crimepatterns.errors import ForecastError
from crimepatterns.forecasts.additive_intensity import AdditiveIntensity
from crimepatterns.forecasts.baselines import Count, Kde, RecentCount
from crimepatterns.forecasts.gradient_boosting import gradient_boosting
from crimepatterns.forecasts.negative_binomial import NegativeBinomial
from crimepatterns.forecasts.poisson_boosting import poisson_boosting
from crimepatterns.forecasts.prospective_hotspot import ProspectiveHotspot
from crimepatterns.forecasts.random_forest import random_forest
from crimepatterns.forecasts.random_forest_regressor import random_forest_regressor
from crimepatterns.forecasts.risk_terrain import RiskTerrain
from crimepatterns.forecasts.seasonal import Seasonal
from crimepatterns.forecasts.shrunk_count import ShrunkCount
from crimepatterns.forecasts.shrunk_scales import ShrunkScales
from crimepatterns.forecasts.stack import Stack

__all__ = [
    "BASELINES",
    "CLASSIFIERS",
    "FORECASTERS",
    "LEARNERS",
    "OPTIONS",
    "STACK_MEMBERS",
    "make_forecaster",
    "options_in",
]

STACK_MEMBERS: tuple[str, ...] = (
    "count_eb",
    "shrunk_scales",
    "negative_binomial",
    "additive_intensity",
    "poisson_boosting",
)
"""What ``stack`` adds up where the settings do not say otherwise."""

_LEARNING = (
    *("train_periods", "max_rows", "tuning_candidates", "tuning_folds", "recent_days"),
    *("jobs", "executor", "settings", "search", "tuned"),
)


def _kde(*, kde_bandwidth_m: float = 250.0, **options: Any) -> Kde:
    return Kde(bandwidth_m=kde_bandwidth_m, **options)


def _stack(*, stack_members: Sequence[str] = STACK_MEMBERS, **options: Any) -> Stack:
    """Make the members by name, learners with their default settings, since tuning each again would take long."""
    own = {"stack_folds": "folds"}
    theirs = {key: value for key, value in options.items() if key not in {*own, "settings", "executor", "search"}}
    # Nor does anyone read the parameters of a member.
    theirs |= {"tuning_candidates": 1, "tell_triggering": False}
    members = {name: make_forecaster(name, **theirs) for name in stack_members if name != Stack.name}
    return Stack(members, **{own[key]: value for key, value in options.items() if key in own})


_MAKERS: Mapping[str, tuple[Callable[..., Forecaster], tuple[str, ...]]] = MappingProxyType(
    {
        "count": (Count, ()),
        "recent_count": (RecentCount, ("recent_days",)),
        "count_eb": (ShrunkCount, ("recent_days",)),
        "kde": (_kde, ("recent_days", "kde_bandwidth_m")),
        "seasonal": (Seasonal, ("recent_days",)),
        "prospective_hotspot": (ProspectiveHotspot, ("recent_days", "prospective_radius_m")),
        "shrunk_scales": (ShrunkScales, ("recent_days",)),
        "negative_binomial": (NegativeBinomial, ("recent_days",)),
        "risk_terrain": (RiskTerrain, ("train_periods", "recent_days")),
        "additive_intensity": (AdditiveIntensity, ("recent_days", "train_periods", "tell_triggering")),
        "random_forest": (random_forest, _LEARNING),
        "random_forest_regressor": (random_forest_regressor, _LEARNING),
        "gradient_boosting": (gradient_boosting, _LEARNING),
        "poisson_boosting": (poisson_boosting, _LEARNING),
        "stack": (_stack, ("stack_members", "stack_folds")),
    }
)

FORECASTERS: Mapping[str, Callable[..., Forecaster]] = MappingProxyType(
    {name: maker for name, (maker, _) in _MAKERS.items()}
)
"""Factory of each forecaster, from simple to complex."""

CLASSIFIERS: frozenset[str] = frozenset({"random_forest", "gradient_boosting"})
"""Forecasters that learn the chance of an incident, and are judged as classifiers too."""

LEARNERS: frozenset[str] = CLASSIFIERS | {"random_forest_regressor", "poisson_boosting"}
"""Forecasters that are trained and stored by `crimepatterns train`."""

BASELINES: frozenset[str] = frozenset({"count", "recent_count", "count_eb", "kde", "seasonal", "prospective_hotspot"})
"""Forecasters that every other one is set beside; cheap enough to fit at each origin."""

OPTIONS: frozenset[str] = frozenset(option for _, options in _MAKERS.values() for option in options)
"""Every option some forecaster takes: settings under ``forecast``, and what stages add."""


def options_in(settings: object) -> dict[str, Any]:
    """Return those `OPTIONS` that are attributes of `settings`, such as the section ``forecast``."""
    return {name: getattr(settings, name) for name in OPTIONS if hasattr(settings, name)}


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
    # The stack hands on what its members use.
    return maker(**{key: value for key, value in options.items() if name == Stack.name or key in accepted})
