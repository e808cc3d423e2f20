"""How many incidents an earlier one brought, how soon and how near: a self-exciting process in space and time.

lambda(t, x) = beta m(t) b(t, x)
               + sum over earlier incidents j of branching g(t - t_j) h(x - x_j) + lasting u(t - t_j) h'(x - x_j)

g is exponential, h and h' Gaussian, u even up to the reach: what comes as readily late as soon tells of a busy place,
not of followers. The background m(t) b(t, x) follows the record's course in time and a surface that knows nothing of
the days near, see `crimepatterns.patterns.self_exciting_background`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.self_exciting_background import Background, Raster
from crimepatterns.patterns.self_exciting_likelihood import Likelihood, Parameters
from crimepatterns.patterns.self_exciting_pairs import EarlierIncidents
from crimepatterns.patterns.self_exciting_process import Excitation

__all__ = ["FEWEST_DAYS", "FEWEST_INCIDENTS", "SelfExciting", "self_exciting"]

FEWEST_INCIDENTS = 500
FEWEST_DAYS = 180

_GAP_DAYS = 45.0
_GAP_HALF_LIVES = 5.0
_START = Excitation(0.2, 5.0, 150.0)
_ROUNDS = 6
_SETTLED = 0.01
_PILOT_TARGETS = 20_000
_STEP_INCIDENTS = 60.0
_SHOWN = 25.0
_REACH_M = (150.0, 1_500.0)
_REACH_DAYS = (10.0, 120.0)
_Z = 1.96

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SelfExciting:
    """What follows an incident.

    Parameters
    ----------
    branching : float
        Direct followers per incident; 0 where none are shown.
    half_life_days, half_distance_m : float
        Half of the followers come within so many days, and lie within so many metres; nan where none are shown.
    branching_interval, half_life_interval, half_distance_interval : tuple of float
        95 % intervals, which take the background as known.
    share : float
        Share of the incidents that follow another one, as far as the record reaches back.
    incidents, days : int
        What is explained.
    gain : float
        How much likelier the followers make the record than background and what lasts alone, nats. None are shown
        below 12.5, or where the half-life would be 30 days or the half-distance 300 m or more.
    chance : ndarray of float, shape (incidents,)
        Chance of each explained incident that another one brought it, in order of time.
    row : ndarray of int, shape (incidents,)
        Their rows in the table.
    parameters : mapping
    """

    branching: float
    half_life_days: float
    half_distance_m: float
    branching_interval: tuple[float, float]
    half_life_interval: tuple[float, float]
    half_distance_interval: tuple[float, float]
    share: float
    incidents: int
    days: int
    gain: float
    chance: Floats = field(repr=False)
    row: NDArray[np.int64] = field(repr=False)
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @property
    def is_shown(self) -> bool:
        """Tell whether followers explain more than chance would."""
        return self.branching > 0

    def sentence(self) -> str:
        """Say in one or two sentences how many incidents follow another one, how soon and how near."""
        if not self.is_shown:
            return f"None of {self.incidents:,} incidents is shown to follow another one: place and time explain them."
        few, many = (100 * one for one in self.branching_interval)
        soon, late = self.half_life_interval
        near, far = self.half_distance_interval
        return (
            f"{100 * self.share:.0f} % of {self.incidents:,} incidents follow another one beyond what place and season "
            f"explain; 100 incidents bring {100 * self.branching:.0f} more directly ({few:.0f} to {many:.0f}), half of "
            f"them within {self.half_life_days:.1f} days ({soon:.1f} to {late:.1f}) and {self.half_distance_m:.0f} m "
            f"({near:.0f} to {far:.0f})."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row per figure: ``figure``, ``value``, ``low``, ``high``, ``unit``."""
        rows = [
            ("branching", self.branching, *self.branching_interval, "direct followers per incident"),
            ("half-life", self.half_life_days, *self.half_life_interval, "days"),
            ("half-distance", self.half_distance_m, *self.half_distance_interval, "metres"),
        ]
        return pd.DataFrame(rows, columns=["figure", "value", "low", "high", "unit"])


def self_exciting(
    incidents: Incidents, *, since: pd.Timestamp | None = None, end: pd.Timestamp | None = None, seed: int = 0
) -> SelfExciting:
    """Estimate how many incidents an earlier one brought, how soon and how near.

    Parameters
    ----------
    incidents : Incidents
        Of one category, with as long a record as there is: what is always busy is learned from all of it.
    since : Timestamp, optional
        Explain the incidents from this moment on; from the beginning where left out.
    end : Timestamp, optional
        End of the record; the midnight after its last incident where left out. The last days, of which less than 95 %
        would be known by the delays of earlier incidents, are left out.
    seed : int
        Of the incidents on which first rounds rest, and of the moments of those known to the day only.

    Returns
    -------
    SelfExciting

    Raises
    ------
    PatternError
        If fewer than 500 incidents in 180 days can be explained.

    References
    ----------
    Mohler et al. (2011), https://doi.org/10.1198/jasa.2011.ap09546; Zhuang, Ogata and Vere-Jones (2002),
    https://doi.org/10.1198/016214502760046925; Veen and Schoenberg (2008),
    https://doi.org/10.1198/016214508000000148
    """
    rng = np.random.default_rng(seed)
    record = _Times.of(incidents, since, end, rng)
    if len(record.day) < FEWEST_INCIDENTS or record.last - record.day[0] < FEWEST_DAYS:
        raise PatternError(
            f"What follows an incident needs at least {FEWEST_INCIDENTS} incidents in {FEWEST_DAYS} days to be told "
            f"from what is always busy, got {len(record.day)}: take a longer record or a wider category."
        )
    found, likelihood = _Fit(incidents.area, record, rng).run()
    gain, explained = likelihood.gain(found), likelihood.explained
    shown = 2.0 * gain >= _SHOWN and found.is_inside
    parameters = {
        "first_day": round(likelihood.first_day - record.day[0]), "left_out_days": record.left_out,
        "reach_m": round(likelihood.pairs.reach_m), "reach_days": round(likelihood.pairs.reach_days), "seed": seed,
    }  # fmt: skip
    branching, half_life, half_distance = _figures(found, likelihood) if shown else [(0.0, (np.nan, np.nan)), *_NOTHING]
    chance = 1.0 - likelihood.background_chance(found)[explained] if shown else np.zeros(int(explained.sum()))
    return SelfExciting(
        branching[0], half_life[0], half_distance[0], branching[1], half_life[1], half_distance[1],
        share=float(chance.mean()), incidents=len(chance), days=round(record.last - likelihood.first_day), gain=gain,
        chance=chance, row=record.row[explained], parameters=MappingProxyType(parameters),
    )  # fmt: skip


_NOTHING = ((np.nan, (np.nan, np.nan)),) * 2


def _figures(found: Parameters, likelihood: Likelihood) -> list[tuple[float, tuple[float, float]]]:
    """Branching, half-life and half-distance, each with its interval."""
    one = found.excitation
    wide = _Z * np.sqrt(np.maximum(np.diag(likelihood.covariance(found)), 0.0))[1:4]
    values = (one.branching, one.half_life_days, one.half_distance_m)
    return [
        (float(value), (float(value * np.exp(-spread)), float(value * np.exp(spread))))
        for value, spread in zip(values, wide, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _Times:
    """Places and days of a record in order of time, up to the day until which it is as good as complete."""

    x: Floats
    y: Floats
    day: Floats
    row: NDArray[np.int64]
    since: float
    last: float
    left_out: int

    @classmethod
    def of(
        cls, incidents: Incidents, since: pd.Timestamp | None, end: pd.Timestamp | None, rng: np.random.Generator
    ) -> "_Times":
        if not len(incidents):
            none = np.zeros(0)
            return cls(none, none, none, np.zeros(0, dtype=np.int64), 0.0, 0.0, 0)
        # By id first, so that what is drawn does not depend on the order of the rows.
        row = np.argsort(incidents.table["id"].to_numpy(dtype=str), kind="stable")
        table = incidents.table.iloc[row]
        begin = table["occurred_from"]
        last = begin.max().normalize() + pd.DateOffset(days=1) if end is None else end
        start = begin.min().normalize()
        day = _days(begin + (table["occurred_until"] - begin) / 2, start)
        by_date = table["time_precision"].isin(["date", "month"]).to_numpy()
        # A moment of the day is drawn where none is known; equal times would follow nothing.
        day[by_date] = np.floor(day[by_date]) + rng.random(int(by_date.sum()))
        day += rng.uniform(0.0, 1e-3, len(day))
        left_out = int(np.ceil(np.quantile(_days(table["known_at"], start) - _days(begin, start), 0.95)))
        until = _days(pd.Series([last]), start)[0] - (left_out if left_out > 1 else 0)
        order = np.argsort(day, kind="stable")
        order = order[day[order] < until]
        x, y = (table[axis].to_numpy(dtype=float)[order] for axis in ("x", "y"))
        first = 0.0 if since is None else float(_days(pd.Series([since]), start)[0])
        return cls(x, y, day[order], row[order], first, float(until), left_out if left_out > 1 else 0)


class _Fit:
    """Alternates between the background, by what nobody brought, and the likeliest excitation beside it."""

    def __init__(self, area: StudyArea, record: _Times, rng: np.random.Generator) -> None:
        self._record = record
        raster = Raster.over(area, record.x, record.y)
        self._background = Background(raster, record.x, record.y, record.day)
        self._spreads = np.geomspace(0.5 * raster.cell_m, _REACH_M[1] / 3.0, 9)
        self._shares = np.array([raster.share_within(spread) for spread in self._spreads])
        self._pilot = rng.random(len(record.day)) < _PILOT_TARGETS / len(record.day)

    def run(self) -> tuple[Parameters, Likelihood]:
        """Settle on a part of the incidents first, then on all of them."""
        found = Parameters(1.0 - _START.branching, _START)
        weight = np.ones(len(self._record.day))
        pairs = self._pairs(found.excitation)
        for turn in range(_ROUNDS):
            before = found.vector
            likelihood = self._likelihood(weight, pairs, found.excitation)
            found = likelihood.maximise(found, chosen=self._pilot)
            if self._too_short(pairs, found.excitation):
                pairs = self._pairs(found.excitation)
                likelihood = self._likelihood(weight, pairs, found.excitation)
            weight = likelihood.background_chance(found)
            if turn > 1 and np.abs(found.vector - before)[1:4].max() < _SETTLED:
                break
        likelihood = self._likelihood(weight, pairs, found.excitation)
        return likelihood.maximise(found), likelihood

    def _pairs(self, excitation: Excitation) -> EarlierIncidents:
        record = self._record
        reach_m = float(np.clip(4.0 * excitation.spread_m, *_REACH_M))
        reach_days = float(np.clip(8.0 * excitation.half_life_days, *_REACH_DAYS))
        return EarlierIncidents.find(record.x, record.y, record.day, reach_m=reach_m, reach_days=reach_days)

    @staticmethod
    def _too_short(pairs: EarlierIncidents, excitation: Excitation) -> bool:
        return (3.3 * excitation.spread_m > pairs.reach_m and pairs.reach_m < _REACH_M[1]) or (
            6.0 * excitation.half_life_days > pairs.reach_days and pairs.reach_days < _REACH_DAYS[1]
        )

    def _likelihood(self, weight: Floats, pairs: EarlierIncidents, excitation: Excitation) -> Likelihood:
        record = self._record
        gap = max(_GAP_DAYS, min(_GAP_HALF_LIVES * excitation.half_life_days, (record.last - record.day[0]) / 5.0))
        shape = self._background.density(weight, gap_days=gap)
        first = max(record.since, record.day[0] + min(pairs.reach_days, (record.last - record.day[0]) / 4.0))
        course, total = _course(record.day, weight, first, record.last)
        return Likelihood(
            record.day, np.maximum(shape, 1e-13) * course, total, pairs, self._spreads, self._shares, first,
            record.last, weight,
        )  # fmt: skip


def _course(day: Floats, weight: Floats, first: float, last: float) -> tuple[Floats, float]:
    """Incidents a day that nobody brought, at each incident, and their number from the first day explained on.

    Steps are a day where there are 60 incidents a day, else a week, or as long as it takes for 60.
    """
    per_day = len(day) / (last - day[0])
    step = 1.0 if per_day >= _STEP_INCIDENTS else max(7.0, _STEP_INCIDENTS / per_day)
    # Steps end with the record, so that none at its end is cut short.
    number = np.floor((last - day) / step).astype(np.int64)
    widths = np.full(number.max() + 1, step)
    widths[-1] = max(last - day[0] - step * number.max(), 1e-6)
    level = np.bincount(number, weights=weight) / widths
    ends = last - step * np.arange(len(level))
    covered = np.clip(ends - first, 0.0, widths)
    return level[number], float(level @ covered)


def _days(times: pd.Series, start: pd.Timestamp) -> Floats:
    """Days since a moment."""
    return np.asarray((times - start).dt.total_seconds(), dtype=np.float64) / 86_400.0
