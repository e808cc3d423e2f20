"""Ground plan of the embedded city: boundary, water, parks and neighbourhoods, all invented.

The city is planned on a straight lattice and then bent by a smooth field, so that streets and borders share the same
gentle curves. Plan coordinates are metres from the centre; ground coordinates are UTM metres.
"""

from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from crimepatterns.domain.area import StudyArea

__all__ = ["CRS", "SECTION_M", "Ground", "Warp", "draw_ground"]

CRS = "EPSG:32615"
SECTION_M = 400.0
"""Side of the squares from which boundary and neighbourhoods are put together, metres on the plan."""

_CENTRE = np.array([506_000.0, 4_527_000.0])
_NAMES = (
    "Old Town", "Alderbrook", "Brickyard", "Canal Row", "Dovecote", "Eastgate", "Fairmeadow", "Granary", "Harrow Hill",
    "Ironbridge", "Juniper Flats", "Kiln End", "Larkspur", "Millrace", "Northfield", "Orchard Park", "Paper Mill",
    "Quarry Side", "Ropewalk", "Saltmarsh", "Tanners Green", "Upper Weir", "Vintners", "Westmoor", "Yarrow",
    "Zinc Works", "Ash Grove", "Beacon", "Copperfield", "Drovers Rise", "Elm Terrace", "Foundry",
)  # fmt: skip
_SUFFIXES = ("", " North", " South", " East", " West", " Heights", " Common", " Green", " Junction")


@dataclass(frozen=True, eq=False)
class Warp:
    """A smooth bend of the plan: plan metres in, ground metres out.

    Parameters
    ----------
    waves : ndarray of float, shape (n_waves, 6)
        Wave vector (2), phase, displacement (2), unused.
    """

    waves: NDArray[np.float64]

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bend points, shape (n, 2)."""
        phase = points @ self.waves[:, :2].T + self.waves[:, 2]
        bent: NDArray[np.float64] = points + np.sin(phase) @ self.waves[:, 3:5] + _CENTRE
        return bent


@dataclass(frozen=True, eq=False)
class Ground:
    """Where the city lies and what is not built on.

    Parameters
    ----------
    area : StudyArea
    warp : Warp
    radius_m : float
        Rough radius of the city.
    centre : ndarray of float, shape (2,)
        Ground coordinates of the market square.
    river, lake, parks : shapely geometry
        Ground coordinates; the lake lies outside the area, river and parks inside it.
    """

    area: StudyArea
    warp: Warp = field(repr=False)
    radius_m: float
    centre: NDArray[np.float64]
    river: shapely.Geometry = field(repr=False)
    lake: shapely.Geometry = field(repr=False)
    parks: shapely.Geometry = field(repr=False)


def draw_ground(rng: np.random.Generator, *, name: str, area_km2: float, timezone: str) -> Ground:
    """Draw boundary, water, parks and neighbourhoods.

    Parameters
    ----------
    rng : Generator
    name : str
    area_km2 : float
        Wanted size of the study area, square kilometres; met to a few per cent.
    timezone : str
        IANA name.
    """
    radius = float(np.sqrt(area_km2 * 1e6 * 1.05 / np.pi))
    warp = _draw_warp(rng, radius)
    squares = _squares_in_blob(rng, radius)
    river, lake = _draw_water(rng, warp, radius)
    parks = _draw_parks(rng, warp, radius, count=max(3, round(area_km2 / 14)))
    labels, count = _grow_neighbourhoods(rng, squares, area_km2)
    table = _neighbourhood_table(squares, labels, count, warp, lake)
    polygon = shapely.union_all(table.geometry.to_numpy(), grid_size=0.001)
    area = StudyArea(name, polygon, CRS, timezone, table)
    centre = warp(np.zeros((1, 2)))[0]
    return Ground(
        area, warp, radius, centre, shapely.intersection(river, polygon), lake, shapely.intersection(parks, polygon)
    )


def _draw_warp(rng: np.random.Generator, radius: float) -> Warp:
    lengths = rng.uniform(0.9, 1.6, 4) * max(radius, 4000.0)
    angles = rng.uniform(0, 2 * np.pi, 4)
    vectors = 2 * np.pi / lengths[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    # Small against the wave length, so that the bend never folds the plan.
    shifts = rng.normal(0, 1, (4, 2)) * lengths[:, None] * 0.013
    return Warp(np.column_stack([vectors, rng.uniform(0, 2 * np.pi, 4), shifts]))


def _squares_in_blob(rng: np.random.Generator, radius: float) -> NDArray[np.float64]:
    """Return the south-west corners of the plan squares of the city, shape (n, 2)."""
    reach = int(np.ceil(1.6 * radius / SECTION_M))
    index = np.arange(-reach, reach)
    corners = np.array(np.meshgrid(index, index, indexing="ij"), dtype=float).reshape(2, -1).T * SECTION_M
    # Annexed land has ragged edges: whole squares of twice the size come in or stay out.
    middle = (np.floor(corners / (2 * SECTION_M)) + 0.5) * 2 * SECTION_M
    angle = np.arctan2(middle[:, 1], middle[:, 0])
    orders = np.arange(1, 7)
    sizes, phases = rng.normal(0, 0.10, 6) / np.sqrt(orders), rng.uniform(0, 2 * np.pi, 6)
    edge = radius * (1 + np.cos(angle[:, None] * orders + phases) @ sizes)
    inside: NDArray[np.float64] = corners[np.hypot(middle[:, 0], middle[:, 1]) < edge]
    return inside


def _draw_water(rng: np.random.Generator, warp: Warp, radius: float) -> tuple[shapely.Geometry, shapely.Geometry]:
    heading = rng.uniform(0.15, 0.45) * np.pi
    along = np.linspace(-2.0, 2.0, 240) * radius
    wave = 0.08 * radius * np.sin(along / radius * 3.1 + rng.uniform(0, 6)) + 0.03 * radius * np.sin(
        along / radius * 9 + rng.uniform(0, 6)
    )
    across = wave - wave[120] + 0.16 * radius
    turn = np.array([[np.cos(heading), np.sin(heading)], [-np.sin(heading), np.cos(heading)]])
    line = shapely.linestrings(warp(np.column_stack([along, across]) @ turn))
    river = shapely.buffer(line, 85.0)
    # The lake bites into the edge where the river leaves the city.
    middle = np.array([0.98 * radius, 0.05 * radius]) @ turn
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    shore = radius * (
        0.34 + 0.05 * np.sin(2 * angles + rng.uniform(0, 6)) + 0.03 * np.sin(5 * angles + rng.uniform(0, 6))
    )
    ring = middle + np.column_stack([np.cos(angles), np.sin(angles)]) * shore[:, None]
    return river, shapely.polygons(warp(ring))


def _draw_parks(rng: np.random.Generator, warp: Warp, radius: float, *, count: int) -> shapely.Geometry:
    """Parks, yards and fields without addresses; the further out, the larger."""
    shapes = []
    for _ in range(count):
        distance, angle = radius * np.sqrt(rng.uniform(0.02, 1.0)), rng.uniform(0, 2 * np.pi)
        size = rng.uniform(170, 420) * (0.6 + distance / radius)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size * np.array([1.0, rng.uniform(0.6, 1.4)])
        middle = np.round(distance * np.array([np.cos(angle), np.sin(angle)]) / 200.0) * 200.0
        box = shapely.segmentize(shapely.polygons(corners + middle), 60.0)
        shapes.append(shapely.transform(shapely.buffer(shapely.buffer(box, -60.0), 60.0), warp))
    return shapely.union_all(np.array(shapes, dtype=object))


def _grow_neighbourhoods(
    rng: np.random.Generator, squares: NDArray[np.float64], area_km2: float
) -> tuple[NDArray[np.int64], int]:
    """Give every square to the nearest of relaxed seeds; label 0 is in the middle."""
    count = max(4, min(round(24 * (area_km2 / 120.0) ** 0.6), len(_NAMES) * len(_SUFFIXES), len(squares) // 4))
    middles = squares + SECTION_M / 2
    seeds = middles[rng.choice(len(middles), count, replace=False)]
    seeds[0] = 0.0
    # Inner quarters are smaller: distances count for more near the centre.
    weight = 1.0 / (0.45 + np.hypot(middles[:, 0], middles[:, 1]) / np.abs(middles).max())
    labels = np.zeros(len(middles), dtype=np.int64)
    for _ in range(12):
        apart = np.abs(middles[:, None, :] - seeds[None, :, :])
        # Between straight-line and street distance, so that borders follow blocks.
        labels = np.argmin(apart.max(axis=2) + 0.6 * apart.min(axis=2), axis=1).astype(np.int64)
        for label in range(1, count):
            mine = labels == label
            if mine.any():
                seeds[label] = np.average(middles[mine], axis=0, weights=weight[mine])
    present, labels = np.unique(labels, return_inverse=True)
    return labels.astype(np.int64), len(present)


def _neighbourhood_table(
    squares: NDArray[np.float64], labels: NDArray[np.int64], count: int, warp: Warp, lake: shapely.Geometry
) -> gpd.GeoDataFrame:
    boxes = shapely.box(squares[:, 0], squares[:, 1], squares[:, 0] + SECTION_M, squares[:, 1] + SECTION_M)
    bent = shapely.transform(shapely.segmentize(boxes, SECTION_M / 8), warp)
    shapes = []
    for label in range(count):
        whole = shapely.union_all(bent[labels == label], grid_size=0.001)
        shapes.append(shapely.set_precision(shapely.difference(whole, lake), 0.001))
    # What the lake cuts off, or leaves as a strip of shore, is not part of the city.
    core = shapely.get_parts(shapely.buffer(shapely.union_all(np.array(shapes, dtype=object)), -SECTION_M / 2))
    city = shapely.buffer(core[shapely.area(core).argmax()], 0.8 * SECTION_M)
    shapes = [shapely.set_precision(shapely.intersection(shape, city), 0.001) for shape in shapes]
    kept = [shape for shape in shapes if shape.area > 0.25 * SECTION_M**2]
    names = [f"{_NAMES[i % len(_NAMES)]}{_SUFFIXES[i // len(_NAMES)]}" for i in range(len(kept))]
    return gpd.GeoDataFrame({"name": pd.Series(names, dtype="str")}, geometry=kept, crs=CRS)
