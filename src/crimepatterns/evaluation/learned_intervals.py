"""What a model's past teaches about its intervals: effects shared by areas and city, and an adjustment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.evaluation.conformal import adjusted
from crimepatterns.evaluation.shared_effects import SharedEffects
from crimepatterns.evaluation.union_intervals import UnionSums, central_interval, chance_of_none, simulate_unions

__all__ = ["LearnedIntervals", "UnionExpectation"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UnionExpectation:
    """What is expected in each of some unions.

    Parameters
    ----------
    expected, lower, upper, chance_of_none : ndarray of float, shape (n_unions,)
        Bounds are whole counts and belong to the interval.
    """

    expected: Floats
    lower: Floats
    upper: Floats
    chance_of_none: Floats


@dataclass(frozen=True)
class LearnedIntervals:
    """What a model's past forecasts teach about its intervals.

    Parameters
    ----------
    effects : SharedEffects
    scale_parts, scale_city : float
        By how many half-widths intervals are widened: of sets of cells, and of the whole city.
    confidence : float
        Of the intervals.
    origins : int
        Past forecasts it was learned from; 0 where there were none.
    learned_until : Timestamp or None
        End of the last outcome that was used.
    horizon_days : int
        Length of the forecasts it was learned from.
    """

    effects: SharedEffects
    scale_parts: float = 0.0
    scale_city: float = 0.0
    confidence: float = 0.9
    origins: int = 0
    learned_until: pd.Timestamp | None = None
    horizon_days: int = 0

    def expect(
        self, sums: UnionSums, *, draws: int, seed: int, whole_city: NDArray[np.bool_] | None = None
    ) -> UnionExpectation:
        """Say what to expect in unions of cells; the same seed gives the same answer for the same union.

        Parameters
        ----------
        sums : UnionSums
        draws, seed : int
        whole_city : ndarray of bool, shape (n_unions,), optional
            Which of them are the whole city.
        """
        counts = simulate_unions(sums, self.effects, draws=draws, seed=seed)
        whole = np.zeros(len(counts), dtype=bool) if whole_city is None else whole_city
        lower, upper = central_interval(counts, confidence=self.confidence, seed=seed)
        lower, upper = adjusted(lower, upper, np.where(whole, self.scale_city, self.scale_parts))
        lower = np.maximum(np.ceil(lower), 0.0)
        return UnionExpectation(
            expected=sums.expected,
            lower=lower,
            upper=np.maximum(np.floor(upper), lower),
            chance_of_none=chance_of_none(sums, self.effects, draws=draws, seed=seed),
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values, for a file."""
        return {
            "effects": self.effects.to_json(),
            "scale_parts": self.scale_parts,
            "scale_city": self.scale_city,
            "confidence": self.confidence,
            "origins": self.origins,
            "learned_until": None if self.learned_until is None else self.learned_until.isoformat(),
            "horizon_days": self.horizon_days,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "LearnedIntervals":
        """Read what `to_json` gave."""
        until = stored["learned_until"]
        return cls(
            **{
                **stored,
                "effects": SharedEffects.from_json(stored["effects"]),
                "learned_until": None if until is None else pd.Timestamp(until),
            }
        )
