"""Half-open spans of civil time that follow one another without a gap."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.errors import DomainError

__all__ = ["Periods"]


@dataclass(frozen=True, eq=False)
class Periods:
    """Consecutive half-open periods ``[edge_i, edge_i+1)``.

    Parameters
    ----------
    edges : DatetimeIndex, shape (n_periods + 1,)
        Time-zone aware and strictly increasing.

    Raises
    ------
    DomainError
        If there is no period, an edge has no zone, or edges do not increase.
    """

    edges: pd.DatetimeIndex

    def __post_init__(self) -> None:
        if len(self.edges) < 2:
            raise DomainError(f"Periods need at least two edges, got {len(self.edges)}: choose a longer window.")
        if self.edges.tz is None:
            raise DomainError("Period edges must carry a time zone.")
        if not (np.diff(self.edges.as_unit("us").asi8) > 0).all():
            raise DomainError("Period edges must strictly increase.")

    @classmethod
    def ending_at(cls, end: pd.Timestamp, *, days: int, count: int) -> "Periods":
        """Make `count` periods of `days` civil days, the last of which ends at `end` (any count >= 1)."""
        if days < 1 or count < 1:
            raise DomainError(f"Periods need days >= 1 and count >= 1, got {days} and {count}.")
        return cls(_edges_back_from(end, end.tz, days, count))

    @classmethod
    def starting_at(cls, start: pd.Timestamp, *, days: int, count: int) -> "Periods":
        """Make `count` periods of `days` civil days, the first of which starts at `start`."""
        if days < 1 or count < 1:
            raise DomainError(f"Periods need days >= 1 and count >= 1, got {days} and {count}.")
        return cls(pd.DatetimeIndex([start + pd.DateOffset(days=days * i) for i in range(count + 1)]).as_unit("us"))

    def __len__(self) -> int:
        return len(self.edges) - 1

    @property
    def start(self) -> pd.Timestamp:
        """First moment of the first period."""
        return self.edges[0]

    @property
    def end(self) -> pd.Timestamp:
        """First moment after the last period."""
        return self.edges[-1]

    @property
    def starts(self) -> pd.DatetimeIndex:
        """Start of every period, shape (n_periods,)."""
        return self.edges[:-1]

    def locate(self, times: pd.Series | pd.DatetimeIndex) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Find the period of each moment.

        Parameters
        ----------
        times : Series or DatetimeIndex of tz-aware timestamps, shape (n,)

        Returns
        -------
        index : ndarray of int64, shape (n,)
            Position of the period; meaningless where `inside` is false.
        inside : ndarray of bool, shape (n,)
        """
        moments = pd.DatetimeIndex(times).as_unit("us").asi8
        edges = self.edges.as_unit("us").asi8
        index = np.searchsorted(edges, moments, side="right") - 1
        inside = (index >= 0) & (index < len(self))
        return index.astype(np.int64), inside

    def last(self, count: int) -> "Periods":
        """Return the last `count` periods, or all of them where there are fewer."""
        return Periods(self.edges[-(min(count, len(self)) + 1) :])


@lru_cache(maxsize=128)
def _edges_back_from(end: pd.Timestamp, zone: object, days: int, count: int) -> pd.DatetimeIndex:  # noqa: ARG001
    """Find the edges once for all that look back from one moment, as every model of a back-test does.

    The zone is part of the key, since equal moments of different zones have different midnights.
    """
    # Civil arithmetic: a week over a clock change is still seven midnights long.
    return pd.DatetimeIndex([end - pd.DateOffset(days=days * i) for i in range(count, -1, -1)]).as_unit("us")
