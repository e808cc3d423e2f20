"""Bands of equal value from a surface on squares: smooth outlines instead of thousands of cells."""

from collections.abc import Sequence
from itertools import pairwise

import contourpy
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from crimepatterns.domain.lattice import rotate
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import GridError

__all__ = ["isobands"]

_FRAME = 2  # cells around the surface, so that no outline ends at its edge


def isobands(surface: Surface, breaks: Sequence[float]) -> NDArray[np.object_]:
    """Outline where a surface lies between one break and the next; the last band is open above.

    Parameters
    ----------
    surface : Surface
        On a square grid.
    breaks : sequence of float
        Ascending, in the surface's unit.

    Returns
    -------
    ndarray of MultiPolygon, shape (n_breaks,)
        In the reference system of the study area, clipped to it; empty where a band has no ground.

    Raises
    ------
    GridError
        If the grid is not square.
    """
    grid = surface.grid
    if grid.kind != "square":
        raise GridError(f"Bands need a square grid, got {grid.kind}: draw the cells instead.")
    low = grid.lattice.min(axis=0) - _FRAME
    raster = np.full(tuple(grid.lattice.max(axis=0) - low + 1 + _FRAME), np.nan)
    raster[tuple((grid.lattice - low).T)] = surface.values
    # Beyond the boundary the nearest value goes on, so that bands run up to the boundary and are cut there.
    nearest = ndimage.distance_transform_edt(np.isnan(raster), return_distances=False, return_indices=True)
    filled = raster[tuple(nearest)]
    lines = contourpy.contour_generator(z=filled.T, fill_type=contourpy.FillType.OuterOffset)
    size = grid.cell_size_m
    shapely.prepare(grid.area.polygon)
    bands = []
    for lower, upper in zip(breaks, [*breaks[1:], np.inf], strict=True):
        drawn = lines.filled(lower, upper)
        rings = [_polygon(np.asarray(one), np.asarray(cuts)) for one, cuts in zip(drawn[0], drawn[1], strict=True)]
        index = (
            shapely.union_all(shapely.make_valid(np.array(rings, dtype=object))) if rings else shapely.MultiPolygon()
        )
        placed = shapely.transform(
            index, lambda xy: rotate((xy + low + 0.5) * size, grid.rotation_deg) + np.asarray(grid.origin)
        )
        clipped = shapely.intersection(shapely.simplify(placed, size / 12), grid.area.polygon)
        bands.append(_only_polygons(clipped))
    return np.array(bands, dtype=object)


def _polygon(points: NDArray[np.float64], offsets: NDArray[np.int64]) -> shapely.Polygon:
    rings = [points[start:end] for start, end in pairwise(offsets.tolist())]
    return shapely.Polygon(rings[0], rings[1:])


def _only_polygons(shape: shapely.Geometry) -> shapely.MultiPolygon:
    parts = [part for part in shapely.get_parts(shape, return_index=False) if part.geom_type == "Polygon"]
    return shapely.MultiPolygon(parts)
