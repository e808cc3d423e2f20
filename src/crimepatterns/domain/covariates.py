"""Facts about places beside the incidents, such as bars, transit and parks, each with the moment it became known."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.audit_names import refuse_audit_columns
from crimepatterns.errors import DomainError

__all__ = ["ALWAYS", "Covariate", "Covariates"]

ALWAYS = pd.Timestamp("1678-01-01", tz="UTC")
"""Knowledge date of what is taken to have been known from the beginning."""


@dataclass(frozen=True, eq=False)
class Covariate:
    """One fact about every cell, in all the versions in which it was known one after another.

    Parameters
    ----------
    name : str
        Such as ``bars_distance``.
    unit : str
        For legends, such as ``m``.
    known_at : DatetimeIndex, shape (n_versions,)
        tz-aware, strictly ascending: when each version became known.
    versions : ndarray of float32, shape (n_versions, n_cells)
        nan where a cell's value is not known.
    role : str
        ``feature``; anything else is refused.
    origin : str
        Who published it, under which terms.

    Raises
    ------
    AuditColumnError
        If it is about race, ethnicity, religion, nationality or income, by its name, or has the role ``audit``.
    DomainError
        If a moment has no zone, moments do not ascend, or the shape does not fit.
    """

    name: str
    unit: str
    known_at: pd.DatetimeIndex = field(repr=False)
    versions: NDArray[np.float32] = field(repr=False)
    role: str = "feature"
    origin: str = ""

    def __post_init__(self) -> None:
        refuse_audit_columns([self.name], {self.name: self.role}, purpose="a covariate")
        if self.role != "feature":
            raise DomainError(f"Covariate {self.name}: role must be 'feature', got {self.role!r}.")
        if self.known_at.tz is None:
            raise DomainError(f"Covariate {self.name}: known_at must be tz-aware.")
        if not (self.known_at.is_monotonic_increasing and self.known_at.is_unique):
            raise DomainError(f"Covariate {self.name}: known_at must ascend without repeats.")
        if self.versions.ndim != 2 or len(self.versions) != len(self.known_at):
            raise DomainError(
                f"Covariate {self.name}: versions must have shape ({len(self.known_at)}, n_cells), "
                f"got {self.versions.shape}."
            )

    @property
    def newest(self) -> NDArray[np.float32]:
        """Values as last known, shape (n_cells,); nan where nothing is known."""
        if len(self.versions):
            return self.versions[-1]
        return np.full(self.versions.shape[1], np.nan, dtype=np.float32)

    def as_of(self, cutoff: pd.Timestamp) -> "Covariate":
        """Return only the versions that were known before `cutoff`."""
        kept = int(np.searchsorted(_micros(self.known_at), _micros(pd.DatetimeIndex([cutoff])))[0])
        return replace(self, known_at=self.known_at[:kept], versions=self.versions[:kept])

    def known(self, cells: NDArray[np.int64], before: pd.DatetimeIndex) -> NDArray[np.float32]:
        """Return the value of each cell as it was known just before a moment.

        Parameters
        ----------
        cells : ndarray of int64, shape (n,)
        before : DatetimeIndex, shape (n,)
            tz-aware.

        Returns
        -------
        ndarray of float32, shape (n,)
            nan where nothing was known.
        """
        version = np.searchsorted(_micros(self.known_at), _micros(before), side="left") - 1
        found = np.full(len(cells), np.nan, dtype=np.float32)
        there = version >= 0
        found[there] = self.versions[version[there], cells[there]]
        return found


@dataclass(frozen=True, eq=False)
class Covariates:
    """Facts about the cells of one grid, column by column.

    Parameters
    ----------
    columns : tuple of Covariate
        At least one, all of equally many cells.

    Raises
    ------
    DomainError
        If there is none, names repeat, or the numbers of cells differ.
    """

    columns: tuple[Covariate, ...]

    def __post_init__(self) -> None:
        if not self.columns:
            raise DomainError("Covariates need at least one column; use None where there are none.")
        if len(set(self.names)) < len(self.names):
            repeated = next(name for name in self.names if self.names.count(name) > 1)
            raise DomainError(f"Covariates: column {repeated!r} repeats: give its context layer another name.")
        cells = {column.versions.shape[1] for column in self.columns}
        if len(cells) > 1:
            raise DomainError(f"Covariates must have equally many cells in every column, got {sorted(cells)}.")

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.columns[0].versions.shape[1])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def roles(self) -> Mapping[str, str]:
        """Role of each column."""
        return MappingProxyType({column.name: column.role for column in self.columns})

    @property
    def newest(self) -> NDArray[np.float32]:
        """Values as last known, shape (n_cells, n_columns); nan where nothing is known."""
        return np.column_stack([column.newest for column in self.columns])

    @property
    def latest(self) -> pd.Timestamp | None:
        """When the newest version of any column became known; None where nothing is known."""
        ends = [column.known_at[-1] for column in self.columns if len(column.known_at)]
        return max(ends) if ends else None

    @property
    def digest(self) -> str:
        """Digest of names, moments and values; sha256, 16 hex digits."""
        total = hashlib.sha256()
        for column in self.columns:
            total.update(f"{column.name}|{column.unit}|".encode())
            total.update(_micros(column.known_at).tobytes())
            total.update(np.ascontiguousarray(column.versions).tobytes())
        return total.hexdigest()[:16]

    def as_of(self, cutoff: pd.Timestamp) -> "Covariates":
        """Return only what was known before `cutoff`; a column that was not known at all is nan everywhere."""
        return Covariates(tuple(column.as_of(cutoff) for column in self.columns))

    def of(self, names: Collection[str]) -> "Covariates | None":
        """Return only the columns of these names, in their order here; None where there are none."""
        kept = tuple(column for column in self.columns if column.name in names)
        return Covariates(kept) if kept else None

    def to_frame(self) -> pd.DataFrame:
        """Return the values as last known as a table, shape (n_cells, n_columns)."""
        return pd.DataFrame(self.newest, columns=list(self.names))


def _micros(moments: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Microseconds since 1970 in UTC."""
    return moments.as_unit("us").asi8
