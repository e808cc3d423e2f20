"""What a model would score if it were right, and, where the truth is known, what could be scored at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crimepatterns.evaluation.selection import Budget, select_cells

__all__ = ["SelfConsistency", "ceiling_catch", "self_consistent_pei"]


@dataclass(frozen=True)
class SelfConsistency:
    """The PEI a model would get if its own intensity were the truth.

    A check of consistency, not a ceiling: a real PEI outside the range shows misfit in either direction.

    Parameters
    ----------
    expected : float
        Sum of expected hits over sum of expected best catches.
    lower, upper : float
        Central 95 % of simulated pooled PEI.
    """

    expected: float
    lower: float
    upper: float


def self_consistent_pei(
    expected: Sequence[NDArray[np.float64]],
    area_km2: NDArray[np.float64],
    *,
    budget: Budget,
    simulations: int,
    rng: np.random.Generator,
) -> SelfConsistency:
    """Simulate Poisson counts from a model's own means and score the model on them.

    Parameters
    ----------
    expected : sequence of ndarray, each shape (n_cells,)
        Means of the model, one array per origin.
    area_km2 : ndarray of float, shape (n_cells,)
    budget : Budget
    simulations : int
        Draws of the whole span.
    rng : Generator

    Returns
    -------
    SelfConsistency
        Nan where nothing is expected.
    """
    hits, best = np.zeros(simulations), np.zeros(simulations)
    for mean in expected:
        total = float(mean.sum())
        if total <= 0:
            continue
        chosen = select_cells(mean, area_km2, budget)
        edges = np.cumsum(mean) / total
        for draw, events in enumerate(rng.poisson(total, size=simulations)):
            # Scattering the total over cells is the same as a Poisson draw per cell, and much quicker.
            places = np.minimum(np.searchsorted(edges, np.sort(rng.random(int(events))), side="right"), len(mean) - 1)
            cell, count = np.unique(places, return_counts=True)
            hits[draw] += chosen[cell] @ count
            best[draw] += _best_catch(count.astype(float), area_km2[cell], budget, float(area_km2.sum()))
    if not best.sum() > 0:
        return SelfConsistency(float("nan"), float("nan"), float("nan"))
    ratios = hits[best > 0] / best[best > 0]
    lower, upper = np.quantile(ratios, [0.025, 0.975])
    return SelfConsistency(float(hits.sum() / best.sum()), float(lower), float(upper))


def ceiling_catch(
    scores: NDArray[np.float64], truth: NDArray[np.float64], area_km2: NDArray[np.float64], *, budget: Budget
) -> tuple[float, float]:
    """Value a selection at the true expected counts, beside the best selection that knows them.

    Only an invented city has such a truth. The ratio is free of the noise in what happened to happen.

    Parameters
    ----------
    scores : ndarray of float, shape (n_cells,)
        What the model ranks cells by.
    truth : ndarray of float, shape (n_cells,)
        True expected counts.
    area_km2 : ndarray of float, shape (n_cells,)
    budget : Budget

    Returns
    -------
    caught, ceiling : float
        Expected incidents.
    """
    caught = float(select_cells(scores, area_km2, budget) @ truth)
    return caught, float(select_cells(truth, area_km2, budget) @ truth)


def _best_catch(
    counts: NDArray[np.float64], areas: NDArray[np.float64], budget: Budget, total_area_km2: float
) -> float:
    """Catch as much as possible; cells without incidents may be left out, for they add nothing."""
    if budget.area_share is None:
        return float(np.sort(counts)[::-1][: budget.places].sum())
    order = np.argsort(-counts / areas)
    sizes = areas[order]
    before = np.cumsum(sizes) - sizes
    taken = np.clip((budget.area_share * total_area_km2 - before) / sizes, 0.0, 1.0)
    return float(taken @ counts[order])
