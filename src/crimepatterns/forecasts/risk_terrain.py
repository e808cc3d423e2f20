"""``risk_terrain``: what lies nearby says where to expect more, and the cell's own count has its say too."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from crimepatterns.domain.covariates import Covariates
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import ForecastError
from crimepatterns.features.audit import refuse_audit_columns
from crimepatterns.features.calendar import civil_days
from crimepatterns.features.design import known_context
from crimepatterns.forecasts.nonnegative_poisson import choose_nonnegative
from crimepatterns.forecasts.predictive import forecast_from_mean, gamma_poisson_quantiles, period_lengths
from crimepatterns.forecasts.recent import recent_window
from crimepatterns.forecasts.risk_factors import RiskFactor, candidate_factors, factor_matrix
from crimepatterns.forecasts.shrunk_count import gamma_shape

__all__ = ["FittedRiskTerrain", "RiskTerrain"]

_FEWEST_INCIDENTS = 30
_FEWEST_PERIODS = 4
_NO_EVENTS = 0.5


@dataclass(frozen=True)
class RiskTerrain:
    """Expect in each cell what its places suggest, corrected by its own past.

    Each place file of ``context`` gives factors that a cell meets or not, such as "bars within 250 m". A Poisson
    regression of counts per cell on all factors, with effects that may only raise the risk and a penalty, chooses those
    that matter; exp of an effect is the factor's **relative risk value**, and the product over a cell's factors its
    relative risk s_i. The classical method maps s_i and knows no counts. Here it is the prior mean of the cell, and the
    count is drawn towards it in place of the city's mean:

        mean_i = c r_i s_i (a + N_i) / (a / m + T r_i s_i),

    with c, a and m as in ``count_eb``. Factors are learned from counts that came after the places were known. Caplan,
    Kennedy & Miller 2011, https://doi.org/10.1080/07418825.2010.486037.

    Parameters
    ----------
    train_periods : int
        Periods before the cutoff on which factors are learned.
    recent_days : int
        Window before the cutoff that sets the total.
    """

    name: ClassVar[str] = "risk_terrain"
    train_periods: int = 52
    recent_days: int = 90

    def fit(self, history: History, *, rng: np.random.Generator) -> "FittedRiskTerrain":  # noqa: ARG002
        """Learn which factors raise the risk; without context, or where none does, none."""
        if history.covariates is None:
            return self._plain("no context is configured: as count_eb")
        refuse_audit_columns(history.covariates.names, history.covariates.roles)
        first, known = _known_from(history, self.train_periods)
        if known is None:
            return self._plain("no context was known long enough before the cutoff: as count_eb")
        counts = history.counts[:, first:].sum(axis=1, dtype=np.int64)
        if counts.sum() < _FEWEST_INCIDENTS:
            return self._plain("too few incidents to learn factors from: as count_eb")
        grid = history.grid
        values = _values(history, known, first)
        cell_m = float(np.sqrt(np.median(grid.area_km2) * 1e6)) if grid.kind == "polygon" else float(grid.cell_size_m)
        factors = candidate_factors(known, values, cell_m=cell_m)
        if not factors:
            return self._plain("no place of the context tells cells apart: as count_eb")
        design = factor_matrix(factors, known.names, values)
        area = grid.area_km2 / grid.area_km2.mean()
        fit, dispersion = choose_nonnegative(design, counts, area * (history.counts.shape[1] - first))
        chosen = np.flatnonzero(fit.effects > 1e-9)
        if not len(chosen):
            return self._plain("no place of the context is shown to raise the risk: as count_eb")
        order = chosen[np.argsort(-fit.effects[chosen], kind="stable")]
        return FittedRiskTerrain(
            self.recent_days,
            factors=tuple(factors[j] for j in order),
            effects=tuple(fit.effects[order].tolist()),
            tried=len(factors),
            dispersion=dispersion,
        )

    def _plain(self, reason: str) -> "FittedRiskTerrain":
        return FittedRiskTerrain(self.recent_days, fallback=reason)


@dataclass(frozen=True)
class FittedRiskTerrain:
    """The factors that raise the risk.

    Parameters
    ----------
    recent_days : int
    factors : tuple of RiskFactor
        The strongest first.
    effects : tuple of float
        Logarithms of their relative risk values.
    tried : int
        Factors that were there to choose from.
    dispersion : float
        Pearson's; above 1 where cells differ by more than factors and chance.
    fallback : str
    """

    recent_days: int
    factors: tuple[RiskFactor, ...] = ()
    effects: tuple[float, ...] = ()
    tried: int = 0
    dispersion: float = field(default=1.0)
    fallback: str = ""

    def relative_risk(self, history: History) -> NDArray[np.float64]:
        """Product of the relative risk values of the factors that each cell meets, at least 1; shape (n_cells,).

        Raises
        ------
        ForecastError
            If the history lacks the context it was learned from.
        """
        if not self.factors:
            return np.ones(len(history.grid))
        needed = {factor.covariate for factor in self.factors}
        found = history.covariates
        missing = sorted(needed - set(found.names if found is not None else ()))
        if found is None or missing:
            raise ForecastError(
                f"risk_terrain was learned with the context {missing}, which is not there: fit it anew."
            )
        design = factor_matrix(self.factors, found.names, found.newest)
        risk: NDArray[np.float64] = np.exp(design @ np.array(self.effects))
        return risk

    def predict(self, history: History, periods: Periods) -> Forecast:
        """Forecast from the counts of `history` and the places as they are known at its cutoff."""
        risk = self.relative_risk(history)
        exposure = history.grid.area_km2 / history.grid.area_km2.mean() * risk
        n_periods = len(history.panel.periods)
        totals = history.counts.sum(axis=1, dtype=np.int64)
        shape = gamma_shape(totals, n_periods * exposure) if totals.any() else 1.0
        mean_rate = max(float(totals.sum()), _NO_EVENTS) / (n_periods * float(exposure.sum()))
        rate = exposure * (shape + totals) / (shape / mean_rate + n_periods * exposure)
        window = recent_window(history, self.recent_days)
        panel_days = float(np.median(civil_days(history.panel.periods)))
        factor = (window.total + 1.0) / (float(rate.sum()) * window.days / panel_days + 1.0)
        mean = np.outer(factor * rate, period_lengths(history, periods))
        facts = {
            **window.facts(self.recent_days),
            "risk_factors": [
                {"factor": one.label, "relative_risk_value": round(float(np.exp(effect)), 4)}
                for one, effect in zip(self.factors, self.effects, strict=True)
            ],
            "factors_tried": self.tried,
            "dispersion": self.dispersion,
            "gamma_shape": shape,
            "recent_factor": factor,
        }
        if self.fallback:
            facts["fallback"] = self.fallback
        quantiles = gamma_poisson_quantiles(mean, shape + totals)
        return forecast_from_mean(history, periods, mean, model=RiskTerrain.name, parameters=facts, quantiles=quantiles)


def _known_from(history: History, train_periods: int) -> tuple[int, Covariates | None]:
    """First period to learn from, and the context known when it began: a year back, or less where it is younger."""
    last = len(history.panel.periods)
    for wanted in (train_periods, train_periods // 2, train_periods // 4):
        first = max(0, last - wanted)
        if last - first < _FEWEST_PERIODS:
            break
        known = known_context(history, first)
        if known is not None:
            return first, known
    return last, None


def _values(history: History, known: Covariates, first: int) -> NDArray[np.float32]:
    """Values just before a period, shape (n_cells, n_columns)."""
    cells = np.arange(len(history.grid))
    before = history.panel.periods.edges[np.full(len(cells), first)]
    return np.column_stack([column.known(cells, before) for column in known.columns])
