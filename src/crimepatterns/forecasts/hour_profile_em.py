"""The sums behind the rhythm of the week: bending a parent's rhythm, and re-sharing spans until nothing changes."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crimepatterns.domain.hour_spans import HOURS_OF_WEEK, HourSpans

__all__ = ["Bending", "CityLevelOfHours", "Levels", "Places", "Refined", "Trial", "refine"]

Profiles = NDArray[np.float64]

_STRENGTHS = (np.inf, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3)
_SMOOTHINGS_H = (0.0, 0.5, 1.0, 2.0)
_DRAWN = (1.0, 100.0, 1_000.0, 10_000.0)
_BENDING_SMOOTHING_H = 2.0
_MOST_ROUNDS = 300
_CONVERGED = 1e-5
_BELIEVED = 2.0
_FEWEST_MOMENTS = 50


@dataclass(frozen=True)
class CityLevelOfHours:
    """How the city's rhythm is read from its mass.

    Parameters
    ----------
    smoothing_h : float
        Standard deviation of the smoothing over hours.
    drawn : float
        As many incidents draw it towards weekday times hour of working days or weekends.
    """

    smoothing_h: float = 0.0
    drawn: float = 100.0


@dataclass(frozen=True)
class Bending:
    """How strongly a place keeps to its parent's rhythm: pseudo-incidents per hour; infinite: wholly."""

    strength: float = np.inf


@dataclass(frozen=True)
class Levels:
    """City, district, cell."""

    city: CityLevelOfHours = CityLevelOfHours()
    district: Bending = Bending()
    cell: Bending = Bending()


@dataclass(frozen=True, eq=False)
class Places:
    """Where the incidents are.

    Parameters
    ----------
    cell : ndarray of int64, shape (n,)
        Of each incident.
    district : ndarray of int64, shape (n_cells,)
        Of each cell.
    cells : int
    """

    cell: NDArray[np.int64] = field(repr=False)
    district: NDArray[np.int64] = field(repr=False)
    cells: int


@dataclass(frozen=True, eq=False)
class Refined:
    """Rhythms of the places: the city's first, the districts', then those of cells with incidents.

    Parameters
    ----------
    profiles : ndarray of float64, shape (n_profiles, 168)
    slot : ndarray of int64, shape (n_cells,)
        Which is the cell's.
    rounds : int
        Times that spans were re-shared.
    """

    profiles: Profiles = field(repr=False)
    slot: NDArray[np.int64] = field(repr=False)
    rounds: int


def refine(spans: HourSpans, places: Places, levels: Levels, *, refined: bool = True) -> Refined:
    """Find the rhythms, re-sharing each span by the rhythm of its cell until the rhythms stay as they are.

    Parameters
    ----------
    spans : HourSpans
    places : Places
        Of the same incidents.
    levels : Levels
    refined : bool
        False: one round, with spans spread evenly.

    Returns
    -------
    Refined
    """
    slots = _Slots.of(spans, places, levels)
    mass = spans.share
    profiles = _profiles(spans, mass, slots, levels)
    if not refined:
        return Refined(profiles, slots.of_cell, 1)
    rounds, change = 1, np.inf
    while change >= _CONVERGED and rounds < _MOST_ROUNDS:
        mass = spans.shared_out(profiles[slots.of_pair, spans.hour])
        later = _profiles(spans, mass, slots, levels)
        # By the city's rhythm: what is left in single cells moves no forecast.
        change = float(np.abs(later[0] - profiles[0]).sum())
        profiles, rounds = later, rounds + 1
    return Refined(profiles, slots.of_cell, rounds)


@dataclass(frozen=True, eq=False)
class Trial:
    """What earlier incidents foretell about the hours of later ones.

    Parameters
    ----------
    earlier, later : HourSpans
        Of the first `begun` incidents of `places`, and of the others.
    places : Places
    begun : int
    """

    earlier: HourSpans = field(repr=False)
    later: HourSpans = field(repr=False)
    places: Places
    begun: int

    @property
    def has_spans(self) -> bool:
        """Whether any earlier incident lies in more than one hour."""
        return bool((self.earlier.share < 1).any())

    def choose_levels(self, *, refined: bool, by_place: bool = True) -> Levels:
        """Choose the smoothing of the city and the strengths of the bending by the likelihood of the later incidents.

        Parameters
        ----------
        refined : bool
            Whether spans are re-shared.
        by_place : bool
            False gives every place the city's rhythm.

        Returns
        -------
        Levels
            Bending is believed only where later incidents gain by more than twice its standard error.
        """
        best = Levels()
        if not self.later.used or not self.earlier.used:
            return best

        def likelihood(levels: Levels) -> NDArray[np.float64]:
            return self._log_chance(levels, refined=refined)[np.unique(self.later.row)]

        cities = [CityLevelOfHours(width, drawn) for width in _SMOOTHINGS_H for drawn in _DRAWN]
        best = _first_best([Levels(city=city) for city in cities], likelihood)
        if not by_place:
            return best
        best = _first_best([replace(best, district=Bending(value)) for value in _STRENGTHS], likelihood)
        return _first_best([replace(best, cell=Bending(value)) for value in _STRENGTHS], likelihood)

    def gains_by_re_sharing(self, even: Levels, refined: Levels) -> bool:
        """Tell whether re-shared spans foretell the later incidents better whose moment is known.

        Spans themselves cannot judge it: whoever re-shares them makes them likelier, true or not.
        """
        moments = self.later.row[self.later.share == 1]
        if len(moments) < _FEWEST_MOMENTS:
            return False
        after, before = self._log_chance(refined, refined=True), self._log_chance(even, refined=False)
        return _is_gain(after[moments] - before[moments])

    def _log_chance(self, levels: Levels, *, refined: bool) -> NDArray[np.float64]:
        """Log of the share of a week in the hours of each later incident; -inf for those that did not enter."""
        before = Places(self.places.cell[: self.begun], self.places.district, self.places.cells)
        found = refine(self.earlier, before, levels, refined=refined)
        slot = found.slot[self.places.cell[self.begun :][self.later.row]]
        chance = self.later.chance(found.profiles[slot, self.later.hour])
        return np.log(chance, out=np.full(chance.shape, -np.inf), where=chance > 0)


@dataclass(frozen=True, eq=False)
class _Slots:
    """Which rhythm is whose: the city's is 0, then those of bent districts, then those of cells with incidents."""

    of_cell: NDArray[np.int64]
    of_pair: NDArray[np.int64]
    district_of_pair: NDArray[np.int64]
    district_of_own: NDArray[np.int64]
    districts: int
    own: int

    @classmethod
    def of(cls, spans: HourSpans, places: Places, levels: Levels) -> "_Slots":
        bent = np.isfinite(levels.district.strength)
        districts = int(places.district.max()) + 1 if bent else 0
        district = 1 + places.district if bent else np.zeros(places.cells, dtype=np.int64)
        of_cell = district.copy()
        own = np.empty(0, dtype=np.int64)
        if np.isfinite(levels.cell.strength):
            own = np.unique(places.cell[np.unique(spans.row)])
            of_cell[own] = 1 + districts + np.arange(len(own))
        cell = places.cell[spans.row]
        return cls(of_cell, of_cell[cell], district[cell], district[own], districts, len(own))


def _first_best(candidates: list[Levels], likelihood: Callable[[Levels], NDArray[np.float64]]) -> Levels:
    """Choose the best candidate, but the first unless the best gains more than twice its standard error on it."""
    found = [likelihood(one) for one in candidates]
    best = int(np.argmax([one.mean() for one in found]))
    return candidates[best if _is_gain(found[best] - found[0]) else 0]


def _is_gain(gain: NDArray[np.float64]) -> bool:
    return bool(gain.mean() > _BELIEVED * gain.std() / np.sqrt(len(gain)))


def _profiles(spans: HourSpans, mass: NDArray[np.float64], slots: _Slots, levels: Levels) -> Profiles:
    """Rhythms of all places from the mass of the spans in each hour."""
    counted = _counted(np.zeros_like(spans.hour), spans.hour, mass, 1)
    city = _city(counted[0], levels.city)[None, :]
    if not slots.districts and not slots.own:
        return city
    if slots.districts:
        counted = _counted(slots.district_of_pair - 1, spans.hour, mass, slots.districts)
        city = np.concatenate([city, _bent(city, counted, levels.district.strength)])
    if not slots.own:
        return city
    counted = _counted(slots.of_pair - 1 - slots.districts, spans.hour, mass, slots.own)
    return np.concatenate([city, _bent(city[slots.district_of_own], counted, levels.cell.strength)])


def _counted(place: NDArray[np.int64], hour: NDArray[np.int64], mass: NDArray[np.float64], count: int) -> Profiles:
    flat = np.bincount(place * HOURS_OF_WEEK + hour, weights=mass, minlength=count * HOURS_OF_WEEK)
    return np.asarray(flat, dtype=np.float64).reshape(count, HOURS_OF_WEEK)


def _city(mass: NDArray[np.float64], how: CityLevelOfHours) -> NDArray[np.float64]:
    """Smooth the city's mass and draw it towards weekday times hour of working days or weekends."""
    smooth = _circular(HOURS_OF_WEEK, how.smoothing_h) @ mass
    days = smooth.reshape(7, 24)
    by_hour = np.repeat(np.stack([days[:5].sum(axis=0), days[5:].sum(axis=0)]), (5, 2), axis=0)
    total = float(mass.sum())
    # One incident spread over the week keeps every hour possible.
    expected = days.sum(axis=1, keepdims=True) * by_hour / np.maximum(by_hour.sum(axis=1, keepdims=True), 1e-300)
    prior = (expected.ravel() + 1.0 / HOURS_OF_WEEK) / (total + 1.0)
    return np.asarray((smooth + how.drawn * prior) / (total + how.drawn))


def _bent(parent: Profiles, counted: Profiles, strength: float) -> Profiles:
    """Bend the parents' rhythms, shape (1 or n, 168), by what was counted, shape (n, 168)."""
    kernel = _circular(24, _BENDING_SMOOTHING_H)
    seen = _day_kinds(counted) @ kernel
    given = _day_kinds(np.broadcast_to(parent, counted.shape)) @ kernel * counted.sum(axis=1)[:, None, None]
    ratio = (seen + strength) / (given + strength)
    bent = parent.reshape(-1, 7, 24) * np.repeat(ratio, (5, 2), axis=1)
    return np.asarray(bent.reshape(-1, HOURS_OF_WEEK) / bent.sum(axis=(1, 2))[:, None])


def _day_kinds(profiles: Profiles) -> NDArray[np.float64]:
    """Add up working days and weekends, shape (n, 2, 24)."""
    days = profiles.reshape(-1, 7, 24)
    return np.stack([days[:, :5].sum(axis=1), days[:, 5:].sum(axis=1)], axis=1)


@lru_cache(maxsize=16)
def _circular(hours: int, deviation: float) -> NDArray[np.float64]:
    """Smoothing over a clock of so many hours, shape (hours, hours); rows and columns sum to 1."""
    apart = np.arange(hours)
    apart = np.minimum(apart, hours - apart)
    weight = (apart == 0).astype(float) if deviation == 0 else np.exp(-0.5 * (apart / deviation) ** 2)
    place = (np.arange(hours)[:, None] - np.arange(hours)[None, :]) % hours
    return np.asarray((weight / weight.sum())[place])
