"""Every score of every model at every origin, as numerators and denominators that pool by summing."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.scorecard import FOLD_COLUMNS, SUMMARY_COLUMNS
from crimepatterns.evaluation.backtest import BacktestResult
from crimepatterns.evaluation.calibration import coverage
from crimepatterns.evaluation.classification import chance_of_any, confusion, rank_pairs
from crimepatterns.evaluation.comparison import pooled_ratio
from crimepatterns.evaluation.hotspot_metrics import Catch, catch
from crimepatterns.evaluation.scoring_rules import impossible, log_score, poisson_deviance
from crimepatterns.evaluation.selection import Budget, select_cells
from crimepatterns.evaluation.self_consistency import ceiling_catch

__all__ = ["METRICS", "THRESHOLD", "MetricFacts", "impossible_incidents", "is_saturated", "score_folds", "summarise"]

THRESHOLD = 0.5
"""A cell is forecast to see an incident where its chance of at least one is this or more."""

_SATURATED = 0.99
Row = tuple[str, str, float, float]


@dataclass(frozen=True)
class MetricFacts:
    """What a metric's number means.

    Parameters
    ----------
    label, unit : str
    direction : {"higher", "lower", "one"}
        Which way is better; ``one`` where 1 is ideal.
    reference : str
        What to hold it against.
    bounded : bool
        True where it lies in [0, 1].
    """

    label: str
    unit: str
    direction: Literal["higher", "lower", "one"]
    reference: str
    bounded: bool = False


METRICS: Mapping[str, MetricFacts] = MappingProxyType(
    {
        "hit_rate": MetricFacts("Hit rate", "share of incidents", "higher", "share of area", True),
        "pai": MetricFacts("PAI", "times the mean density", "higher", "1 is chance"),
        "pei": MetricFacts("PEI", "share of the best possible catch", "higher", "1 is perfect", True),
        "hit_rate_saturated": MetricFacts(
            "Hit rate (saturated)", "share of incidents", "higher", "the best map would catch all", True
        ),
        "rri": MetricFacts("RRI (recapture rate)", "(n2/n1)/(N2/N1)", "one", "1 keeps its share"),
        "deviance": MetricFacts("Poisson deviance", "per cell", "lower", "0 is perfect"),
        "deviance_skill": MetricFacts("Deviance skill", "share removed", "higher", "0 is count_eb"),
        "log_score": MetricFacts("Log score", "nats per cell", "lower", "lower is better"),
        "calibration_ratio": MetricFacts("Observed / expected", "ratio", "one", "1 is ideal"),
        "calibration_slope": MetricFacts("Calibration slope", "log observed per log expected", "one", "1 is ideal"),
        "coverage": MetricFacts("Interval coverage", "share of cells expecting 0.5 or more", "higher", "nominal", True),
        "union_coverage": MetricFacts(
            "Coverage of areas", "share of areas expecting 5 or more", "higher", "90 % intervals hold 90 %", True
        ),
        "accuracy": MetricFacts("Accuracy", "share of cells", "higher", "majority class", True),
        "majority_accuracy": MetricFacts("Accuracy of the majority class", "share of cells", "higher", "none", True),
        "precision": MetricFacts("Precision", "share of cells forecast", "higher", "1 is perfect", True),
        "recall": MetricFacts("Recall", "share of cells with incidents", "higher", "1 is perfect", True),
        "f1": MetricFacts("F1", "harmonic mean", "higher", "1 is perfect", True),
        "roc_auc": MetricFacts("ROC AUC", "share of pairs in order", "higher", "0.5 is chance", True),
        "self_consistent_pei": MetricFacts(
            "Self-consistent PEI", "share of the best possible catch", "higher", "a check, not a ceiling", True
        ),
        "ceiling_share": MetricFacts(
            "Share of the true ceiling", "share of the catch that knows the truth", "higher", "1 is perfect", True
        ),
    }
)
"""Every metric of a scorecard by name."""


def score_folds(
    result: BacktestResult,
    *,
    budgets: Sequence[Budget],
    reference: str | None = None,
    classifiers: Collection[str] = (),
    truth: NDArray[np.float64] | None = None,
) -> pd.DataFrame:
    """Score every model at every origin.

    Parameters
    ----------
    result : BacktestResult
    budgets : sequence of Budget
    reference : str, optional
        Model whose deviance the skill is measured against.
    classifiers : collection of str
        Models that also get a classifier's scores.
    truth : ndarray of float, shape (n_folds, n_cells), optional
        True expected counts, where the city is invented.

    Returns
    -------
    DataFrame
        `FOLD_COLUMNS`. PEI carries the name ``hit_rate_saturated`` under budgets where the best map would catch
        (nearly) everything. Deviance and log score are left out for models that gave no chance to what happened.
    """
    saturated = {budget.label for budget in budgets if is_saturated(result, budget)}
    refused = {name for name in result.models if impossible_incidents(result, name)}
    rows = []
    for name in result.models:
        for i, cutoff in enumerate(result.cutoffs):
            found: list[Row] = list(_catch_rows(result, name, i, budgets, saturated, truth))
            found += _rule_rows(result, name, i, None if reference in refused else reference, refused)
            found += _interval_rows(result, name, i)
            if name in classifiers:
                found += _classifier_rows(result.expected[name][i], result.observed[i])
            rows += [
                (result.category, name, metric, label, cutoff, top, bottom) for metric, label, top, bottom in found
            ]
    table = pd.DataFrame(rows, columns=list(FOLD_COLUMNS[:-1]))
    table["value"] = table["numerator"] / table["denominator"].where(table["denominator"] > 0)
    return table


def summarise(folds: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Pool fold scores over origins as sum / sum, each with an interval; returns `SUMMARY_COLUMNS`."""
    rows = []
    for (category, model, metric, label), part in folds.groupby(
        ["category", "model", "metric", "budget"], sort=False, observed=True
    ):
        ordered = part.sort_values("cutoff")
        found = pooled_ratio(ordered["numerator"], ordered["denominator"], confidence=confidence)
        facts = METRICS[str(metric)]
        low, high = (0.0, 1.0) if facts.bounded else (-np.inf, np.inf)
        lower, upper = np.clip([found.lower, found.upper], low, high)
        rows.append(
            (
                category,
                model,
                metric,
                label,
                found.value,
                lower,
                upper,
                len(part),
                facts.unit,
                facts.direction,
                facts.reference,
            )
        )
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def is_saturated(result: BacktestResult, budget: Budget) -> bool:
    """Tell whether the best possible map would catch at least 99 % under this budget."""
    areas = result.grid.area_km2
    best = sum(float(select_cells(counts, areas, budget) @ counts) for counts in result.observed)
    return best >= _SATURATED * float(result.observed.sum())


def impossible_incidents(result: BacktestResult, model: str) -> int:
    """Count incidents that happened where a model expected exactly nothing."""
    return impossible(result.expected[model], result.observed)


def _catch_rows(
    result: BacktestResult,
    name: str,
    fold: int,
    budgets: Sequence[Budget],
    saturated: Collection[str],
    truth: NDArray[np.float64] | None,
) -> Iterator[Row]:
    mean, areas = result.expected[name][fold], result.grid.area_km2
    for budget in budgets:
        label = budget.label
        now: Catch = catch(mean, result.observed[fold], areas, budget, outside=result.outside[fold])
        earlier = catch(mean, result.before[fold], areas, budget)
        yield "hit_rate", label, now.hits, now.total
        yield "pai", label, now.hits * now.total_area_km2 / now.area_km2, now.total
        yield "hit_rate_saturated" if label in saturated else "pei", label, now.hits, now.best
        yield "rri", label, now.hits * earlier.total, earlier.hits * now.total
        if truth is not None:
            yield "ceiling_share", label, *ceiling_catch(mean, truth[fold], areas, budget=budget)


def _rule_rows(
    result: BacktestResult, name: str, fold: int, reference: str | None, refused: Collection[str]
) -> Iterator[Row]:
    mean, count = result.expected[name][fold], result.observed[fold]
    yield "calibration_ratio", "", float(count.sum()), float(mean.sum())
    if name in refused:
        return
    deviance = float(poisson_deviance(mean, count).sum())
    yield "deviance", "", deviance, float(len(mean))
    yield "log_score", "", float(log_score(mean, count).sum()), float(len(mean))
    if reference in result.expected:
        base = float(poisson_deviance(result.expected[str(reference)][fold], count).sum())
        yield "deviance_skill", "", base - deviance, base


def _interval_rows(result: BacktestResult, name: str, fold: int) -> Iterator[Row]:
    levels = result.quantiles[name][fold]
    if len(levels) < 2:
        return
    low, high = min(levels), max(levels)
    covered, cells = coverage(result.expected[name][fold], result.observed[fold], levels[low], levels[high])
    yield "coverage", f"{(high - low) * 100:.0f} % interval", float(covered), float(cells)


def _classifier_rows(mean: NDArray[np.float64], count: NDArray[np.int64]) -> Iterator[Row]:
    chance = chance_of_any(mean)
    table = confusion(chance, count, threshold=THRESHOLD)
    for metric, (top, bottom) in table.ratios.items():
        yield metric, f"chance >= {THRESHOLD:g}", top, bottom
    yield "roc_auc", "", *rank_pairs(chance, count)
