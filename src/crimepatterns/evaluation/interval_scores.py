"""Coverage of areas and the calibration gate, by category and model, as the scorecard holds them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd

from crimepatterns.domain.scorecard import FOLD_COLUMNS
from crimepatterns.evaluation.backtest import BacktestResult
from crimepatterns.evaluation.calibration_gate import gate_of
from crimepatterns.evaluation.union_coverage import COVERAGE_COLUMNS, coverage_table

__all__ = ["coverage_by_model", "coverage_folds", "gates"]

_KEYS = ["category", "model"]


def coverage_folds(unions: pd.DataFrame) -> pd.DataFrame:
    """Return the metric ``union_coverage`` per category, model and origin, as `FOLD_COLUMNS`.

    Parameters
    ----------
    unions : DataFrame
        Rows of `RollingIntervals` with ``category`` and ``model``.
    """
    grouped = unions.groupby([*_KEYS, "cutoff"], sort=False, observed=True)["covered"]
    table = grouped.agg(numerator="sum", denominator="count").astype(float).reset_index()
    table = table.assign(metric="union_coverage", budget="", value=table["numerator"] / table["denominator"])
    return table[list(FOLD_COLUMNS)]


def coverage_by_model(
    unions: pd.DataFrame, *, audit: Mapping[str, Mapping[str, float]] = MappingProxyType({})
) -> pd.DataFrame:
    """Return `coverage_table` of every category and model, with these two as first columns.

    Parameters
    ----------
    unions : DataFrame
        Rows of `RollingIntervals` with ``category`` and ``model``.
    audit : mapping of str to mapping of str to float
        Columns about areas, by neighbourhood.
    """
    parts = []
    for (category, model), rows in unions.groupby(_KEYS, sort=False, observed=True):
        parts.append(coverage_table(rows, audit=audit).assign(category=str(category), model=str(model)))
    if not parts:
        return pd.DataFrame(columns=[*_KEYS, *COVERAGE_COLUMNS])
    return pd.concat(parts, ignore_index=True)[[*_KEYS, *COVERAGE_COLUMNS]]


def gates(
    results: Sequence[BacktestResult],
    coverage: pd.DataFrame | None,
    *,
    reference: str = "count_eb",
    confidence: float = 0.95,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the verdict of the calibration gate by category and model, as plain values.

    ``intervals`` tells whether intervals of areas were judged too.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for result in results:
        for model in result.models:
            own = None
            if coverage is not None:
                own = coverage.loc[(coverage["category"] == result.category) & (coverage["model"] == model)]
            judged = own is not None and not own.empty
            verdict = gate_of(
                result, model, reference=reference, coverage=own if judged else None, confidence=confidence
            )
            found.setdefault(result.category, {})[model] = {**verdict.to_json(), "intervals": judged}
    return found
