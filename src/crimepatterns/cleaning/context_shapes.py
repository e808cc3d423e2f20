"""Where context is: geometry from a file, from coordinates, from text, or by the key of a place."""

import re
from collections import Counter
from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyproj
import shapely
from numpy.typing import NDArray

from crimepatterns.cleaning.taxonomy import blank
from crimepatterns.cleaning.values import MISSING, UNREADABLE, as_text, read_numbers
from crimepatterns.errors import ConfigError

__all__ = ["PlaceIndex", "Refusals", "key_of", "keys_of", "shapes_by_key", "shapes_of", "shapes_of_points"]

_TYPES = {
    "point": ("Point",),
    "line": ("LineString", "MultiLineString"),
    "polygon": ("Polygon", "MultiPolygon"),
}
Shapes = NDArray[np.object_]


class Refusals:
    """Collects why rows are not used; the first reason of a row stays.

    Parameters
    ----------
    rows : int
    """

    def __init__(self, rows: int) -> None:
        self.reasons = np.full(rows, "", dtype=object)
        self.repairs: Counter[str] = Counter()

    @property
    def good(self) -> NDArray[np.bool_]:
        """Rows without a reason, shape (n,)."""
        kept: NDArray[np.bool_] = self.reasons == ""
        return kept

    def refuse(self, rows: NDArray[np.bool_], reason: str) -> None:
        """Give a reason to those of the rows that have none."""
        self.reasons[rows & self.good] = reason


@dataclass(frozen=True, eq=False)
class PlaceIndex:
    """Places or areas by the key that a table refers to.

    Parameters
    ----------
    keys : ndarray of str, shape (n_places,)
        As `key_of` writes them.
    shapes : ndarray of shapely Geometry, shape (n_places,)
        In the area's reference system.
    """

    keys: Shapes = field(repr=False)
    shapes: Shapes = field(repr=False)

    @property
    def kind(self) -> str:
        """``point`` or ``polygon``, by the first place."""
        return "point" if shapely.get_type_id(self.shapes[:1]).tolist() == [0] else "polygon"


def shapes_of(
    shapes: Shapes, found_crs: str | None, kind: str, *, declared_crs: str, area_crs: str, refusals: Refusals
) -> Shapes:
    """Project the geometry of a file, repair it, and refuse what is of another kind.

    Parameters
    ----------
    shapes : ndarray of shapely Geometry or None, shape (n,)
    found_crs : str or None
        What the file names; `declared_crs` where it names none.
    kind : {"point", "line", "polygon"}
    declared_crs, area_crs : str
    refusals : Refusals

    Returns
    -------
    ndarray of shapely Geometry or None, shape (n,)
    """
    empty = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    refusals.refuse(empty, "geometry is missing")
    source = _crs(found_crs or declared_crs)
    flat = shapely.force_2d(shapes)
    flat[empty] = None
    refusals.refuse(_at_zero(flat), "lies at 0, 0 (null island)")
    with np.errstate(invalid="ignore"):
        projected = gpd.GeoSeries(flat, crs=source).to_crs(area_crs).to_numpy()
    bounds = shapely.bounds(projected)
    refusals.refuse(~empty & ~np.isfinite(bounds).all(axis=1), "place cannot be projected: check crs")
    if kind == "point":
        projected = _single_points(projected, refusals)
    if kind == "polygon":
        projected = _repaired(projected, refusals)
    wrong = np.array([one is not None and one.geom_type not in _TYPES[kind] for one in projected], dtype=bool)
    refusals.refuse(wrong, f"geometry is no {kind}")
    size = shapely.area(projected) if kind == "polygon" else shapely.length(projected)
    if kind != "point":
        refusals.refuse(~(size > 0), f"{kind} has no extent")
    return projected


def shapes_of_points(x: pa.Array, y: pa.Array, refusals: Refusals) -> Shapes:
    """Make points from two columns of numbers, shape (n,); None where a row has no usable pair."""
    (east, state_x), (north, state_y) = read_numbers(x), read_numbers(y)
    refusals.refuse((state_x == MISSING) | (state_y == MISSING), "coordinates are missing")
    readable = np.isfinite(east) & np.isfinite(north)
    refusals.refuse((state_x == UNREADABLE) | (state_y == UNREADABLE) | ~readable, "coordinates cannot be read")
    shapes = np.full(len(east), None, dtype=object)
    shapes[readable] = shapely.points(east[readable], north[readable])
    return shapes


def shapes_by_key(keys: NDArray[np.object_], places: PlaceIndex, refusals: Refusals) -> Shapes:
    """Look places up by key, shape (n,); a key without a place is a reason."""
    refusals.refuse(keys == "", "key is missing")
    where = dict(zip(places.keys.tolist(), range(len(places.keys)), strict=True))
    position = np.array([where.get(key, -1) for key in keys], dtype=np.int64)
    refusals.refuse(position < 0, "key matches no place")
    shapes = np.full(len(keys), None, dtype=object)
    shapes[position >= 0] = places.shapes[position[position >= 0]]
    return shapes


def keys_of(column: pa.Array) -> NDArray[np.object_]:
    """Write a column of keys so that equal ones are equal; see `key_of`."""
    words = as_text(column).dictionary_encode()
    plain = np.array([*(key_of(word) for word in words.dictionary.to_pylist()), ""], dtype=object)
    codes = words.indices.fill_null(len(plain) - 1).to_numpy(zero_copy_only=False)
    keys: NDArray[np.object_] = plain[codes]
    return keys


def key_of(text: str) -> str:
    """Write a key plainly: ``035.0``, ``35`` and `` 35 `` are one, and so are ``Old  Town`` and ``OLD TOWN``.

    Examples
    --------
    >>> key_of(" 035.0 "), key_of("Old  Town"), key_of("n/a")
    ('35', 'old town', '')
    """
    if blank(text):
        return ""
    plain = " ".join(text.casefold().split())
    number = re.fullmatch(r"0*(\d+)(?:\.0+)?", plain)
    return number.group(1) if number else plain


def _single_points(shapes: Shapes, refusals: Refusals) -> Shapes:
    """Take the one point of a multipoint; several in one row are no one place."""
    multi = np.flatnonzero(shapely.get_type_id(shapes) == 4)
    one = multi[shapely.get_num_geometries(shapes[multi]) == 1]
    shapes[one] = shapely.get_geometry(shapes[one], 0)
    several = np.zeros(len(shapes), dtype=bool)
    several[np.setdiff1d(multi, one)] = True
    refusals.refuse(several, "row holds several points")
    return shapes


def _repaired(shapes: Shapes, refusals: Refusals) -> Shapes:
    broken = np.flatnonzero(~shapely.is_valid(shapes) & ~shapely.is_missing(shapes) & refusals.good)
    if broken.size:
        made = shapely.make_valid(shapes[broken])
        # Repairing may leave lines and points beside the areas.
        shapes[broken] = [
            shapely.union_all([part for part in shapely.get_parts(one) if part.geom_type.endswith("Polygon")])
            for one in made
        ]
        refusals.repairs["polygon was invalid and was repaired"] += len(broken)
    return shapes


def _at_zero(shapes: Shapes) -> NDArray[np.bool_]:
    bounds = shapely.bounds(shapes)
    at_zero: NDArray[np.bool_] = (bounds == 0).all(axis=1)
    return at_zero


def _crs(text: str) -> pyproj.CRS:
    try:
        return pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        raise ConfigError(
            f"crs of a context layer must be a reference system such as EPSG:4326, got {text!r}."
        ) from error
