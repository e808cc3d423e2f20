"""``additive_intensity``: the long run, recent incidents and the surroundings added up with learned weights."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.explanation import GROUPS, Explanation
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.forecasts.additive_intensity_bank import (
    COMPONENTS,
    components,
    related_categories,
    states,
)
from crimepatterns.forecasts.additive_intensity_fit import Learned, learn
from crimepatterns.forecasts.city_level import CityLevel, fit_city_level
from crimepatterns.forecasts.predictive import forecast_from_mean, gamma_poisson_quantiles
from crimepatterns.forecasts.shrunk_count import FittedShrunkCount, ShrunkCount
from crimepatterns.forecasts.triggering import Triggering, triggering

__all__ = ["AdditiveIntensity", "FittedAdditiveIntensity"]

_FEWEST_PERIODS = 16
_FEWEST_INCIDENTS = 50
_SEASON = GROUPS.index("season and calendar")


@dataclass(frozen=True)
class AdditiveIntensity:
    """Expect a weighted sum of what a cell's long run, its last weeks and its surroundings say.

    mean_i = L * d * sum_k w_k x_ik / sum_j sum_k w_k x_jk: L is the city's daily level, d the days of the period, x_k
    the components (`crimepatterns.forecasts.additive_intensity_bank.COMPONENTS`) as they were known at the cutoff.
    The weights are not negative and have the greatest Poisson likelihood over past periods (EM), each period with a
    factor of its own for the city. How strongly they are held to the plain shrunk count is chosen by forecasting the
    last periods of the history from those before. With fading counts as columns this is a self-exciting process on a
    grid (Mohler et al. 2011, https://doi.org/10.1198/jasa.2011.ap09546).

    Parameters
    ----------
    recent_days : int
        Of the plain shrunk count, which stands in where there is too little to learn from.
    train_periods : int
        Periods whose counts the weights are fitted on.
    tell_triggering : bool
        Also estimate what follows an incident, for the parameters of the forecast; the forecast is the same without.
    """

    name: ClassVar[str] = "additive_intensity"
    recent_days: int = 90
    train_periods: int = 52
    tell_triggering: bool = True

    def fit(self, history: History, *, rng: np.random.Generator) -> "FittedAdditiveIntensity":
        """Learn the weights, the level and the dispersion; `rng` is not used."""
        plain = ShrunkCount(self.recent_days).fit(history, rng=rng)
        periods, incidents = history.counts.shape[1], int(history.counts.sum())
        if periods < _FEWEST_PERIODS or incidents < _FEWEST_INCIDENTS:
            why = (
                f"{incidents} incidents in {periods} periods are too few to learn weights from "
                f"({_FEWEST_INCIDENTS} in {_FEWEST_PERIODS} are needed): count_eb instead"
            )
            return FittedAdditiveIntensity(plain, why)
        related = related_categories(history)
        learned = learn(history, related, plain.shape, train_periods=self.train_periods)
        triggered = triggering(history) if self.tell_triggering else None
        return FittedAdditiveIntensity(plain, "", related, learned, fit_city_level(history), triggered)


@dataclass(frozen=True)
class FittedAdditiveIntensity:
    """Weights of the components, and the level they are set to.

    Parameters
    ----------
    plain : FittedShrunkCount
    fallback : str
        Why the plain shrunk count stands in; empty where it does not.
    related : tuple of str
        Other categories whose counts are used.
    learned : Learned or None
    level : CityLevel or None
    triggered : Triggering or None
        Share, half-life and half-distance of triggered incidents, where asked for and the record is long enough.
    """

    plain: FittedShrunkCount
    fallback: str
    related: tuple[str, ...] = ()
    learned: Learned | None = None
    level: CityLevel | None = None
    triggered: Triggering | None = None

    def predict(self, history: History, periods: Periods) -> Forecast:
        """Forecast from what `history` knows; a later one than it was fitted on is used with the same weights."""
        if self.learned is None or self.level is None:
            made = self.plain.predict(history, periods)
            facts = {**made.parameters, "fallback": self.fallback}
            return replace(made, model=AdditiveIntensity.name, parameters=facts)
        rate = self._parts(history).sum(axis=0)
        mean = np.outer(rate / rate.sum(), self.level.expected(history, periods))
        return forecast_from_mean(
            history, periods, mean, model=AdditiveIntensity.name, parameters=self._facts(),
            quantiles=gamma_poisson_quantiles(mean, np.full(len(rate), self.learned.dispersion)),
        )  # fmt: skip

    def explain(self, history: History, periods: Periods) -> Explanation:
        """Split the forecast into the groups of `GROUPS`.

        ``season and calendar`` is what the city's present level adds to its level of the long run and the last weeks;
        where it takes away, all other parts are lowered alike.
        """
        made = self.predict(history, periods)
        if self.learned is None or self.level is None:
            return self._explain_plain(made, history)
        parts = self._parts(history)
        total, expected = float(parts.sum()), float(self.level.expected(history, periods).sum())
        days = (periods.end.tz_localize(None) - periods.start.tz_localize(None)) / pd.Timedelta(days=1)
        usual = min(expected, total * days)
        split = parts * (usual / total)
        split[_SEASON] += parts.sum(axis=0) / total * (expected - usual)

        def without(last: int) -> NDArray[np.float64]:
            fewer = self._parts(history, until=history.cutoff - pd.DateOffset(days=last)).sum(axis=0)
            return fewer * (expected / total)

        return Explanation(made, _adding_up(split.T, made.mean.sum(axis=1)), without)

    def _parts(self, history: History, *, until: pd.Timestamp | None = None) -> NDArray[np.float64]:
        """Weighted components by group, incidents per day; shape (n_groups, n_cells)."""
        assert self.learned is not None  # noqa: S101  # callers have looked
        state = next(states(history, self.related, pd.DatetimeIndex([history.cutoff]), until=until))
        bank = components(state, self.learned.prior, self.plain.shape)
        return np.asarray(np.tensordot(np.asarray(self.learned.weights), bank, axes=1))

    def _explain_plain(self, made: Forecast, history: History) -> Explanation:
        mean, counts = made.mean.sum(axis=1), history.counts.sum(axis=1, dtype=np.int64)
        split = np.zeros((len(GROUPS), len(mean)))
        split[GROUPS.index("long history")] = mean * counts / (self.plain.shape + counts)
        split[GROUPS.index("place features")] = mean * self.plain.shape / (self.plain.shape + counts)
        starts = history.panel.periods.starts

        def without(last: int) -> NDArray[np.float64]:
            kept = history.counts[:, starts < history.cutoff - pd.DateOffset(days=last)].sum(axis=1, dtype=np.int64)
            return np.asarray(mean * (self.plain.shape + kept) / (self.plain.shape + counts))

        return Explanation(made, _adding_up(split.T, mean), without)

    def _facts(self) -> dict[str, object]:
        assert self.learned is not None and self.level is not None  # noqa: S101, PT018
        told = {name: round(share, 4) for name, share in zip(COMPONENTS, self.learned.shares, strict=True) if share > 0}
        facts: dict[str, object] = {
            "shares": told,
            "penalty": self.learned.penalty,
            "related": list(self.related),
            "level_half_life_days": self.level.half_life_days,
            "dispersion": self.learned.dispersion,
        }
        if self.triggered is not None:
            facts["triggered_share"] = self.triggered.share
            if self.triggered.share > 0:
                facts["half_life_days"] = self.triggered.half_life_days
                facts["half_distance_m"] = self.triggered.half_distance_m
        return facts


def _adding_up(parts: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take out what rounding left between the sum of the parts and the mean."""
    total = parts.sum(axis=1)
    return np.asarray(parts * np.divide(mean, total, out=np.zeros_like(mean), where=total > 0)[:, None])
