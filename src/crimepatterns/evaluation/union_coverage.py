"""Do the intervals of whole areas hold what they say: each past origin judged by what only its own past could teach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from crimepatterns.evaluation.backtest import BacktestResult
from crimepatterns.evaluation.comparison import pooled_ratio
from crimepatterns.evaluation.conformal import adjusted, conformal_scale, interval_scores
from crimepatterns.evaluation.learned_intervals import LearnedIntervals
from crimepatterns.evaluation.shared_effects import OriginMoments, SharedEffects, learn_effects, origin_moments
from crimepatterns.evaluation.union_intervals import UnionSums, central_interval, simulate_unions, union_sums
from crimepatterns.evaluation.unions import CITY, NEIGHBOURHOOD, Unions, area_index

__all__ = ["COVERAGE_COLUMNS", "MIN_EXPECTED", "RollingIntervals", "coverage_table", "rolling_intervals"]

MIN_EXPECTED = 5.0
"""Unions that expect less are not judged: any interval of so small a count holds too much."""

COVERAGE_COLUMNS: tuple[str, ...] = ("by", "group", "unions", "covered", "coverage", "lower", "upper")

_LEARN_FROM = 8
_QUARTERS = ("January to March", "April to June", "July to September", "October to December")


@dataclass(frozen=True, eq=False)
class RollingIntervals:
    """Intervals of unions at past origins, what happened, and what all of it teaches.

    Parameters
    ----------
    rows : DataFrame
        One row per origin and union that expects enough: ``origin`` (number), ``cutoff``, ``union``, ``kind``,
        ``expected``, ``observed``, ``lower``, ``upper``, ``covered``; and ``poisson``, whether a plain Poisson interval
        would have held it.
    learned : LearnedIntervals
        From all origins, for forecasts after them.
    """

    rows: pd.DataFrame = field(repr=False)
    learned: LearnedIntervals


@dataclass(frozen=True, eq=False)
class _Origin:
    """One past origin: sums, raw interval and, once known, how far off it was."""

    number: int
    sums: UnionSums
    observed: NDArray[np.int64]
    judged: NDArray[np.bool_]
    moments: OriginMoments


def rolling_intervals(
    result: BacktestResult,
    model: str,
    unions: Unions,
    *,
    draws: int,
    seed: int,
    confidence: float = 0.9,
    ready_days: float = 0.0,
) -> RollingIntervals:
    """Make an interval for every union at every origin from what earlier origins teach.

    Effects and adjustment at an origin come only from forecasts whose outcome was complete before it.

    Parameters
    ----------
    result : BacktestResult
        Origins in time order; the first ones only teach.
    model : str
    unions : Unions
    draws, seed : int
    confidence : float
    ready_days : float
        Days after its window until an outcome is complete.
    """
    areas, names = area_index(result.grid)
    origins = [_origin(result, model, unions, number, areas, len(names)) for number in range(len(result.folds))]
    city = np.array([kind == CITY for kind in unions.kinds])
    scores: dict[int, tuple[NDArray[np.float64], NDArray[np.bool_]]] = {}
    parts: list[pd.DataFrame] = []
    for origin in origins:
        known = _known_before(result, origin.number, ready_days)
        if len(known) < _LEARN_FROM:
            continue
        effects = learn_effects([origins[i].moments for i in known])
        lower, upper = _raw(origin, effects, draws, seed, confidence)
        scales = _scales([scores[i] for i in known if i in scores], confidence)
        kinds = city[origin.judged]
        observed = origin.observed[origin.judged]
        low, high = adjusted(lower, upper, np.where(kinds, scales[1], scales[0]))
        parts.append(_rows(result, origin, unions, (low, high), confidence))
        scores[origin.number] = (interval_scores(lower, upper, observed), kinds)
    scales = _scales(list(scores.values()), confidence)
    learned = LearnedIntervals(
        effects=learn_effects([one.moments for one in origins]),
        scale_parts=scales[0],
        scale_city=scales[1],
        confidence=confidence,
        origins=len(origins),
        learned_until=result.folds[-1].test.end + pd.Timedelta(days=ready_days),
        horizon_days=_days(result),
    )
    return RollingIntervals(pd.concat(parts, ignore_index=True) if parts else _no_rows(), learned)


def coverage_table(
    rows: pd.DataFrame,
    *,
    column: str = "covered",
    groups: int = 10,
    audit: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> pd.DataFrame:
    """Count how often counts lay within their intervals: pooled, by kind, quarter, neighbourhood and tenths.

    Parameters
    ----------
    rows : DataFrame
        Of `RollingIntervals`.
    column : {"covered", "poisson"}
    groups : int
        Tenths of the expected count, and of each audit column.
    audit : mapping of str to mapping of str to float
        Columns about areas, by neighbourhood; for figures only.

    Returns
    -------
    DataFrame
        `COVERAGE_COLUMNS`, with 95 % intervals that allow for correlation between origins.
    """
    told = rows.assign(hit=rows[column].astype(float))
    moments = pd.DatetimeIndex(told["cutoff"])
    parts = [_grouped(told, "all", pd.Series("all", index=told.index))]
    parts.append(_grouped(told, "kind", told["kind"]))
    quarter = pd.Series([_QUARTERS[one - 1] for one in moments.quarter], index=told.index, dtype=object)
    parts.append(_grouped(told, "season", quarter))
    local = told.loc[told["kind"] == NEIGHBOURHOOD]
    parts.append(_grouped(local, "neighbourhood", local["union"]))
    pieces = told.loc[told["kind"] != CITY]
    parts.append(_grouped(pieces, "expected", _tenths(pieces["expected"], groups)))
    for name, values in audit.items():
        value = local["union"].map(values)
        some = local.loc[value.notna()]
        parts.append(_grouped(some, name, _tenths(value.dropna(), groups)))
    return pd.concat(parts, ignore_index=True)[list(COVERAGE_COLUMNS)]


def _grouped(rows: pd.DataFrame, by: str, group: pd.Series) -> pd.DataFrame:
    found = []
    order = sorted(set(rows["origin"]))
    for name, part in rows.groupby(group, sort=True):
        per = part.groupby("origin")["hit"].agg(["sum", "count"]).reindex(order).dropna()
        estimate = pooled_ratio(per["sum"], per["count"])
        alone = stats.binomtest(int(part["hit"].sum()), len(part)).proportion_ci(0.95, method="wilson")
        # Never narrower than for independent counts: few that all lay within say little.
        lower = max(float(np.fmin(estimate.lower, alone.low)), 0.0)
        upper = min(float(np.fmax(estimate.upper, alone.high)), 1.0)
        found.append((by, str(name), len(part), int(part["hit"].sum()), estimate.value, lower, upper))
    return pd.DataFrame(found, columns=list(COVERAGE_COLUMNS))


def _tenths(values: pd.Series, groups: int) -> pd.Series:
    """Put values into groups of equal size, numbered from the lowest as text that sorts."""
    if values.empty:
        return values.astype(str)
    number = (values.rank(method="average", pct=True) * groups - 1e-9).astype(int).clip(upper=groups - 1) + 1
    return number.map(lambda one: f"{one:02d} of {groups}")


def _origin(
    result: BacktestResult, model: str, unions: Unions, number: int, areas: NDArray[np.int64], n_areas: int
) -> _Origin:
    expected, observed = result.expected[model][number], result.observed[number]
    sums = union_sums(unions.members, expected, areas, n_areas=n_areas)
    judged = sums.expected >= MIN_EXPECTED
    return _Origin(
        number,
        UnionSums(sums.masses[judged], sums.squares[judged]),
        np.rint(unions.members @ observed).astype(np.int64),
        judged,
        origin_moments(expected, observed, areas, n_areas=n_areas),
    )


def _known_before(result: BacktestResult, number: int, ready_days: float) -> list[int]:
    cutoff, wait = result.folds[number].cutoff, pd.Timedelta(days=ready_days)
    return [i for i in range(number) if result.folds[i].test.end + wait <= cutoff]


def _raw(
    origin: _Origin, effects: SharedEffects, draws: int, seed: int, confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    counts = simulate_unions(origin.sums, effects, draws=draws, seed=seed)
    return central_interval(counts, confidence=confidence, seed=seed)


def _scales(past: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_]]], confidence: float) -> tuple[float, float]:
    return (
        conformal_scale([scores[~city] for scores, city in past], confidence=confidence),
        conformal_scale([scores[city] for scores, city in past], confidence=confidence),
    )


def _rows(
    result: BacktestResult,
    origin: _Origin,
    unions: Unions,
    interval: tuple[NDArray[np.float64], NDArray[np.float64]],
    confidence: float,
) -> pd.DataFrame:
    which = np.flatnonzero(origin.judged)
    observed = origin.observed[which]
    plain = [stats.poisson.ppf(0.5 + side * confidence / 2, origin.sums.expected) for side in (-1, 1)]
    return pd.DataFrame(
        {
            "origin": origin.number,
            "cutoff": result.folds[origin.number].cutoff,
            "union": np.array(unions.names, dtype=object)[which],
            "kind": np.array(unions.kinds, dtype=object)[which],
            "expected": origin.sums.expected,
            "observed": observed,
            "lower": interval[0],
            "upper": interval[1],
            "covered": (observed >= interval[0]) & (observed <= interval[1]),
            "poisson": (observed >= plain[0]) & (observed <= plain[1]),
        }
    )


def _no_rows() -> pd.DataFrame:
    names = ("origin", "cutoff", "union", "kind", "expected", "observed", "lower", "upper", "covered", "poisson")
    return pd.DataFrame({name: pd.Series(dtype=object) for name in names})


def _days(result: BacktestResult) -> int:
    test = result.folds[0].test
    return (test.end.tz_localize(None) - test.start.tz_localize(None)).days
