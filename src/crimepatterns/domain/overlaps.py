"""Which polygons of a map lie on the same ground, found quickly where nearly all of them only touch."""

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["overlapping_pairs"]

_SHRUNK = 1e-4


def overlapping_pairs(
    shapes: NDArray[np.object_], *, share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Find pairs that share more than so much of the smaller one.

    Cells that touch have eight neighbours each, and telling touching from overlapping takes long. Drawn together by a
    ten-thousandth about their centres they no longer meet, unless they do overlap.

    Parameters
    ----------
    shapes : ndarray of Polygon, shape (n,)
    share : float

    Returns
    -------
    first, second : ndarray of int64, shape (n_pairs,)
        Positions, the smaller one first.
    shared : ndarray of float, shape (n_pairs,)
        Common area.
    """
    corners, owner = shapely.get_coordinates(shapes, return_index=True)
    centres = shapely.get_coordinates(shapely.centroid(shapes))[owner]
    smaller = shapely.set_coordinates(shapes.copy(), centres + (corners - centres) * (1 - _SHRUNK))
    first, second = shapely.STRtree(smaller).query(smaller, predicate="intersects")
    first, second = first[first < second], second[first < second]
    shared = shapely.area(shapely.intersection(shapes[first], shapes[second]))
    keep = shared > share * np.minimum(shapely.area(shapes[first]), shapely.area(shapes[second]))
    return first[keep], second[keep], shared[keep]
