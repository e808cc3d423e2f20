"""Cells that tile a study area: squares, hexagons or the user's own polygons."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import geopandas as gpd
import numpy as np
import shapely
import shapely.affinity
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.lattice import lattice_centres, lattice_of, lattice_over, lattice_shapes, rotate
from crimepatterns.errors import GridError

__all__ = ["MAX_CELLS", "Grid"]

MAX_CELLS = 250_000
"""More cells than this are refused: it is nearly always a stray point or a wrong unit, not a wish."""

_SQUARE_STEPS = ((1, 0), (0, 1), (1, 1), (1, -1))
_HEXAGON_STEPS = ((1, 0), (0, 1), (1, -1))


@dataclass(frozen=True, eq=False)
class Grid:
    """Cells over a study area; a cell belongs if it shares area with the polygon.

    Use `Grid.square`, `Grid.hexagon` or `Grid.from_polygons` rather than the constructor.

    Parameters
    ----------
    area : StudyArea
    kind : {"square", "hexagon", "polygon"}
    cells : GeoDataFrame, shape (n_cells, 4)
        ``cell_id`` (str, unique, stable for a given origin), ``area_km2`` (clipped to the area), ``neighbourhood``
        and ``geometry`` (clipped, metres).
    cell_size_m : float
        Side of a square, or distance between opposite sides of a hexagon; nan for polygons.
    origin : tuple of float
        A lattice corner (square) or cell centre (hexagon), metres.
    rotation_deg : float
        Counter-clockwise rotation of the lattice about `origin`.
    lattice : ndarray of int, shape (n_cells, 2)
        Column and row (square) or axial coordinates (hexagon); shape (0, 2) for polygons.

    Raises
    ------
    GridError
        If there are no cells or ids repeat.
    """

    area: StudyArea
    kind: Literal["square", "hexagon", "polygon"]
    cells: gpd.GeoDataFrame = field(repr=False)
    cell_size_m: float = float("nan")
    origin: tuple[float, float] = (0.0, 0.0)
    rotation_deg: float = 0.0
    lattice: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64), repr=False)

    def __post_init__(self) -> None:
        if self.cells.empty:
            raise GridError("Grid has no cells: the study area is smaller than it should be, or the polygons miss it.")
        if self.cells["cell_id"].duplicated().any():
            raise GridError("Grid cell ids must be unique.")

    # -- making one ---------------------------------------------------------------------------------------------

    @classmethod
    def square(
        cls,
        area: StudyArea,
        *,
        cell_size_m: float,
        origin: tuple[float, float] = (0.0, 0.0),
        rotation_deg: float = 0.0,
        max_cells: int = MAX_CELLS,
    ) -> "Grid":
        """Tile the area with squares of `cell_size_m` metres; see the class for the other parameters."""
        return cls._from_lattice(area, "square", cell_size_m, origin, rotation_deg, max_cells)

    @classmethod
    def hexagon(
        cls,
        area: StudyArea,
        *,
        cell_size_m: float,
        origin: tuple[float, float] = (0.0, 0.0),
        rotation_deg: float = 0.0,
        max_cells: int = MAX_CELLS,
    ) -> "Grid":
        """Tile the area with pointy-top hexagons, `cell_size_m` metres between opposite sides."""
        return cls._from_lattice(area, "hexagon", cell_size_m, origin, rotation_deg, max_cells)

    @classmethod
    def from_polygons(cls, area: StudyArea, polygons: gpd.GeoDataFrame, *, id_column: str | None = None) -> "Grid":
        """Use given polygons (beats, census areas) as cells; they must not overlap and are clipped to the area.

        Raises
        ------
        GridError
            If polygons overlap by more than 0.1 % of the smaller one, or the id column is missing or repeats.
        """
        if id_column is not None and id_column not in polygons.columns:
            raise GridError(f"Grid id column {id_column!r} not found, the file has {list(polygons.columns)}.")
        projected = polygons.to_crs(area.crs)
        shapes = shapely.make_valid(projected.geometry.to_numpy())
        _refuse_overlaps(shapes)
        names = projected.index.astype(str) if id_column is None else projected[id_column].astype(str)
        clipped = shapely.intersection(shapes, area.polygon)
        keep = shapely.area(clipped) > 0
        cells = _cell_table(area, np.asarray(names, dtype=object)[keep], clipped[keep])
        return cls(area=area, kind="polygon", cells=cells)

    @classmethod
    def _from_lattice(
        cls,
        area: StudyArea,
        kind: Literal["square", "hexagon"],
        cell_size_m: float,
        origin: tuple[float, float],
        rotation_deg: float,
        max_cells: int,
    ) -> "Grid":
        if not (np.isfinite(cell_size_m) and cell_size_m > 0):
            raise GridError(
                f"Grid cell size must be > 0 metres, got {cell_size_m}: set grid.cell_size_m in the config."
            )
        # The lattice is laid in its own frame, where it is neither shifted nor turned.
        upright = shapely.affinity.rotate(area.polygon, -rotation_deg, origin=origin)
        west, south, east, north = shapely.bounds(upright)
        box_cells = (east - west) / cell_size_m * (north - south) / cell_size_m
        if box_cells > 20 * max_cells:
            raise GridError(_too_many(int(box_cells), max_cells, (east - west) / 1e3, (north - south) / 1e3))
        lattice = lattice_over(
            (west - origin[0], south - origin[1], east - origin[0], north - origin[1]), kind, cell_size_m
        )
        shapes = lattice_shapes(lattice, kind, cell_size_m, origin)
        shapely.prepare(upright)
        meets = shapely.intersects(upright, shapes)
        lattice, shapes = lattice[meets], shapes[meets]
        whole = shapely.contains_properly(upright, shapes)
        shapes[~whole] = shapely.intersection(shapes[~whole], upright)
        keep = shapely.area(shapes) > 0
        lattice, shapes = lattice[keep], shapes[keep]
        if len(shapes) > max_cells:
            raise GridError(_too_many(len(shapes), max_cells, (east - west) / 1e3, (north - south) / 1e3))
        if rotation_deg:
            shapes = np.array(
                [shapely.affinity.rotate(shape, rotation_deg, origin=origin) for shape in shapes], dtype=object
            )
        ids = np.array([f"{kind[0]}{a}_{b}" for a, b in lattice], dtype=object)
        return cls(
            area=area,
            kind=kind,
            cells=_cell_table(area, ids, shapes),
            cell_size_m=float(cell_size_m),
            origin=origin,
            rotation_deg=float(rotation_deg),
            lattice=lattice,
        )

    # -- using one ----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def ids(self) -> NDArray[np.object_]:
        """Cell ids, shape (n_cells,)."""
        return self.cells["cell_id"].to_numpy(dtype=object)

    @property
    def area_km2(self) -> NDArray[np.float64]:
        """Clipped cell areas, shape (n_cells,), square kilometres."""
        return self.cells["area_km2"].to_numpy(dtype=float)

    @property
    def neighbourhood(self) -> NDArray[np.object_]:
        """Neighbourhood name of each cell, shape (n_cells,)."""
        return self.cells["neighbourhood"].to_numpy(dtype=object)

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """Centres of the unclipped cells (polygons: centroids), shape (n_cells, 2), metres."""
        if self.kind == "polygon":
            return np.asarray(shapely.get_coordinates(shapely.centroid(self.cells.geometry.to_numpy())))
        local = lattice_centres(self.lattice, self.kind, self.cell_size_m)
        return rotate(local, self.rotation_deg) + np.asarray(self.origin)

    def assign(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Find the cell of each point.

        Parameters
        ----------
        x, y : array_like of float, shape (n,)
            Metres in the area's reference system.

        Returns
        -------
        index : ndarray of int64, shape (n,)
            Position in `cells`; meaningless where `inside` is false.
        inside : ndarray of bool, shape (n,)
        """
        points = np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)])
        if self.kind == "polygon":
            return self._assign_polygons(points)
        local = rotate(points - np.asarray(self.origin), -self.rotation_deg)
        coordinates = lattice_of(local, self.kind, self.cell_size_m)
        low, lookup = self._lookup
        shifted = coordinates - low
        inside = ((shifted >= 0) & (shifted < lookup.shape)).all(axis=1)
        index = np.zeros(len(points), dtype=np.int64)
        index[inside] = lookup[shifted[inside, 0], shifted[inside, 1]]
        inside &= index > 0
        return np.maximum(index - 1, 0), inside

    @cached_property
    def adjacency(self) -> sparse.csr_array:
        """Contiguity of cells without the cell itself: sparse float matrix, shape (n_cells, n_cells).

        Squares touch eight neighbours (queen), hexagons six, polygons those that share a boundary point.
        """
        if self.kind == "polygon":
            shapes = self.cells.geometry.to_numpy()
            first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
            keep = first != second
            rows, columns = first[keep], second[keep]
        else:
            rows, columns = self._lattice_pairs()
        ones = np.ones(len(rows))
        return sparse.csr_array((ones, (rows, columns)), shape=(len(self), len(self)))

    def to_geodataframe(self) -> gpd.GeoDataFrame:
        """Return a copy of the cell table."""
        return self.cells.copy()

    @cached_property
    def _lookup(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        low = self.lattice.min(axis=0)
        shape = self.lattice.max(axis=0) - low + 1
        lookup = np.zeros(tuple(shape), dtype=np.int64)
        lookup[tuple((self.lattice - low).T)] = np.arange(1, len(self) + 1)
        return low, lookup

    def _lattice_pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        low, lookup = self._lookup
        rows, columns = [], []
        for step in _SQUARE_STEPS if self.kind == "square" else _HEXAGON_STEPS:
            there = self.lattice - low + np.asarray(step)
            valid = ((there >= 0) & (there < lookup.shape)).all(axis=1)
            here = np.flatnonzero(valid)
            other = lookup[there[valid, 0], there[valid, 1]] - 1
            here, other = here[other >= 0], other[other >= 0]
            rows += [here, other]
            columns += [other, here]
        return np.concatenate(rows), np.concatenate(columns)

    def _assign_polygons(self, points: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        tree = shapely.STRtree(self.cells.geometry.to_numpy())
        point_index, cell_index = tree.query(shapely.points(points), predicate="intersects")
        index = np.zeros(len(points), dtype=np.int64)
        inside = np.zeros(len(points), dtype=bool)
        # Reversed so that the first cell wins on a shared edge.
        index[point_index[::-1]] = cell_index[::-1]
        inside[point_index] = True
        return index, inside


def _cell_table(area: StudyArea, ids: NDArray[np.object_], shapes: NDArray[np.object_]) -> gpd.GeoDataFrame:
    inner = shapely.get_coordinates(shapely.point_on_surface(shapes))
    return gpd.GeoDataFrame(
        {
            "cell_id": ids,
            "area_km2": shapely.area(shapes) / 1e6,
            "neighbourhood": area.neighbourhood_of(inner[:, 0], inner[:, 1]),
        },
        geometry=list(shapes),
        crs=area.crs,
    )


def _refuse_overlaps(shapes: NDArray[np.object_]) -> None:
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    first, second = first[first < second], second[first < second]
    shared = shapely.area(shapely.intersection(shapes[first], shapes[second]))
    smaller = np.minimum(shapely.area(shapes[first]), shapely.area(shapes[second]))
    bad = np.flatnonzero(shared > 1e-3 * smaller)
    if bad.size:
        raise GridError(
            f"Grid polygons must not overlap: rows {first[bad[0]]} and {second[bad[0]]} share {shared[bad[0]]:.0f} m2."
        )


def _too_many(count: int, limit: int, width_km: float, height_km: float) -> str:
    return (
        f"Grid would have {count:,} cells over {width_km:,.0f} x {height_km:,.0f} km, more than {limit:,}: "
        "a stray point may have stretched the area, or grid.cell_size_m is too small."
    )
