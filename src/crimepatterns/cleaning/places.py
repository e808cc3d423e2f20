"""Where it happened: coordinates in any reference system, checked against the study area."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyproj
import shapely
from numpy.typing import NDArray

from crimepatterns.cleaning.schema import ColumnMap, Reason
from crimepatterns.cleaning.values import MISSING, UNREADABLE, read_numbers
from crimepatterns.errors import ConfigError

__all__ = ["AreaMask", "Places", "Projector", "locate"]

_DEPTH = 9


@dataclass(frozen=True, eq=False)
class Places:
    """Coordinates of one batch, shape (n,) each.

    ``raw_x`` and ``raw_y`` as in the file, ``x`` and ``y`` in metres of the area's system; ``reason`` holds `Reason`
    values, 0 where the place is good.
    """

    raw_x: NDArray[np.float64]
    raw_y: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    reason: NDArray[np.int8]
    repairs: Counter[str]


class Projector:
    """From the file's reference system to the area's.

    Raises
    ------
    ConfigError
        If a system is not known.
    """

    def __init__(self, source_crs: str, target_crs: str) -> None:
        try:
            source = pyproj.CRS.from_user_input(source_crs)
            self._transformer = pyproj.Transformer.from_crs(source, target_crs, always_xy=True)
        except pyproj.exceptions.ProjError as error:
            raise ConfigError(
                f"cleaning.coordinates_crs must be a reference system such as EPSG:4326, got {source_crs!r}."
            ) from error
        self.is_degrees = bool(source.is_geographic)

    def __call__(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Project points; what cannot be projected becomes not finite."""
        projected_x, projected_y = self._transformer.transform(x, y)
        return np.asarray(projected_x), np.asarray(projected_y)


class AreaMask:
    """Tells fast which of many points lie in a polygon, exactly.

    The polygon's box is cut into 512 x 512 tiles that lie wholly inside, wholly outside or on the boundary; only
    points in the last kind are tested against the polygon.

    Parameters
    ----------
    polygon : shapely Polygon or MultiPolygon
    """

    def __init__(self, polygon: shapely.Geometry) -> None:
        self._polygon = polygon
        shapely.prepare(polygon)
        west, south, east, north = shapely.bounds(polygon)
        self._low = np.array([west, south])
        self._step = np.array([max(east - west, 1e-9), max(north - south, 1e-9)]) / 2**_DEPTH
        # A rim of one tile on every side stands for everything outside the box.
        self._tiles = np.zeros((2**_DEPTH + 2, 2**_DEPTH + 2), dtype=np.int8)
        open_tiles = np.zeros((1, 2), dtype=np.int64)
        for level in range(_DEPTH + 1):
            width = 2 ** (_DEPTH - level)
            corner = self._low + open_tiles * width * self._step
            far = corner + width * self._step
            boxes = shapely.box(corner[:, 0], corner[:, 1], far[:, 0], far[:, 1])
            inside = shapely.contains_properly(polygon, boxes)
            for column, row in open_tiles[inside] * width + 1:
                self._tiles[column : column + width, row : row + width] = 1
            meets = ~inside & shapely.intersects(polygon, boxes)
            quarter = open_tiles[meets]
            if level < _DEPTH:
                open_tiles = np.concatenate([quarter * 2 + shift for shift in ((0, 0), (0, 1), (1, 0), (1, 1))])
            else:
                self._tiles[quarter[:, 0] + 1, quarter[:, 1] + 1] = 2

    def contains(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which points lie inside or on the boundary, shape (n,); points that are not finite do not."""
        last = 2**_DEPTH
        with np.errstate(invalid="ignore"):
            column = np.clip(np.floor((x - self._low[0]) / self._step[0]), -1, last)
            row = np.clip(np.floor((y - self._low[1]) / self._step[1]), -1, last)
        finite = np.isfinite(column) & np.isfinite(row)
        if not finite.all():
            column, row = np.where(finite, column, -1), np.where(finite, row, -1)
        tile = self._tiles[column.astype(np.intp) + 1, row.astype(np.intp) + 1]
        # Points exactly on the far sides of the box fall on the rim; let the polygon decide.
        edge = finite & (tile == 0) & ((column == last) | (row == last))
        inside: NDArray[np.bool_] = tile == 1
        ask = np.flatnonzero((tile == 2) | edge)
        if ask.size:
            inside[ask] = shapely.intersects_xy(self._polygon, x[ask], y[ask])
        return inside


def locate(
    batch: dict[str, pa.Array], columns: ColumnMap, projector: Projector, mask: AreaMask | None, *, swap: bool
) -> Places:
    """Apply every rule about place to one batch.

    Parameters
    ----------
    batch : dict of str to pyarrow.Array, shape (n,) each
    columns : ColumnMap
    projector : Projector
    mask : AreaMask or None
        The study area; None accepts every possible place.
    swap : bool
        Whether the two columns are exchanged throughout the file.
    """
    names = (columns.x, columns.y) if columns.x is not None else (columns.longitude, columns.latitude)
    (first, first_state), (second, second_state) = (read_numbers(batch[str(name)]) for name in names)
    raw_x, raw_y = (second, first) if swap else (first, second)
    state = np.maximum(first_state, second_state)
    finite = np.isfinite(raw_x) & np.isfinite(raw_y)
    x, y = projector(raw_x, raw_y)
    possible = finite & np.isfinite(x) & np.isfinite(y)
    if projector.is_degrees:
        with np.errstate(invalid="ignore"):
            possible &= (np.abs(raw_x) <= 180) & (np.abs(raw_y) <= 90)
    inside = possible if mask is None else possible & mask.contains(x, y)
    zero = (raw_x == 0) & (raw_y == 0)
    repairs: Counter[str] = Counter()
    if mask is not None:
        turned = np.flatnonzero(finite & ~inside & ~zero)
        if turned.size:
            other_x, other_y = projector(raw_y[turned], raw_x[turned])
            fits = mask.contains(other_x, other_y)
            rows = turned[fits]
            x, y, inside, possible = x.copy(), y.copy(), inside.copy(), possible.copy()
            x[rows], y[rows], inside[rows], possible[rows] = other_x[fits], other_y[fits], True, True
            repairs["coordinates were swapped"] = int(fits.sum())
    return Places(raw_x, raw_y, x, y, _refuse(state, finite, zero, possible, inside), repairs)


def _refuse(
    state: NDArray[np.int8],
    finite: NDArray[np.bool_],
    zero: NDArray[np.bool_],
    possible: NDArray[np.bool_],
    inside: NDArray[np.bool_],
) -> NDArray[np.int8]:
    reason = np.where(inside, Reason.KEPT, Reason.OUTSIDE_AREA).astype(np.int8)
    reason[~possible] = Reason.COORDINATES_IMPOSSIBLE
    reason[zero] = Reason.COORDINATES_ZERO
    reason[~finite] = Reason.COORDINATES_NOT_FINITE
    reason[state == UNREADABLE] = Reason.COORDINATES_UNREADABLE
    reason[state == MISSING] = Reason.COORDINATES_MISSING
    return reason
