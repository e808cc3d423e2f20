"""One value per street segment: the result of every method on a street network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from crimepatterns.domain.segments import Segments
from crimepatterns.errors import DomainError

__all__ = ["NetworkSurface"]


@dataclass(frozen=True, eq=False)
class NetworkSurface:
    """A map layer on street segments; see `Surface`, its sister on grids.

    Parameters
    ----------
    segments : Segments
    method : str
        Such as ``network_density``.
    values : ndarray of float, shape (n_segments,)
    unit : str
        For the legend, such as ``incidents per km``.
    p_values, q_values, times_expected : ndarray of float, shape (n_segments,), optional
    null : str
        The null hypothesis in words; empty where there is no test.
    parameters : mapping
        Everything needed to make the layer again, and the quantiles of the snapping distance.

    Raises
    ------
    DomainError
        If an array does not fit the segments.
    """

    segments: Segments
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
            if array is not None and array.shape != (len(self.segments),):
                raise DomainError(f"Network {name} must have shape ({len(self.segments)},), got {array.shape}.")

    def to_geodataframe(self) -> gpd.GeoDataFrame:
        """Return the segments with ``value`` and, where there are any, the p-values and the size of the effect."""
        lines = self.segments.to_geodataframe()
        lines["value"] = self.values
        for name, array in (
            ("p_value", self.p_values),
            ("q_value", self.q_values),
            ("times_expected", self.times_expected),
        ):
            if array is not None:
                lines[name] = array
        return lines
