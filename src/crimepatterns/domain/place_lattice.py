"""A lattice of equal rectangles, turned and shifted at will, that finds the cell of a place without drawing any."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from crimepatterns.domain.lattice import rotate
from crimepatterns.errors import GridError

__all__ = ["PlaceLattice"]


@dataclass(frozen=True)
class PlaceLattice:
    """Where the borders of equal cells run; lengths are in the unit of the coordinates.

    `Grid` draws and clips its cells, which takes a second for a city of small ones. Trying hundreds of positions needs
    no drawing: places are told apart by the column and row that they fall into.

    Parameters
    ----------
    width, height : float
        Sides of a cell.
    rotation_deg : float
        Counter-clockwise turn about `anchor`.
    shift : tuple of float
        By how much of a cell the lattice is moved along its width and its height.
    anchor : tuple of float
        A corner of the lattice where `shift` is zero.

    Raises
    ------
    GridError
        If a side is not positive.
    """

    width: float
    height: float
    rotation_deg: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    anchor: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not (self.width > 0 and self.height > 0):
            raise GridError(f"Sides of a cell must be > 0, got {self.width} and {self.height}.")

    @property
    def area(self) -> float:
        """Area of a cell."""
        return self.width * self.height

    @property
    def origin(self) -> tuple[float, float]:
        """A corner of a cell: what ``grid.origin`` would be."""
        moved = rotate(-self._sides * np.asarray(self.shift)[None, :], self.rotation_deg)[0] + np.asarray(self.anchor)
        return float(moved[0]), float(moved[1])

    @property
    def _sides(self) -> NDArray[np.float64]:
        return np.array([[self.width, self.height]])

    def locate(self, places: NDArray[np.float64]) -> NDArray[np.int64]:
        """Find column and row of each place.

        Parameters
        ----------
        places : ndarray of float, shape (n, 2)

        Returns
        -------
        ndarray of int64, shape (n, 2)
        """
        upright = rotate(places - np.asarray(self.anchor), -self.rotation_deg)
        return np.floor(upright / self._sides + np.asarray(self.shift)).astype(np.int64)

    def shapes(self, cells: NDArray[np.int64]) -> NDArray[np.object_]:
        """Draw whole cells, shape (n,), from their columns and rows, shape (n, 2)."""
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], dtype=float)
        upright = (cells[:, None, :] + corners[None] - np.asarray(self.shift)) * self._sides
        turned = rotate(upright.reshape(-1, 2), self.rotation_deg) + np.asarray(self.anchor)
        drawn: NDArray[np.object_] = shapely.polygons(turned.reshape(-1, 5, 2))
        return drawn

    def over(self, area: shapely.Geometry) -> NDArray[np.int64]:
        """List column and row of every cell that shares ground with an area, shape (n, 2), by column, then row."""
        reach = self.locate(shapely.get_coordinates(area))
        low, high = reach.min(axis=0) - 1, reach.max(axis=0) + 2
        grid = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]), indexing="ij")
        cells = np.array(grid, dtype=np.int64).reshape(2, -1).T
        shapes = self.shapes(cells)
        shapely.prepare(area)
        meets = shapely.intersects(area, shapes)
        cells, shapes = cells[meets], shapes[meets]
        edge = np.flatnonzero(~shapely.contains_properly(area, shapes))
        # What only touches from outside has no common ground.
        keep = np.ones(len(cells), dtype=bool)
        keep[edge] = shapely.area(shapely.intersection(shapes[edge], area)) > 0
        return cells[keep]
