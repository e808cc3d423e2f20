"""The study area: where the analysis is about, fixed before any result is seen."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from numpy.typing import ArrayLike, NDArray

from crimepatterns.errors import StudyAreaError

__all__ = ["StudyArea", "choose_metric_crs", "empty_neighbourhoods", "is_metric"]


@dataclass(frozen=True, eq=False)
class StudyArea:
    """The polygon an analysis covers, with its civil time and its named neighbourhoods.

    Parameters
    ----------
    name : str
        What people call the place.
    polygon : shapely Polygon or MultiPolygon
        The boundary, in `crs`, metres.
    crs : str
        A projected reference system in metres, such as ``EPSG:32616``.
    timezone : str
        IANA name; periods begin and end at civil times in this zone.
    neighbourhoods : GeoDataFrame
        Columns ``name`` (unique str) and ``geometry`` in `crs`; may have no rows.

    Raises
    ------
    StudyAreaError
        If the polygon is empty or invalid, the system is not metric, the zone is unknown or names repeat.
    """

    name: str
    polygon: shapely.Geometry
    crs: str
    timezone: str
    neighbourhoods: gpd.GeoDataFrame = field(repr=False)

    def __post_init__(self) -> None:
        if self.polygon.geom_type not in {"Polygon", "MultiPolygon"} or self.polygon.is_empty:
            raise StudyAreaError(
                f"Study area must be a non-empty polygon, got {self.polygon.geom_type}: check the boundary file."
            )
        if not self.polygon.is_valid:
            raise StudyAreaError(
                f"Study area polygon is invalid ({shapely.is_valid_reason(self.polygon)}): repair the boundary file."
            )
        if not is_metric(self.crs):
            raise StudyAreaError(
                f"Study area needs a projected system in metres, got {self.crs}: set crs in the city file or drop it."
            )
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise StudyAreaError(
                f"Time zone must be an IANA name such as America/Chicago, got {self.timezone!r}."
            ) from error
        if "name" not in self.neighbourhoods.columns:
            raise StudyAreaError(f"Neighbourhoods need a column 'name', found {list(self.neighbourhoods.columns)}.")
        if self.neighbourhoods["name"].duplicated().any():
            repeated = self.neighbourhoods.loc[self.neighbourhoods["name"].duplicated(), "name"].iloc[0]
            raise StudyAreaError(f"Neighbourhood names must be unique, {repeated!r} repeats: dissolve by name first.")

    @property
    def area_km2(self) -> float:
        """Area of the polygon, square kilometres."""
        return float(self.polygon.area) / 1e6

    @cached_property
    def _prepared(self) -> shapely.Geometry:
        shapely.prepare(self.polygon)
        return self.polygon

    def contains(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.bool_]:
        """Tell which points lie inside or on the boundary.

        Parameters
        ----------
        x, y : array_like of float, shape (n,)
            Metres in `crs`.

        Returns
        -------
        ndarray of bool, shape (n,)
        """
        points_x, points_y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        inside: NDArray[np.bool_] = shapely.intersects_xy(self._prepared, points_x, points_y)
        return inside

    def neighbourhood_of(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.object_]:
        """Name the neighbourhood each point lies in; the nearest one for points in none of them.

        Parameters
        ----------
        x, y : array_like of float, shape (n,)
            Metres in `crs`.

        Returns
        -------
        ndarray of str, shape (n,)
            Empty strings where the area has no neighbourhoods.
        """
        # Incidents share addresses: each place is looked up once.
        places, which = np.unique(np.asarray(x, dtype=float) + 1j * np.asarray(y, dtype=float), return_inverse=True)
        points = shapely.points(places.real, places.imag)
        names = np.full(len(points), "", dtype=object)
        if self.neighbourhoods.empty or len(points) == 0:
            return names[which]
        shapes = self.neighbourhoods.geometry.to_numpy()
        # A tree of the points: each polygon is then prepared once, instead of being walked along for every point.
        polygon_index, point_index = shapely.STRtree(points).query(shapes, predicate="intersects")
        labels = self.neighbourhoods["name"].to_numpy(dtype=object)
        # Reversed so that the first neighbourhood wins where a point touches two.
        names[point_index[::-1]] = labels[polygon_index[::-1]]
        missing = np.flatnonzero(names == "")
        if missing.size:
            names[missing] = labels[shapely.STRtree(shapes).nearest(points[missing])]
        return names[which]

    def to_wgs84(self) -> gpd.GeoDataFrame:
        """Return the boundary as one row in longitude and latitude."""
        boundary = gpd.GeoDataFrame({"name": [self.name]}, geometry=[self.polygon], crs=self.crs)
        return boundary.to_crs("EPSG:4326")


def empty_neighbourhoods(crs: str) -> gpd.GeoDataFrame:
    """Return a neighbourhood table without rows, for areas that have none."""
    return gpd.GeoDataFrame({"name": pd.Series([], dtype=str)}, geometry=gpd.GeoSeries([], crs=crs), crs=crs)


def is_metric(crs: str) -> bool:
    """Tell whether a reference system is projected with metres on both axes."""
    try:
        parsed = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError:
        return False
    units: set[Any] = {axis.unit_name for axis in parsed.axis_info[:2]}
    return bool(parsed.is_projected) and units <= {"metre", "meter"}


def choose_metric_crs(longitude: ArrayLike, latitude: ArrayLike) -> str:
    """Choose the UTM zone at the median of the given points.

    Parameters
    ----------
    longitude, latitude : array_like of float, shape (n,)
        Degrees (WGS84).

    Returns
    -------
    str
        Such as ``EPSG:32616``.

    Raises
    ------
    StudyAreaError
        If no finite point lies between 80 degrees south and 84 degrees north.
    """
    lon, lat = np.asarray(longitude, dtype=float), np.asarray(latitude, dtype=float)
    usable = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lon) <= 180) & (lat > -80) & (lat < 84)
    if not usable.any():
        raise StudyAreaError(
            "Cannot choose a metric reference system: no usable longitude and latitude. Set crs in the city file."
        )
    zone = int((float(np.median(lon[usable])) + 180) // 6) % 60 + 1
    return f"EPSG:{(32600 if float(np.median(lat[usable])) >= 0 else 32700) + zone}"
