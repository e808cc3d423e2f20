"""Kernel density whose bandwidth is narrow where incidents are dense and wide where they are few."""

from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.patterns.density import Kernel, kernel_density

__all__ = ["adaptive_density"]

_WIDEST = 4.0


def adaptive_density(
    points: Incidents | tuple[ArrayLike, ArrayLike],
    grid: Grid,
    *,
    bandwidth_m: float,
    kernel: Kernel = "gaussian",
    weights: ArrayLike | None = None,
    edge_correction: bool = True,
    classes: int = 16,
) -> Surface:
    """Smooth incidents with a bandwidth of their own: Abramson's square-root law.

    A pilot surface of the fixed bandwidth is laid first. An incident where the pilot is f gets the bandwidth
    ``bandwidth_m * sqrt(g / f)``, g being the geometric mean of the pilot over the incidents. Each incident is shared
    between the two nearest of a few bandwidths, so that the cost is that of as many fixed surfaces.

    Parameters
    ----------
    points : Incidents, or tuple (x, y) of array_like of float, shape (n,)
        Metres in the reference system of the grid's area.
    grid : Grid
    bandwidth_m : float, metres
        Of the pilot, and of an incident in places of middling density. Never below the cell size, nor above four times
        this.
    kernel : {"gaussian", "quartic"}
    weights : array_like of float, shape (n,), optional
        Such as harm or aoristic weights.
    edge_correction : bool
    classes : int
        Different bandwidths used; 16 keep the peak within 1 % of exact sums where they span one to eight.

    Returns
    -------
    Surface
        ``values`` are densities at the cell centres; the parameters tell the narrowest and widest bandwidth used.

    Raises
    ------
    PatternError
        If classes is below 1; see also `kernel_density`.

    References
    ----------
    Abramson (1982), https://doi.org/10.1214/aos/1176345986; Davies and Baddeley (2018) for classes of bandwidths,
    https://doi.org/10.1007/s11222-017-9772-4
    """
    if classes < 1:
        raise PatternError(f"Adaptive density needs at least one class of bandwidths, got {classes}.")
    pilot = kernel_density(
        points, grid, bandwidth_m=bandwidth_m, kernel=kernel, weights=weights, edge_correction=edge_correction
    )
    x, y, mass, cell = _placed(points, grid, weights)
    cell_m = float(str(pilot.parameters["cell_size_m"]))
    own = _bandwidths(pilot.values[cell], mass, bandwidth_m, cell_m)
    values = np.zeros(len(grid))
    knots = _knots(own, classes)
    for shared, share in zip(knots, _shares(own, knots), strict=True):
        members = np.flatnonzero(share * mass)
        if members.size:
            values += kernel_density(
                (x[members], y[members]),
                grid,
                bandwidth_m=float(shared),
                kernel=kernel,
                weights=(share * mass)[members],
                edge_correction=edge_correction,
            ).values
    return Surface(
        grid=grid,
        method="density",
        values=values,
        unit=pilot.unit,
        parameters=MappingProxyType(
            {
                **pilot.parameters,
                "adaptive": True,
                "classes": len(knots),
                "narrowest_m": round(float(own.min()), 1),
                "widest_m": round(float(own.max()), 1),
            }
        ),
    )


def _placed(
    points: Incidents | tuple[ArrayLike, ArrayLike], grid: Grid, weights: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the points inside the grid with their weights and cells; the pilot has checked them all."""
    if isinstance(points, Incidents):
        points = (points.table["x"].to_numpy(dtype=float), points.table["y"].to_numpy(dtype=float))
    x, y = (np.asarray(axis, dtype=float) for axis in points)
    mass = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=float)
    usable = np.isfinite(x) & np.isfinite(y)
    x, y, mass = x[usable], y[usable], mass[usable]
    cell, inside = grid.assign(x, y)
    return x[inside], y[inside], mass[inside], cell[inside]


def _bandwidths(
    pilot: NDArray[np.float64], mass: NDArray[np.float64], bandwidth_m: float, cell_m: float
) -> NDArray[np.float64]:
    # A quartic pilot can be zero at the centre of a large polygon whose incident lies at its rim.
    density = np.maximum(pilot, max(float(pilot.max()), 1e-300) * 1e-9)
    middling = np.exp(np.average(np.log(density), weights=mass))
    return np.clip(bandwidth_m * np.sqrt(middling / density), cell_m, _WIDEST * bandwidth_m)


def _knots(bandwidths: NDArray[np.float64], classes: int) -> NDArray[np.float64]:
    """Return the bandwidths to lay surfaces with, in equal ratios."""
    low, high = float(bandwidths.min()), float(bandwidths.max())
    if classes == 1 or high <= low * (1.0 + 1e-9):
        return np.array([max(float(np.exp(np.log(bandwidths).mean())), low)])
    return np.clip(np.geomspace(low, high, classes), low, high)


def _shares(bandwidths: NDArray[np.float64], knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share each incident between the two nearest bandwidths; shape (n_knots, n)."""
    shares = np.zeros((len(knots), len(bandwidths)))
    if len(knots) == 1:
        shares[0] = 1.0
        return shares
    position = np.interp(np.log(bandwidths), np.log(knots), np.arange(len(knots)))
    below = np.minimum(position.astype(np.int64), len(knots) - 2)
    everyone = np.arange(len(bandwidths))
    shares[below, everyone] = below + 1 - position
    shares[below + 1, everyone] = position - below
    return shares
