"""Which model is served: the simplest one that nothing is shown to beat."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crimepatterns.evaluation.backtest import BacktestResult
from crimepatterns.evaluation.comparison import MIN_ORIGINS, PairedComparison, compare
from crimepatterns.evaluation.hotspot_metrics import catch
from crimepatterns.evaluation.scores import impossible_incidents
from crimepatterns.evaluation.scoring_rules import poisson_deviance
from crimepatterns.evaluation.selection import Budget

__all__ = ["Champion", "choose_champion", "primary_hits"]


@dataclass(frozen=True)
class Champion:
    """The chosen model and why.

    Parameters
    ----------
    model, reason : str
    verdict : str
        Said wherever its forecasts are shown, where a plain count suffices; empty otherwise.
    """

    model: str
    reason: str
    verdict: str = ""


def choose_champion(
    result: BacktestResult,
    *,
    order: Sequence[str],
    budget: Budget,
    reference: str = "count_eb",
    counts: Collection[str] = (),
    confidence: float = 0.95,
) -> Champion:
    """Choose on the select span; ties go to the simpler model.

    Only models with a finite deviance may be chosen, since the served numbers are expected counts. The incumbent is
    `reference`, or the simplest of them where it is absent. Every other one, from simple to complex, takes its place
    only if it is shown better on deviance or on the catch under `budget`, and shown worse on neither. The level is
    shared among the challengers (Bonferroni).

    Parameters
    ----------
    result : BacktestResult
    order : sequence of str
        Models from simple to complex.
    budget : Budget
        The primary budget.
    reference : str
    counts : collection of str
        Baselines, which suffice where nothing is shown to beat them.
    confidence : float

    Returns
    -------
    Champion
    """
    usable = [name for name in order if name in result.expected and not impossible_incidents(result, name)]
    if not usable:
        simplest = reference if reference in result.expected else next(iter(result.expected))
        return Champion(simplest, "No model gave a chance to everything that happened; none is preferred.")
    incumbent = reference if reference in usable else usable[0]
    reason = "No other model is shown to be better on the select span."
    if len(result.folds) < MIN_ORIGINS:
        few = f"{len(result.folds)} origins are fewer than {MIN_ORIGINS}: described, not claimed."
        return Champion(incumbent, few)
    challengers = [name for name in usable if name != incumbent]
    level = 1 - (1 - confidence) / max(1, len(challengers))
    for name in challengers:
        by_deviance = _deviance(result, name, incumbent, level)
        by_catch = _catch(result, name, incumbent, budget, level)
        verdicts = {by_deviance.verdict, by_catch.verdict}
        if "better" in verdicts and "worse" not in verdicts:
            reason = (
                f"Shown better than {incumbent}: deviance {by_deviance.difference * 100:+.1f} % "
                f"({by_deviance.verdict}), PEI at {budget.label} {by_catch.difference * 100:+.1f} points "
                f"({by_catch.verdict})."
            )
            incumbent = name
    return Champion(incumbent, reason, _suffices(result, incumbent, usable, counts))


def _suffices(result: BacktestResult, champion: str, usable: Sequence[str], counts: Collection[str]) -> str:
    """Say that a plain count suffices where the champion is one and more than counts was tried."""
    others = [name for name in usable if name not in counts]
    if champion not in counts or not others:
        return ""
    beside = f"{len(others)} other model{'s are' if len(others) > 1 else ' is'}"
    return (
        f"The count suffices here: over {len(result.folds)} past periods {beside} not shown to be better than "
        f"{champion} for {result.category}."
    )


def primary_hits(
    result: BacktestResult, model: str, budget: Budget
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return hits, best possible catches and totals of one model, each shape (n_folds,)."""
    areas = result.grid.area_km2
    found = [
        catch(mean, count, areas, budget, outside=missed)
        for mean, count, missed in zip(result.expected[model], result.observed, result.outside, strict=True)
    ]
    return (
        np.array([one.hits for one in found]),
        np.array([one.best for one in found]),
        np.array([one.total for one in found]),
    )


def _deviance(result: BacktestResult, model: str, baseline: str, level: float) -> PairedComparison:
    ours = poisson_deviance(result.expected[model], result.observed).sum(axis=1)
    theirs = poisson_deviance(result.expected[baseline], result.observed).sum(axis=1)
    return compare(ours, theirs, theirs, higher_is_better=False, confidence=level)


def _catch(result: BacktestResult, model: str, baseline: str, budget: Budget, level: float) -> PairedComparison:
    ours, best, _ = primary_hits(result, model, budget)
    theirs, _, _ = primary_hits(result, baseline, budget)
    return compare(ours, theirs, best, higher_is_better=True, confidence=level)
