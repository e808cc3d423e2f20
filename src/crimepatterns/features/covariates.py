"""How near, how dense, how much: what places, lines and areas mean to the cells of a grid.

Measures that add up over rows come as a sparse matrix with one row per cell and one column per place, line or area, so
that what was known at any moment is one product with the rows that counted then.
"""

from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.uniting import united
from crimepatterns.errors import DomainError

__all__ = [
    "MeasureFrom",
    "area_mean",
    "area_totals",
    "covered_share",
    "distance_to_nearest",
    "kernel_weights",
    "line_lengths",
    "overlaps",
    "point_counts",
]

MeasureFrom = Literal["centre", "cell"]
Shapes = NDArray[np.object_]

_M2_PER_KM2 = 1e6


def distance_to_nearest(grid: Grid, shapes: Shapes, *, measure_from: MeasureFrom = "centre") -> NDArray[np.float64]:
    """Tell how far each cell is from the nearest place, line or area; 0 inside an area.

    Parameters
    ----------
    grid : Grid
    shapes : ndarray of shapely Geometry, shape (n_shapes,)
        In the reference system of the grid's area.
    measure_from : {"centre", "cell"}
        From the centre of the unclipped cell, or from the nearest point of the clipped cell.

    Returns
    -------
    ndarray of float, shape (n_cells,)
        Metres, exact; nan where there are no shapes.
    """
    if not len(shapes):
        return np.full(len(grid), np.nan)
    if measure_from == "centre":
        if (shapely.get_type_id(shapes) == 0).all():
            distance, _ = cKDTree(shapely.get_coordinates(shapes)).query(grid.centres)
            return np.asarray(distance, dtype=np.float64)
        return _nearest(shapely.points(grid.centres), shapes)
    return _nearest(grid.cells.geometry.to_numpy(), shapes)


def kernel_weights(grid: Grid, points: Shapes, *, bandwidth_m: float) -> sparse.csr_array:
    """Spread each place over the cell centres within reach by a quartic kernel.

    The kernel is 3 / (pi h^2) (1 - (d/h)^2)^2 for a distance d below the bandwidth h; nothing is corrected at the
    boundary, since places outside the area are given too. Silverman 1986, Density Estimation, eq. 4.5.

    Parameters
    ----------
    grid : Grid
    points : ndarray of shapely Point, shape (n_points,)
    bandwidth_m : float
        Radius of the kernel, metres.

    Returns
    -------
    sparse array of float, shape (n_cells, n_points)
        Places per km2 that each place brings to each cell.

    Raises
    ------
    DomainError
        If the bandwidth is not positive.
    """
    if not bandwidth_m > 0:
        raise DomainError(f"Kernel bandwidth must be > 0 metres, got {bandwidth_m}.")
    if not len(points):
        return sparse.csr_array((len(grid), 0), dtype=np.float64)
    places = cKDTree(shapely.get_coordinates(points))
    pairs = cKDTree(grid.centres).sparse_distance_matrix(places, bandwidth_m, output_type="ndarray")
    mass = 3.0 / (np.pi * bandwidth_m**2) * (1.0 - (pairs["v"] / bandwidth_m) ** 2) ** 2 * _M2_PER_KM2
    return sparse.csr_array((mass, (pairs["i"], pairs["j"])), shape=(len(grid), len(points)))


def point_counts(grid: Grid, points: Shapes) -> sparse.csr_array:
    """Put each place of the study area into its cell: 1 there, 0 elsewhere; sparse, shape (n_cells, n_points)."""
    x, y = shapely.get_coordinates(points).T
    cell, there = grid.assign(x, y)
    column = np.flatnonzero(there & grid.area.contains(x, y))
    return sparse.csr_array((np.ones(len(column)), (cell[column], column)), shape=(len(grid), len(points)))


def line_lengths(grid: Grid, lines: Shapes) -> sparse.csr_array:
    """Measure how much of each line lies in each cell, metres; sparse, shape (n_cells, n_lines).

    A stretch that runs along the border of two cells is given half to each, so that the lengths of all cells add up
    to the length inside the grid.
    """
    cells = grid.cells.geometry.to_numpy()
    cell, line = _meeting(cells, lines)
    length = shapely.length(shapely.intersection(cells[cell], lines[line]))
    border = shapely.length(shapely.intersection(shapely.boundary(cells[cell]), lines[line]))
    shared = np.flatnonzero(border > 1e-9 * np.maximum(length, 1.0))
    if shared.size:
        outline = shapely.boundary(united(cells))
        outer = shapely.length(
            shapely.intersection(
                shapely.intersection(shapely.boundary(cells[cell[shared]]), lines[line[shared]]), outline
            )
        )
        length[shared] -= 0.5 * np.maximum(border[shared] - outer, 0.0)
    return _matrix(length, cell, line, (len(cells), len(lines)))


def overlaps(grid: Grid, polygons: Shapes) -> sparse.csr_array:
    """Measure the area that each cell shares with each polygon, square metres; sparse, shape (n_cells, n_polygons)."""
    cells = grid.cells.geometry.to_numpy()
    cell, polygon = _meeting(cells, polygons)
    return _matrix(_shared_area(cells[cell], polygons[polygon]), cell, polygon, (len(cells), len(polygons)))


def covered_share(grid: Grid, polygons: Shapes) -> NDArray[np.float64]:
    """Tell which share of each cell is covered by polygons; where they overlap the ground counts once.

    Returns
    -------
    ndarray of float, shape (n_cells,)
        From 0 to 1.
    """
    covered = np.zeros(len(grid))
    if len(polygons):
        parts = shapely.get_parts(united(polygons))
        covered = np.asarray(overlaps(grid, parts).sum(axis=1), dtype=np.float64)
    share: NDArray[np.float64] = np.clip(covered / _cell_areas(grid), 0.0, 1.0)
    return share


def area_mean(
    shared: sparse.csr_array, values: NDArray[np.float64], *, active: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Average a value of areas over each cell, weighted by the ground they share: for rates, shares and densities.

    Parameters
    ----------
    shared : sparse array, shape (n_cells, n_areas)
        As `overlaps` gives it.
    values : ndarray of float, shape (n_areas,)
        An area with nan is left out.
    active : ndarray of bool, shape (n_areas,), optional
        Areas that count.

    Returns
    -------
    ndarray of float, shape (n_cells,)
        nan where no area with a value meets the cell.
    """
    known = np.isfinite(values) if active is None else np.isfinite(values) & active
    ground = shared @ known.astype(np.float64)
    mass = shared @ np.where(known, values, 0.0)
    return np.divide(mass, ground, out=np.full(len(mass), np.nan), where=ground > 0)


def area_totals(
    shared: sparse.csr_array,
    polygons: Shapes,
    values: NDArray[np.float64],
    *,
    active: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Divide a total of areas among the cells by the ground they share: for numbers of residents, homes or jobs.

    It is taken that what is counted lies evenly over each area. The part of an area outside the grid goes to no cell,
    so that the sum over all cells is the total of the areas where the grid covers them.

    Parameters
    ----------
    shared, values, active
        As for `area_mean`.
    polygons : ndarray of shapely Geometry, shape (n_areas,)

    Returns
    -------
    ndarray of float, shape (n_cells,)
        nan where no area with a value meets the cell.
    """
    known = np.isfinite(values) if active is None else np.isfinite(values) & active
    per_m2 = np.where(known, values, 0.0) / shapely.area(polygons)
    met = shared @ known.astype(np.float64) > 0
    return np.where(met, shared @ per_m2, np.nan)


def _nearest(origins: Shapes, shapes: Shapes) -> NDArray[np.float64]:
    pairs, distance = shapely.STRtree(shapes).query_nearest(origins, return_distance=True, all_matches=False)
    found = np.full(len(origins), np.nan)
    found[pairs[0]] = distance
    return found


def _meeting(cells: Shapes, shapes: Shapes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of cell and shape whose boxes meet and that really meet."""
    if not len(shapes):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    shapely.prepare(shapes)
    shape, cell = shapely.STRtree(cells).query(shapes, predicate="intersects")
    return cell, shape


def _shared_area(cells: Shapes, polygons: Shapes) -> NDArray[np.float64]:
    """Area of the intersection of each pair; a cell that lies wholly inside needs no intersection."""
    whole = shapely.contains_properly(polygons, cells)
    area = shapely.area(cells)
    area[~whole] = shapely.area(shapely.intersection(cells[~whole], polygons[~whole]))
    return area


def _cell_areas(grid: Grid) -> NDArray[np.float64]:
    areas: NDArray[np.float64] = shapely.area(grid.cells.geometry.to_numpy())
    return areas


def _matrix(
    values: NDArray[np.float64], rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]
) -> sparse.csr_array:
    keep = values > 0
    return sparse.csr_array((values[keep], (rows[keep], columns[keep])), shape=shape)
