r"""Sudden changes of level in a series of counts: a scan whose size is right under season, trend and clustering.

Counts are put on the scale :math:`2\sqrt{c + 3/8}`, on which their spread does not depend on their level. A smooth
model (trend and the seasons of the year) is fitted, and every possible step and every possible hole or bump is tried
beside it. The largest of these thousands of t-values is compared with what the same scan gives on series without any
change whose neighbouring periods are as alike as those of the real one (an autoregression of order one), so that the
number of places tried, the dispersion and the dependence are all paid for. A change must also be seen between the few
periods right before and after it: slow drifts are no breaks.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["Change", "count_height", "find_changes", "low_end", "share_height"]

_EDGE = 4
"""A new level must be seen for at least so many periods."""

_SHORTEST_BUMP, _LONGER = 2, 1.25
_NEAR = 6
_LOCAL_P = 0.01
_SIMULATIONS = 400
_MOST_CHANGES = 4
_SEARCHED = 2
_GUMBEL = float(np.euler_gamma)


@dataclass(frozen=True)
class Change:
    """One sudden change.

    Parameters
    ----------
    start, end : int
        Positions ``[start, end)`` of the periods at the other level; `end` is the length of the series where the new
        level stays.
    kind : {"step", "bump"}
    p_value : float
        Of the scan: the chance that a series without a change shows as much anywhere.
    """

    start: int
    end: int
    kind: Literal["step", "bump"]
    p_value: float


def count_height(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Put counts on the scale on which their spread does not depend on their level (Anscombe 1948)."""
    return np.asarray(2.0 * np.sqrt(np.asarray(counts, dtype=float) + 0.375))


def share_height(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Put shares on a scale of even spread: the arcsine of the root, times the root of the typical whole."""
    share = (np.asarray(part, dtype=float) + 0.375) / (np.asarray(whole, dtype=float) + 0.75)
    return np.asarray(2.0 * np.sqrt(np.mean(whole)) * np.arcsin(np.sqrt(share)))


def find_changes(
    height: NDArray[np.float64], *, periods_per_year: float, level: float, rng: np.random.Generator
) -> list[Change]:
    """Find the sudden changes of level in equally long, consecutive periods.

    Parameters
    ----------
    height : ndarray of float, shape (n_periods,)
        Counts or shares on their even scale, see `count_height` and `share_height`.
    periods_per_year : float
        Such as 52.18 for weeks.
    level : float
        Chance of any false change in the whole series, 0 to 1; divide it by the number of series looked at.
    rng : Generator
        For the null distribution of the scan.

    Returns
    -------
    list of Change
        In the order of time; empty where the series is too short (12 periods) to tell.

    References
    ----------
    Andrews (1993) for tests of a break at an unknown place, https://doi.org/10.2307/2951764
    """
    n = len(height)
    if n < 3 * _EDGE or np.ptp(height) == 0:
        return []
    smooth = _smooth_columns(n, periods_per_year)
    places = _candidates(n)
    found: list[Change] = []
    while len(found) < _MOST_CHANGES:
        change = _strongest(height, smooth, places, rng)
        if change is None or change.p_value > level:
            break
        found.append(change)
        smooth = np.column_stack([smooth, _indicator(n, change.start, change.end)])
    return sorted(found, key=lambda one: one.start)


def low_end(
    height: NDArray[np.float64], *, periods_per_year: float, longest: int, rng: np.random.Generator
) -> Change | None:
    """Find how many of the last periods, at most `longest`, lie lowest below what the earlier ones lead to expect.

    Returns
    -------
    Change or None
        With the chance that a complete series has as low an end; None where the end is not low or the series too
        short.
    """
    n = len(height)
    lengths = np.arange(1, longest + 1)
    if n < longest + 2 * _EDGE or np.ptp(height) == 0:
        return None
    places = (n - lengths, np.full(len(lengths), n))
    return _strongest(height, _smooth_columns(n, periods_per_year), places, rng, only_low=True)


def _strongest(
    height: NDArray[np.float64],
    smooth: NDArray[np.float64],
    places: tuple[NDArray[np.int64], NDArray[np.int64]],
    rng: np.random.Generator,
    *,
    only_low: bool = False,
) -> Change | None:
    """Take the candidate with the largest t-value and the chance of one as large."""
    n = len(height)
    basis = np.linalg.qr(smooth)[0]
    freedom = n - basis.shape[1] - 1
    shapes, usable = _cleared(basis, *places)
    if freedom < 6 or not usable.any():
        return None
    shapes, starts, ends = shapes[usable], places[0][usable], places[1][usable]
    rest = height - basis @ (basis.T @ height)
    after = _without_largest(rest, shapes)
    size = _size(_t_values(shapes, rest[:, None], freedom), only_low=only_low)[:, 0]
    # Only candidates that begin or end with a jump are taken; all of them count in the null distribution.
    size = np.where(only_low | _jumps(height, after, starts, ends), size, 0.0)
    best = int(np.argmax(size))
    if size[best] <= 0:
        return None
    # With the changes taken for real neighbours look too little alike, without them too much: half way is safe.
    alike = _alikeness(after, basis.shape[1] + _SEARCHED)
    alike = max(alike, 0.5 * (alike + _alikeness(rest, basis.shape[1])))
    noise = _series_without_change(n, alike, rng)
    noise -= basis @ (basis.T @ noise)
    largest = _size(_t_values(shapes, noise, freedom), only_low=only_low).max(axis=0)
    start, end = int(starts[best]), int(ends[best])
    return Change(start, end, "step" if end == n else "bump", _tail(float(size[best]), largest))


def _without_largest(rest: NDArray[np.float64], shapes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the largest candidates out of residuals one after the other (matching pursuit)."""
    after = rest.copy()
    for _ in range(_SEARCHED):
        projection = shapes @ after
        largest = int(np.argmax(np.abs(projection)))
        after -= shapes[largest] * projection[largest]
    return after


def _jumps(
    height: NDArray[np.float64], rest: NDArray[np.float64], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Tell which candidates have different levels right before and right after one of their edges."""
    n = len(height)
    spread = float(np.sqrt(np.mean(rest**2))) or 1e-9
    running = np.concatenate([[0.0], np.cumsum(height)])
    edges = np.arange(n + 1)
    low, high = np.maximum(edges - _NEAR, 0), np.minimum(edges + _NEAR, n)
    before, behind = edges - low, high - edges
    enough = (before >= 2) & (behind >= 2)
    left = (running[edges] - running[low]) / np.maximum(before, 1)
    right = (running[high] - running[edges]) / np.maximum(behind, 1)
    score = np.abs(right - left) / (spread * np.sqrt(1 / np.maximum(before, 1) + 1 / np.maximum(behind, 1)))
    abrupt = enough & (2 * stats.norm.sf(score) < _LOCAL_P)
    return np.asarray(abrupt[starts] | abrupt[ends])


def _smooth_columns(n: int, per_year: float) -> NDArray[np.float64]:
    """Trend and seasons, as many as the length of the series can tell apart from a break."""
    time = (np.arange(n) + 0.5) / n
    columns = [np.ones(n), time]
    years = n / per_year
    if years < 1:
        return np.column_stack([*columns, time**2])
    turn = 2 * np.pi * np.arange(n) / per_year
    for harmonic in range(1, 3 if years >= 1.9 else 2):
        columns += [np.cos(harmonic * turn), np.sin(harmonic * turn)]
    return np.column_stack(columns)


def _candidates(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List every step, and every hole or bump that begins and ends inside the series."""
    steps = np.arange(_EDGE, n - _EDGE + 1)
    longest = int(np.log(max(0.6 * n / _SHORTEST_BUMP, 1.0)) / np.log(_LONGER))
    lengths = np.unique(np.round(_SHORTEST_BUMP * _LONGER ** np.arange(longest + 1)).astype(np.int64))
    starts = [steps]
    ends = [np.full(len(steps), n)]
    for length in lengths:
        begins = np.arange(2, n - length - 1)
        starts.append(begins)
        ends.append(begins + length)
    return np.concatenate(starts), np.concatenate(ends)


def _cleared(
    basis: NDArray[np.float64], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return candidates cleared of what the smooth model explains, of unit length, and which of them are left."""
    n = len(basis)
    periods = np.arange(n)
    raw = ((periods >= starts[:, None]) & (periods < ends[:, None])).astype(float)
    cleared = raw - (raw @ basis) @ basis.T
    length = np.linalg.norm(cleared, axis=1)
    usable = length > 0.3 * np.sqrt(np.minimum(raw.sum(axis=1), _EDGE))
    return cleared / np.maximum(length, 1e-9)[:, None], usable


def _t_values(shapes: NDArray[np.float64], rest: NDArray[np.float64], freedom: int) -> NDArray[np.float64]:
    """t-values of every candidate (rows) in every series of residuals (columns)."""
    projection = shapes @ rest
    left = np.maximum((rest**2).sum(axis=0) - projection**2, 1e-9) / freedom
    return np.asarray(projection / np.sqrt(left))


def _alikeness(rest: NDArray[np.float64], fitted: int) -> float:
    """Correlation of neighbouring residuals, corrected for the bias that fitting `fitted` columns brings."""
    power = float(rest @ rest)
    if power <= 0:
        return 0.0
    raw = float(rest[1:] @ rest[:-1]) / power
    # Half a standard error on the safe side: short series hide how alike their neighbours are.
    return float(np.clip(raw + (1 + fitted * (1 + raw)) / len(rest) + 0.5 / np.sqrt(len(rest)), 0.0, 0.9))


def _size(strength: NDArray[np.float64], *, only_low: bool) -> NDArray[np.float64]:
    return -strength if only_low else np.abs(strength)


def _series_without_change(n: int, alike: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Simulate series whose neighbouring periods are correlated, shape (n, n_simulations)."""
    series: NDArray[np.float64] = rng.standard_normal((n, _SIMULATIONS))
    fresh = np.sqrt(1 - alike**2)
    for step in range(1, n):
        series[step] = alike * series[step - 1] + fresh * series[step]
    return series


def _tail(observed: float, largest: NDArray[np.float64]) -> float:
    """Chance of a maximum as large: counted among the simulated ones, beyond them the tail of a Gumbel law."""
    counted = (1 + int((largest >= observed).sum())) / (len(largest) + 1)
    scale = float(largest.std()) * np.sqrt(6) / np.pi
    fitted = float(stats.gumbel_r.sf(observed, largest.mean() - _GUMBEL * scale, scale))
    return counted if counted > 0.02 else min(fitted, counted)


def _indicator(n: int, start: int, end: int) -> NDArray[np.float64]:
    inside = np.zeros(n)
    inside[start:end] = 1.0
    return inside
