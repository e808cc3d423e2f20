"""Trend and season of counts by local regression (STL), with a test whether there is a season at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.calendar_counts import count_by_calendar, record_of
from crimepatterns.patterns.permutation import permutation_test
from crimepatterns.patterns.window import Window

__all__ = ["SeasonTrend", "Step", "season_trend", "stl"]

Step = Literal["day", "week", "month"]
"""Length of a period; the season of days is the week, that of weeks and months is the year."""

_CYCLE = {"day": 7, "week": 52, "month": 12}
_LEAST_CYCLES = 2
_FEW_CYCLES = 5
"""With fewer cycles than this each season rests on so few values that it would bend to every one of them."""
_A_YEAR = {"day": 364, "week": 52, "month": 12}


@dataclass(frozen=True, eq=False)
class SeasonTrend:
    """Counts taken apart into trend, season and remainder.

    Parameters
    ----------
    table : DataFrame, shape (n_periods, 7)
        ``period`` (its first day, without a zone), ``count``, ``per_day`` and its parts ``trend``, ``season`` and
        ``remainder``, which sum to it; ``adjusted`` is per_day without the season.
    step : {"day", "week", "month"}
    trend_strength, season_strength : float
        In [0, 1]: 1 less the share of the remainder in the variance of that part and the remainder.
    season_p : float
        Of the season's strength against periods in any order around the same trend.
    dropped : int
        Periods at the ends that the record does not cover whole, left out.
    parameters : mapping
    """

    table: pd.DataFrame = field(repr=False)
    step: Step
    trend_strength: float
    season_strength: float
    season_p: float
    dropped: int
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()

    def sentence(self, *, level: float = 0.05) -> str:
        """Say how the trend moved over the last year on record, and when the season is high, if there is one."""
        trend = self.table["trend"].to_numpy()
        back = min(_A_YEAR[self.step], len(trend) - 1)
        since = self.table["period"].iloc[-1 - back].strftime("%B %Y")
        said = f"Trend: {trend[-1]:,.2f} incidents a day, {trend[-1 - back]:,.2f} in {since}."
        if self.season_p > level:
            return f"{said} No season is shown (p = {self.season_p:.2g})."
        named = {"day": "%A", "week": "%B", "month": "%B"}[self.step]
        months = self.table["period"].dt.strftime(named)
        mean = self.table["season"].groupby(months, sort=False).mean()
        return (
            f"{said} Season: highest in {mean.idxmax()} ({mean.max():+,.2f} a day), lowest in {mean.idxmin()} "
            f"({mean.min():+,.2f}; p = {self.season_p:.2g})."
        )


def season_trend(
    incidents: Incidents,
    *,
    step: Step = "month",
    covered: Window | None = None,
    robust: bool = True,
    replicates: int = 199,
    seed: int = 0,
) -> SeasonTrend:
    """Take the number of incidents per day apart into trend, season and remainder.

    Months are compared by incidents per day, since they differ in length. Periods that the record does not cover
    whole, such as the current month, are left out: they would look like a fall.

    Parameters
    ----------
    incidents : Incidents
    step : {"day", "week", "month"}
    covered : Window, optional
        The span that the record covers; from the first to the last day on record where it is left out.
    robust : bool
        Keep single odd periods from bending trend and season.
    replicates : int
        Orders drawn for the test of the season.
    seed : int

    Returns
    -------
    SeasonTrend

    Raises
    ------
    PatternError
        If there is no incident, or the record holds fewer than two whole cycles (weeks for days, else years).

    References
    ----------
    Cleveland, Cleveland, McRae and Terpenning (1990), STL: a seasonal-trend decomposition procedure based on loess,
    Journal of Official Statistics 6(1), 3-73; strengths: Wang, Smith and Hyndman (2006),
    https://doi.org/10.1007/s10618-005-0039-x
    """
    if step not in _CYCLE:
        raise PatternError(f"step must be one of {list(_CYCLE)}, got {step!r}.")
    if not len(incidents):
        raise PatternError("Trend and season need incidents, got none: widen the selection.")
    counts, dropped = _whole_periods(incidents, covered or record_of(incidents), step)
    cycle = _CYCLE[step]
    if len(counts) < _LEAST_CYCLES * cycle + 1:
        raise PatternError(
            f"Trend and season by {step} need more than {_LEAST_CYCLES * cycle} whole {step}s, got {len(counts)}: "
            "take a finer step or a longer record."
        )
    per_day = counts["count"].to_numpy() / counts["days"].to_numpy()
    parts = stl(per_day, period=cycle, robust=robust)
    simulate = partial(_reordered, per_day - parts[0], parts[0], cycle, robust)
    tested = permutation_test(_strength(parts[1], parts[2]), simulate, count=replicates, seed=seed)
    table = pd.DataFrame(
        {
            "period": counts.index,
            "count": counts["count"].to_numpy(),
            "per_day": per_day,
            "trend": parts[0],
            "season": parts[1],
            "remainder": parts[2],
            "adjusted": per_day - parts[1],
        }
    )
    steady = len(counts) < _FEW_CYCLES * cycle
    used = {"step": step, "cycle": cycle, "robust": robust, "same_season_in_every_cycle": steady}
    drawn = {"replicates": replicates, "seed": seed}
    return SeasonTrend(
        table,
        step,
        _strength(parts[0], parts[2]),
        _strength(parts[1], parts[2]),
        float(tested.p_values),
        dropped,
        MappingProxyType({**used, **drawn, "first": str(counts.index[0].date()), "periods": len(counts)}),
    )


def stl(values: ArrayLike, *, period: int, robust: bool = True) -> NDArray[np.float64]:
    """Return trend, season and remainder of evenly spaced values, shape (3, n); they sum to the values.

    The season may change from cycle to cycle; with fewer than five cycles it is the same in all of them.

    Raises
    ------
    PatternError
        If there are not more than two cycles, or a value is missing.
    """
    from statsmodels.tsa.seasonal import STL

    series = np.asarray(values, dtype=float)
    if series.ndim != 1 or len(series) <= _LEAST_CYCLES * period or not np.isfinite(series).all():
        raise PatternError(f"STL needs more than {_LEAST_CYCLES * period} values without gaps, got {series.shape}.")
    if np.ptp(series) == 0:
        # Weights of the robust fit are undefined where nothing varies.
        return np.stack([series, np.zeros_like(series), np.zeros_like(series)])
    steady = len(series) < _FEW_CYCLES * period
    # A window far wider than the record and a local constant: the mean of each month or weekday.
    bend = {"seasonal": 10 * len(series) + 1, "seasonal_deg": 0} if steady else {}
    fitted = STL(series, period=period, robust=robust, **bend).fit()
    return np.stack([fitted.trend, fitted.seasonal, fitted.resid])


def _whole_periods(incidents: Incidents, covered: Window, step: Step) -> tuple[pd.DataFrame, int]:
    if step == "day":
        days = incidents.table["occurred_from"].dt.tz_localize(None).dt.normalize()
        whole = pd.date_range(covered.start.tz_localize(None), covered.end.tz_localize(None), inclusive="left")
        counts = days.value_counts().reindex(whole, fill_value=0)
        return pd.DataFrame({"count": counts.to_numpy(), "days": 1}, index=whole), 0
    counted = count_by_calendar(incidents, covered, monthly=step == "month")
    total = counted.counts.sum(axis="columns")
    index = pd.DatetimeIndex(total.index)
    length = index.days_in_month.to_numpy() if step == "month" else np.full(len(index), 7)
    table = pd.DataFrame({"count": total.to_numpy(), "days": length}, index=index)
    return table.loc[counted.complete], int((~counted.complete).sum())


def _strength(part: NDArray[np.float64], remainder: NDArray[np.float64]) -> float:
    both = float(np.var(part + remainder))
    return max(0.0, 1.0 - float(np.var(remainder)) / both) if both > 0 else 0.0


def _reordered(
    around: NDArray[np.float64], trend: NDArray[np.float64], cycle: int, robust: bool, rng: np.random.Generator
) -> NDArray[np.float64]:
    parts = stl(trend + rng.permutation(around), period=cycle, robust=robust)
    return np.asarray(_strength(parts[1], parts[2]))
