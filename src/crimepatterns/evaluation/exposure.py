"""Whether a map of past weeks sends more people to the areas of some group than their reports would, and at what price.

The measure is `crimepatterns.evaluation.equity.exposure_amplification`, on the selection of all origins together.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from crimepatterns.domain.grid import Grid
from crimepatterns.evaluation.backtest import BacktestResult
from crimepatterns.evaluation.champion import primary_hits
from crimepatterns.evaluation.equity import amplification_of_cover, reports_by_neighbourhood
from crimepatterns.evaluation.promotion import Gate, GateState
from crimepatterns.evaluation.selection import Budget, select_cells

__all__ = ["ExposedGroup", "capped_cover", "exposure_gates", "most_reported_third"]


@dataclass(frozen=True, eq=False)
class ExposedGroup:
    """Whose exposure is compared with whose.

    Parameters
    ----------
    group, reference : str
        Columns of `residents`.
    residents : DataFrame
        ``neighbourhood`` and both columns; counts of people, or square kilometres where nothing is known of people.
    called : str
        In sentences.
    """

    group: str
    reference: str
    residents: pd.DataFrame
    called: str


def most_reported_third(grid: Grid, reported: NDArray[np.int64]) -> ExposedGroup | None:
    """Set the third of the neighbourhoods with the most reports per km2 beside the whole city, by their ground.

    It stands in where no audit table says who lives where. None with fewer than three neighbourhoods, or no reports.
    """
    table = reports_by_neighbourhood(grid, reported)
    if len(table) < 3 or not table["reported"].sum():
        return None
    most = table["per_km2"].rank(method="first", ascending=False) <= len(table) / 3
    residents = pd.DataFrame(
        {
            "neighbourhood": table.index,
            "most reported areas": table["area"].where(most, 0.0).to_numpy(),
            "whole city": table["area"].to_numpy(),
        }
    )
    called = "the third of the neighbourhoods with the most reports, beside the whole city"
    return ExposedGroup("most reported areas", "whole city", residents, called)


def exposure_gates(
    result: BacktestResult,
    model: str,
    exposed: ExposedGroup,
    *,
    reported: NDArray[np.int64],
    budget: Budget,
    times_count: float,
    signed_above: float,
    cap: float,
    reference: str = "count_eb",
) -> tuple[Gate, Gate]:
    """Ask whether a map sharpens the difference between two groups' areas more than the shrunk count does.

    The first gate refuses a candidate whose amplification is more than `times_count` times that of `reference`. The
    second asks for a signature above `signed_above`, and sets beside it the map on which no neighbourhood has more than
    `cap` times its share of the reports, with what that costs in hits.

    Parameters
    ----------
    result : BacktestResult
    model, reference : str
    exposed : ExposedGroup
    reported : ndarray of int, shape (n_cells,)
        Citizen-reported incidents before the first origin.
    budget : Budget
    times_count, signed_above, cap : float
    """
    maps = {name: _covers(result, name, budget) for name in (model, reference)}
    own, theirs = (_amplification(result, maps[name], reported, exposed) for name in (model, reference))
    if not np.isfinite([own, theirs]).all() or theirs <= 0:
        told = f"Nothing of the areas of {exposed.reference} is flagged by one of the maps: nothing can be compared."
        return _both(exposed, "refused", told)
    relative, bound = own / theirs, _upper(result, maps[model], maps[reference], reported, exposed)
    capped = np.array(
        [capped_cover(mean, result.grid, reported, budget=budget, cap=cap) for mean in result.expected[model]]
    )
    lower, price = _amplification(result, capped, reported, exposed), _price(result, model, maps[model], capped, budget)
    facts = {"called": exposed.called, "amplification": own, "amplification_count_eb": theirs, "budget": budget.label}
    told = f"Exposure amplification at {budget.label} is {own:.2f} ({exposed.called}), that of {reference} {theirs:.2f}"
    first = Gate(
        f"exposure: {exposed.group}",
        "passed" if relative <= times_count else "refused",
        f"{told}: {relative:.3f} times as much, {times_count:g} allowed.",
        relative,
        bound,
        times_count,
        facts,
    )
    alternative = (
        f"A map on which no neighbourhood has more than {cap:g} times its share of the reports has {lower:.2f}, and "
        f"catches {price['hits_capped']:.1f} instead of {price['hits']:.1f} incidents in {price['periods']} past "
        f"periods ({price['price']:+.1f} a period)."
    )
    signed = own > signed_above
    second = Gate(
        f"signed reason: {exposed.group}",
        "needs a signature" if signed else "passed",
        f"Exposure amplification of {own:.2f} is {'above' if signed else 'not above'} {signed_above:g}"
        f"{', which somebody must answer for' if signed else ''}. {alternative}",
        own,
        None,
        signed_above,
        {**facts, "cap": cap, "amplification_capped": lower, **price},
    )
    return first, second


def _both(exposed: ExposedGroup, state: GateState, told: str) -> tuple[Gate, Gate]:
    return Gate(f"exposure: {exposed.group}", state, told), Gate(f"signed reason: {exposed.group}", state, told)


def capped_cover(
    scores: NDArray[np.float64], grid: Grid, reported: NDArray[np.int64], *, budget: Budget, cap: float
) -> NDArray[np.float64]:
    """Select cells under a budget, no neighbourhood with more than `cap` times its share of the reports.

    Returns
    -------
    ndarray of float, shape (n_cells,)
        Share of each cell that is covered; where caps bind everywhere, less than the budget is spent.
    """
    areas = grid.area_km2
    plain = select_cells(scores, areas, budget)
    sizes = areas if budget.area_share is not None else np.ones_like(areas)
    total = float((plain * sizes).sum())
    names, code = np.unique(grid.neighbourhood.astype(str), return_inverse=True)
    shares = np.bincount(code, weights=reported, minlength=len(names)) / max(1, int(reported.sum()))
    room = cap * shares * total
    covered, left = np.zeros(len(areas)), total
    ranked_by = scores / areas if budget.area_share is not None else scores
    for cell in np.argsort(-ranked_by, kind="stable"):
        take = min(float(sizes[cell]), left, float(room[code[cell]]))
        covered[cell] = max(take, 0.0) / sizes[cell]
        left -= max(take, 0.0)
        room[code[cell]] -= max(take, 0.0)
        if left <= 1e-12:
            break
    return covered


def _covers(result: BacktestResult, model: str, budget: Budget) -> NDArray[np.float64]:
    areas = result.grid.area_km2
    return np.array([select_cells(mean, areas, budget) for mean in result.expected[model]])


def _amplification(
    result: BacktestResult, covers: NDArray[np.float64], reported: NDArray[np.int64], exposed: ExposedGroup
) -> float:
    found = amplification_of_cover(
        result.grid,
        covers.mean(axis=0),
        reported,
        residents=exposed.residents,
        group=exposed.group,
        reference=exposed.reference,
    )
    return found["amplification"]


def _upper(
    result: BacktestResult,
    own: NDArray[np.float64],
    theirs: NDArray[np.float64],
    reported: NDArray[np.int64],
    exposed: ExposedGroup,
) -> float | None:
    """Upper one-sided 95 % bound of the ratio over weeks (jackknife of its log, one origin left out)."""
    count = len(own)
    if count < 3:
        return None
    logs = []
    for left_out in range(count):
        kept = np.arange(count) != left_out
        pair = [_amplification(result, covers[kept], reported, exposed) for covers in (own, theirs)]
        if min(pair) <= 0:
            return None
        logs.append(np.log(pair[0] / pair[1]))
    spread = float(np.sqrt((count - 1) * np.var(logs)))
    return float(np.exp(np.mean(logs) + stats.t.ppf(0.95, count - 1) * spread))


def _price(
    result: BacktestResult, model: str, plain: NDArray[np.float64], capped: NDArray[np.float64], budget: Budget
) -> dict[str, float]:
    hits = float(primary_hits(result, model, budget)[0].sum())
    less = float((capped * result.observed).sum())
    periods = len(plain)
    return {"hits": hits, "hits_capped": less, "price": (less - hits) / periods, "periods": periods}
