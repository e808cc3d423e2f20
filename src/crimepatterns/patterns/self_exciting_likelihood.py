"""The likelihood of a self-exciting record, from lists of earlier incidents near each one."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from crimepatterns.patterns.self_exciting_process import Excitation
from crimepatterns.patterns.space_time_pairs import PairSearch

__all__ = ["LONGEST_HALF_LIFE_DAYS", "EarlierIncidents", "Likelihood", "Parameters"]

LONGEST_HALF_LIFE_DAYS = 30.0
"""What fades more slowly is a place that changes, not incidents that bring others."""

_LEAST = 1e-300
_BOUNDS = (
    (-3.0, 3.0),
    (-9.0, np.log(0.98)),
    (np.log(np.log(2.0) / LONGEST_HALF_LIFE_DAYS), np.log(np.log(2.0) / 0.04)),
    (1.0, np.log(425.0)),
)
_STEP = 1e-3
_STRETCH_DAYS = 14.0

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Parameters:
    """What is fitted: the level of the background beside its own record, and the excitation."""

    level: float
    excitation: Excitation

    @property
    def vector(self) -> Floats:
        """Logarithms of level, branching, decay per day and spread, shape (4,)."""
        one = self.excitation
        return np.log([self.level, max(one.branching, 1e-4), one.decay_per_day, one.spread_m])

    @classmethod
    def of(cls, vector: Floats) -> "Parameters":
        """Read them back from logarithms."""
        level, branching, decay, spread = np.exp(vector)
        return cls(float(level), Excitation(branching, np.log(2.0) / decay, spread * np.sqrt(2.0 * np.log(2.0))))


@dataclass(frozen=True, eq=False)
class EarlierIncidents:
    """Pairs of an incident and an earlier one within reach.

    Parameters
    ----------
    later : ndarray of int32, shape (n_pairs,)
        Position of the later one.
    lag : ndarray of float32, shape (n_pairs,)
        Days between, above 0.
    squared_m2 : ndarray of float32, shape (n_pairs,)
        Squared distance.
    reach_m, reach_days : float
    """

    later: NDArray[np.int32] = field(repr=False)
    lag: Floats32 = field(repr=False)
    squared_m2: Floats32 = field(repr=False)
    reach_m: float
    reach_days: float

    @classmethod
    def find(cls, x: Floats, y: Floats, day: Floats, *, reach_m: float, reach_days: float) -> "EarlierIncidents":
        """Find them in a record in order of time; memory and time grow with their number."""
        parts: list[tuple[NDArray[np.int32], Floats32, Floats32]] = []
        search = PairSearch(x, y, reach_m=reach_m, reach_days=int(np.ceil(reach_days)))
        for block in search.pairs(np.floor(day).astype(np.int64)):
            lag = day[block.second] - day[block.first]
            keep = (lag > 0) & (lag <= reach_days)
            parts.append(
                (
                    block.second[keep].astype(np.int32),
                    lag[keep].astype(np.float32),
                    np.square(block.distance_m[keep]).astype(np.float32),
                )
            )
        if not parts:
            return cls(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.float32), reach_m, reach_days)
        later, lag32, squared = (np.concatenate(part) for part in zip(*parts, strict=True))
        return cls(later, lag32, squared, reach_m, reach_days)

    def of(self, chosen: NDArray[np.bool_]) -> "EarlierIncidents":
        """Keep the pairs whose later incident is chosen."""
        keep = chosen[self.later]
        return EarlierIncidents(self.later[keep], self.lag[keep], self.squared_m2[keep], self.reach_m, self.reach_days)

    def kernel(self, excitation: Excitation) -> Floats32:
        """Followers per day and square metre that the earlier one brings, at the later one; shape (n_pairs,)."""
        decay, spread = excitation.decay_per_day, excitation.spread_m
        fade = np.exp(self.lag * np.float32(-decay) + self.squared_m2 * np.float32(-0.5 / spread**2))
        return fade * np.float32(excitation.branching * decay / (2.0 * np.pi * spread**2))


@dataclass(frozen=True, eq=False)
class Likelihood:
    """How likely a record is, given the shape of its background.

    Parameters
    ----------
    day : ndarray of float, shape (n,)
        Rising. Incidents before `first_day` bring others but are not explained.
    background : ndarray of float, shape (n,)
        Background per day and square metre at each incident.
    background_total : float
        Its integral over the study area and the days that are explained.
    pairs : EarlierIncidents
    spreads, shares : ndarray of float, shape (k,) and (k, n)
        Share of a Gaussian of each standard deviation around each incident that lies inside the study area.
    first_day, last_day : float
        Days that are explained.
    """

    day: Floats = field(repr=False)
    background: Floats = field(repr=False)
    background_total: float
    pairs: EarlierIncidents = field(repr=False)
    spreads: Floats = field(repr=False)
    shares: Floats = field(repr=False)
    first_day: float
    last_day: float

    @property
    def explained(self) -> NDArray[np.bool_]:
        """Which incidents are explained."""
        return self.day >= self.first_day

    def brought(self, excitation: Excitation) -> Floats:
        """Return the intensity at each incident that earlier ones bring, per day and square metre; shape (n,)."""
        return _summed(self.pairs.later, self.pairs.kernel(excitation), len(self.day))

    def background_chance(self, parameters: Parameters) -> Floats:
        """Return the chance of each incident that no other one brought it, shape (n,)."""
        own = parameters.level * self.background
        return own / np.maximum(own + self.brought(parameters.excitation), _LEAST)

    def maximise(self, start: Parameters, *, chosen: NDArray[np.bool_] | None = None) -> Parameters:
        """Find the likeliest parameters; `chosen` explains only some incidents, in the place of all."""
        explained = self.explained if chosen is None else self.explained & chosen
        pairs = self.pairs.of(explained)
        times = float(self.explained.sum()) / max(int(explained.sum()), 1)

        def minus(vector: Floats) -> tuple[float, Floats]:
            value, slope = self._value(vector, explained, pairs, times)
            return -value, -slope

        found = optimize.minimize(
            minus, start.vector, jac=True, method="L-BFGS-B", bounds=_BOUNDS, options={"maxiter": 60, "ftol": 1e-9}
        )
        return Parameters.of(found.x)

    def gain(self, parameters: Parameters) -> float:
        """Tell how much likelier the record is than by the background alone, nats."""
        explained = self.explained
        value = self._value(parameters.vector, explained, self.pairs.of(explained), 1.0)[0]
        count = float(explained.sum())
        # Alone, the background's likeliest level makes its total the number of incidents.
        alone = np.log(np.maximum(self.background[explained] * count / self.background_total, _LEAST)).sum() - count
        return float(value - alone)

    def covariance(self, parameters: Parameters) -> Floats:
        """Covariance of the logarithms, shape (4, 4), from how much the slope of each fortnight varies.

        The curvature alone would take the model for true; White (1982), https://doi.org/10.2307/1912526.
        """
        explained = self.explained
        pairs, middle = self.pairs.of(explained), parameters.vector
        curvature = np.empty((4, 4))
        for k in range(4):
            ends = [self._value(middle + sign * _STEP * np.eye(4)[k], explained, pairs, 1.0)[1] for sign in (1, -1)]
            curvature[k] = (ends[0] - ends[1]) / (2.0 * _STEP)
        bread = np.linalg.pinv(-(curvature + curvature.T) / 2.0)
        slopes = self._slopes(parameters, explained, pairs)
        few = len(slopes) / max(len(slopes) - 1, 1)
        meat = few * slopes.T @ slopes
        return np.asarray(bread @ meat @ bread)

    def _value(
        self, vector: Floats, explained: NDArray[np.bool_], pairs: EarlierIncidents, times: float
    ) -> tuple[float, Floats]:
        """Log-likelihood and its slope by the logarithms."""
        one = Parameters.of(vector)
        own, parts = self._parts(one, explained, pairs)
        total = own + parts[0]
        expected, change = self._expected(one.excitation, self.first_day, self.last_day)
        level = one.level * self.background_total
        value = times * float(np.log(np.maximum(total, _LEAST)).sum()) - level - expected
        inverse = times / np.maximum(total, _LEAST)
        slope = np.array([float(own @ inverse) - level, float(parts[0] @ inverse) - expected, 0.0, 0.0])
        slope[2:] = [float(part @ inverse) for part in parts[1:]]
        slope[2:] -= change
        return value, slope

    def _parts(
        self, one: Parameters, explained: NDArray[np.bool_], pairs: EarlierIncidents
    ) -> tuple[Floats, list[Floats]]:
        """Background and brought intensity of the explained, and the slopes of the latter by decay and spread."""
        kernel = pairs.kernel(one.excitation)
        factors = (
            None,
            1.0 - np.float32(one.excitation.decay_per_day) * pairs.lag,
            pairs.squared_m2 * np.float32(one.excitation.spread_m**-2) - np.float32(2.0),
        )
        parts = [
            _summed(pairs.later, kernel if factor is None else kernel * factor, len(self.day))[explained]
            for factor in factors
        ]
        return one.level * self.background[explained], parts

    def _expected(self, excitation: Excitation, first: float, last: float) -> tuple[float, Floats]:
        """Followers expected in a stretch of days inside the study area, and the slopes by decay and spread."""
        decay, spread = excitation.decay_per_day, excitation.spread_m
        begin = np.clip(first - self.day, 0.0, self.pairs.reach_days)
        end = np.clip(last - self.day, 0.0, self.pairs.reach_days)
        in_time = np.exp(-decay * begin) - np.exp(-decay * end)
        in_time_slope = decay * (end * np.exp(-decay * end) - begin * np.exp(-decay * begin))
        cut = 0.5 * (self.pairs.reach_m / spread) ** 2
        within, within_slope = -np.expm1(-cut), -2.0 * cut * np.exp(-cut)
        share, share_slope = self._share(spread)
        brought = excitation.branching * in_time * share
        expected = within * float(brought.sum())
        by_decay = within * excitation.branching * float(in_time_slope @ share)
        by_spread = within_slope * float(brought.sum()) + within * excitation.branching * float(in_time @ share_slope)
        return expected, np.array([by_decay, by_spread])

    def _share(self, spread: float) -> tuple[Floats, Floats]:
        """Share inside the study area by the bank, and its slope by the log of the spread."""
        log_spreads = np.log(self.spreads)
        at = int(np.clip(np.searchsorted(log_spreads, np.log(spread)) - 1, 0, len(log_spreads) - 2))
        width = log_spreads[at + 1] - log_spreads[at]
        part = float(np.clip((np.log(spread) - log_spreads[at]) / width, 0.0, 1.0))
        low, high = self.shares[at], self.shares[at + 1]
        return (1.0 - part) * low + part * high, (high - low) / width

    def _slopes(self, one: Parameters, explained: NDArray[np.bool_], pairs: EarlierIncidents) -> Floats:
        """Slope of each stretch of days by the logarithms, shape (n_stretches, 4)."""
        own, parts = self._parts(one, explained, pairs)
        inverse = 1.0 / np.maximum(own + parts[0], _LEAST)
        day = self.day[explained]
        edges = np.linspace(
            self.first_day, self.last_day, max(2, round((self.last_day - self.first_day) / _STRETCH_DAYS)) + 1
        )
        at = np.clip(np.searchsorted(edges, day, side="right") - 1, 0, len(edges) - 2)
        slopes = np.column_stack([_summed(at, part * inverse, len(edges) - 1) for part in (own, *parts)])
        # The background follows the record's own course in time: its expected number is the number it explains.
        slopes[:, 0] -= slopes[:, 0].mean()
        for k, (first, last) in enumerate(pairwise(edges)):
            expected, change = self._expected(one.excitation, float(first), float(last))
            slopes[k, 1:] -= [expected, *change]
        return slopes


def _summed(place: NDArray[np.integer], value: NDArray[np.floating], size: int) -> Floats:
    return np.bincount(place, weights=value, minlength=size).astype(np.float64, copy=False)
