"""Kernel density: how many incidents per square kilometre there are around each cell."""

from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, signal
from scipy.spatial import cKDTree

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError

__all__ = ["Kernel", "kernel_density"]

Kernel = Literal["gaussian", "quartic"]

_REACH = {"gaussian": 5.0, "quartic": 1.0}
"""Bandwidths beyond which a kernel is zero, or so small (4e-6 of its peak) that it is left out."""

_SHARING_VARIANCE = 1.0 / 6.0
_CHUNK_PAIRS = 4_000_000


def kernel_density(
    points: Incidents | tuple[ArrayLike, ArrayLike],
    grid: Grid,
    *,
    bandwidth_m: float,
    kernel: Kernel = "gaussian",
    weights: ArrayLike | None = None,
    edge_correction: bool = True,
) -> Surface:
    """Smooth incidents into a surface of incidents per square kilometre.

    On a square grid incidents are shared between the four nearest cell centres and the raster is filtered, which costs
    the same for a thousand points as for a million. On other grids each distinct place is spread over the cell
    centres within reach.

    Parameters
    ----------
    points : Incidents, or tuple (x, y) of array_like of float, shape (n,)
        Metres in the reference system of the grid's area. Points in no cell are left out and counted in the
        parameters as ``outside``.
    grid : Grid
    bandwidth_m : float, metres
        Standard deviation of the gaussian, or radius of the quartic; at least the cell size (for polygons the side of
        a square as large as the median cell).
    kernel : {"gaussian", "quartic"}
    weights : array_like of float, shape (n,), optional
        Such as harm or aoristic weights; 1 each where left out.
    edge_correction : bool
        Divide each incident's kernel by the part of it inside the study area, so that no mass is lost over the
        boundary and the surface integrates to the number of incidents. Without it the surface sinks towards the edge.

    Returns
    -------
    Surface
        ``values`` are densities at the cell centres.

    Raises
    ------
    PatternError
        If no incident lies in the grid, the bandwidth is smaller than the cells, or weights are unusable.

    References
    ----------
    Diggle (1985), https://doi.org/10.2307/2347366; Wand (1994) for the sharing of points between grid nodes,
    https://doi.org/10.1080/10618600.1994.10474656
    """
    cell_m = _cell_size(grid)
    _check_bandwidth(bandwidth_m, cell_m, kernel)
    x, y, mass, outside = _points_inside(points, grid, weights)
    spread = _on_raster if grid.kind == "square" else _at_centres
    values = spread(x, y, mass, grid, float(bandwidth_m), kernel, edge_correction)
    return Surface(
        grid=grid,
        method="density",
        values=np.maximum(values, 0.0) * 1e6,
        unit="incidents per km2" if weights is None else "weighted incidents per km2",
        parameters=MappingProxyType(
            {
                "bandwidth_m": float(bandwidth_m),
                "kernel": kernel,
                "cell_size_m": round(cell_m, 3),
                "edge_correction": edge_correction,
                "weighted": weights is not None,
                "incidents": len(x),
                "outside": outside,
            }
        ),
    )


def _cell_size(grid: Grid) -> float:
    return float(np.sqrt(np.median(grid.area_km2) * 1e6)) if grid.kind == "polygon" else grid.cell_size_m


def _check_bandwidth(bandwidth_m: float, cell_m: float, kernel: str) -> None:
    if kernel not in _REACH:
        raise PatternError(f"Kernel must be one of {sorted(_REACH)}, got {kernel!r}.")
    if not (np.isfinite(bandwidth_m) and bandwidth_m > 0):
        raise PatternError(f"Bandwidth must be > 0 metres, got {bandwidth_m}: set patterns.bandwidth_m.")
    if bandwidth_m < cell_m:
        raise PatternError(
            f"Bandwidth must be at least the cell size, got {bandwidth_m:g} m on cells of {cell_m:g} m: "
            "raise patterns.bandwidth_m or lower patterns.density_cell_m."
        )


def _points_inside(
    points: Incidents | tuple[ArrayLike, ArrayLike], grid: Grid, weights: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], int]:
    if isinstance(points, Incidents):
        points = (points.table["x"].to_numpy(dtype=float), points.table["y"].to_numpy(dtype=float))
    x, y = (np.asarray(axis, dtype=float) for axis in points)
    if x.ndim != 1 or x.shape != y.shape:
        raise PatternError(f"Points need x and y of the same length, got shapes {x.shape} and {y.shape}.")
    mass = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=float)
    if mass.shape != x.shape or not np.isfinite(mass).all() or (mass < 0).any():
        raise PatternError(f"Weights must be one finite number >= 0 per point, shape {x.shape}, got {mass.shape}.")
    usable = np.isfinite(x) & np.isfinite(y)
    inside = np.zeros(len(x), dtype=bool)
    inside[usable] = grid.assign(x[usable], y[usable])[1]
    if not mass[inside].any():
        raise PatternError(
            f"Density needs at least one incident inside the grid, found none among {len(x):,}: "
            "widen the window, choose another category or check the reference system."
        )
    return x[inside], y[inside], mass[inside], int((~inside).sum())


# -- square grids: bin, then filter -----------------------------------------------------------------------------------


def _on_raster(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    mass: NDArray[np.float64],
    grid: Grid,
    bandwidth_m: float,
    kernel: str,
    edge_correction: bool,
) -> NDArray[np.float64]:
    low = grid.lattice.min(axis=0) - 1
    shape = (grid.lattice.max(axis=0) - low + 2).astype(int)
    cells = tuple((grid.lattice - low).T)
    position = _to_lattice(x, y, grid) - low
    binned = _shared_bins(position, mass, shape)
    sigma = bandwidth_m / grid.cell_size_m
    cell_m2 = grid.cell_size_m**2
    if edge_correction:
        covered = np.zeros(shape)
        covered[cells] = grid.area_km2 * 1e6 / cell_m2
        kept = _filtered(covered, sigma, kernel)
        if binned[kept <= 0].any():
            # A share fell on a node beyond the boundary from which the kernel does not reach back.
            binned = _shared_bins(np.round(position), mass, shape)
        binned = np.divide(binned, kept, out=np.zeros_like(binned), where=kept > 0)
    density: NDArray[np.float64] = _filtered(binned, sigma, kernel)[cells] / cell_m2
    return density


def _to_lattice(x: NDArray[np.float64], y: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """Give positions in cells, such that a whole number is the centre of the cell with that lattice coordinate."""
    east, north = x - grid.origin[0], y - grid.origin[1]
    turn = np.deg2rad(grid.rotation_deg)
    along = east * np.cos(turn) + north * np.sin(turn)
    across = north * np.cos(turn) - east * np.sin(turn)
    return np.column_stack([along, across]) / grid.cell_size_m - 0.5


def _shared_bins(
    position: NDArray[np.float64], mass: NDArray[np.float64], shape: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Share each point between the four nearest centres, so that its position is kept on average."""
    corner = np.floor(position).astype(np.int64)
    right, upper = (position - corner).T
    binned = np.zeros(int(shape.prod()))
    for step_a, share_a in ((0, 1.0 - right), (1, right)):
        for step_b, share_b in ((0, 1.0 - upper), (1, upper)):
            flat = (corner[:, 0] + step_a) * shape[1] + corner[:, 1] + step_b
            binned += np.bincount(flat, weights=mass * share_a * share_b, minlength=len(binned))
    return binned.reshape(tuple(shape))


def _filtered(raster: NDArray[np.float64], sigma: float, kernel: str) -> NDArray[np.float64]:
    if kernel == "gaussian":
        # Sharing points between nodes widens them by 1/6 squared cell per axis on average: filter by so much less.
        narrower = float(np.sqrt(sigma**2 - _SHARING_VARIANCE))
        smooth: NDArray[np.float64] = ndimage.gaussian_filter(
            raster, narrower, mode="constant", truncate=_REACH["gaussian"]
        )
        return smooth
    steps = np.arange(-int(np.floor(sigma)), int(np.floor(sigma)) + 1) / sigma
    disc = np.maximum(1.0 - steps[:, None] ** 2 - steps[None, :] ** 2, 0.0) ** 2
    convolved: NDArray[np.float64] = signal.oaconvolve(raster, disc / disc.sum(), mode="same")
    # The Fourier transform leaves noise of the order of the rounding error where nothing is in reach.
    return np.where(convolved < 1e-12 * max(float(raster.max()), 1e-300), 0.0, convolved)


# -- hexagons and polygons: spread distinct places over the centres in reach ------------------------------------------


def _at_centres(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    mass: NDArray[np.float64],
    grid: Grid,
    bandwidth_m: float,
    kernel: str,
    edge_correction: bool,
) -> NDArray[np.float64]:
    places, which = np.unique(np.column_stack([x, y]), axis=0, return_inverse=True)
    place_mass = np.bincount(which.ravel(), weights=mass)
    area_m2 = grid.area_km2 * 1e6
    centres = cKDTree(grid.centres)
    reach = _REACH[kernel] * bandwidth_m
    near = max(int(centres.query_ball_point(places[:256], reach, return_length=True).mean()), 1)
    step = max(_CHUNK_PAIRS // near, 1)
    density = np.zeros(len(grid))
    for begin in range(0, len(places), step):
        block = slice(begin, begin + step)
        pairs = cKDTree(places[block]).sparse_distance_matrix(centres, reach, output_type="ndarray")
        value = _kernel_value(pairs["v"] / bandwidth_m, kernel) / bandwidth_m**2
        kept = np.bincount(pairs["i"], weights=value * area_m2[pairs["j"]], minlength=len(places[block]))
        each = place_mass[block].copy()
        if edge_correction:
            each = np.divide(each, kept, out=np.zeros_like(each), where=kept > 0)
            lost = kept <= 0
            # No centre is in reach, as in a very large polygon: the incidents stay in their own cell.
            own = grid.assign(*places[block][lost].T)[0]
            density += np.bincount(own, weights=place_mass[block][lost] / area_m2[own], minlength=len(grid))
        density += np.bincount(pairs["j"], weights=value * each[pairs["i"]], minlength=len(grid))
    return density


def _kernel_value(distance: NDArray[np.float64], kernel: str) -> NDArray[np.float64]:
    """Evaluate the two-dimensional kernel of bandwidth 1."""
    if kernel == "gaussian":
        return np.exp(-0.5 * distance**2) / (2.0 * np.pi)
    return 3.0 / np.pi * np.maximum(1.0 - distance**2, 0.0) ** 2
