"""How the additive intensity learns: weights from past periods, and how far to trust them from the last of these."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import gammaln, xlogy

from crimepatterns.domain.history import History
from crimepatterns.forecasts.additive_intensity_bank import State, components, prior_columns, states
from crimepatterns.forecasts.additive_intensity_em import AdditiveCounts, fit_weights
from crimepatterns.forecasts.spatial_prior import SpatialPrior, fit_spatial_prior

__all__ = ["PENALTIES", "Learned", "learn"]

PENALTIES: tuple[float, ...] = (0.0, 0.02, 0.1, float("inf"))
"""What a component beside the plain shrunk count must explain more than it expects; infinity leaves that one alone."""

_BURN_IN_PERIODS = 8
_MOST_HELD_OUT = 13
_ROUNDS = 2
_LEAST = 1e-12


@dataclass(frozen=True)
class Learned:
    """What was learned from past periods.

    Parameters
    ----------
    weights : tuple of float
        One per component of `COMPONENTS`.
    shares : tuple of float
        Share of the expected incidents of the fitted periods that each component carries.
    prior : SpatialPrior
    penalty : float
        Chosen from `PENALTIES`.
    dispersion : float
        Gamma shape s of the counts: their variance is mean + mean^2 / s.
    """

    weights: tuple[float, ...]
    shares: tuple[float, ...]
    prior: SpatialPrior
    penalty: float
    dispersion: float


def learn(history: History, related: Sequence[str], shape: float, *, train_periods: int) -> Learned:
    """Fit the weights of the components on the last periods of a history.

    Parameters
    ----------
    history : History
    related : sequence of str
        Other categories.
    shape : float
        Gamma shape of the plain shrunk count.
    train_periods : int

    Returns
    -------
    Learned
    """
    starts = history.panel.periods.starts
    first = max(min(_BURN_IN_PERIODS, len(starts) // 2), len(starts) - train_periods)
    held_out = min(_MOST_HELD_OUT, max(1, (len(starts) - first) // 4))
    observed = history.counts[:, first:].astype(float)

    # What chooses the penalty must know nothing of the periods on which it is chosen.
    split = len(starts) - held_out
    then = _prior(next(states(history, related, starts[split : split + 1])))
    prior = _prior(next(states(history, related, history.panel.periods.edges[-1:])))
    earlier, rows = _Rows.of(states(history, related, starts[first:]), observed, (then, prior), shape)
    penalty = _choose_penalty(earlier, split - first)
    weights = rows.fit(range(len(rows.counts)), penalty)
    mass = weights * rows.sums.sum(axis=0)
    last = states(history, related, starts[split:])
    means = [components(state, prior, shape).sum(axis=1).T @ weights for state in last]
    dispersion = _dispersion(np.array(means).T, observed[:, split - first :])
    return Learned(tuple(weights.tolist()), tuple((mass / mass.sum()).tolist()), prior, penalty, dispersion)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Components where something happened, period by period, and their sums over all cells.

    Parameters
    ----------
    columns, counts : list of ndarray, shape (n_positive, n_components) and (n_positive,)
    sums : ndarray of float, shape (n_periods, n_components)
    """

    columns: list[NDArray[np.float64]] = field(repr=False)
    counts: list[NDArray[np.float64]] = field(repr=False)
    sums: NDArray[np.float64] = field(repr=False)

    @classmethod
    def of(
        cls, seen: Iterable[State], observed: NDArray[np.float64], priors: Sequence[SpatialPrior], shape: float
    ) -> "list[_Rows]":
        """Build the components under each of several priors, looking at each state once."""
        columns: list[list[NDArray[np.float64]]] = [[] for _ in priors]
        sums: list[list[NDArray[np.float64]]] = [[] for _ in priors]
        counts = []
        for state, happened in zip(seen, observed.T, strict=True):
            some = np.flatnonzero(happened)
            counts.append(happened[some])
            for i, prior in enumerate(priors):
                matrix = components(state, prior, shape).sum(axis=1).T
                columns[i].append(matrix[some])
                sums[i].append(matrix.sum(axis=0))
        return [cls(columns[i], counts, np.array(sums[i])) for i in range(len(priors))]

    def fit(self, periods: range, penalty: float) -> NDArray[np.float64]:
        """Alternate between the weights and a factor of the city for each period, shape (n_components,)."""
        weights = np.zeros(self.sums.shape[1])
        weights[0] = 1.0
        if np.isinf(penalty):
            return weights
        chosen = slice(periods.start, periods.stop)
        sums, observed = self.sums[chosen], np.array([part.sum() for part in self.counts[chosen]])
        priced = np.full(len(weights), penalty)
        priced[0] = 0.0
        for step in range(_ROUNDS):
            factor = observed / np.maximum(sums @ weights, _LEAST)
            scaled = [part * one for part, one in zip(self.columns[chosen], factor, strict=True)]
            problem = AdditiveCounts(
                np.concatenate(scaled), np.concatenate(self.counts[chosen]), (sums * factor[:, None]).sum(axis=0)
            )
            weights = fit_weights(problem, penalty=priced, start=weights if step else None)
        return weights

    def loss(self, periods: range, weights: NDArray[np.float64]) -> float:
        """Sum how improbable it is, in nats, that the incidents of the periods fell where they did."""
        lost = 0.0
        for t in periods:
            mean = np.maximum(self.columns[t] @ weights, _LEAST)
            lost -= float(self.counts[t] @ np.log(mean / max(float(self.sums[t] @ weights), _LEAST)))
        return lost


def _prior(state: State) -> SpatialPrior:
    if not state.own[0].any():
        return SpatialPrior((1.0, *[0.0] * (2 + len(state.others))), 1.0)
    return fit_spatial_prior(state.own[0], state.days, prior_columns(state))


def _choose_penalty(rows: _Rows, split: int) -> float:
    """Fit on the periods before the split and take the penalty whose weights do best after it."""
    if not sum(part.sum() for part in rows.counts[:split]):
        return float("inf")
    ahead = range(split, len(rows.counts))
    losses = [rows.loss(ahead, rows.fit(range(split), penalty)) for penalty in PENALTIES]
    # Of equal ones the greater is chosen.
    return PENALTIES[len(losses) - 1 - int(np.argmin(losses[::-1]))]


def _dispersion(means: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Gamma shape of greatest likelihood for the counts, each period at its own total."""
    mean = means * (counts.sum(axis=0) / np.maximum(means.sum(axis=0), _LEAST))
    mean, count = np.maximum(mean.ravel(), _LEAST), counts.ravel()
    some = count > 0

    def minus_log_likelihood(log_shape: float) -> float:
        size = np.exp(log_shape)
        value = -size * np.log1p(mean / size).sum()
        value += (gammaln(size + count[some]) - gammaln(size)).sum()
        return -float(value + xlogy(count[some], mean[some] / (size + mean[some])).sum())

    found = optimize.minimize_scalar(minus_log_likelihood, bounds=(-3.0, 7.0), method="bounded")
    return float(np.exp(found.x))
