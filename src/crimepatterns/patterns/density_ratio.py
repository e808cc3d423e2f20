"""Dual density: incidents relative to what could have been hit, or to another period."""

from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.patterns.density import Kernel, kernel_density
from crimepatterns.patterns.significance import discoveries, false_discovery_rate

__all__ = ["ROUGHNESS", "DensityRatio", "density_ratio", "resting_share"]

_Points = Incidents | tuple[ArrayLike, ArrayLike]
ROUGHNESS = {"gaussian": 1.0 / (4.0 * np.pi), "quartic": 9.0 / (5.0 * np.pi)}
"""Integral of the squared kernel of bandwidth 1."""

_SQUARED = {"gaussian": np.sqrt(1.0 / 2.0), "quartic": np.sqrt(2.0 / 3.0)}
"""Bandwidth of a kernel as wide as the squared one of bandwidth 1: exact for the gaussian, of equal variance else."""

_LEAST_COVER = 0.05
"""Least share of a kernel inside the area that is reckoned with."""


@dataclass(frozen=True, eq=False)
class DensityRatio:
    """A surface of ratios with its uncertainty.

    Parameters
    ----------
    surface : Surface
        ``values`` are ratios: 1 is the mean of the area. ``p_values`` are approximate.
    low, high : ndarray of float, shape (n_cells,)
        Interval of the ratio.
    supported : ndarray of bool, shape (n_cells,)
        Whether the denominator reaches the floor; elsewhere the ratio is held back by the floor and means little.
    z : ndarray of float, shape (n_cells,)
        Log ratio divided by its standard error.
    """

    surface: Surface
    low: NDArray[np.float64] = field(repr=False)
    high: NDArray[np.float64] = field(repr=False)
    supported: NDArray[np.bool_] = field(repr=False)
    z: NDArray[np.float64] = field(repr=False)


def density_ratio(
    points: _Points,
    denominator: _Points,
    grid: Grid,
    *,
    bandwidth_m: float,
    denominator_bandwidth_m: float | None = None,
    kernel: Kernel = "gaussian",
    weights: ArrayLike | None = None,
    denominator_weights: ArrayLike | None = None,
    floor: float = 3.0,
    level: float = 0.95,
    fdr: float = 0.05,
    edge_correction: bool = True,
) -> DensityRatio:
    """Divide the density of incidents by that of a denominator, each as a share of its total.

    Parameters
    ----------
    points, denominator : Incidents, or tuple (x, y) of array_like of float
        What happened, and what it is measured against: homes, parked cars, another period, another category.
    grid : Grid
    bandwidth_m : float, metres
    denominator_bandwidth_m : float, metres, optional
        `bandwidth_m` where left out, which is nearly always right: unlike bandwidths feign hot rings.
    kernel : {"gaussian", "quartic"}
    weights, denominator_weights : array_like of float, optional
        Such as harm, aoristic mass, or residents per address.
    floor : float
        The denominator is taken to be at least what so many average points in reach would give.
    level : float
        Of the interval.
    fdr : float
    edge_correction : bool

    Returns
    -------
    DensityRatio

    Raises
    ------
    PatternError
        If floor or level is out of range; see also `kernel_density`.

    Notes
    -----
    A density f rests on as many points as have its relative variance: ``h^2 f / R`` on even ground, R being the
    integral of the squared kernel, and ``(sum K)^2 / sum K^2`` in general, which is less where points crowd and at
    the boundary. The sum of squared kernels is, but for a factor, a density with a narrower kernel; that of the
    denominator is taken, since under the null hypothesis both crowd at the same places. Given both numbers of points
    together, that of the incidents is binomial under the null; its tails, continued to broken numbers with half a
    point on either side, give p. The interval is that of the log ratio, taken as normal with the sum of both relative
    variances.

    References
    ----------
    Kelsall and Diggle (1995), https://doi.org/10.1002/sim.4780142106; Davies, Marshall and Hazelton (2018),
    https://doi.org/10.1002/sim.7577
    """
    if not (floor > 0 and 0 < level < 1):
        raise PatternError(f"floor must be > 0 points and level in (0, 1), got {floor} and {level}.")
    wide = bandwidth_m if denominator_bandwidth_m is None else denominator_bandwidth_m
    upper = kernel_density(
        points, grid, bandwidth_m=bandwidth_m, kernel=kernel, weights=weights, edge_correction=edge_correction
    )
    lower = kernel_density(
        denominator, grid, bandwidth_m=wide, kernel=kernel, weights=denominator_weights,
        edge_correction=edge_correction,
    )  # fmt: skip
    top, top_points = _share_and_points(upper, grid, bandwidth_m, kernel, weights)
    base, base_points = _share_and_points(lower, grid, wide, kernel, denominator_weights)
    supported = base_points >= floor
    # Shares and points are proportional, so that the floor is one share for all cells.
    least = floor / _per_share(base, base_points)
    ratio = top / np.where(supported, base, least)
    # Half a point on either side keeps the logarithm finite where nothing happened.
    apart = resting_share(lower, denominator, grid, wide, kernel, denominator_weights, edge_correction=edge_correction)
    expected = np.where(supported, base, least) * _per_share(top, top_points) * apart + 0.5
    seen, beside = top_points * apart + 0.5, np.maximum(base_points, floor) * apart + 0.5
    shift, error = np.log(seen / expected), np.sqrt(1.0 / seen + 1.0 / beside)
    reach = float(special.ndtri((1.0 + level) / 2.0))
    z = shift / error
    more = special.betainc(seen, beside, (expected - 0.5) / (expected + beside - 1.0))
    p = np.where(supported, np.minimum(2.0 * np.minimum(more, 1.0 - more), 1.0), 1.0)
    q = np.ones(len(grid))
    q[supported] = false_discovery_rate(p[supported])
    found = discoveries(q, fdr=fdr)
    surface = Surface(
        grid=grid,
        method="density_ratio",
        values=ratio,
        unit="times the mean ratio",
        p_values=p,
        q_values=q,
        null="incidents are spread as the denominator is (binomial approximation to two sums of kernels)",
        times_expected=ratio,
        parameters=MappingProxyType(
            {
                "bandwidth_m": float(bandwidth_m), "denominator_bandwidth_m": float(wide), "kernel": kernel,
                "floor": floor, "level": level, "fdr": fdr, "edge_correction": edge_correction,
                "incidents": upper.parameters["incidents"], "denominator": lower.parameters["incidents"],
                "weighted": weights is not None, "denominator_weighted": denominator_weights is not None,
                "unsupported_cells": int((~supported).sum()), "discoveries": int(found.sum()),
            }
        ),
    )  # fmt: skip
    return DensityRatio(surface, np.exp(shift - reach * error), np.exp(shift + reach * error), supported, z)


def _share_and_points(
    surface: Surface, grid: Grid, bandwidth_m: float, kernel: str, weights: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the density as a share of the total per square kilometre, and the points that each value rests on."""
    total = float(surface.values @ grid.area_km2)
    points = surface.values / 1e6 * bandwidth_m**2 / ROUGHNESS[kernel]
    if weights is not None:
        mass = np.asarray(weights, dtype=float)
        points = points * mass.sum() / (mass @ mass)
    return surface.values / total, points


def resting_share(
    lower: Surface,
    points: _Points,
    grid: Grid,
    bandwidth_m: float,
    kernel: Kernel,
    weights: ArrayLike | None,
    *,
    edge_correction: bool,
) -> NDArray[np.float64]:
    """Return the share of its points that each value rests on, compared with even ground far from the boundary.

    Less where points crowd, and near the boundary, whose correction gives the same weight to fewer points.
    """
    cell_m = float(str(lower.parameters["cell_size_m"])) + 1e-3  # printed rounded
    x, y = _coordinates(points)
    mass = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=float)
    inside = np.isfinite(x) & np.isfinite(y)
    inside[inside] = grid.assign(x[inside], y[inside])[1]
    x, y, mass = x[inside], y[inside], mass[inside]
    corrected = mass
    if edge_correction:
        ground = kernel_density(
            tuple(grid.centres.T), grid, bandwidth_m=bandwidth_m, kernel=kernel, weights=grid.area_km2,
            edge_correction=False,
        )  # fmt: skip
        corrected = mass / np.clip(ground.values[grid.assign(x, y)[0]], _LEAST_COVER, 1.0)
    squared = kernel_density(
        (x, y), grid, bandwidth_m=max(_SQUARED[kernel] * bandwidth_m, cell_m), kernel=kernel, weights=corrected**2,
        edge_correction=False,
    )  # fmt: skip
    level = lower.values * float(mass @ mass / mass.sum())
    return np.minimum(np.divide(level, squared.values, out=np.ones(len(grid)), where=squared.values > 0), 1.0)


def _coordinates(points: _Points) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if isinstance(points, Incidents):
        points = (points.table["x"], points.table["y"])
    x, y = (np.asarray(axis, dtype=float) for axis in points)
    return x, y


def _per_share(share: NDArray[np.float64], points: NDArray[np.float64]) -> float:
    top = int(np.argmax(share))
    return float(points[top] / share[top])
