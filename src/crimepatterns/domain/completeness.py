"""How complete a record is by the age of its incidents, and what the known ones stand for."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crimepatterns.errors import DomainError

__all__ = ["Completed", "Completeness"]

Floats = NDArray[np.float64]

_LEAST_SHARE = 0.2
"""Days of which less than this is known say too little to be scaled up."""


@dataclass(frozen=True)
class Completed:
    """How many incidents there will have been once all are known.

    Parameters
    ----------
    known : int
    expected, low, high : float
    """

    known: int
    expected: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Completeness:
    """Share of the incidents that are known, by the days since they began.

    Parameters
    ----------
    days : ndarray of float64, shape (k,)
        Ages, rising.
    share, low, high : ndarray of float64, shape (k,)
        Share known from that age on up to the next, with the ends of its interval; not falling.
    settled_days : float
        From this age on everything counts as known.

    Raises
    ------
    DomainError
        If shapes do not fit, ages do not rise, or shares fall or leave [0, 1].
    """

    days: Floats = field(repr=False)
    share: Floats = field(repr=False)
    low: Floats = field(repr=False)
    high: Floats = field(repr=False)
    settled_days: float

    def __post_init__(self) -> None:
        curves = (self.low, self.share, self.high)
        if any(curve.shape != self.days.shape for curve in curves) or (np.diff(self.days) <= 0).any():
            raise DomainError("Completeness needs rising ages, and shares of the same shape.")
        if any((curve < 0).any() or (curve > 1).any() or (np.diff(curve) < 0).any() for curve in curves):
            raise DomainError("Shares that are known must lie in [0, 1] and not fall with age.")

    def at(self, age_days: Floats) -> Floats:
        """Return the share that is known at these ages; same shape."""
        return self._read(self.share, age_days)

    @property
    def blind_days(self) -> int:
        """Whole days before now of which too little is known to be scaled up."""
        enough = np.flatnonzero(self.share >= _LEAST_SHARE)
        first = self.days[enough[0]] if len(enough) else self.settled_days
        return int(np.ceil(min(first, self.settled_days)))

    def weights(self, age_days: Floats) -> Floats:
        """Return how many incidents each known one stands for: 1 / share (Horvitz & Thompson 1952)."""
        weights: Floats = 1.0 / np.maximum(self.at(age_days), _LEAST_SHARE)
        return weights

    def complete(self, age_days: Floats, *, z: float = 1.96) -> Completed:
        """Estimate how many incidents there will have been, from the ages of the known ones.

        The interval joins the chance of what is still missing, sum of (1 - share) / share^2, with the uncertainty of
        the shares themselves. D. G. Horvitz & D. J. Thompson 1952, doi:10.1080/01621459.1952.10483446.

        Parameters
        ----------
        age_days : ndarray of float64, shape (n,)
        z : float
            Standard deviations of the interval; its shares have theirs at 95 %.
        """
        share = np.maximum(self.at(age_days), _LEAST_SHARE)
        expected = float(np.sum(1.0 / share))
        chance = float(np.sum((1.0 - share) / share**2))
        fewer = expected - float(np.sum(1.0 / np.maximum(self._read(self.high, age_days), _LEAST_SHARE)))
        more = float(np.sum(1.0 / np.maximum(self._read(self.low, age_days), _LEAST_SHARE))) - expected
        low = expected - z * np.sqrt(chance + (fewer / 1.96) ** 2)
        high = expected + z * np.sqrt(chance + (more / 1.96) ** 2)
        return Completed(len(share), expected, max(float(low), float(len(share))), float(high))

    def _read(self, curve: Floats, age_days: Floats) -> Floats:
        at = np.searchsorted(self.days, age_days, side="right")
        shares: Floats = np.append(0.0, curve)[at]
        return np.where(age_days >= self.settled_days, 1.0, shares)
