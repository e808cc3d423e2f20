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

__all__ = ["DensityRatio", "density_ratio"]

_Points = Incidents | tuple[ArrayLike, ArrayLike]
_ROUGHNESS = {"gaussian": 1.0 / (4.0 * np.pi), "quartic": 9.0 / (5.0 * np.pi)}
"""Integral of the squared kernel of bandwidth 1."""


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
    Where a density f (per square metre) of n points of equal weight is locally even, its estimate has the relative
    variance R / (h^2 f), R being the integral of the squared kernel: as if ``h^2 f / R`` points were counted. The log
    ratio of these numbers, half a point added to each, is taken as normal with the sum of both relative variances.

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
    expected = np.where(supported, base, least) * _per_share(top, top_points)
    shift = np.log((top_points + 0.5) / (expected + 0.5))
    error = np.sqrt(1.0 / (top_points + 0.5) + 1.0 / (np.maximum(base_points, floor) + 0.5))
    reach = float(special.ndtri((1.0 + level) / 2.0))
    z = shift / error
    p = np.where(supported, np.minimum(2.0 * special.ndtr(-np.abs(z)), 1.0), 1.0)
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
        null="incidents are spread as the denominator is (normal approximation to the log ratio)",
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
    points = surface.values / 1e6 * bandwidth_m**2 / _ROUGHNESS[kernel]
    if weights is not None:
        mass = np.asarray(weights, dtype=float)
        points = points * mass.sum() / (mass @ mass)
    return surface.values / total, points


def _per_share(share: NDArray[np.float64], points: NDArray[np.float64]) -> float:
    top = int(np.argmax(share))
    return float(points[top] / share[top])
