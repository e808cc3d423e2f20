"""Who bears a map: exposure to flagged cells and error by neighbourhood, and whether it sharpens what was reported.

These are facts about a map and areas, never about persons.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.errors import DomainError
from crimepatterns.evaluation.selection import Budget, select_cells

__all__ = [
    "EQUITY_COLUMNS",
    "amplification_of_cover",
    "exposure_amplification",
    "neighbourhood_table",
    "reports_by_neighbourhood",
]

EQUITY_COLUMNS: tuple[str, ...] = (
    "neighbourhood",
    "area_share",
    "exposure",
    "flagged_share",
    "expected",
    "observed",
    "error",
    "ratio",
    "hits",
    "recall",
)

_MARGIN = 0.8
"""The marginal fifth of a budget: what is selected by the whole of it but not by four fifths."""


def neighbourhood_table(
    grid: Grid,
    expected: Sequence[NDArray[np.float64]],
    observed: Sequence[NDArray[np.int64]],
    *,
    budget: Budget,
) -> pd.DataFrame:
    """Sum exposure and error up by neighbourhood, over all origins.

    Parameters
    ----------
    grid : Grid
    expected, observed : sequence of ndarray, each shape (n_cells,)
        One of each per origin.
    budget : Budget
        Defines the flagged cells.

    Returns
    -------
    DataFrame
        One row per neighbourhood, `EQUITY_COLUMNS`: ``area_share`` of the study area; ``exposure``, its share of the
        flagged area; ``flagged_share`` of its own area; ``expected``, ``observed``, ``error`` (expected - observed)
        and ``ratio`` (expected / observed; above 1 is over-forecast) in incidents over all origins; ``hits``, those in
        flagged cells; ``recall`` = hits / observed, low where a neighbourhood is under-served.
    """
    areas = grid.area_km2
    flagged, hits = np.zeros(len(grid)), np.zeros(len(grid))
    for mean, count in zip(expected, observed, strict=True):
        chosen = select_cells(mean, areas, budget)
        flagged += chosen * areas / len(expected)
        hits += chosen * count
    places = _by_neighbourhood(
        grid,
        flagged=flagged,
        expected=np.sum(expected, axis=0),
        observed=np.sum(observed, axis=0).astype(float),
        hits=hits,
    )
    table = places.rename_axis("neighbourhood").reset_index()
    table["area_share"] = table["area"] / table["area"].sum()
    table["exposure"] = table["flagged"] / table["flagged"].sum()
    table["flagged_share"] = table["flagged"] / table["area"]
    table["error"] = table["expected"] - table["observed"]
    observed_or_nan = table["observed"].where(table["observed"] > 0)
    table["ratio"] = table["expected"] / observed_or_nan
    table["recall"] = table["hits"] / observed_or_nan
    return table[list(EQUITY_COLUMNS)]


def reports_by_neighbourhood(grid: Grid, reported: NDArray[np.int64]) -> pd.DataFrame:
    """Return ``area`` (km2), ``reported`` and ``per_km2`` of the named neighbourhoods, indexed by name."""
    places = _by_neighbourhood(grid, reported=reported).drop(index="", errors="ignore")
    return places.assign(per_km2=places["reported"] / places["area"])


def exposure_amplification(
    grid: Grid,
    scores: NDArray[np.float64],
    reported: NDArray[np.int64],
    *,
    residents: pd.DataFrame,
    group: str,
    reference: str,
    budget: Budget,
) -> dict[str, float]:
    """Measure whether a map sharpens the difference between two groups' areas beyond what was reported.

    Residents of a neighbourhood are exposed to the share of its area that is flagged. The ratio of the two groups'
    mean exposure is divided by the ratio of the mean reported incidents per km2 of the neighbourhoods they live in:
    1 follows the reports, above 1 sharpens them. Print it beside the value of the plain count, which is not 1 either.

    Parameters
    ----------
    grid : Grid
    scores : ndarray of float, shape (n_cells,)
        What the map ranks cells by.
    reported : ndarray of int, shape (n_cells,)
        Citizen-reported incidents, for the rates and for precision at the margin.
    residents : DataFrame
        An area table with ``role: audit``: ``neighbourhood`` and residents per group, counts.
    group, reference : str
        Two of its columns.
    budget : Budget

    Returns
    -------
    dict
        ``amplification``, ``exposure_ratio``, ``reported_ratio``; ``marginal_precision_group`` and ``..._reference``:
        incidents per km2 in the last fifth of the selection, by where each group lives.

    Raises
    ------
    DomainError
        If a column is missing, or the table names none of the grid's neighbourhoods.
    """
    areas = grid.area_km2
    chosen = select_cells(scores, areas, budget)
    found = amplification_of_cover(grid, chosen, reported, residents=residents, group=group, reference=reference)
    marginal = chosen - np.minimum(chosen, select_cells(scores, areas, _four_fifths(budget)))
    places = _by_neighbourhood(grid, margin_area=marginal * areas, margin_hits=marginal * reported)
    margin = _shares(places, residents, group, reference).mul(1 / places["area"], axis=0)
    precision = margin.mul(places["margin_hits"], axis=0).sum() / margin.mul(places["margin_area"], axis=0).sum()
    return {
        **found,
        "marginal_precision_group": float(precision[group]),
        "marginal_precision_reference": float(precision[reference]),
    }


def amplification_of_cover(
    grid: Grid,
    covered: NDArray[np.float64],
    reported: NDArray[np.int64],
    *,
    residents: pd.DataFrame,
    group: str,
    reference: str,
) -> dict[str, float]:
    """Measure the amplification of a selection that is already made; see `exposure_amplification`.

    Parameters
    ----------
    grid : Grid
    covered : ndarray of float, shape (n_cells,)
        Share of each cell that is flagged, such as the mean over several maps.
    reported, residents, group, reference
        As there.

    Returns
    -------
    dict
        ``amplification``, ``exposure_ratio`` and ``reported_ratio``; infinite where nothing of the reference's areas is
        flagged, nan where nothing at all is.
    """
    places = _by_neighbourhood(grid, flagged=covered * grid.area_km2, reported=reported.astype(float))
    shares = _shares(places, residents, group, reference)
    exposure = shares.mul(places["flagged"] / places["area"], axis=0).sum()
    rate = shares.mul(places["reported"] / places["area"], axis=0).sum()
    exposure_ratio = _ratio(exposure[group], exposure[reference])
    reported_ratio = _ratio(rate[group], rate[reference])
    return {
        "amplification": _ratio(exposure_ratio, reported_ratio),
        "exposure_ratio": exposure_ratio,
        "reported_ratio": reported_ratio,
    }


def _ratio(part: float, whole: float) -> float:
    if whole > 0:
        return float(part / whole)
    return float("inf") if part > 0 else float("nan")


def _by_neighbourhood(grid: Grid, **columns: NDArray[Any]) -> pd.DataFrame:
    cells = pd.DataFrame({"area": grid.area_km2, **columns})
    return cells.groupby(grid.neighbourhood.astype(str)).sum()


def _shares(places: pd.DataFrame, residents: pd.DataFrame, group: str, reference: str) -> pd.DataFrame:
    """Tell which share of each group lives in each neighbourhood."""
    missing = [name for name in ("neighbourhood", group, reference) if name not in residents.columns]
    if missing:
        raise DomainError(f"Audit table needs the columns {missing}, found {list(residents.columns)}.")
    people = residents.set_index("neighbourhood")[[group, reference]].astype(float)
    people = people.loc[~people.index.duplicated()].reindex(places.index).fillna(0.0)
    if not (people.sum() > 0).all():
        raise DomainError(
            f"Audit table names no residents of {group!r} or {reference!r} in the grid's neighbourhoods: "
            "check that its names are those of the neighbourhoods."
        )
    return people / people.sum()


def _four_fifths(budget: Budget) -> Budget:
    if budget.area_share is not None:
        return Budget(area_share=budget.area_share * _MARGIN)
    return Budget(places=max(1, round((budget.places or 1) * _MARGIN)))
