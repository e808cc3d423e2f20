r"""How incidents of the embedded city follow one another, and what is expected of them exactly.

On day ``d`` the number of incidents of a category at place ``p`` is Poisson with mean

.. math:: \lambda_d(p) = \mu_d(p)\,z_{d,q(p)} + \kappa \sum_{l=1}^{30} g_l \sum_r N_{d-l}(r)\,W_{rp}

given everything before that day: a background ``mu`` times a day's Gamma factors of mean 1 for the city and for the
quarter ``q``, plus what earlier incidents ``N`` trigger. `simulate` draws it through its cluster representation
(every incident has Poisson(kappa) children), which is the same process; `expected_days` propagates its conditional
mean, which is linear.
See Hawkes & Oakes (1974), doi:10.2307/3212693.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from crimepatterns.sources.synthetic_background import Background
from crimepatterns.sources.synthetic_calendar import BURN_IN_MONTHS, Calendar
from crimepatterns.sources.synthetic_plan import (
    CATEGORIES,
    MAX_LAG_DAYS,
    SHOCK_VARIANCE_AREA,
    SHOCK_VARIANCE_CITY,
    CityClass,
    delay_pmf,
)
from crimepatterns.sources.synthetic_streets import Places

__all__ = ["Displacement", "Events", "Process", "make_process"]

_SAME_PLACE = 0.25
_DECAY_M = 130.0
_REACH_M = 350.0


@dataclass(frozen=True, eq=False)
class Events:
    """Incidents as the process knows them; all arrays of shape (n,).

    Parameters
    ----------
    day, place : ndarray of int32
        Day number and position in `Places`.
    category : ndarray of int8
        Position in `CATEGORIES`.
    triggered : ndarray of bool
        Whether an earlier incident triggered it.
    """

    day: NDArray[np.int32] = field(repr=False)
    place: NDArray[np.int32] = field(repr=False)
    category: NDArray[np.int8] = field(repr=False)
    triggered: NDArray[np.bool_] = field(repr=False)

    def __len__(self) -> int:
        return len(self.day)

    @classmethod
    def none(cls) -> "Events":
        """Return no events."""
        return cls(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int8), np.empty(0, np.bool_))

    @classmethod
    def join(cls, parts: "list[Events]") -> "Events":
        """Put events one behind the other."""
        names = ("day", "place", "category", "triggered")
        return (
            cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names)) if parts else cls.none()
        )

    def where(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> "Events":
        """Return the chosen events."""
        return Events(self.day[keep], self.place[keep], self.category[keep], self.triggered[keep])


@dataclass(frozen=True, eq=False)
class Displacement:
    """Where children happen: with probability 1/4 at the same address, else nearby, fading with distance.

    Parameters
    ----------
    matrix : sparse array, shape (n_places, n_places)
        Row r holds the distribution of the place of a child of an incident at r.
    """

    matrix: sparse.csr_array = field(repr=False)
    ladder: NDArray[np.float64] = field(repr=False)

    @classmethod
    def between(cls, places: Places) -> "Displacement":
        """Make the matrix for a set of places."""
        points = np.column_stack([places.x, places.y])
        pairs = cKDTree(points).query_pairs(_REACH_M, output_type="ndarray").astype(np.int32)
        apart = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
        mass = np.tile(np.exp(-apart / _DECAY_M), 2)
        rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
        total = np.bincount(rows, weights=mass, minlength=len(places))
        same = np.where(total > 0, _SAME_PLACE, 1.0)
        scaled = mass / total[rows] * (1 - _SAME_PLACE)
        every = np.arange(len(places), dtype=np.int32)
        matrix = sparse.csr_array(
            (np.concatenate([scaled, same]), (np.concatenate([rows, every]), np.concatenate([columns, every]))),
            shape=(len(places), len(places)),
        )
        matrix.sort_indices()
        # One rising ladder over all rows: row r occupies (r, r + 1], so that one binary search draws for many rows.
        running = np.cumsum(matrix.data)
        before = np.concatenate([[0.0], running])[matrix.indptr[:-1]]
        length = np.diff(matrix.indptr)
        within = np.minimum(running - np.repeat(before, length), 1.0)
        within[matrix.indptr[1:] - 1] = 1.0
        return cls(matrix, within + np.repeat(every, length))

    def draw(self, rng: np.random.Generator, place: NDArray[np.int32]) -> NDArray[np.int32]:
        """Draw the place of one child for each parent's place, shape (n,)."""
        at = np.searchsorted(self.ladder, place + rng.random(len(place)), side="right")
        return self.matrix.indices[np.minimum(at, self.matrix.indptr[place + 1] - 1)].astype(np.int32)


@dataclass(frozen=True, eq=False)
class Process:
    """The self-exciting process of one city.

    Parameters
    ----------
    background : Background
    displacement : Displacement
    calendar : Calendar
    quarters : ndarray of int, shape (n_quarters + 1,)
        Where each quarter's places begin; places are sorted by quarter.
    branching : ndarray of float, shape (n_categories,)
        Expected children per incident.
    rate : ndarray of float, shape (n_categories,)
        City-wide background incidents per day where the rhythm is 1.
    """

    background: Background
    displacement: Displacement
    calendar: Calendar
    quarters: NDArray[np.int64]
    branching: NDArray[np.float64]
    rate: NDArray[np.float64]

    def months(self, seed: int, *, burn_in: bool = False) -> Iterator[tuple[int, Events]]:
        """Simulate month after month of the record; the state between months is only what is still to follow."""
        pending = Events.none()
        for month in range(-BURN_IN_MONTHS, self.calendar.months):
            rng = np.random.default_rng([seed, 11, month + BURN_IN_MONTHS])
            span = (self.calendar.month_start(month), self.calendar.month_start(month + 1))
            events, pending = self.simulate(rng, span, pending)
            if month >= 0 or burn_in:
                yield month, events

    def simulate(self, rng: np.random.Generator, span: tuple[int, int], pending: Events) -> tuple[Events, Events]:
        """Draw the incidents of days ``[span[0], span[1])`` of one month.

        Parameters
        ----------
        rng : Generator
        span : tuple of int
            Day numbers.
        pending : Events
            Triggered incidents of earlier parents that fall on or after the first day.

        Returns
        -------
        events, pending : Events
            Those of the days, in order of the day, and those that will follow later.
        """
        due = pending.day < span[1]
        fresh = Events.join([self._immigrants(rng, span), pending.where(due)])
        parts, later = [fresh], [pending.where(~due)]
        while len(fresh):
            children = self.breed(rng, fresh)
            early = children.day < span[1]
            later.append(children.where(~early))
            fresh = children.where(early)
            parts.append(fresh)
        events = Events.join(parts)
        return events.where(np.argsort(events.day, kind="stable")), Events.join(later)

    def breed(self, rng: np.random.Generator, parents: Events) -> Events:
        """Draw the direct children of every parent."""
        children = rng.poisson(self.branching[parents.category])
        parent = np.repeat(np.arange(len(parents)), children)
        category = parents.category[parent]
        lag = np.searchsorted(self._lag_ladder(), category + rng.random(len(parent)), side="right") % MAX_LAG_DAYS + 1
        day = (parents.day[parent] + lag).astype(np.int32)
        place = self.displacement.draw(rng, parents.place[parent])
        return Events(day, place, category, np.ones(len(parent), np.bool_))

    def expected_days(
        self, code: int, before: Events, first: int, days: int, *, treated: bool = True
    ) -> Iterator[NDArray[np.float64]]:
        """Yield the expected incidents of each of `days` days from `first` on, given all events before `first`.

        Parameters
        ----------
        code : int
            Position in `CATEGORIES`.
        before : Events
            All events before day `first`; later ones are ignored.
        first, days : int
            Day number and number of days.
        treated : bool
            False leaves the intervention out of the future background.

        Yields
        ------
        ndarray of float, shape (n_places,)
        """
        size = self.displacement.matrix.shape[0]
        delays = delay_pmf(CATEGORIES[code].delay_days)
        recent = np.zeros((MAX_LAG_DAYS, size))  # row d % MAX_LAG_DAYS holds day d
        mine = (before.category == code) & (before.day < first) & (before.day >= first - MAX_LAG_DAYS)
        np.add.at(recent, (before.day[mine] % MAX_LAG_DAYS, before.place[mine]), 1.0)
        for day in range(first, first + days):
            lags = (day - 1 - np.arange(MAX_LAG_DAYS)) % MAX_LAG_DAYS
            triggered = self.branching[code] * (self.displacement.matrix.T @ (delays @ recent[lags]))
            expected = self._background_of(code, day, treated=treated) + triggered
            recent[day % MAX_LAG_DAYS] = expected
            yield expected

    def _background_of(self, code: int, day: int, *, treated: bool) -> NDArray[np.float64]:
        month = self.calendar.month_of(day)
        weights = self.background.weights(month) if treated else self.background.untreated(month)
        factor = self.rate[code] * self.calendar.rhythm(CATEGORIES[code], np.array([day]))[0]
        return np.asarray(factor * weights[code])

    def _immigrants(self, rng: np.random.Generator, span: tuple[int, int]) -> Events:
        days = np.arange(*span)
        weights = self.background.weights(self.calendar.month_of(span[0]))
        factors = _gamma(rng, SHOCK_VARIANCE_CITY, (len(days), 1)) * _gamma(
            rng, SHOCK_VARIANCE_AREA, (len(days), len(self.quarters) - 1)
        )
        parts = []
        for code, plan in enumerate(CATEGORIES):
            ladder = np.concatenate([[0.0], np.cumsum(weights[code])])
            low, high = ladder[self.quarters[:-1]], ladder[self.quarters[1:]]
            rate = self.rate[code] * self.calendar.rhythm(plan, days)[:, None] * factors * (high - low)
            count = rng.poisson(rate)
            at_day, quarter = (np.repeat(index.ravel(), count.ravel()) for index in np.indices(count.shape))
            level = low[quarter] + rng.random(len(quarter)) * (high - low)[quarter]
            place = np.searchsorted(ladder, level, side="right") - 1
            place = np.clip(place, self.quarters[quarter], self.quarters[quarter + 1] - 1)
            kind = np.full(len(place), code, np.int8)
            parts.append(
                Events(days[at_day].astype(np.int32), place.astype(np.int32), kind, np.zeros(len(place), np.bool_))
            )
        return Events.join(parts)

    def _lag_ladder(self) -> NDArray[np.float64]:
        """Cumulative delays of all categories on one rising ladder, shape (n_categories * MAX_LAG_DAYS,)."""
        steps = np.array([np.cumsum(delay_pmf(plan.delay_days)) for plan in CATEGORIES])
        steps[:, -1] = 1.0
        return np.asarray((steps + np.arange(len(CATEGORIES))[:, None]).ravel())


def make_process(
    background: Background, places: Places, calendar: Calendar, *, city_class: CityClass, incidents: float
) -> Process:
    """Join the parts of a city, with rates such that exactly `incidents` are expected in the record."""
    quarters = np.concatenate([[0], np.cumsum(np.bincount(places.neighbourhood))]).astype(np.int64)
    branching = np.array([plan.branching[city_class] for plan in CATEGORIES])
    # What a daily rate of 1 would give in the whole record; displacement keeps totals, so that they suffice.
    months = range(-BURN_IN_MONTHS, calendar.months)
    # The intervention takes away its share of the places it treats; the rest of the mass is 1 in every month.
    kept = np.array([background.weights(month).sum(axis=1) for month in months])
    per_rate = [_expected_total(calendar, code, branching[code], kept[:, code]) for code in range(len(CATEGORIES))]
    rate = [incidents * plan.share / total for plan, total in zip(CATEGORIES, per_rate, strict=True)]
    return Process(background, Displacement.between(places), calendar, quarters, branching, np.array(rate))


def _expected_total(calendar: Calendar, code: int, branching: float, kept: NDArray[np.float64]) -> float:
    """Sum the expected incidents of the record for a daily rate of 1 and the background kept in each month."""
    plan = CATEGORIES[code]
    delays = delay_pmf(plan.delay_days)[::-1]
    edges = [calendar.month_start(month) for month in range(-BURN_IN_MONTHS, calendar.months + 1)]
    mean = calendar.rhythm(plan, np.arange(edges[0], edges[-1])) * np.repeat(kept, np.diff(edges))
    for i in range(1, len(mean)):
        back = min(i, MAX_LAG_DAYS)
        mean[i] += branching * float(mean[i - back : i] @ delays[-back:])
    return float(mean[-edges[0] :].sum())


def _gamma(rng: np.random.Generator, variance: float, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Draw Gamma factors of mean 1."""
    return np.asarray(rng.gamma(1.0 / variance, variance, shape))
