"""What was usual at a place before: what is alike and frequent there all the time is no pattern.

The base rate of a value in a window is the greater of its share in the district and its share in the year before around
the place of the window, in a square twice as wide as the window (at the very place for windows of one place).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from crimepatterns.patterns.cards_windows import Windows

__all__ = ["Before", "Past", "pasts"]

_SHRINK = 20.0


@dataclass(frozen=True, eq=False)
class Before:
    """The incidents of the time before; arrays of shape (m,).

    Parameters
    ----------
    x, y : ndarray of float, metres
    """

    x: NDArray[np.float64] = field(repr=False)
    y: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Past:
    """Earlier counts of values around the places of windows.

    Parameters
    ----------
    spot : ndarray of int64, shape (n,)
        Square of each incident.
    total : ndarray of int64, shape (n_spots,)
        Earlier incidents in each square.
    keys, counts : ndarray of int64, shape (k,)
        Square and value as one number, ascending, and how often it was there.
    codes : int
        Number of values.
    """

    spot: NDArray[np.int64] = field(repr=False)
    total: NDArray[np.int64] = field(repr=False)
    keys: NDArray[np.int64] = field(repr=False)
    counts: NDArray[np.int64] = field(repr=False)
    codes: int

    def rates(self, rows: NDArray[np.int64], code: NDArray[np.int64], rate: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the base rates of values at the places of some incidents, at least those of the district.

        Parameters
        ----------
        rows : ndarray of int64, shape (k,)
            Positions of the incidents.
        code : ndarray of int64, shape (k,)
        rate : ndarray of float, shape (k,)
            Of the district.
        """
        if not len(self.keys):
            return rate
        wanted = self.spot[rows] * self.codes + code
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        count = np.where(self.keys[at] == wanted, self.counts[at], 0)
        here = (count + _SHRINK * rate) / (self.total[self.spot[rows]] + _SHRINK)
        return np.minimum(np.maximum(rate, here), 1.0 - 1e-9)

    def only(self, rows: NDArray[np.int64]) -> "Past":
        """Return the same for some of the incidents."""
        return replace(self, spot=self.spot[rows])


def pasts(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    windows: Windows,
    before: Before,
    codes: Mapping[int, tuple[NDArray[np.int64], int]],
) -> dict[int, Past]:
    """Count what was around the places of windows before.

    Parameters
    ----------
    x, y : ndarray of float, shape (n,)
    windows : Windows
        Around the same incidents.
    before : Before
    codes : mapping of int to (ndarray of int64, shape (m,); int)
        By family: the value of each earlier incident, -1 where it does not occur any more, and the number of values.
    """
    spot = np.zeros(len(x), dtype=np.int64)
    events, squares, size = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)], 0
    for width in np.unique(windows.width_m):
        own = np.flatnonzero(windows.width_m == width)
        step = 2.0 * width if width > 1.0 else 1.0
        lattice = np.vstack([_lattice(x[own], y[own], step), _lattice(before.x, before.y, step)])
        number = np.unique(lattice, axis=0, return_inverse=True)[1].ravel()
        here, there = number[: len(own)], number[len(own) :]
        found, spot_of = np.unique(here, return_inverse=True)
        spot[own] = size + spot_of.ravel()
        place = np.minimum(np.searchsorted(found, there), len(found) - 1)
        inside = np.flatnonzero(found[place] == there)
        events.append(inside)
        squares.append(size + place[inside])
        size += len(found)
    event, square = np.concatenate(events), np.concatenate(squares)
    total = np.bincount(square, minlength=size)
    made = {}
    for family, (code, many) in codes.items():
        known = code[event] >= 0
        keys, counts = np.unique(square[known] * many + code[event][known], return_counts=True)
        made[family] = Past(spot, total, keys, counts, many)
    return made


def _lattice(x: NDArray[np.float64], y: NDArray[np.float64], step: float) -> NDArray[np.int64]:
    round_or_floor = np.round if step == 1.0 else np.floor
    return np.asarray(round_or_floor(np.column_stack([x, y]) / step), dtype=np.int64)
