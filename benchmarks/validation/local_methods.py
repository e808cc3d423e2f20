"""Every local method of the pattern room: what it discovers where nothing is, and what share of its finds is false.

A case takes a seed and says, for a map with nothing in it, whether anything was discovered; for a map with a planted
place, the share of false discoveries and the share of the planted cells that were found. A cell counts as falsely
discovered if neither it nor, where the method looks at neighbours, any cell that it touches is planted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import geopandas as gpd
import numpy as np
import shapely
from small_cities import CRS, SIDE_M, area, grid, incidents_of, months, small_city

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.segments import Segments
from crimepatterns.patterns.autocorrelation import gi_star
from crimepatterns.patterns.change import change_between
from crimepatterns.patterns.density_ratio import density_ratio
from crimepatterns.patterns.emerging import emerging_hot_spots
from crimepatterns.patterns.emerging_classes import NO_PATTERN
from crimepatterns.patterns.local_moran import local_moran, quadrants
from crimepatterns.patterns.local_moran_given import local_moran_given
from crimepatterns.patterns.network import network_gi_star
from crimepatterns.patterns.optimised import optimised_hot_spots
from crimepatterns.patterns.persistence import hot_spot_persistence
from crimepatterns.patterns.scan import CylinderLimits, permutation_scan
from crimepatterns.patterns.smoothed_rates import smoothed_rates

__all__ = ["LOCAL_METHODS", "MEANS", "SPARSE_MAPS", "LocalCase"]

MIDDLE = 2_175.0
"""Where things are planted, east and north, metres."""

MEANS = (0.02, 0.05, 0.2, 1.0)
"""Mean counts per cell of the maps on which the size of local statistics is measured."""

Found = tuple[np.ndarray, np.ndarray, np.ndarray]
"""What was discovered, where a discovery is true, and what there was to find: bool, one per unit."""


@dataclass(frozen=True)
class LocalCase:
    """One method: `run(seed, planted)` gives what was discovered, what is true, and what there was to find."""

    run: Callable[[int, bool], Found]
    planted: str


@cache
def cells() -> Grid:
    """Return the 400 cells of 150 m on which maps are drawn."""
    return grid(150.0)


def block(cell_grid: Grid, half_m: float = 160.0) -> np.ndarray:
    """Return which cells lie in the planted square: 3 by 3 cells of 150 m."""
    return (np.abs(cell_grid.centres - MIDDLE) <= half_m).all(axis=1)


def beside(hot: np.ndarray, cell_grid: Grid) -> np.ndarray:
    """Return which cells are planted or touch one that is."""
    return hot | ((cell_grid.adjacency @ hot.astype(float)) > 0)


def uneven(rng: np.random.Generator, mean: float, size: int) -> np.ndarray:
    """Return expected counts that differ from place to place, few places holding most."""
    return mean * rng.gamma(0.5, 2.0, size)


# -- maps of one period ------------------------------------------------------------------------------------------------


def gi_star_case(seed: int, planted: bool) -> Found:
    """Gi* on even ground."""
    counts, hot = _even_map(np.random.default_rng([11, seed]), planted)
    return _discovered(gi_star(counts, cells()).q_values), beside(hot, cells()), hot


def gi_star_expected_case(seed: int, planted: bool) -> Found:
    """Gi* against the true uneven level."""
    rng, hot = np.random.default_rng([12, seed]), block(cells()) & planted
    level = uneven(rng, 1.0, len(cells())) + 0.2
    counts = rng.poisson(level * np.where(hot, 4.0, 1.0))
    return _discovered(gi_star(counts, cells(), expected=level).q_values), beside(hot, cells()), hot


def gi_star_background_case(seed: int, planted: bool) -> Found:
    """Gi* against a map of earlier incidents, which is chance itself."""
    rng, hot = np.random.default_rng([23, seed]), block(cells()) & planted
    level = uneven(rng, 1.0, len(cells())) + 0.2
    counts, before = rng.poisson(level * np.where(hot, 4.0, 1.0)), rng.poisson(3 * level)
    return _discovered(gi_star(counts, cells(), background=before).q_values), beside(hot, cells()), hot


def local_moran_background_case(seed: int, planted: bool) -> Found:
    """Local Moran against a map of earlier incidents; only finds among busier neighbours are judged."""
    rng, hot = np.random.default_rng([24, seed]), block(cells()) & planted
    level = uneven(rng, 1.0, len(cells())) + 0.2
    counts, before = rng.poisson(level * np.where(hot, 4.0, 1.0)), rng.poisson(3 * level)
    surface = local_moran_given(counts, before, cells())
    found = _discovered(surface.q_values)
    if planted and surface.times_expected is not None:
        found &= surface.times_expected > 1
    return found, beside(hot, cells()), hot


def local_moran_case(seed: int, planted: bool) -> Found:
    """Local Moran's finds among busy neighbours; elsewhere a planted place makes others truly quieter than the mean."""
    counts, hot = _even_map(np.random.default_rng([13, seed]), planted)
    found = _discovered(local_moran(counts, cells()).q_values)
    if planted:
        found &= np.isin(quadrants(counts, cells()), ["high-high", "low-high"])
    return found, beside(hot, cells()), hot


def smoothed_rates_case(seed: int, planted: bool) -> Found:
    """Rates per resident, four times as high in the planted cells."""
    rng, hot = np.random.default_rng([14, seed]), block(cells()) & planted
    residents = np.round(rng.lognormal(5, 1, len(cells())))
    counts = rng.poisson(residents / 100 * np.where(hot, 4.0, 1.0))
    return _discovered(smoothed_rates(counts, residents, cells()).q_values), hot, hot


def density_ratio_case(seed: int, planted: bool) -> Found:
    """Dual density of incidents over a denominator with hot places of its own; kernels reach 3 bandwidths of 300 m."""
    rng = np.random.default_rng([15, seed])
    spots = rng.uniform(300, SIDE_M - 300, size=(8, 2))
    weight = rng.dirichlet(np.ones(8))
    incidents, homes = (_around(rng, spots, weight, count) for count in (400, 2_000))
    if planted:
        incidents = np.r_[incidents, MIDDLE + rng.normal(0, 150, size=(60, 2))]
    found = density_ratio(tuple(incidents.T), tuple(homes.T), cells(), bandwidth_m=300.0)
    apart = np.hypot(*(cells().centres - MIDDLE).T)
    hot = (apart <= 230.0) & planted
    up = _discovered(found.surface.q_values) & ((found.surface.values > 1) | (not planted))
    return up, (apart <= 900.0) & planted, hot


def network_case(seed: int, planted: bool) -> Found:
    """Gi* on the segments of a street grid."""
    rng, streets = np.random.default_rng([16, seed]), _streets()
    middle = shapely.get_coordinates(
        shapely.line_interpolate_point(streets.table.geometry.to_numpy(), 0.5, normalized=True)
    )
    hot = (np.hypot(*(middle - MIDDLE).T) <= 250.0) & planted
    weight = streets.length_m * np.where(hot, 8.0, 1.0)
    on = rng.choice(len(streets), int(rng.poisson(400)), p=weight / weight.sum())
    places = shapely.line_interpolate_point(streets.table.geometry.to_numpy()[on], rng.random(len(on)), normalized=True)
    found = network_gi_star(tuple(shapely.get_coordinates(places).T), streets)
    near = hot | ((streets.adjacency @ hot.astype(float)) > 0)
    return _discovered(found.q_values), near, hot


def optimised_case(seed: int, planted: bool) -> Found:
    """Optimised hot spots, whose cells are chosen by the same incidents."""
    rng = np.random.default_rng([17, seed])
    places = rng.uniform(0, SIDE_M, size=(int(rng.poisson(300)) + 30, 2))
    if planted:
        places = np.r_[places, MIDDLE + rng.uniform(-200, 200, size=(30, 2))]
    found = optimised_hot_spots(
        incidents_of(places, rng.integers(0, 182, len(places))), sizes_m=(100, 150, 200, 300, 500)
    )
    cell_grid = found.surface.grid
    hot = (np.abs(cell_grid.centres - MIDDLE) <= 200.0 + found.cell_size_m / 2).all(axis=1) & planted
    return _discovered(found.surface.q_values), beside(hot, cell_grid), hot


# -- maps of several periods -------------------------------------------------------------------------------------------


def change_case(seed: int, planted: bool, *, neighbours: bool = False) -> Found:
    """Change between two periods over uneven ground; three times as many in the planted cells."""
    rng, hot = np.random.default_rng([18, seed]), block(cells()) & planted
    level = uneven(rng, 4.0, len(cells()))
    before, after = rng.poisson(level + 4 * hot), rng.poisson((level + 4 * hot) * np.where(hot, 3.0, 1.0))
    found = change_between(before, after, cells(), neighbours=neighbours)
    return _discovered(found.q_values), beside(hot, cells()) if neighbours else hot, hot


def change_of_neighbours_case(seed: int, planted: bool) -> Found:
    """Change of cells together with those they touch."""
    return change_case(seed, planted, neighbours=True)


def change_against_area_case(seed: int, planted: bool) -> Found:
    """Change against the course of the whole area, which doubles."""
    rng, hot = np.random.default_rng([19, seed]), block(cells()) & planted
    level = uneven(rng, 4.0, len(cells()))
    before, after = rng.poisson(level + 4 * hot), rng.poisson(2 * (level + 4 * hot) * np.where(hot, 3.0, 1.0))
    found = change_between(before, after, cells(), reference="whole area")
    return _discovered(found.q_values) & ((found.values > 0) | (not planted)), hot, hot


def emerging_case(seed: int, planted: bool) -> Found:
    """Names that claim a change or a trend, over uneven ground that stays as it is; planted are new hot cells."""
    rng, cell_grid = np.random.default_rng([20, seed]), grid(300.0)
    hot = block(cell_grid, 320.0) & planted
    level = np.repeat(uneven(rng, 1.0, len(cell_grid))[:, None], 12, axis=1)
    level[hot, 9:] += 8.0
    found = emerging_hot_spots(rng.poisson(level), cell_grid, months(12), replicates=199, seed=seed)
    claims = np.array([name != NO_PATTERN and not str(name).startswith("persistent") for name in found.classes])
    if planted:
        # Beside a new hot spot the rest of the area has truly less than its even share: cold names are not judged.
        claims &= np.array([str(name).endswith("hot spot") for name in found.classes])
    return claims, beside(hot, cell_grid), hot


def persistence_case(seed: int, planted: bool) -> Found:
    """Hot spots called acute, emerging or fading; planted is one that quadruples in the last quarter."""
    rng, cell_grid = np.random.default_rng([21, seed]), grid(300.0)
    level = np.repeat(uneven(rng, 1.0, len(cell_grid))[:, None], 12, axis=1)
    hot = block(cell_grid, 320.0) & planted
    level[hot] += 2.0
    level[hot, 9:] *= 4.0
    found = hot_spot_persistence(rng.poisson(level), cell_grid, months(12), baseline="record")
    moved = found.spots.loc[found.spots["persistence"] != "chronic", "hot_spot"].to_numpy()
    spots = found.spots["hot_spot"].to_numpy()
    right = np.isin(spots, np.unique(found.labels[hot]))
    return np.isin(spots, moved), right, right


def second_clusters_case(seed: int, planted: bool) -> Found:
    """Significant clusters of the scan, beside a planted outbreak that is the strongest."""
    city = small_city(np.random.default_rng([22, seed]), outbreak=15 if planted else 0)
    limits = CylinderLimits(max_radius_m=600, radii=4, max_days=14)
    found = permutation_scan(
        city.incidents, limits=limits, cell_m=150.0, replicates_count=39, max_clusters=5, seed=seed
    )
    right = np.array([not city.planted_ids.isdisjoint(ids) for ids in found.members], dtype=bool)
    significant = found.clusters["p_value"].to_numpy() <= 0.05
    if planted and not right.any():
        # The outbreak that no cluster holds is one more thing that was to be found.
        return np.r_[significant, False], np.r_[right, True], np.r_[right, True]
    return significant, right, right


# -- size on sparse maps -----------------------------------------------------------------------------------------------


def sparse_gi_star(rng: np.random.Generator, mean: float) -> bool:
    """Look for hot cells."""
    return _any_find(gi_star(_some(rng, mean), cells()).q_values)


def sparse_gi_star_cold(rng: np.random.Generator, mean: float) -> bool:
    """Look for cold cells."""
    return _any_find(gi_star(_some(rng, mean), cells(), alternative="cold").q_values)


def sparse_local_moran(rng: np.random.Generator, mean: float) -> bool:
    """Look for cells like or unlike their neighbours."""
    return _any_find(local_moran(_some(rng, mean), cells()).q_values)


def sparse_rates(rng: np.random.Generator, mean: float) -> bool:
    """Look for high rates, all denominators equal."""
    return _any_find(smoothed_rates(_some(rng, mean), np.ones(len(cells())), cells()).q_values)


def sparse_change(rng: np.random.Generator, mean: float) -> bool:
    """Look for change between two maps."""
    return _any_find(change_between(_some(rng, mean), _some(rng, mean), cells(), neighbours=True).q_values)


def sparse_emerging(rng: np.random.Generator, mean: float) -> bool:
    """Look for any name, persistent ones included, in twelve steps."""
    counts = rng.poisson(mean, (len(grid(300.0)), 12))
    counts[0, 0] += not counts.any()
    found = emerging_hot_spots(counts, grid(300.0), months(12), replicates=199, seed=int(rng.integers(2**31)))
    return bool((found.classes != NO_PATTERN).any())


SPARSE_MAPS: Mapping[str, Callable[[np.random.Generator, float], bool]] = {
    "Gi*, hot": sparse_gi_star,
    "Gi*, cold": sparse_gi_star_cold,
    "local Moran": sparse_local_moran,
    "smoothed rates": sparse_rates,
    "change, with neighbours": sparse_change,
    "emerging hot spots, any name": sparse_emerging,
}

LOCAL_METHODS: Mapping[str, LocalCase] = {
    "Gi*": LocalCase(gi_star_case, "9 of 400 cells with four times the mean of 0.5"),
    "Gi* against expected counts": LocalCase(gi_star_expected_case, "9 of 400 cells with four times what is expected"),
    "Gi* against a background": LocalCase(gi_star_background_case, "9 of 400 cells with four times the background"),
    "local Moran against a background": LocalCase(
        local_moran_background_case, "9 of 400 cells with four times the background"
    ),
    "local Moran": LocalCase(local_moran_case, "9 of 400 cells with four times the mean of 0.5"),
    "smoothed rates": LocalCase(smoothed_rates_case, "9 of 400 cells with four times the rate"),
    "density ratio": LocalCase(density_ratio_case, "60 incidents about one place, beside 400"),
    "Gi* on street segments": LocalCase(network_case, "eight times the rate within 250 m"),
    "optimised hot spots": LocalCase(optimised_case, "30 incidents in 400 by 400 m, beside 330"),
    "change": LocalCase(change_case, "three times as many in 9 cells of 4"),
    "change, with neighbours": LocalCase(change_of_neighbours_case, "three times as many in 9 cells of 4"),
    "change against the whole area": LocalCase(change_against_area_case, "three times the area's own rise in 9 cells"),
    "emerging hot spots": LocalCase(emerging_case, "4 of 100 cells with 8 more in each of the last 3 of 12 steps"),
    "persistence": LocalCase(persistence_case, "4 of 100 cells, hot, with four times as many in the last quarter"),
    "secondary scan clusters": LocalCase(second_clusters_case, "15 incidents within 250 m in 7 days, beside 300"),
}


def _even_map(rng: np.random.Generator, planted: bool) -> tuple[np.ndarray, np.ndarray]:
    hot = block(cells()) & planted
    return rng.poisson(np.where(hot, 2.0, 0.5)), hot


def _around(rng: np.random.Generator, spots: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
    """Scatter half of the points anywhere and half about hot places; what falls outside is drawn in."""
    near = spots[rng.choice(len(spots), count // 2, p=weight)] + rng.normal(0, 250, size=(count // 2, 2))
    return np.clip(np.r_[near, rng.uniform(0, SIDE_M, size=(count - len(near), 2))], 0.0, SIDE_M - 1e-3)


def _some(rng: np.random.Generator, mean: float) -> np.ndarray:
    """Draw a map of Poisson counts that is not empty."""
    counts = rng.poisson(mean, len(cells()))
    return counts if counts.any() else _some(rng, mean)


@cache
def _streets() -> Segments:
    """Return streets every 250 m, cut at their crossings."""
    at = np.arange(125.0, SIDE_M, 250.0)
    ends = np.r_[0.0, at, SIDE_M]
    lines = [shapely.LineString([(a, y), (b, y)]) for y in at for a, b in pairwise(ends)]
    lines += [shapely.LineString([(x, a), (x, b)]) for x in at for a, b in pairwise(ends)]
    return Segments.from_lines(area(), gpd.GeoDataFrame(geometry=lines, crs=CRS), max_length_m=None)


def _discovered(q_values: np.ndarray | None) -> np.ndarray:
    assert q_values is not None
    return np.asarray(q_values <= 0.05)


def _any_find(q_values: np.ndarray | None) -> bool:
    return bool(_discovered(q_values).any())
