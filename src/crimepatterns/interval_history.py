"""Intervals of areas in past weeks: earlier origins teach how far whole areas stray from their forecast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from crimepatterns.city import City
from crimepatterns.config import open_executor
from crimepatterns.domain.folds import Fold, rolling
from crimepatterns.domain.protocols import Forecaster, Progress, silent
from crimepatterns.evaluation.backtest import BacktestResult, backtests, joined_in_time
from crimepatterns.evaluation.learned_intervals import LearnedIntervals
from crimepatterns.evaluation.union_coverage import rolling_intervals
from crimepatterns.evaluation.unions import standard_unions
from crimepatterns.forecasts.registry import BASELINES
from crimepatterns.store.audit_tables import read_audit_table

__all__ = ["PastIntervals", "audit_columns", "past_intervals"]

_DRAWS, _PIECES = 1000, 60
_LEFT_FOR_FITTING = 8
"""Periods before the earliest origin from which models can still learn."""


@dataclass(frozen=True, eq=False)
class PastIntervals:
    """How intervals of areas fared in a span, and what all origins teach.

    Parameters
    ----------
    unions : DataFrame
        Rows of `RollingIntervals` of the span, with ``category`` and ``model``.
    learned : mapping of str to mapping of str to LearnedIntervals
        By category and model.
    """

    unions: pd.DataFrame = field(repr=False)
    learned: Mapping[str, Mapping[str, LearnedIntervals]]

    def to_json(self) -> dict[str, Any]:
        """Return what was learned as plain values, by category and model."""
        return {
            category: {model: one.to_json() for model, one in models.items()}
            for category, models in self.learned.items()
        }


def past_intervals(
    city: City,
    results: Sequence[BacktestResult],
    champions: Mapping[str, str],
    forecasters: Mapping[str, Forecaster],
    progress: Progress = silent,
) -> PastIntervals:
    """Learn intervals for the baselines and the champion of each category, and judge them on the span of `results`.

    The origins just before the span are replayed for these models only, since learners take long. They lie where tuning
    looked, so that what they teach about a tuned learner is a little too good.

    Parameters
    ----------
    city : City
    results : sequence of BacktestResult
        Of the span, one per category.
    champions : mapping of str to str
        By category.
    forecasters : mapping of str to Forecaster
    progress : Progress
    """
    earlier = _earlier_folds(city, results[0].folds)
    unions = standard_unions(city.grid, compact=_PIECES, seed=city.settings.forecast.seed)
    rows: list[pd.DataFrame] = []
    learned: dict[str, dict[str, LearnedIntervals]] = {}
    for step, result in enumerate(results):
        progress("Learning intervals of areas", step, len(results))
        names = [name for name in result.models if name in BASELINES or name == champions[result.category]]
        whole = result
        if earlier:
            makers = {name: forecasters[name] for name in names}
            whole = joined_in_time(_replay(city, earlier, makers, result.category), result, names)
        for name in names:
            found = rolling_intervals(
                whole,
                name,
                unions,
                draws=_DRAWS,
                seed=city.settings.forecast.seed,
                ready_days=_ready_days(city),
            )
            own = found.rows.loc[found.rows["origin"] >= len(earlier)]
            rows.append(own.assign(category=result.category, model=name))
            learned.setdefault(result.category, {})[name] = found.learned
    progress("Learning intervals of areas", len(results), len(results))
    return PastIntervals(pd.concat(rows, ignore_index=True), learned)


def audit_columns(city: City) -> dict[str, dict[str, float]]:
    """Read the numbers of audit tables by neighbourhood, ``layer: column``; the last row of each counts.

    They serve to judge intervals by group of areas and for nothing else. Tables that the context stage has not brought
    in yet are left out.
    """
    found: dict[str, dict[str, float]] = {}
    for layer in (one for one in city.settings.context if one.role == "audit"):
        path = city.layout.context / "audit" / f"{layer.name}.parquet"
        if not path.exists():
            continue
        table = pd.DataFrame(read_audit_table(path)[0].drop(columns="geometry")).sort_values("starts_at")
        last = table.drop_duplicates("neighbourhood", keep="last").set_index("neighbourhood")
        for column in last.select_dtypes("number").columns:
            values = last[column].dropna()
            found[f"{layer.name}: {column}"] = {str(name): float(value) for name, value in values.items()}
    return found


def _earlier_folds(city: City, folds: Sequence[Fold]) -> tuple[Fold, ...]:
    """As many origins just before the span as the settings ask for and the data allow."""
    start, end, days = city.archive.start, folds[0].cutoff, city.settings.forecast.horizon_days
    possible = (end.tz_localize(None) - start.tz_localize(None)).days // days - _LEFT_FOR_FITTING
    count = min(city.settings.evaluation.interval_origins, possible)
    return rolling(start, end, horizon_days=days, origins=count) if count > 0 else ()


def _replay(city: City, folds: Sequence[Fold], makers: Mapping[str, Forecaster], category: str) -> BacktestResult:
    settings = city.settings
    with open_executor(settings.execution, workers=settings.workers) as executor:
        return backtests(
            city.archive,
            folds,
            makers,
            categories=(category,),
            refit_every=settings.forecast.refit_every,
            seed=settings.forecast.seed,
            refit_always=BASELINES,
            executor=executor,
        )[0]


def _ready_days(city: City) -> float:
    """Days after its window until nearly all incidents of a forecast are known."""
    assumed = city.delay.assumed_days
    return float(np.ceil(city.delay.late(0.95) if assumed is None else assumed))
