"""The rules of the NIJ Real-Time Crime Forecasting Challenge: what a valid map is, and what a file breaks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from numpy.typing import NDArray

from crimepatterns.domain.map_units import FOOT_M, MILE_M, metres_per_unit
from crimepatterns.domain.overlaps import overlapping_pairs
from crimepatterns.domain.place_lattice import PlaceLattice

__all__ = ["NIJ", "ChallengeRules"]

_ROUNDING = 1e-6
_HORIZONS = MappingProxyType(
    {
        "1w": pd.DateOffset(days=7),
        "2w": pd.DateOffset(days=14),
        "1m": pd.DateOffset(months=1),
        "2m": pd.DateOffset(months=2),
        "3m": pd.DateOffset(months=3),
    }
)


@dataclass(frozen=True)
class ChallengeRules:
    """Limits of a map: of its cells, of the area that is forecast, and how long it holds.

    Parameters
    ----------
    name : str
    least_cell_ft2, most_cell_ft2 : float
        Area of a cell, square feet.
    least_side_ft : float
        Shorter side of a cell, feet.
    least_area_mi2, most_area_mi2 : float
        Area of all hot spots, square miles.
    horizons : mapping of str to DateOffset
    """

    name: str
    least_cell_ft2: float = 62_500.0
    most_cell_ft2: float = 360_000.0
    least_side_ft: float = 125.0
    least_area_mi2: float = 0.25
    most_area_mi2: float = 0.75
    horizons: Mapping[str, pd.DateOffset] = field(default_factory=lambda: _HORIZONS, repr=False)

    def cells_for(self, lattice: PlaceLattice, area_mi2: float, *, unit_m: float) -> int:
        """Give the number of cells whose area is nearest to the one wished for and within the limits."""
        cell_mi2 = lattice.area * (unit_m / MILE_M) ** 2
        fewest = int(np.ceil(self.least_area_mi2 / cell_mi2 - _ROUNDING))
        most = int(np.floor(self.most_area_mi2 / cell_mi2 + _ROUNDING))
        return int(np.clip(round(area_mi2 / cell_mi2), fewest, most))

    def broken_by(self, cells: gpd.GeoDataFrame, *, crs: str) -> list[str]:
        """Say in sentences which rules a map breaks; none where it is valid.

        Parameters
        ----------
        cells : GeoDataFrame
            All cells of the map, with a field ``hotspot``.
        crs : str
            Reference system that the map must have: that of the data.
        """
        if cells.crs is None or pyproj.CRS(cells.crs) != pyproj.CRS(crs):
            return [f"The reference system must be {crs}, found {cells.crs}."]
        unit_m = metres_per_unit(crs)
        if unit_m is None:
            return [f"The reference system must be projected, {crs} is in degrees."]
        named = {str(name).lower(): name for name in cells.columns}
        if "hotspot" not in named:
            return [f"There is no field hotspot, only {sorted(named)}."]
        flag = pd.to_numeric(cells[named["hotspot"]], errors="coerce").to_numpy(dtype=float)
        if not np.isin(flag, (0.0, 1.0)).all():
            return ["The field hotspot must be 0 or 1 in every cell."]
        shapes = cells.geometry.to_numpy()
        if not set(shapely.get_type_id(shapes).tolist()) <= {3, 6}:
            return ["Every cell must be a polygon."]
        return [*self._cells_broken(shapes, unit_m / FOOT_M), *self._area_broken(shapes[flag == 1], unit_m)]

    def _cells_broken(self, shapes: NDArray[np.object_], unit_ft: float) -> list[str]:
        area_ft2 = shapely.area(shapes) * unit_ft**2
        broken = []
        wrong = (area_ft2 < self.least_cell_ft2 * (1 - _ROUNDING)) | (area_ft2 > self.most_cell_ft2 * (1 + _ROUNDING))
        if wrong.any():
            broken.append(
                f"{int(wrong.sum())} cells are not of {self.least_cell_ft2:,.0f} to {self.most_cell_ft2:,.0f} sq ft "
                f"(from {area_ft2.min():,.0f} to {area_ft2.max():,.0f})."
            )
        corners = shapely.get_coordinates(shapely.oriented_envelope(shapes)).reshape(len(shapes), 5, 2)
        sides_ft = np.hypot(*np.diff(corners[:, :3], axis=1).transpose(2, 0, 1)) * unit_ft
        if (sides_ft.min(axis=1) < self.least_side_ft * (1 - _ROUNDING)).any():
            broken.append(f"The shorter side of a cell is {sides_ft.min():,.1f} ft, less than {self.least_side_ft:g}.")
        pairs, _, _ = overlapping_pairs(shapes, share=_ROUNDING)
        if len(pairs):
            broken.append(f"{len(pairs)} pairs of cells overlap.")
        return broken

    def _area_broken(self, chosen: NDArray[np.object_], unit_m: float) -> list[str]:
        area = float(shapely.area(chosen).sum()) * (unit_m / MILE_M) ** 2
        if self.least_area_mi2 * (1 - _ROUNDING) <= area <= self.most_area_mi2 * (1 + _ROUNDING):
            return []
        return [f"Hot spots cover {area:.4f} sq mi, not {self.least_area_mi2:g} to {self.most_area_mi2:g}."]


NIJ = ChallengeRules("nij")
"""National Institute of Justice, Portland 2017."""
