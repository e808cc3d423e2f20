"""The likelihood of a self-exciting record, from lists of earlier incidents near each one."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from crimepatterns.patterns.self_exciting_pairs import EarlierIncidents
from crimepatterns.patterns.self_exciting_process import Excitation

__all__ = ["LASTING_SPREAD_M", "Likelihood", "Parameters"]

LONGEST_HALF_LIFE_DAYS = 30.0
LONGEST_HALF_DISTANCE_M = 300.0
"""What fades more slowly or reaches further is a place that changes, not incidents that bring others."""

_LEAST = 1e-300
LASTING_SPREAD_M = 30.0
"""Standard deviation of what earlier incidents tell of the place alone, metres."""

_DOUBT = 4.0
"""One over the squared relative error of the background: where it expects fewer, an earlier incident tells little."""

_BOUNDS = (
    (-3.0, 3.0),
    (-9.0, np.log(0.98)),
    (np.log(np.log(2.0) / LONGEST_HALF_LIFE_DAYS), np.log(np.log(2.0) / 0.04)),
    (1.0, np.log(LONGEST_HALF_DISTANCE_M / np.sqrt(2.0 * np.log(2.0)))),
    (-9.0, 4.0),
)
_LEAST_LASTING = 0.05
_STEP = 1e-3
_STRETCH_DAYS = 14.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Parameters:
    """What is fitted: the level of the background beside its own record, the excitation, and what lasts at a place.

    Parameters
    ----------
    level : float
    excitation : Excitation
    lasting : float
        Incidents per earlier one, if it is told from the background for sure, that come as readily late as soon: they
        tell of a place that is busier than its background, not of followers.
    """

    level: float
    excitation: Excitation
    lasting: float = _LEAST_LASTING

    @property
    def vector(self) -> Floats:
        """Logarithms of level, branching, decay per day, spread and what lasts, shape (5,)."""
        one = self.excitation
        return np.log([self.level, max(one.branching, 1e-4), one.decay_per_day, one.spread_m, self.lasting])

    @property
    def is_inside(self) -> bool:
        """Tell whether half-life and half-distance stay below the greatest ones that are looked for."""
        one = self.excitation
        return (
            one.half_life_days < 0.99 * LONGEST_HALF_LIFE_DAYS and one.half_distance_m < 0.99 * LONGEST_HALF_DISTANCE_M
        )

    @classmethod
    def of(cls, vector: Floats) -> "Parameters":
        """Read them back from logarithms."""
        level, branching, decay, spread, lasting = (float(one) for one in np.exp(vector))
        excitation = Excitation(branching, float(np.log(2.0)) / decay, spread * float(np.sqrt(2.0 * np.log(2.0))))
        return cls(level, excitation, lasting)


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
    weight : ndarray of float, shape (n,)
        Chance of each incident that no other one brought it, as the background was estimated with.
    """

    day: Floats = field(repr=False)
    background: Floats = field(repr=False)
    background_total: float
    pairs: EarlierIncidents = field(repr=False)
    spreads: Floats = field(repr=False)
    shares: Floats = field(repr=False)
    first_day: float
    last_day: float
    weight: Floats = field(repr=False)

    @property
    def explained(self) -> NDArray[np.bool_]:
        """Which incidents are explained."""
        return self.day >= self.first_day

    def brought(self, excitation: Excitation) -> Floats:
        """Return the intensity at each incident that earlier ones bring, per day and square metre; shape (n,)."""
        return _summed(self.pairs.later, self.pairs.kernel(excitation), len(self.day))

    def background_chance(self, parameters: Parameters) -> Floats:
        """Return the chance of each incident that no other one brought it, shape (n,)."""
        own = parameters.level * self.background + self.lasting * parameters.lasting
        return own / np.maximum(own + self.brought(parameters.excitation), _LEAST)

    @cached_property
    def telling(self) -> Floats:
        """How much each incident tells of its place alone, shape (n,).

        Were the true background the estimated one times a gamma variable of shape `_DOUBT`, one more incident where M
        are expected would raise what is expected of the place by 1 / (`_DOUBT` + M) of itself. An incident that another
        one brought tells nothing.
        """
        expected = self.background * 4.0 * np.pi * LASTING_SPREAD_M**2 * self.pairs.reach_days
        return self.weight * expected / (_DOUBT + expected)

    @cached_property
    def lasting(self) -> Floats:
        """Per unit of what lasts: its intensity at each incident, per day and square metre, shape (n,)."""
        near = np.exp(self.pairs.squared_m2 * np.float32(-0.5 / LASTING_SPREAD_M**2))
        near *= self.telling.astype(np.float32)[self.pairs.earlier]
        summed = _summed(self.pairs.later, near, len(self.day))
        return summed / (self.pairs.reach_days * 2.0 * np.pi * LASTING_SPREAD_M**2)

    def maximise(
        self, start: Parameters, *, chosen: NDArray[np.bool_] | None = None, excited: bool = True
    ) -> Parameters:
        """Find the likeliest parameters; `chosen` explains only some incidents; not `excited` leaves followers out."""
        explained = self.explained if chosen is None else self.explained & chosen
        pairs = self.pairs.of(explained)
        times = float(self.explained.sum()) / max(int(explained.sum()), 1)
        vector, bounds = start.vector, np.array(_BOUNDS)
        # Slopes by logarithms vanish at nothing: what has gone there would stay.
        vector[4] = max(vector[4], np.log(_LEAST_LASTING))
        if not excited:
            vector[1] = bounds[1, 0]
            bounds[1:4] = vector[1:4, None]

        def minus(vector: Floats) -> tuple[float, Floats]:
            value, slope = self._value(vector, explained, pairs, times)
            return -value, -slope

        found = optimize.minimize(
            minus, vector, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60, "ftol": 1e-9}
        )
        return Parameters.of(found.x)

    def gain(self, parameters: Parameters) -> float:
        """Tell how much likelier followers make the record than background and what lasts alone, nats."""
        explained = self.explained
        pairs = self.pairs.of(explained)
        alone = self.maximise(parameters, excited=False)
        return (
            self._value(parameters.vector, explained, pairs, 1.0)[0]
            - self._value(alone.vector, explained, pairs, 1.0)[0]
        )

    def covariance(self, parameters: Parameters) -> Floats:
        """Covariance of the logarithms, shape (n, n), from how much the slope of each fortnight varies.

        The curvature alone would take the model for true; White (1982), https://doi.org/10.2307/1912526.
        """
        explained = self.explained
        pairs, middle = self.pairs.of(explained), parameters.vector
        steps = _STEP * np.eye(len(middle))
        curvature = np.empty_like(steps)
        for k, step in enumerate(steps):
            ends = [self._value(middle + sign * step, explained, pairs, 1.0)[1] for sign in (1, -1)]
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
        own, parts, lasting = self._parts(one, explained, pairs)
        total = own + parts[0] + lasting
        expected, change = self._expected(one.excitation, self.first_day, self.last_day)
        last = one.lasting * self._expected_lasting(self.first_day, self.last_day)
        level = one.level * self.background_total
        value = times * float(np.log(np.maximum(total, _LEAST)).sum()) - level - expected - last
        inverse = times / np.maximum(total, _LEAST)
        seen = [own @ inverse, *(part @ inverse for part in parts), lasting @ inverse]
        return value, np.array(seen) - np.array([level, expected, *change, last])

    def _parts(
        self, one: Parameters, explained: NDArray[np.bool_], pairs: EarlierIncidents
    ) -> tuple[Floats, list[Floats], Floats]:
        """Background of the explained, what is brought with its slopes by decay and spread, and what lasts."""
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
        return one.level * self.background[explained], parts, one.lasting * self.lasting[explained]

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

    def _expected_lasting(self, first: float, last: float) -> float:
        """Per unit of what lasts, what is expected in a stretch of days inside the study area."""
        reach = self.pairs.reach_days
        in_time = (np.clip(last - self.day, 0.0, reach) - np.clip(first - self.day, 0.0, reach)) / reach
        within = -np.expm1(-0.5 * (self.pairs.reach_m / LASTING_SPREAD_M) ** 2)
        return float(in_time @ (self.telling * self._share(LASTING_SPREAD_M)[0])) * within

    def _share(self, spread: float) -> tuple[Floats, Floats]:
        """Share inside the study area by the bank, and its slope by the log of the spread."""
        log_spreads = np.log(self.spreads)
        at = int(np.clip(np.searchsorted(log_spreads, np.log(spread)) - 1, 0, len(log_spreads) - 2))
        width = log_spreads[at + 1] - log_spreads[at]
        part = float(np.clip((np.log(spread) - log_spreads[at]) / width, 0.0, 1.0))
        low, high = self.shares[at], self.shares[at + 1]
        return (1.0 - part) * low + part * high, (high - low) / width

    def _slopes(self, one: Parameters, explained: NDArray[np.bool_], pairs: EarlierIncidents) -> Floats:
        """Slope of each stretch of days by the logarithms, shape (n_stretches, n)."""
        own, parts, lasting = self._parts(one, explained, pairs)
        inverse = 1.0 / np.maximum(own + parts[0] + lasting, _LEAST)
        day = self.day[explained]
        edges = np.linspace(
            self.first_day, self.last_day, max(2, round((self.last_day - self.first_day) / _STRETCH_DAYS)) + 1
        )
        at = np.clip(np.searchsorted(edges, day, side="right") - 1, 0, len(edges) - 2)
        slopes = np.column_stack([_summed(at, part * inverse, len(edges) - 1) for part in (own, *parts, lasting)])
        # The background follows the record's own course in time: its expected number is the number it explains.
        slopes[:, 0] -= slopes[:, 0].mean()
        for k, (first, last) in enumerate(pairwise(edges)):
            expected, change = self._expected(one.excitation, float(first), float(last))
            lasts = one.lasting * self._expected_lasting(float(first), float(last))
            slopes[k, 1:] -= [expected, *change, lasts]
        return slopes


def _summed(place: NDArray[np.integer], value: NDArray[np.floating], size: int) -> Floats:
    return np.bincount(place, weights=value, minlength=size).astype(np.float64, copy=False)
