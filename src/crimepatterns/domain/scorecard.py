"""How well each model did, beside the baselines and with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import pandas as pd

from crimepatterns.errors import DomainError

__all__ = ["FOLD_COLUMNS", "SUMMARY_COLUMNS", "Scorecard"]

FOLD_COLUMNS: tuple[str, ...] = ("category", "model", "metric", "budget", "cutoff", "numerator", "denominator", "value")
"""One row per category, model, metric, budget and origin. ``budget`` is a label such as ``2 % of area`` or
``20 places``, empty where the metric has none. ``value = numerator / denominator``; their sums pool over origins."""

SUMMARY_COLUMNS: tuple[str, ...] = (
    "category",
    "model",
    "metric",
    "budget",
    "value",
    "lower",
    "upper",
    "origins",
    "unit",
    "direction",
    "reference",
)
"""One row per category, model, metric and budget, pooled over origins with a 95 % interval."""


@dataclass(frozen=True, eq=False)
class Scorecard:
    """Scores of several models on the same origins.

    Parameters
    ----------
    span : {"select", "judge"}
    folds, summary : DataFrame
        See `FOLD_COLUMNS` and `SUMMARY_COLUMNS`; ``direction`` is ``higher``, ``lower`` or ``one`` (ideal value 1).
    comparisons : DataFrame
        Paired comparison of every model with the best baseline: ``category, model, baseline, metric, budget,
        difference, lower, upper, verdict`` (better / worse / not shown) and ``smallest_detectable``.
    calibration : DataFrame
        ``category, model, group, expected, observed, ratio, lower, upper`` in ten groups of equal expected mass.
    equity : DataFrame
        ``category, model, neighbourhood, exposure, expected, observed, error`` and more per neighbourhood.
    notes : mapping
        Statements to print beside the table, such as the as-of assumption.
    """

    span: Literal["select", "judge"]
    folds: pd.DataFrame = field(repr=False)
    summary: pd.DataFrame = field(repr=False)
    comparisons: pd.DataFrame = field(repr=False)
    calibration: pd.DataFrame = field(repr=False)
    equity: pd.DataFrame = field(repr=False)
    notes: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for name, columns in (("folds", FOLD_COLUMNS), ("summary", SUMMARY_COLUMNS)):
            missing = [column for column in columns if column not in getattr(self, name).columns]
            if missing:
                raise DomainError(f"Scorecard {name} needs the columns {missing}.")
