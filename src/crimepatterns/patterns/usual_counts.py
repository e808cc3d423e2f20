"""Recent counts against what is usual, by area: the last 7 and 28 days, the year to date and the last day, tested."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.significance import false_discovery_rate

__all__ = ["UsualCounts", "against_usual", "usual_z"]

_SPANS = {"7 days": (7, 8), "28 days": (28, 6)}
"""Length in days, and how many periods before it are usual."""

_DISPERSION_PERIODS = 26
_SMALL = 30
_MOST_YEARS = 5


@dataclass(frozen=True, eq=False)
class UsualCounts:
    """Counts of recent periods beside the usual ones.

    Parameters
    ----------
    table : DataFrame, one row per period and area
        ``period`` (``7 days``, ``28 days``, ``year to date``, ``1 day``), ``area`` (the first is the whole area),
        ``count``, ``usual`` (mean of the past), ``past_periods``, ``z``, ``p_value`` (two-sided), ``q_value`` (within
        the period) and ``verdict``: more, fewer, or as usual; empty where there is nothing to compare with.
    as_of : Timestamp
    parameters : mapping
    """

    table: pd.DataFrame = field(repr=False)
    as_of: pd.Timestamp
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def sentences(self) -> list[str]:
        """Say for each period what is not as usual, or that all is."""
        told = []
        for period, rows in self.table.groupby("period", sort=False):
            unusual = rows.loc[rows["verdict"].isin(["more", "fewer"])]
            parts = [
                f"{row['area']} {row['verdict']} ({row['count']:.0f} against {row['usual']:.1f})"
                for _, row in unusual.iterrows()
            ]
            none = "no earlier periods to compare with" if (rows["verdict"] == "").all() else "all as usual"
            told.append(f"{period}: {'; '.join(parts) if parts else none}.")
        return told


def against_usual(
    incidents: Incidents, *, as_of: pd.Timestamp | None = None, fdr: float = 0.05, by_area: bool = True
) -> UsualCounts:
    """Compare the last 7 and 28 days, the year to date and the last day with past periods of equal length, by area.

    Past periods are counted as they were known when they were as old as the recent one is now, so that late reports do
    not make every latest week look quiet.

    Parameters
    ----------
    incidents : Incidents
        Choose the category first.
    as_of : Timestamp, optional
        Civil midnight at the end of the latest day; the midnight after the last incident where left out.
    fdr : float
        Accepted share of false alarms among the areas of one period.
    by_area : bool
        Whether to list the neighbourhoods of the study area after the whole.

    Returns
    -------
    UsualCounts

    Raises
    ------
    PatternError
        If there are no incidents, or `as_of` is not a civil midnight.

    Notes
    -----
    Usual are the 8 weeks before the last 7 days, the 6 periods before the last 28 days, the same days of up to 5
    earlier years, and for the last day the same weekday of the 8 weeks before. p is that of `usual_z`; for up to 30
    incidents in all it is twice that of the nearer side of the e-test (Krishnamoorthy and Thomson 2004). Where counts
    are clumped, with a dispersion above 1, p comes from the t distribution, since the dispersion is estimated, with
    half an incident taken off the difference, since clumped counts are skewed; and it is never smaller than that of the
    e-test for few incidents. The dispersion is that of up to 26 past periods, for the year to date of 28 days each: a
    few earlier years would not tell it. A percentage is not given: 3 against 2 is 50 % more and means nothing.

    References
    ----------
    https://doi.org/10.1016/S0378-3758(03)00113-2 (e-test)
    """
    table = incidents.table
    if not len(table):
        raise PatternError("Nothing to compare: there is no incident; widen the category or the filter.")
    zone = incidents.area.timezone
    end = table["occurred_from"].max().normalize() + pd.DateOffset(days=1) if as_of is None else as_of.tz_convert(zone)
    if end != end.normalize():
        raise PatternError(f"as_of must be a civil midnight of {zone}, got {as_of}.")
    first = table["occurred_from"].min().normalize()
    areas, members = _members(incidents, by_area=by_area)
    rows = []
    for period, spans, dispersion_spans in _periods(first, end):
        counts = np.array([_count(table, members, start, stop) for start, stop in spans], dtype=float)
        past = np.array([_count(table, members, start, stop) for start, stop in dispersion_spans], dtype=float)
        rows.append(_compare(period, areas, counts, past, fdr))
    parameters = {"fdr": fdr, "incidents": len(table), "areas": len(areas), "as_of": end.isoformat()}
    return UsualCounts(pd.concat(rows, ignore_index=True), end, MappingProxyType(parameters))


def usual_z(count: ArrayLike, usual: ArrayLike, past_periods: int, dispersion: ArrayLike = 1.0) -> NDArray[np.float64]:
    """Give the z-score of a count against the mean of m past counts.

    ``z = 2 (sqrt(c) - sqrt(p)) / sqrt(1 + 1/m) / sqrt(phi)``; the customary ``2 (sqrt(c) - sqrt(p))`` takes the past
    mean for the truth and rejects 17 % instead of 5 % against a single past period.

    Parameters
    ----------
    count, usual : array_like of float
        Recent count, and mean of the past ones.
    past_periods : int
        m.
    dispersion : array_like of float
        Variance of past counts over their mean, phi; values below 1 count as 1.

    Examples
    --------
    >>> usual_z(36, 25, 8).round(3).item()
    1.886
    """
    difference = np.sqrt(np.asarray(count, dtype=float)) - np.sqrt(np.asarray(usual, dtype=float))
    spread = np.sqrt(1.0 + 1.0 / past_periods) * np.sqrt(np.maximum(np.asarray(dispersion, dtype=float), 1.0))
    return np.asarray(2.0 * difference / spread)


Span = tuple[pd.Timestamp, pd.Timestamp]


def _periods(first: pd.Timestamp, end: pd.Timestamp) -> list[tuple[str, list[Span], list[Span]]]:
    """List each period's name, its spans (the recent one first, then the usual ones) and those for the dispersion."""
    found = []
    for name, (days, usual) in _SPANS.items():
        recent, known = _spans(first, end, days=days, every=days)
        found.append((name, [recent, *known[:usual]], known))
    start = pd.Timestamp(year=(end - pd.Timedelta(days=1)).year, month=1, day=1, tz=end.tz)
    earlier = [(start - pd.DateOffset(years=k), end - pd.DateOffset(years=k)) for k in range(1, _MOST_YEARS + 1)]
    years = [span for span in earlier if span[0] >= first]
    # Clumps of days and weeks raise the variance over the mean of long spans as they do that of 28 days.
    found.append(("year to date", [(start, end), *years], known))
    # Days differ by weekday, so a day is compared with its own.
    recent, known = _spans(first, end, days=1, every=7)
    found.append(("1 day", [recent, *known[: _SPANS["7 days"][1]]], known))
    return found


def _spans(first: pd.Timestamp, end: pd.Timestamp, *, days: int, every: int) -> tuple[Span, list[Span]]:
    """Return the span that ends at `end`, and those before it that lie within the record, the latest first."""
    spans = [
        (_days_before(end, every * k + days), _days_before(end, every * k)) for k in range(_DISPERSION_PERIODS + 1)
    ]
    return spans[0], [span for span in spans[1:] if span[0] >= first]


def _days_before(end: pd.Timestamp, days: int) -> pd.Timestamp:
    return end - pd.DateOffset(days=days)


def _members(incidents: Incidents, *, by_area: bool) -> tuple[list[str], NDArray[np.int64]]:
    """Name the areas, the whole first, and give the number of each incident's area, -1 for none."""
    whole = incidents.area.name
    if not by_area or not len(incidents.area.neighbourhoods):
        return [whole], np.full(len(incidents), -1, dtype=np.int64)
    names = [str(name) for name in incidents.area.neighbourhoods["name"]]
    own = incidents.area.neighbourhood_of(incidents.table["x"], incidents.table["y"])
    return [whole, *names], pd.Index(names, dtype=object).get_indexer(pd.Index(own)).astype(np.int64)


def _count(
    table: pd.DataFrame, members: NDArray[np.int64], start: pd.Timestamp, stop: pd.Timestamp
) -> NDArray[np.int64]:
    """Count a span as it was known at its end: the whole, then each area."""
    begun = table["occurred_from"]
    inside = ((begun >= start) & (begun < stop) & (table["known_at"] < stop)).to_numpy()
    own = members[inside]
    each = np.bincount(own[own >= 0], minlength=int(members.max(initial=-1)) + 1)
    return np.concatenate([[int(inside.sum())], each])


def _compare(
    period: str, areas: list[str], counts: NDArray[np.float64], past: NDArray[np.float64], fdr: float
) -> pd.DataFrame:
    # Neighbourhoods without a single incident stand behind those with one.
    counts, past = (_padded(array, len(areas)) for array in (counts, past))
    recent, before = counts[0], counts[1:]
    m = len(before)
    table = pd.DataFrame({"period": period, "area": areas, "count": recent.astype(int), "past_periods": m})
    if not m:
        return table.assign(usual=np.nan, z=np.nan, p_value=np.nan, q_value=np.nan, verdict="")[_COLUMNS]
    usual = before.mean(axis=0)
    dispersion = _dispersion(past)
    z = usual_z(recent, usual, m, dispersion)
    clumped = dispersion > 1
    nearer = np.clip(usual, recent - 0.5, recent + 0.5)
    careful = 2.0 * stats.t.sf(np.abs(usual_z(nearer, usual, m, dispersion)), max(len(past) - 1, 1))
    p = np.where(clumped, careful, 2.0 * stats.norm.sf(np.abs(z)))
    for k in np.flatnonzero(recent + before.sum(axis=0) <= _SMALL).tolist():
        exact = _e_test(int(recent[k]), int(before[:, k].sum()), m)
        p[k] = max(exact, p[k]) if clumped[k] else exact
    q = false_discovery_rate(np.minimum(p, 1.0))
    verdict = np.where(q > fdr, "as usual", np.where(recent > usual, "more", "fewer"))
    return table.assign(usual=usual, z=z, p_value=np.minimum(p, 1.0), q_value=q, verdict=verdict)[_COLUMNS]


_COLUMNS = ["period", "area", "count", "usual", "past_periods", "z", "p_value", "q_value", "verdict"]


def _e_test(recent: int, before: int, periods: int) -> float:
    if not recent + before:
        return 1.0
    # Against several past periods a recent count of zero is far out on the two-sided scale of the e-test, whatever is
    # usual: ten against one would pass for chance. So each side is tested, and the smaller p counts twice.
    sides = (
        stats.poisson_means_test(recent, 1, before, periods, alternative=side).pvalue for side in ("less", "greater")
    )
    return min(1.0, 2.0 * float(min(sides)))


def _padded(array: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    flat = array.reshape(len(array), -1) if len(array) else np.zeros((0, width))
    return np.pad(flat, ((0, 0), (0, width - flat.shape[1])))


def _dispersion(past: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate variance over mean of the past counts of each area; 1 where there are too few periods to tell."""
    if len(past) < 4:
        return np.ones(past.shape[1])
    mean = past.mean(axis=0)
    return np.divide(past.var(axis=0, ddof=1), mean, out=np.ones_like(mean), where=mean > 0)
