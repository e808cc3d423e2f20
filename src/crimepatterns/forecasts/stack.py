"""``stack``: several forecasts added with weights that fitted the last weeks best."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.protocols import FittedForecaster, Forecaster
from crimepatterns.errors import ForecastError
from crimepatterns.forecasts.learned_forecaster import StandIn
from crimepatterns.forecasts.predictive import forecast_from_mean, gamma_poisson_quantiles
from crimepatterns.forecasts.shrunk_count import gamma_shape
from crimepatterns.forecasts.stack_folds import FoldCache, fold_means
from crimepatterns.forecasts.stack_weights import mixture_weights

__all__ = ["ANCHOR", "FittedStack", "Stack"]

ANCHOR = "count_eb"
"""The member towards which weights are drawn, and which stands in for the stack where there is little history."""

_FEWEST_BEFORE = 13
_FEWEST_INCIDENTS = 30
_NO_EVENTS = 0.5
_SMALLEST = 1e-9


@dataclass(frozen=True, eq=False)
class Stack:
    """Expect a weighted sum of what other forecasters expect; the weights come from periods they had not seen.

    Each member forecasts the last `folds` periods before the cutoff, each from what was known before it, and is scaled
    to the total of each. Weights w_k >= 0, 1 in all, maximise the Poisson likelihood of those periods, with a small
    ridge towards ``count_eb`` alone; then the members are fitted anew on everything known. So weights say who knows
    where, and the level is the members' own. With little history ``count_eb`` stands in.

    Parameters
    ----------
    members : mapping of str to Forecaster
        ``count_eb`` among them.
    folds : int
        Periods that weights are fitted on.
    ridge : float
        Weight of the pull towards ``count_eb`` against the data.
    cache : dict
        Members' past forecasts, kept for the next fit in the same process.

    Raises
    ------
    ForecastError
        If ``count_eb`` is not among the members.
    """

    name: ClassVar[str] = "stack"
    members: Mapping[str, Forecaster]
    folds: int = 8
    ridge: float = 0.02
    cache: FoldCache = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if ANCHOR not in self.members:
            raise ForecastError(f"stack needs {ANCHOR} among forecast.stack_members, got {list(self.members)}.")
        if self.name in self.members:
            raise ForecastError("stack cannot be a member of itself: take it out of forecast.stack_members.")

    def fit(self, history: History, *, rng: np.random.Generator) -> FittedForecaster:
        """Weigh the members on past periods, then fit those with a weight on everything known."""
        counts = history.counts
        if counts.shape[1] < self.folds + _FEWEST_BEFORE:
            return self._stand_in(history, rng, f"{counts.shape[1]} periods of history are too few to weigh forecasts")
        outcome = counts[:, -self.folds :]
        if outcome.sum() < _FEWEST_INCIDENTS:
            return self._stand_in(history, rng, "too few incidents in the last periods to weigh forecasts")
        told = fold_means(history, self.members, folds=self.folds, cache=self.cache)
        names, totals = list(self.members), np.maximum(outcome.sum(axis=0), _NO_EVENTS)
        # Shares of each period, at its total: a few weeks say little about whose level is right.
        shares = [(told[name] * (totals / np.maximum(told[name].sum(axis=0), _SMALLEST))).ravel() for name in names]
        weights = mixture_weights(shares, outcome.ravel(), anchor=names.index(ANCHOR), ridge=self.ridge)
        chosen = {name: float(weight) for name, weight in zip(names, weights, strict=True) if weight > 0}
        fitted = {name: self.members[name].fit(history, rng=rng) for name in chosen}
        return FittedStack(fitted, {name: chosen.get(name, 0.0) for name in names}, self.folds)

    def _stand_in(self, history: History, rng: np.random.Generator, reason: str) -> FittedForecaster:
        return StandIn(self.name, self.members[ANCHOR].fit(history, rng=rng), f"{reason}: {ANCHOR} instead")


@dataclass(frozen=True, eq=False)
class FittedStack:
    """Fitted members and their weights.

    Parameters
    ----------
    members : mapping of str to FittedForecaster
        Those with a weight.
    weights : mapping of str to float
        Of all members that were tried; 1 in all.
    folds : int
        Periods that they were fitted on.
    """

    members: Mapping[str, FittedForecaster] = field(repr=False)
    weights: Mapping[str, float]
    folds: int

    def predict(self, history: History, periods: Periods) -> Forecast:
        """Forecast by each member and add; ``weights`` and the members' fallbacks are among the parameters."""
        mean: NDArray[np.float64] = np.zeros((len(history.grid), len(periods)))
        fallbacks: dict[str, object] = {}
        for name, member in self.members.items():
            made = member.predict(history, periods)
            mean += self.weights[name] * made.mean
            if "fallback" in made.parameters:
                fallbacks[name] = made.parameters["fallback"]
        facts: dict[str, object] = {"weights": dict(self.weights), "folds": self.folds}
        if fallbacks:
            facts["member_fallbacks"] = fallbacks
        totals = history.counts.sum(axis=1, dtype=np.int64)
        area = history.grid.area_km2 / history.grid.area_km2.mean()
        shape = gamma_shape(totals, history.counts.shape[1] * area) if totals.any() else 1.0
        quantiles = gamma_poisson_quantiles(mean, shape + totals)
        return forecast_from_mean(history, periods, mean, model=Stack.name, parameters=facts, quantiles=quantiles)
