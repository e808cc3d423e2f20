"""A champion that retires itself on evidence of being worse, and comes back when it has earned it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crimepatterns.errors import DomainError
from crimepatterns.monitoring.evidence import (
    CATCH_FLOOR,
    RATIO_RANGE,
    Dispersion,
    Evidence,
    Outcome,
    for_return,
    of_being_worse,
)

__all__ = ["Change", "Retirement", "dispersion_of", "followed"]

ALPHA: Final = 0.05
"""Chance of a false fallback in a year, at most."""

_LEAST_WEEKS = 8
_KEPT, _MEAN_OF_KEPT = 0.9, 0.6235
"""Share of squared residuals that is kept, and the mean of that share of squared standard normal numbers."""

_UNKNOWN_DISPERSION = 1.5

_WORDS: Final[Mapping[str, str]] = {
    "catch": f"it catches less than {CATCH_FLOOR * 100:.0f} % of what the baseline catches",
    "hot_low": f"its hot places get less than {RATIO_RANGE[0]:g} times their expected share of the incidents",
    "hot_high": f"its hot places get more than {RATIO_RANGE[1]:g} times their expected share of the incidents",
    "city_low": f"fewer than {RATIO_RANGE[0]:g} times the expected incidents happen in the whole area",
    "city_high": f"more than {RATIO_RANGE[1]:g} times the expected incidents happen in the whole area",
}


@dataclass(frozen=True)
class Change:
    """One change of state.

    Parameters
    ----------
    day : str
        End of the period whose outcome decided, ISO.
    retired : bool
        True for a fallback, False for a return.
    reason : str
    """

    day: str
    retired: bool
    reason: str


@dataclass(frozen=True)
class Retirement:
    """Whether a champion is served or its baseline instead, with the evidence on both sides.

    Parameters
    ----------
    per_year : float
        Forecasts per year.
    alpha : float
        Chance of a false fallback in a year, at most; the same of a false return.
    retired : bool
    worse, better : Evidence
        Against the champion while it is served, for it while it is retired.
    outcomes : tuple of Outcome
        All so far, the oldest first.
    changes : tuple of Change
    calm : tuple of Outcome
        Those while it was served: they tell the dispersion.
    """

    per_year: float
    alpha: float = ALPHA
    retired: bool = False
    worse: Evidence = field(default_factory=Evidence)
    better: Evidence = field(default_factory=Evidence)
    outcomes: tuple[Outcome, ...] = field(default=(), repr=False)
    changes: tuple[Change, ...] = ()
    calm: tuple[Outcome, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1 or self.per_year <= 0:
            raise DomainError(f"Retirement needs 0 < alpha < 1 and per_year > 0, got {self.alpha}, {self.per_year}.")

    @property
    def threshold(self) -> float:
        """Summed wealth at which the state changes: forecasts per year / alpha."""
        return self.per_year / self.alpha

    @property
    def strength(self) -> float:
        """Evidence for a change of state in units of what is needed: 1 changes it."""
        return (self.better.least if self.retired else self.worse.mean) / self.threshold

    def after(self, day: str, outcome: Outcome, *, reference: Sequence[Outcome] = ()) -> "Retirement":
        """Return the state after one more matured forecast.

        Parameters
        ----------
        day : str
            End of the period that was forecast.
        outcome : Outcome
        reference : sequence of Outcome
            Earlier outcomes of the same model, as of a back-test, to tell the dispersion from.
        """
        # How incidents cluster is no matter of the champion: what it did while it was broken must not blur it.
        spread = dispersion_of([*reference, *self.calm])
        seen = (*self.outcomes, outcome)
        if self.retired:
            better = self.better.after(for_return(outcome, spread))
            if better.least < self.threshold:
                return replace(self, better=better, outcomes=seen)
            back = Change(day, False, "its forecasts have been good enough again: catch and calibration")
            return replace(self, retired=False, worse=Evidence(), better=Evidence(), outcomes=seen,
                           changes=(*self.changes, back))  # fmt: skip
        worse = self.worse.after(of_being_worse(outcome, spread))
        if worse.mean < self.threshold:
            return replace(self, worse=worse, outcomes=seen, calm=(*self.calm, outcome))
        strongest = max(worse.wealth, key=worse.of)
        gone = Change(day, True, _WORDS[strongest])
        return replace(self, retired=True, worse=worse, better=Evidence(), outcomes=seen,
                       changes=(*self.changes, gone))  # fmt: skip


def followed(
    outcomes: Sequence[tuple[str, Outcome]],
    *,
    per_year: float,
    alpha: float = ALPHA,
    reference: Sequence[Outcome] = (),
) -> Retirement:
    """Follow a champion through all its matured forecasts; equal outcomes always give an equal state.

    Parameters
    ----------
    outcomes : sequence of (str, Outcome)
        End of the period and outcome, the oldest first; periods must not overlap.
    per_year, alpha : float
        See `Retirement`.
    reference : sequence of Outcome
        See `Retirement.after`.
    """
    state = Retirement(per_year, alpha)
    for day, outcome in outcomes:
        state = state.after(day, outcome, reference=reference)
    return state


def dispersion_of(outcomes: Sequence[Outcome]) -> Dispersion:
    """Return how many times larger than by chance the variance of shares and of numbers is.

    Means of squared Pearson residuals around the common level, without the largest tenth, which a break would inflate;
    1.5 where there are fewer than eight outcomes, and never below 1.
    """
    known = [one for one in outcomes if one.expected > 0 and one.observed > 0 and 0 < one.hot_share < 1]
    if len(known) < _LEAST_WEEKS:
        return Dispersion(_UNKNOWN_DISPERSION, _UNKNOWN_DISPERSION)
    hot, observed = np.array([one.observed_hot for one in known]), np.array([one.observed for one in known])
    share, expected = np.array([one.hot_share for one in known]), np.array([one.expected for one in known])
    share = np.clip(share * np.median(hot / observed / share), 1e-6, 1 - 1e-6)
    usual = expected * np.median(observed / expected)
    return Dispersion(
        _spread((hot - observed * share) ** 2 / (observed * share * (1 - share))),
        _spread((observed - usual) ** 2 / np.maximum(usual, 1e-9)),
    )


def _spread(squares: NDArray[np.float64]) -> float:
    kept = np.sort(squares)[: max(1, int(np.ceil(_KEPT * len(squares))))]
    return max(1.0, float(kept.mean()) / _MEAN_OF_KEPT)
