"""When the next event of a pattern is likely, from the gaps between its events.

Gaps are taken as Gamma distributed with a shape that is not known: 1 is chance alone, more is more regular, less
comes in bursts. With m gaps of mean g and a shape a, the next gap is g times an F(2a, 2am) variable; what is not known
about the shape is averaged over, weighted by how well each explains the gaps. So few events give a wide window and not
a false promise.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from crimepatterns.domain.pattern import NextWindow
from crimepatterns.errors import PatternError

__all__ = ["gap_interval", "next_window"]

_SHAPES = np.exp(np.linspace(np.log(0.4), np.log(12.0), 41))
_LEAST_EVENTS = 3
_SHORTEST_DAYS = 0.25
_OVER = 0.99


def gap_interval(gaps: ArrayLike, *, elapsed: float = 0.0, nominal: float = 0.8) -> tuple[float, float] | None:
    """Give the central interval of the next gap, given that `elapsed` of it has passed without an event.

    Parameters
    ----------
    gaps : array_like of float, shape (m,)
        Positive, two or more, in any unit.
    elapsed : float
        In the same unit.
    nominal : float
        In (0, 1).

    Returns
    -------
    tuple of float or None
        None where a gap so long is itself unlikely (beyond the 99 % point): the pattern seems to be over.

    Raises
    ------
    PatternError
        If there are fewer than two gaps, or one is not positive.
    """
    known = np.asarray(gaps, dtype=float)
    if known.ndim != 1 or len(known) < _LEAST_EVENTS - 1 or not (known > 0).all() or not 0 < nominal < 1:
        raise PatternError(f"A next gap needs two or more positive gaps and a nominal in (0, 1), got {known.tolist()}.")
    weight = _shape_weights(known)
    mean = float(known.mean())
    passed = _below(elapsed / mean, weight, len(known)) if elapsed > 0 else 0.0
    if passed > _OVER:
        return None
    tail = (1.0 - nominal) / 2.0
    low, high = (_quantile(passed + (1.0 - passed) * p, weight, len(known)) for p in (tail, 1.0 - tail))
    return mean * low, mean * high


def next_window(
    times: pd.Series | list[pd.Timestamp],
    *,
    as_of: pd.Timestamp,
    nominal: float = 0.8,
    least_events: int = _LEAST_EVENTS,
) -> tuple[NextWindow | None, str]:
    """Give the civil days in which the next event is likely, or say why not.

    Parameters
    ----------
    times : sequence of Timestamp, tz-aware
        Times of the events, in any order.
    as_of : Timestamp
        What has passed since the last event without another is taken into account.
    nominal : float
    least_events : int
        At least 3.

    Returns
    -------
    window : NextWindow or None
    note : str
        Why there is none; empty where there is one.
    """
    moments = pd.DatetimeIndex(times).sort_values()
    if len(moments) < max(least_events, _LEAST_EVENTS):
        return None, f"Not shown: needs {max(least_events, _LEAST_EVENTS)} dated events, has {len(moments)}."
    days = moments.as_unit("us").asi8 / 86_400e6
    gaps = np.maximum(np.diff(days), _SHORTEST_DAYS)
    elapsed = max((as_of - moments[-1]) / pd.Timedelta(days=1), 0.0)
    found = gap_interval(gaps, elapsed=elapsed, nominal=nominal)
    if found is None:
        return None, "Not shown: so long a time without an event would be rare if the pattern went on; it seems over."
    start, end = (_nearest_midnight(moments[-1], days_on) for days_on in found)
    if end <= start:
        end = start + pd.DateOffset(days=1)
    first = as_of.tz_convert(moments.tz).normalize() if elapsed > 0 else start
    return NextWindow(max(start, first), max(end, first + pd.DateOffset(days=1)), nominal, len(moments)), ""


def _nearest_midnight(last: pd.Timestamp, days_on: float) -> pd.Timestamp:
    # The wall clock decides; a day on which clocks change is a day.
    wall = (last.tz_localize(None) + pd.Timedelta(days=days_on)).round("D")
    return wall.tz_localize(last.tz, nonexistent="shift_forward", ambiguous=True)


def _shape_weights(gaps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weigh shapes by the likelihood of the gaps' proportions, which are Dirichlet(a, ..., a) whatever the scale."""
    share = gaps / gaps.sum()
    likelihood = special.gammaln(len(gaps) * _SHAPES) - len(gaps) * special.gammaln(_SHAPES)
    likelihood += (_SHAPES - 1.0) * np.log(share).sum()
    # Most patterns lie near chance: log-normal around 1.3.
    prior = -0.5 * ((np.log(_SHAPES) - np.log(1.3)) / 0.8) ** 2
    weight = np.exp(likelihood + prior - (likelihood + prior).max())
    return np.asarray(weight / weight.sum())


def _below(ratio: float, weight: NDArray[np.float64], gaps: int) -> float:
    return float(weight @ stats.f.cdf(ratio, 2.0 * _SHAPES, 2.0 * _SHAPES * gaps))


def _quantile(p: float, weight: NDArray[np.float64], gaps: int) -> float:
    low, high = 0.0, 1.0
    while _below(high, weight, gaps) < p:
        high *= 2.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _below(middle, weight, gaps) < p else (low, middle)
    return 0.5 * (low + high)
