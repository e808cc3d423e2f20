"""One verdict on whether expected counts may be taken at their word, with the reasons."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from crimepatterns.evaluation.backtest import BacktestResult
from crimepatterns.evaluation.calibration import calibration_slope, calibration_table
from crimepatterns.evaluation.comparison import MIN_ORIGINS, Estimate

__all__ = ["CalibrationVerdict", "calibration_gate", "gate_of"]

_RATIO, _SLOPE, _POOLED, _TENTHS = (0.9, 1.1), (0.9, 1.1), (0.86, 0.94), (0.83, 0.97)
_FEWEST = 100
"""With fewer incidents nothing is judged."""

Verdict = Literal["calibrated", "not calibrated", "too little to tell"]


@dataclass(frozen=True)
class CalibrationVerdict:
    """Whether a model's expected counts and intervals hold, and why not.

    Parameters
    ----------
    verdict : {"calibrated", "not calibrated", "too little to tell"}
    reasons : tuple of str
        What failed, or what could not be judged; empty where all is well.
    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The verdict with its first reasons, such as ``not calibrated: ...``."""
        if not self.reasons:
            return self.verdict
        more = f"; and {len(self.reasons) - 2} more" if len(self.reasons) > 2 else ""
        return f"{self.verdict}: {'; '.join(self.reasons[:2])}{more}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"verdict": self.verdict, "reasons": list(self.reasons), "sentence": self.sentence}


def gate_of(
    result: BacktestResult,
    model: str,
    *,
    reference: str = "count_eb",
    coverage: pd.DataFrame | None = None,
    confidence: float = 0.95,
) -> CalibrationVerdict:
    """Judge one model of a back-test; see `calibration_gate`.

    Parameters
    ----------
    result : BacktestResult
    model : str
    reference : str
        Model by whose expectations cells are grouped a second time; the counts of the window before where it did not
        run.
    coverage : DataFrame, optional
        Of `crimepatterns.evaluation.union_coverage.coverage_table`.
    confidence : float
    """
    expected, observed = list(result.expected[model]), list(result.observed)
    incidents = int(result.observed.sum())
    if len(result.folds) < MIN_ORIGINS or incidents < _FEWEST:
        return CalibrationVerdict(
            "too little to tell",
            (f"{len(result.folds)} origins with {incidents} incidents; {MIN_ORIGINS} and {_FEWEST} are needed",),
        )
    known = list(result.expected[reference]) if reference in result.models else list(result.before.astype(float))
    return calibration_gate(
        calibration_table(expected, observed, confidence=confidence),
        calibration_table(expected, observed, confidence=confidence, ordered_by=known),
        calibration_slope(expected, observed, confidence=confidence),
        coverage,
    )


def calibration_gate(
    table: pd.DataFrame, by_reference: pd.DataFrame, slope: Estimate, coverage: pd.DataFrame | None = None
) -> CalibrationVerdict:
    """Judge calibration by one rule: nothing may be *shown* to lie outside its range.

    Observed / expected must be 0.9 to 1.1 in ten groups of equal expected mass, both in the model's own order and in
    that of a reference; the slope of log observed on log expected 0.9 to 1.1; 90 % intervals of unions must cover 86
    to 94 % pooled and 83 to 97 % in tenths. A number fails where its whole 95 % interval lies outside. A flat forecast
    has no slope and is wrong in the reference's groups: it fails.

    Parameters
    ----------
    table, by_reference : DataFrame
        Of `calibration_table`, in the model's own order and in the reference's.
    slope : Estimate
    coverage : DataFrame, optional
        Left out, intervals are not judged.
    """
    reasons = [*_ratios(table, "its own order"), *_ratios(by_reference, "the order of past counts"), *_slope(slope)]
    if coverage is not None:
        reasons += _coverage(coverage)
    return CalibrationVerdict("not calibrated" if reasons else "calibrated", tuple(reasons))


def _ratios(table: pd.DataFrame, order: str) -> list[str]:
    return [
        f"observed / expected is {row['ratio']:.2f} ({row['lower']:.2f} to {row['upper']:.2f}) in group {row['group']} "
        f"of {len(table)} in {order}"
        for row in table.to_dict("records")
        if _outside(row["lower"], row["upper"], _RATIO)
    ]


def _slope(slope: Estimate) -> list[str]:
    if not np.isfinite(slope.value):
        return ["expected counts do not differ between places, so they say nothing about them"]
    if _outside(slope.lower, slope.upper, _SLOPE):
        what = "too contrasted" if slope.value < 1 else "too flat"
        return [
            f"the slope of observed on expected is {slope.value:.2f} ({slope.lower:.2f} to {slope.upper:.2f}): {what}"
        ]
    return []


def _coverage(table: pd.DataFrame) -> list[str]:
    """Judge the pooled coverage and tenths; other groups are too small to be held to a range."""
    found = []
    for row in table.loc[~table["by"].isin(["kind", "season", "neighbourhood"])].to_dict("records"):
        pooled = row["by"] == "all"
        if _outside(row["lower"], row["upper"], _POOLED if pooled else _TENTHS):
            where = "" if pooled else f" in tenth {row['group']} by {row['by']}"
            found.append(f"90 % intervals cover {100 * row['coverage']:.0f} % of {row['unions']} areas{where}")
    return found


def _outside(lower: float, upper: float, allowed: tuple[float, float]) -> bool:
    return bool(upper < allowed[0] or lower > allowed[1])
