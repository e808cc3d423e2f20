"""Where the embedded city's incidents come from on their own: quarters, addresses, hot places, drift, intervention."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from crimepatterns.sources.synthetic_calendar import Calendar
from crimepatterns.sources.synthetic_layout import Ground
from crimepatterns.sources.synthetic_plan import CATEGORIES, HOT_KINDS, CityClass
from crimepatterns.sources.synthetic_streets import Places

__all__ = ["Background", "HotPlaces", "Intervention", "draw_background"]

_KIND_SHARES = (0.18, 0.24, 0.2, 0.28, 0.1)
_KIND_RADIUS_M = (150.0, 110.0, 100.0, 200.0, 160.0)
_ADDRESS_SIGMA = 1.35
_QUARTER_SIGMA = 0.8
_STREET_SIGMA = 0.8
_CACHED_MONTHS = 3


@dataclass(frozen=True, eq=False)
class HotPlaces:
    """Planted hot places.

    Parameters
    ----------
    kind : ndarray of int, shape (n_hot,)
        Position in `HOT_KINDS`.
    radius_m : ndarray of float, shape (n_hot,)
        Standard deviation of the place, metres.
    weight : ndarray of float, shape (n_hot,)
    path : ndarray of float, shape (n_hot, n_years + 3, 2)
        Centre at the start of every year, metres; the same throughout unless the city drifts.
    swing : ndarray of float, shape (n_hot, 3)
        Amplitude, period in months and phase of the slow change of the log weight; amplitude 0 unless it drifts.
    """

    kind: NDArray[np.int64]
    radius_m: NDArray[np.float64]
    weight: NDArray[np.float64]
    path: NDArray[np.float64]
    swing: NDArray[np.float64]

    def centres(self, month: int) -> NDArray[np.float64]:
        """Centres in a month, shape (n_hot, 2)."""
        at = float(np.clip((month + 6) / 12.0, 0.0, self.path.shape[1] - 1.001))
        low = int(at)
        there: NDArray[np.float64] = self.path[:, low] + (at - low) * (self.path[:, low + 1] - self.path[:, low])
        return there

    def weights(self, month: int) -> NDArray[np.float64]:
        """Relative weights in a month, shape (n_hot,)."""
        amplitude, period, phase = self.swing.T
        return np.asarray(self.weight * np.exp(amplitude * np.sin(2 * np.pi * month / period + phase)))


@dataclass(frozen=True, eq=False)
class Intervention:
    """A planted measure at one hot place that lowers the background of some categories from a day on.

    Parameters
    ----------
    centre : ndarray of float, shape (2,)
        Metres.
    radius_m : float
    start_month : int
        Number of the first month in which it works.
    rate_ratio : float
        Factor of the background intensity inside.
    categories : tuple of str
    places : ndarray of bool, shape (n_places,)
    """

    centre: NDArray[np.float64]
    radius_m: float
    start_month: int
    rate_ratio: float
    categories: tuple[str, ...]
    places: NDArray[np.bool_] = field(repr=False)


class Background:
    """Intensity of incidents that no other incident triggered, by place and month.

    Parameters
    ----------
    static : ndarray of float, shape (n_categories, n_places)
        Rows sum to 1.
    address : ndarray of float, shape (n_places,)
        How much each address attracts, inside hot places too.
    hot : HotPlaces
    places : Places
    intervention : Intervention
    drifting : bool
    """

    def __init__(
        self,
        *,
        static: NDArray[np.float64],
        address: NDArray[np.float64],
        hot: HotPlaces,
        places: Places,
        intervention: Intervention,
        drifting: bool,
    ) -> None:
        self.hot = hot
        self.intervention = intervention
        self._static = static
        self._address = address
        self._places = places
        self._drifting = drifting
        self._cache: dict[tuple[int, bool], NDArray[np.float64]] = {}

    def weights(self, month: int) -> NDArray[np.float64]:
        """Share of the city-wide background rate that falls on each place in a month.

        Returns
        -------
        ndarray of float, shape (n_categories, n_places)
            Rows sum to 1 before the intervention and to a little less after it.
        """
        treated = month >= self.intervention.start_month
        key = (month if self._drifting else 0, treated)
        if key not in self._cache:
            while len(self._cache) >= _CACHED_MONTHS:
                self._cache.pop(next(iter(self._cache)))
            self._cache[key] = self._mix(month, treated=treated)
        return self._cache[key]

    def untreated(self, month: int) -> NDArray[np.float64]:
        """Return the shares as they would be without the intervention; rows sum to 1."""
        return self._mix(month, treated=False)

    def _mix(self, month: int, *, treated: bool) -> NDArray[np.float64]:
        kernels = self._kernels(month)
        affinity = np.array([plan.affinity for plan in CATEGORIES])[:, self.hot.kind] * self.hot.weights(month)
        affinity /= affinity.sum(axis=1, keepdims=True)
        hot_share = np.array([plan.hot_share for plan in CATEGORIES])[:, None]
        mixed: NDArray[np.float64] = (1 - hot_share) * self._static + hot_share * (kernels.T @ affinity.T).T
        if treated:
            for code, plan in enumerate(CATEGORIES):
                if plan.name in self.intervention.categories:
                    mixed[code, self.intervention.places] *= self.intervention.rate_ratio
        return mixed

    def _kernels(self, month: int) -> sparse.csr_array:
        """Share of each hot place that falls on each address, shape (n_hot, n_places); rows sum to 1."""
        rows, columns, values = [], [], []
        for k, centre in enumerate(self.hot.centres(month)):
            squared = (self._places.x - centre[0]) ** 2 + (self._places.y - centre[1]) ** 2
            scale = 2 * self.hot.radius_m[k] ** 2
            near = np.flatnonzero(squared < 8 * scale)
            if near.size == 0:  # a hot place that drifted into a park works from the next address
                near = np.array([int(squared.argmin())])
            mass = np.exp(-(squared[near] - squared[near].min()) / scale) * self._address[near]
            rows.append(np.full(near.size, k))
            columns.append(near)
            values.append(mass / mass.sum())
        shape = (len(self.hot.kind), len(self._places))
        return sparse.csr_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def draw_background(
    rng: np.random.Generator, *, ground: Ground, places: Places, calendar: Calendar, city_class: CityClass
) -> Background:
    """Draw quarters, addresses, hot places and the intervention of one city."""
    distance = np.hypot(places.x - ground.centre[0], places.y - ground.centre[1]) / ground.radius_m
    quarters = len(ground.area.neighbourhoods)
    common_quarter, common_address = rng.normal(0, 1, quarters), rng.normal(0, 1, len(places))
    street = rng.normal(0, 1, int(places.segment.max()) + 1)[places.segment]
    static = []
    for plan in CATEGORIES:
        quarter = 0.8 * common_quarter + 0.6 * rng.normal(0, 1, quarters)
        address = 0.8 * common_address + 0.6 * rng.normal(0, 1, len(places))
        level = _QUARTER_SIGMA * quarter[places.neighbourhood] + _STREET_SIGMA * street + _ADDRESS_SIGMA * address
        level -= 1.9 * distance
        mass = np.exp(level) * np.where(places.arterial, plan.arterial, 1.0)
        static.append(mass / mass.sum())
    hot = _draw_hot_places(rng, ground, places, calendar, drifting=city_class == "drifting")
    return Background(
        static=np.array(static),
        address=np.exp(0.9 * rng.normal(0, 1, len(places))),
        hot=hot,
        places=places,
        intervention=_plan_intervention(hot, places, calendar),
        drifting=city_class == "drifting",
    )


def _draw_hot_places(
    rng: np.random.Generator, ground: Ground, places: Places, calendar: Calendar, *, drifting: bool
) -> HotPlaces:
    count = max(12, round(0.22 * ground.area.area_km2))
    kind = rng.choice(len(HOT_KINDS), count, p=_KIND_SHARES)
    kind[: len(HOT_KINDS)] = np.arange(len(HOT_KINDS))
    distance = np.hypot(places.x - ground.centre[0], places.y - ground.centre[1]) / ground.radius_m
    # Night life near the middle, shops and strips on arterials, housing anywhere.
    pull = np.array([3.5, 1.2, 1.8, 0.8, 1.5])[kind]
    on_street = np.array([2.0, 6.0, 4.0, 1.0, 8.0])[kind]
    centres = np.empty((count, 2))
    for k in range(count):
        mass = np.exp(-pull[k] * distance) * np.where(places.arterial, on_street[k], 1.0)
        for other in centres[:k]:  # not two hot places in one street
            mass[(places.x - other[0]) ** 2 + (places.y - other[1]) ** 2 < 350.0**2] = 0.0
        chosen = int(rng.choice(len(places), p=mass / mass.sum()))
        centres[k] = places.x[chosen], places.y[chosen]
    years = calendar.years + 3
    steps = rng.normal(0, 1, (count, years, 2)) * (260.0 if drifting else 0.0)
    steps[:, 0] = 0.0
    swing = np.column_stack(
        [np.full(count, 0.7 if drifting else 0.0), rng.uniform(24, 60, count), rng.uniform(0, 6, count)]
    )
    return HotPlaces(
        kind=kind.astype(np.int64),
        radius_m=np.array(_KIND_RADIUS_M)[kind] * rng.uniform(0.7, 1.3, count),
        weight=0.35 + rng.pareto(1.8, count).clip(max=6.0),
        path=centres[:, None, :] + np.cumsum(steps, axis=1),
        swing=swing,
    )


def _plan_intervention(hot: HotPlaces, places: Places, calendar: Calendar) -> Intervention:
    """Treat the strongest night-life place from three fifths of the record on."""
    candidates = np.flatnonzero(hot.kind == HOT_KINDS.index("nightlife"))
    chosen = candidates[int(hot.weight[candidates].argmax())]
    month = round(0.6 * calendar.months)
    centre, radius = hot.centres(month)[chosen], 500.0
    inside = np.hypot(places.x - centre[0], places.y - centre[1]) <= radius
    return Intervention(centre, radius, month, 0.6, ("assault", "damage", "robbery"), inside)
