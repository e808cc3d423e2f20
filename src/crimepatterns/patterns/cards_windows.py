"""Windows of place and time around every incident: narrower where incidents are dense."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from crimepatterns.errors import PatternError
from crimepatterns.patterns.space_time_pairs import SAME_PLACE_M, PairSearch

__all__ = ["Reach", "Windows", "make_windows"]

_Close = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int8]]

_MOST_PAIRS = 60_000_000
_KEPT = 8_000_000
_FULL = 150
_RINGS = np.sqrt(0.5) ** np.arange(6)[::-1]


@dataclass(frozen=True)
class Reach:
    """How far apart the centre of a window and its members may be.

    Parameters
    ----------
    distance_m, days : float
        Metres; days before or after. Distances up to a metre are the same place.
    """

    distance_m: float
    days: float


@dataclass(frozen=True, eq=False)
class Windows:
    """Which incidents lie in the window around which.

    Parameters
    ----------
    centre, member : ndarray of int32, shape (n_pairs,)
        Positions, each centre's members together, the centre itself left out.
    among : ndarray of int64, shape (n,)
        Incidents in each window, the centre included.
    width_m : ndarray of float, shape (n,)
        Radius of each window.
    """

    centre: NDArray[np.int32] = field(repr=False)
    member: NDArray[np.int32] = field(repr=False)
    among: NDArray[np.int64] = field(repr=False)
    width_m: NDArray[np.float64] = field(repr=False)

    def of(self, place: int) -> NDArray[np.int64]:
        """Return the positions in the window around one incident, itself included."""
        low, high = np.searchsorted(self.centre, [place, place + 1])
        return np.sort(np.append(self.member[low:high], place)).astype(np.int64)

    def around(self, chosen: NDArray[np.bool_]) -> "Windows":
        """Return the windows around some incidents only; those around others have no members."""
        kept = chosen[self.centre]
        return replace(self, centre=self.centre[kept], member=self.member[kept])

    def only(self, rows: NDArray[np.int64]) -> "Windows":
        """Return the windows among the given incidents only, ascending, numbered anew."""
        place = np.full(len(self.among), -1, dtype=np.int32)
        place[rows] = np.arange(len(rows), dtype=np.int32)
        centre, member = place[self.centre], place[self.member]
        both = (centre >= 0) & (member >= 0)
        return _windows(centre[both], member[both], self.width_m[rows])


def make_windows(
    x: NDArray[np.float64], y: NDArray[np.float64], time_days: NDArray[np.float64], reach: Reach
) -> Windows:
    """Lay a window around every incident: within reach, but in place no wider than holds about 150 incidents.

    A few alike events among thousands do not stand out, and looking at thousands around every incident takes long. The
    area of a window is halved, up to five times, until no more than 150 are in it.

    Parameters
    ----------
    x, y : ndarray of float, shape (n,), metres
    time_days : ndarray of float, shape (n,)
    reach : Reach

    Raises
    ------
    PatternError
        If there are more than 60 million pairs of a centre and a member.
    """
    rings = np.maximum(reach.distance_m, SAME_PLACE_M) * (_RINGS if reach.distance_m > SAME_PLACE_M else _RINGS[-1:])
    count, kept, size = np.zeros((len(x), len(rings)), dtype=np.int64), list[_Close](), 0
    for first, second, ring in _close(x, y, time_days, reach, rings):
        for end in (first, second):
            count += np.bincount(end.astype(np.int64) * len(rings) + ring, minlength=count.size).reshape(count.shape)
        size += len(first)
        kept = [*kept, (first, second, ring)] if size <= _KEPT else []
    inside = np.cumsum(count, axis=1)
    widest = np.maximum((inside <= _FULL).sum(axis=1) - 1, 0)
    total = int(inside[np.arange(len(x)), widest].sum()) if len(x) else 0
    if total > _MOST_PAIRS:
        raise PatternError(
            f"More than {_MOST_PAIRS:,} pairs lie within {rings[0]:.0f} m and {reach.days:g} days: "
            "look at fewer days or categories, or leave places out that stand for unknown addresses."
        )
    centres, members = [np.empty(0, dtype=np.int32)], [np.empty(0, dtype=np.int32)]
    for first, second, ring in kept or _close(x, y, time_days, reach, rings):
        for one, other in ((first, second), (second, first)):
            near = ring <= widest[one]
            centres.append(one[near])
            members.append(other[near])
    return _windows(np.concatenate(centres), np.concatenate(members), rings[widest])


def _windows(centre: NDArray[np.int32], member: NDArray[np.int32], width_m: NDArray[np.float64]) -> Windows:
    order = np.argsort(centre, kind="stable")
    return Windows(centre[order], member[order], np.bincount(centre, minlength=len(width_m)) + 1, width_m)


def _close(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    time_days: NDArray[np.float64],
    reach: Reach,
    rings: NDArray[np.float64],
) -> Iterator[_Close]:
    """Yield pairs within reach, each once, with the number of the ring in which their distance lies."""
    search = PairSearch(x, y, reach_m=float(rings[-1]), reach_days=int(np.ceil(reach.days)))
    for block in search.pairs(np.floor(time_days).astype(np.int64)):
        near = np.abs(time_days[block.first] - time_days[block.second]) <= reach.days
        ring = np.minimum(np.searchsorted(rings, block.distance_m[near]), len(rings) - 1).astype(np.int8)
        yield block.first[near].astype(np.int32), block.second[near].astype(np.int32), ring
