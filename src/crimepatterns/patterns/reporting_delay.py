"""How long it takes until an incident is known, by category, told fairly from a record that has an end.

An incident of yesterday is on record only if it was reported within a day. Counting delays as they stand therefore
takes the last weeks for quicker than they are. The reverse-time hazard estimator asks, for each delay, only those
incidents that would be on record even with that delay.

Lagakos, S. W., Barraj, L. M. and De Gruttola, V. (1988), Nonparametric analysis of truncated survival data, with
application to AIDS, Biometrika 75(3), 515-523, doi:10.1093/biomet/75.3.515. Kalbfleisch, J. D. and Lawless, J. F.
(1991), Regression models for right truncated data with applications to AIDS incubation times and reporting lags,
Statistica Sinica 1(1), 19-32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError

__all__ = ["ALL", "DelayCurve", "ReportingDelay", "Since", "delay_curve", "delays_and_limits", "reporting_delay"]

Since = Literal["occurred_from", "occurred_until"]

ALL = "all"
"""Name of the curve of all categories together."""

_LEAST = 30
_DAY_US = 86_400_000_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DelayCurve:
    """The distribution of the delay of one category.

    Parameters
    ----------
    incidents : int
        Those it rests on.
    longest_days : float
        Shares are of the incidents that become known within so many days: of later ones the record cannot tell how many
        there will be.
    beyond : int
        Incidents on record that took longer; they are not counted.
    days : ndarray of float64, shape (k,)
        Delays that occurred, rising.
    share, low, high : ndarray of float64, shape (k,)
        Share known after so many days, with the ends of its interval.
    confidence : float
        Of each interval by itself.
    """

    incidents: int
    longest_days: float
    beyond: int
    days: Floats = field(repr=False)
    share: Floats = field(repr=False)
    low: Floats = field(repr=False)
    high: Floats = field(repr=False)
    confidence: float

    def known_after(self, days: float) -> tuple[float, float, float]:
        """Return the share that is known after so many days, and the ends of its interval."""
        if days >= self.longest_days:
            return 1.0, 1.0, 1.0
        at = int(np.searchsorted(self.days, days, side="right")) - 1
        if at < 0:
            # Nobody was that quick: the largest share with which this still happens once in twenty (at 95 %).
            return 0.0, 0.0, float(1 - (1 - self.confidence) ** (1 / self.incidents))
        return float(self.share[at]), float(self.low[at]), float(self.high[at])

    def quantile(self, share: float) -> tuple[float, float, float]:
        """Return the days after which a share is known, and the ends of its interval.

        Raises
        ------
        PatternError
            If the share is not between 0 and 1.
        """
        if not 0 < share <= 1:
            raise PatternError(f"A quantile of the delay needs a share above 0 and at most 1, got {share}.")
        value, low, high = (
            self.days[min(int(np.searchsorted(curve, share, side="left")), len(self.days) - 1)]
            for curve in (self.share, self.high, self.low)
        )
        return float(value), float(low), float(high)


@dataclass(frozen=True, eq=False)
class ReportingDelay:
    """The delays of a record.

    Parameters
    ----------
    curves : mapping of str to DelayCurve
        By category, the most frequent first, and `ALL`; empty where the delay is assumed.
    too_few : mapping of str to int
        Categories that have too few incidents for a curve, with their number.
    since : str
        Delays are counted from this time on.
    as_of : Timestamp
        End of the record.
    assumed_days : float or None
        The delay that the city file declares because the record has no report dates.
    longest_seen : float
        The longest delay on record, days.
    """

    curves: Mapping[str, DelayCurve]
    too_few: Mapping[str, int]
    since: Since
    as_of: pd.Timestamp
    assumed_days: float | None = None
    longest_seen: float = 0.0

    def late(self, share: float) -> float:
        """Return the days after which a share of all incidents is known; the longest seen where there are too few."""
        return self.curves[ALL].quantile(share)[0] if ALL in self.curves else self.longest_seen

    def table(
        self, *, days: Sequence[float] = (1, 3, 7, 14, 28), shares: Sequence[float] = (0.5, 0.9, 0.95)
    ) -> pd.DataFrame:
        """Lay out one row per category: shares known after days, and days until shares are known, with intervals."""
        rows = []
        for name, curve in self.curves.items():
            row: dict[str, object] = {"category": name, "incidents": curve.incidents, "beyond": curve.beyond}
            for day in days:
                key = f"known_after_{day:g}d"
                row[key], row[f"{key}_low"], row[f"{key}_high"] = curve.known_after(day)
            for share in shares:
                key = f"days_until_{share * 100:g}pct"
                row[key], row[f"{key}_low"], row[f"{key}_high"] = curve.quantile(share)
            rows.append(row)
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        """Say how quickly incidents become known, or that this is assumed."""
        if self.assumed_days is not None:
            return (
                "Assumed: the record has no report dates; incidents count as known "
                f"{self.assumed_days:g} days after they ended."
            )
        if ALL not in self.curves:
            return f"Too few incidents ({sum(self.too_few.values()):,}) to tell how long reports take."
        curve = self.curves[ALL]
        share, low, high = curve.known_after(7)
        late, *_ = curve.quantile(0.95)
        return (
            f"{100 * share:.1f} % of the incidents (between {100 * low:.1f} and {100 * high:.1f} %) are known after "
            f"7 days, 95 % after {late:.1f} days, of those known within {curve.longest_days:.0f} days."
        )


def reporting_delay(
    incidents: Incidents,
    *,
    as_of: pd.Timestamp | None = None,
    since: Since = "occurred_until",
    longest_days: float | None = None,
    confidence: float = 0.95,
    assumed_days: float | None = None,
) -> ReportingDelay:
    """Estimate how long it takes until incidents are known, by category.

    Parameters
    ----------
    incidents : Incidents
    as_of : Timestamp, optional
        Moment up to which the record goes; what became known later is left out. The last report where it is left out.
    since : {"occurred_until", "occurred_from"}
        From the end of the incident: how people report. From its begin: how complete a count by ``occurred_from`` is.
    longest_days : float, optional
        Delays up to so many days; where it is left out, the longest that at least 30 incidents had the time for.
    confidence : float
    assumed_days : float, optional
        The record has no report dates: nothing is estimated, and the result says that this delay is assumed.

    Returns
    -------
    ReportingDelay

    Raises
    ------
    PatternError
        If there are no incidents, or a setting is impossible.
    """
    table = incidents.table
    if len(table) == 0:
        raise PatternError("A reporting delay needs at least one incident, got none: check the cleaning report.")
    end = as_of if as_of is not None else table["known_at"].max() + pd.Timedelta(microseconds=1)
    if assumed_days is not None:
        return ReportingDelay({}, {}, since, end, assumed_days)
    known = table.loc[table["known_at"] < end]
    delay, limit = delays_and_limits(known, end, since=since)
    category = known["category"].astype(str).to_numpy()
    curves: dict[str, DelayCurve] = {}
    too_few: dict[str, int] = {}
    names = known["category"].astype(str).value_counts()
    for name, count in [(ALL, len(known)), *names.items()]:
        rows = slice(None) if name == ALL else category == name
        if count < _LEAST:
            too_few[str(name)] = int(count)
            continue
        curves[str(name)] = delay_curve(delay[rows], limit[rows], longest=longest_days, confidence=confidence)
    too_few.pop(ALL, None)
    return ReportingDelay(curves, too_few, since, end, longest_seen=float(delay.max(initial=0.0)))


def delays_and_limits(known: pd.DataFrame, end: pd.Timestamp, *, since: Since) -> tuple[Floats, Floats]:
    """Return the delay of each incident and the longest it could have had, days; shape (n_incidents,) each.

    Parameters
    ----------
    known : DataFrame
        Incident table, of what was known before `end`.
    end : Timestamp
    since : {"occurred_until", "occurred_from"}
    """
    delay = np.maximum(_days(known["known_at"] - known[since]), 0.0)
    return delay, np.maximum(_days(end - known[since]), delay)


def delay_curve(
    delay: Floats, limit: Floats, *, longest: float | None = None, confidence: float = 0.95, least: int = _LEAST
) -> DelayCurve:
    """Estimate the distribution of delays that are seen only where they are no longer than their limit.

    With the distinct delays x_1 < ... < x_k, d_j incidents of delay x_j, and n_j incidents whose delay is at most x_j
    and whose limit is at least x_j,

        F(x_j) = prod over i > j of (1 - d_i / n_i),

    given that the delay is at most x_k. Intervals come from Greenwood's variance of log F,
    sum over i > j of d_i / (n_i (n_i - d_i)), on the scale of log(-log F), which keeps them between 0 and 1.

    Parameters
    ----------
    delay, limit : ndarray of float64, shape (n,)
        Any unit, ``0 <= delay <= limit``; the limit is the time from the incident to the end of the record.
    longest : float, optional
        The longest delay looked at; where it is left out, the longest that at least `least` incidents had the time for.
    confidence : float
    least : int

    Raises
    ------
    PatternError
        If a delay is above its limit or negative, no delay is short enough, or the confidence is not in (0, 1).
    """
    if not 0 < confidence < 1:
        raise PatternError(f"Confidence must lie between 0 and 1, got {confidence}.")
    if len(delay) == 0 or (delay < 0).any() or (delay > limit).any():
        raise PatternError(
            "Delays must be there, not negative, and no longer than the time up to the end of the record."
        )
    reach = float(np.partition(limit, -min(least, len(limit)))[-min(least, len(limit))])
    most = min(reach, float(delay.max())) if longest is None else longest
    kept = delay <= most
    if not kept.any():
        raise PatternError(f"No delay is at most {most:g}: raise longest_days, or wait for a longer record.")
    days, died = np.unique(delay[kept], return_counts=True)
    started = np.cumsum(died)
    # At risk: as quick as that, and with the time to be as slow as that.
    at_risk = started - np.searchsorted(np.sort(limit[kept]), days, side="left")
    with np.errstate(divide="ignore"):
        steps = np.log1p(-died / at_risk)
        variances = died / (at_risk * (at_risk - died).astype(float))
    log_share = _sum_after(steps)
    low, high = _interval(log_share, _sum_after(variances), confidence)
    if days[-1] < most:
        # Nobody took longer, among those who had the time: the smallest share with which that still happens.
        low[-1] = (1 - confidence) ** (1 / max(int((limit[kept] >= most).sum()), 1))
    return DelayCurve(int(kept.sum()), most, int((~kept).sum()), days, np.exp(log_share), low, high, confidence)


def _sum_after(terms: Floats) -> Floats:
    """Return for each position the sum of all later terms."""
    return np.append(np.cumsum(terms[:0:-1])[::-1], 0.0)


def _interval(log_share: Floats, variance: Floats, confidence: float) -> tuple[Floats, Floats]:
    z = float(stats.norm.ppf((1 + confidence) / 2))
    inner = (log_share < 0) & np.isfinite(log_share)
    low, high = np.where(log_share < 0, 0.0, 1.0), np.ones_like(log_share)
    wide = z * np.sqrt(variance[inner]) / -log_share[inner]
    low[inner], high[inner] = np.exp(log_share[inner] * np.exp(wide)), np.exp(log_share[inner] * np.exp(-wide))
    return low, high


def _days(spans: pd.Series) -> Floats:
    return np.asarray(spans.dt.as_unit("us").astype("int64").to_numpy() / _DAY_US, dtype=np.float64)
