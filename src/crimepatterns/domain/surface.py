"""One value per cell: the result of every hot-spot method."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.errors import DomainError

__all__ = ["Surface"]


@dataclass(frozen=True, eq=False)
class Surface:
    """A map layer on a grid.

    Parameters
    ----------
    grid : Grid
    method : str
        Such as ``density`` or ``gi_star``.
    values : ndarray of float, shape (n_cells,)
    unit : str
        For the legend, such as ``incidents per km2``.
    p_values, q_values : ndarray of float, shape (n_cells,), optional
        Raw p-values and those after control of the false discovery rate.
    times_expected : ndarray of float, shape (n_cells,), optional
        What was observed divided by what the null hypothesis expects: the size of an effect beside its significance.
    null : str
        The null hypothesis in words; empty where there is no test.
    parameters : mapping
        Everything needed to make the surface again.

    Raises
    ------
    DomainError
        If an array does not fit the grid.
    """

    grid: Grid
    method: str
    values: NDArray[np.float64] = field(repr=False)
    unit: str
    p_values: NDArray[np.float64] | None = field(default=None, repr=False)
    q_values: NDArray[np.float64] | None = field(default=None, repr=False)
    null: str = ""
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    times_expected: NDArray[np.float64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("values", "p_values", "q_values", "times_expected"):
            array = getattr(self, name)
            if array is not None and array.shape != (len(self.grid),):
                raise DomainError(f"Surface {name} must have shape ({len(self.grid)},), got {array.shape}.")

    def to_geodataframe(self) -> gpd.GeoDataFrame:
        """Return the cells with ``value`` and, where tested, ``p_value``, ``q_value`` and ``times_expected``."""
        cells = self.grid.to_geodataframe()
        cells["value"] = self.values
        if self.p_values is not None:
            cells["p_value"] = self.p_values
        if self.q_values is not None:
            cells["q_value"] = self.q_values
        if self.times_expected is not None:
            cells["times_expected"] = self.times_expected
        return cells
