"""Lists of earlier incidents near each one, which the likelihood of a self-exciting record rests on."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crimepatterns.patterns.self_exciting_process import Excitation
from crimepatterns.patterns.space_time_pairs import PairSearch

__all__ = ["EarlierIncidents"]

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class EarlierIncidents:
    """Pairs of an incident and an earlier one within reach.

    Parameters
    ----------
    later : ndarray of int32, shape (n_pairs,)
        Position of the later one.
    earlier : ndarray of int32, shape (n_pairs,)
        Position of the earlier one.
    lag : ndarray of float32, shape (n_pairs,)
        Days between, above 0.
    squared_m2 : ndarray of float32, shape (n_pairs,)
        Squared distance.
    reach_m, reach_days : float
    """

    later: NDArray[np.int32] = field(repr=False)
    earlier: NDArray[np.int32] = field(repr=False)
    lag: Floats32 = field(repr=False)
    squared_m2: Floats32 = field(repr=False)
    reach_m: float
    reach_days: float

    @classmethod
    def find(cls, x: Floats, y: Floats, day: Floats, *, reach_m: float, reach_days: float) -> "EarlierIncidents":
        """Find them in a record in order of time; memory and time grow with their number."""
        parts: list[tuple[NDArray[np.int32], NDArray[np.int32], Floats32, Floats32]] = []
        search = PairSearch(x, y, reach_m=reach_m, reach_days=int(np.ceil(reach_days)))
        for block in search.pairs(np.floor(day).astype(np.int64)):
            lag = day[block.second] - day[block.first]
            keep = (lag > 0) & (lag <= reach_days)
            parts.append(
                (
                    block.second[keep].astype(np.int32),
                    block.first[keep].astype(np.int32),
                    lag[keep].astype(np.float32),
                    np.square(block.distance_m[keep]).astype(np.float32),
                )
            )
        if not parts:
            none, empty = np.zeros(0, np.int32), np.zeros(0, np.float32)
            return cls(none, none, empty, empty, reach_m, reach_days)
        later, earlier, lag32, squared = (np.concatenate(part) for part in zip(*parts, strict=True))
        return cls(later, earlier, lag32, squared, reach_m, reach_days)

    def of(self, chosen: NDArray[np.bool_]) -> "EarlierIncidents":
        """Keep the pairs whose later incident is chosen."""
        keep = chosen[self.later]
        return EarlierIncidents(
            self.later[keep], self.earlier[keep], self.lag[keep], self.squared_m2[keep], self.reach_m, self.reach_days
        )

    def kernel(self, excitation: Excitation) -> Floats32:
        """Followers per day and square metre that the earlier one brings, at the later one; shape (n_pairs,)."""
        decay, spread = excitation.decay_per_day, excitation.spread_m
        fade = np.exp(self.lag * np.float32(-decay) + self.squared_m2 * np.float32(-0.5 / spread**2))
        return fade * np.float32(excitation.branching * decay / (2.0 * np.pi * spread**2))
