"""Expected incidents per cell and period, with their uncertainty."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import DomainError

__all__ = ["Forecast"]


@dataclass(frozen=True, eq=False)
class Forecast:
    """What is expected of one category, by cell and period.

    Parameters
    ----------
    grid : Grid
    periods : Periods
    category : str
    model : str
        Name of the forecaster.
    issued_at : Timestamp
        Not after the start of the first period.
    mean : ndarray of float, shape (n_cells, n_periods)
        Expected incidents per cell and period.
    quantiles : mapping of float to ndarray of float, shape (n_cells, n_periods)
        Such as ``{0.05: ..., 0.95: ...}``; rising with the level.
    parameters : mapping

    Raises
    ------
    DomainError
        If shapes do not fit, values are negative or not finite, quantiles cross, or it was issued too late.
    """

    grid: Grid
    periods: Periods
    category: str
    model: str
    issued_at: pd.Timestamp
    mean: NDArray[np.float64] = field(repr=False)
    quantiles: Mapping[float, NDArray[np.float64]] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        expected = (len(self.grid), len(self.periods))
        if self.mean.shape != expected:
            raise DomainError(f"Forecast mean must have shape {expected}, got {self.mean.shape}.")
        if not np.isfinite(self.mean).all() or (self.mean < 0).any():
            raise DomainError(f"Forecast mean of {self.model} must be finite and not negative.")
        if self.issued_at > self.periods.start:
            raise DomainError(f"Forecast issued {self.issued_at} for periods that began {self.periods.start}.")
        previous = None
        for level in sorted(self.quantiles):
            values = self.quantiles[level]
            if values.shape != expected or not 0 < level < 1:
                raise DomainError(f"Forecast quantile {level} must lie in (0, 1) with shape {expected}.")
            if (values < 0).any() or (previous is not None and (values < previous).any()):
                raise DomainError("Forecast quantiles must rise with their level and not be negative.")
            previous = values

    def to_geodataframe(self, period: int = 0) -> gpd.GeoDataFrame:
        """Return the cells with ``expected``, the quantiles ``q05`` ... and ``chance_of_none`` for one period.

        ``chance_of_none`` is exp(-expected), the Poisson probability of no incident at all.
        """
        cells = self.grid.to_geodataframe()
        cells["expected"] = self.mean[:, period]
        cells["chance_of_none"] = np.exp(-self.mean[:, period])
        for level in sorted(self.quantiles):
            cells[f"q{round(level * 100):02d}"] = self.quantiles[level][:, period]
        return cells
