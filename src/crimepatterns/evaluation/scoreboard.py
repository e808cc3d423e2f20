"""The scoreboard: every model beside the baselines, with intervals, and no win called where none is shown."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.scorecard import SUMMARY_COLUMNS, Scorecard
from crimepatterns.evaluation.backtest import BacktestResult
from crimepatterns.evaluation.calibration import calibration_slope, calibration_table, pit_histogram
from crimepatterns.evaluation.champion import primary_hits
from crimepatterns.evaluation.classification import chance_of_any, classification_report
from crimepatterns.evaluation.comparison import MIN_ORIGINS, PairedComparison, compare, holm
from crimepatterns.evaluation.equity import neighbourhood_table
from crimepatterns.evaluation.hotspot_metrics import hit_rate_curve
from crimepatterns.evaluation.interval_scores import coverage_folds, gates
from crimepatterns.evaluation.scores import (
    METRICS,
    THRESHOLD,
    impossible_incidents,
    is_saturated,
    score_folds,
    summarise,
)
from crimepatterns.evaluation.scoring_rules import poisson_deviance
from crimepatterns.evaluation.selection import Budget
from crimepatterns.evaluation.self_consistency import self_consistent_pei

__all__ = ["COMPARISON_COLUMNS", "assemble_scorecard", "best_baselines", "curves"]

COMPARISON_COLUMNS: tuple[str, ...] = (
    "category",
    "model",
    "baseline",
    "metric",
    "budget",
    "difference",
    "lower",
    "upper",
    "verdict",
    "smallest_detectable",
    "p_value",
    "p_adjusted",
)

_CURVE_SHARES = (0.0025, 0.005, 0.0075, *np.arange(0.01, 0.051, 0.005), *np.arange(0.06, 0.101, 0.01), 0.15, 0.2)


def assemble_scorecard(
    results: Sequence[BacktestResult],
    *,
    span: Literal["select", "judge"],
    budgets: Sequence[Budget],
    primary: Budget,
    baselines: Collection[str],
    classifiers: Collection[str] = (),
    reference: str = "count_eb",
    fixed_baselines: Mapping[str, Mapping[str, str]] | None = None,
    truths: Mapping[str, NDArray[np.float64]] | None = None,
    simulations: int = 200,
    confidence: float = 0.95,
    seed: int = 7,
    unions: pd.DataFrame | None = None,
    coverage: pd.DataFrame | None = None,
    notes: Mapping[str, Any] | None = None,
) -> Scorecard:
    """Score back-tests of one or more categories and put everything on one card.

    Parameters
    ----------
    results : sequence of BacktestResult
        One per category, the same models.
    span : {"select", "judge"}
    budgets : sequence of Budget
    primary : Budget
        The one budget on which models are compared.
    baselines, classifiers : collection of str
        Names of models.
    reference : str
        Model whose deviance the others are scored against.
    fixed_baselines : mapping, optional
        Baselines chosen on an earlier span, as `best_baselines` returns them by category; the judge span needs it.
    truths : mapping of str to ndarray of float, shape (n_folds, n_cells), optional
        True expected counts by category, where the city is invented.
    simulations : int
    confidence : float
    seed : int
    unions : DataFrame, optional
        Intervals of areas and what happened: rows of `crimepatterns.evaluation.union_coverage.RollingIntervals` with
        ``category`` and ``model``, for the models for which there are any.
    coverage : DataFrame, optional
        Of `crimepatterns.evaluation.interval_scores.coverage_by_model`, for the calibration gate.
    notes : mapping, optional
        Statements of the caller, such as the as-of assumption.

    Returns
    -------
    Scorecard
    """
    wanted = tuple(dict.fromkeys([*budgets, primary]))
    folds, extra, compared, calibration, equity = [], [], [], [], []
    for result in results:
        truth = None if truths is None else truths.get(result.category)
        folds.append(score_folds(result, budgets=wanted, reference=reference, classifiers=classifiers, truth=truth))
        extra.append(_span_scores(result, primary, simulations, confidence, seed))
        chosen = (fixed_baselines or {}).get(result.category) or best_baselines(
            result, baselines=baselines, primary=primary, reference=reference
        )
        compared.append(_compare_models(result, primary, chosen, confidence))
        for name in result.models:
            keys = {"category": result.category, "model": name}
            expected, observed = list(result.expected[name]), list(result.observed)
            table = calibration_table(expected, observed, confidence=confidence)
            calibration.append(table.assign(**keys))
            equity.append(neighbourhood_table(result.grid, expected, observed, budget=primary).assign(**keys))
    if unions is not None:
        folds.append(coverage_folds(unions))
    everything = pd.concat(folds, ignore_index=True)
    return Scorecard(
        span=span,
        folds=everything,
        summary=pd.concat([summarise(everything, confidence=confidence), *extra], ignore_index=True),
        comparisons=pd.concat(compared, ignore_index=True),
        calibration=_keys_first(calibration),
        equity=_keys_first(equity),
        notes={
            **_notes(results, primary, classifiers, confidence),
            "calibration": gates(results, coverage, reference=reference, confidence=confidence),
            **(notes or {}),
        },
    )


def best_baselines(
    result: BacktestResult, *, baselines: Collection[str], primary: Budget, reference: str = "count_eb"
) -> dict[str, str]:
    """Name the baseline to beat: for the catch the best one on this span, for deviance the reference.

    ``metric`` is what the catch is compared by: PEI, or hit rate where PEI is saturated. Ties go to the one listed
    first. Where `reference` did not run, the scorable baseline of least deviance stands in.
    """
    names = [name for name in result.models if name in baselines] or list(result.models)
    scorable = [name for name in names if not impossible_incidents(result, name)]
    chosen = {
        "catch": max(names, key=lambda name: float(primary_hits(result, name, primary)[0].sum())),
        "metric": "hit_rate" if is_saturated(result, primary) else "pei",
    }
    if reference in scorable:
        chosen["deviance"] = reference
    elif scorable:
        chosen["deviance"] = min(
            scorable, key=lambda name: float(poisson_deviance(result.expected[name], result.observed).sum())
        )
    return chosen


def curves(results: Sequence[BacktestResult]) -> pd.DataFrame:
    """Trace hit rate over area share by model, pooled: ``category, model, area_share, hit_rate``."""
    parts = []
    for result in results:
        for name in result.models:
            curve = hit_rate_curve(
                list(result.expected[name]),
                list(result.observed),
                result.grid.area_km2,
                area_shares=_CURVE_SHARES,
                outside=result.outside,
            )
            parts.append(curve.assign(category=result.category, model=name))
    return _keys_first(parts)


def _span_scores(
    result: BacktestResult, primary: Budget, simulations: int, confidence: float, seed: int
) -> pd.DataFrame:
    """Scores of a whole span that are no sums over origins."""
    rows = []
    for name in result.models:
        means = list(result.expected[name])
        slope = calibration_slope(means, list(result.observed), confidence=confidence)
        rows.append((name, "calibration_slope", "", slope.value, slope.lower, slope.upper))
        rng = np.random.default_rng([seed, zlib.crc32(f"{result.category}/{name}".encode())])
        own = self_consistent_pei(means, result.grid.area_km2, budget=primary, simulations=simulations, rng=rng)
        rows.append((name, "self_consistent_pei", primary.label, own.expected, own.lower, own.upper))
    table = pd.DataFrame(rows, columns=["model", "metric", "budget", "value", "lower", "upper"])
    table["category"], table["origins"] = result.category, len(result.folds)
    for key in ("unit", "direction", "reference"):
        table[key] = [getattr(METRICS[metric], key) for metric in table["metric"]]
    return table[list(SUMMARY_COLUMNS)]


def _compare_models(
    result: BacktestResult, primary: Budget, chosen: Mapping[str, str], confidence: float
) -> pd.DataFrame:
    rows = []
    catch_name = chosen.get("metric", "pei")
    base_hits, best, total = primary_hits(result, chosen["catch"], primary)
    denominator = total if catch_name == "hit_rate" else best
    for name in result.models:
        if name != chosen["catch"]:
            hits, _, _ = primary_hits(result, name, primary)
            found = compare(hits, base_hits, denominator, higher_is_better=True, confidence=confidence)
            rows.append((name, chosen["catch"], catch_name, primary.label, found))
    if "deviance" in chosen:
        base = poisson_deviance(result.expected[chosen["deviance"]], result.observed).sum(axis=1)
        for name in result.models:
            if name != chosen["deviance"] and not impossible_incidents(result, name):
                ours = poisson_deviance(result.expected[name], result.observed).sum(axis=1)
                found = compare(ours, base, base, higher_is_better=False, confidence=confidence)
                rows.append((name, chosen["deviance"], "deviance", "", found))
    return _with_holm(result.category, rows, 1 - confidence)


def _with_holm(
    category: str, rows: Sequence[tuple[str, str, str, str, PairedComparison]], level: float
) -> pd.DataFrame:
    """Adjust for the number of models compared on the same metric; a verdict must survive it."""
    adjusted = np.full(len(rows), np.nan)
    for metric in {row[2] for row in rows}:
        of_metric = [i for i, row in enumerate(rows) if row[2] == metric]
        adjusted[of_metric] = holm([rows[i][4].p_value for i in of_metric])
    table = [
        (
            category,
            name,
            baseline,
            metric,
            label,
            found.difference,
            found.lower,
            found.upper,
            found.verdict if corrected <= level else "not shown",
            found.smallest_detectable,
            found.p_value,
            corrected,
        )
        for (name, baseline, metric, label, found), corrected in zip(rows, adjusted, strict=True)
    ]
    return pd.DataFrame(table, columns=list(COMPARISON_COLUMNS))


def _notes(
    results: Sequence[BacktestResult], primary: Budget, classifiers: Collection[str], confidence: float
) -> dict[str, Any]:
    origins = min(len(result.folds) for result in results)
    notes: dict[str, Any] = {
        "origins": origins,
        "first_cutoff": str(results[0].cutoffs[0]),
        "last_test_end": str(results[0].folds[-1].test.end),
        "primary": primary.label,
        "confidence": confidence,
        "intervals": "t intervals with a long-run variance (cosine series) over origins; verdicts after Holm",
        "selection": "cells ranked by expected incidents per km2 under area budgets, by expected incidents for places; "
        "ties at the cut share it",
        "threshold": f"classifier scores call a cell at a chance of at least one incident >= {THRESHOLD:g}",
        "claims": "" if origins >= MIN_ORIGINS else f"Only {origins} origins: described, not claimed.",
        "not_scored": {},
        "saturated": [result.category for result in results if is_saturated(result, primary)],
        "pit": {},
        "classification_report": {},
    }
    for result in results:
        for name in result.models:
            if missed := impossible_incidents(result, name):
                notes["not_scored"].setdefault(result.category, {})[name] = missed
            pit = pit_histogram(list(result.expected[name]), list(result.observed))
            if np.isfinite(pit).all():
                notes["pit"].setdefault(result.category, {})[name] = [round(float(share), 4) for share in pit]
            if name in classifiers:
                report = classification_report(
                    chance_of_any(result.expected[name]).ravel(), result.observed.ravel(), threshold=THRESHOLD
                )
                notes["classification_report"].setdefault(result.category, {})[name] = report.round(4).to_dict(
                    "records"
                )
    return notes


def _keys_first(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    whole = pd.concat(list(parts), ignore_index=True)
    return whole[["category", "model", *[name for name in whole.columns if name not in {"category", "model"}]]]
