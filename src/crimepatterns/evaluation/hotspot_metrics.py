"""How much crime a map catches for the ground it asks to cover: hit rate, PAI, PEI and RRI."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crimepatterns.evaluation.selection import Budget, select_cells, select_each

__all__ = ["Catch", "catch", "hit_rate", "hit_rate_curve", "pai", "pei", "rri"]


@dataclass(frozen=True)
class Catch:
    """What the selected cells caught; sums over origins give the pooled score.

    Parameters
    ----------
    hits : float
        n, incidents in the selected cells; fractional where cells tie at the cut.
    total : float
        N, incidents in the study area.
    best : float
        n*, the most that any map on these cells could have caught with this budget.
    area_km2, total_area_km2 : float
        a and A.
    """

    hits: float
    total: float
    best: float
    area_km2: float
    total_area_km2: float

    def __add__(self, other: "Catch") -> "Catch":
        """Pool two origins; areas are averaged by summing both."""
        return Catch(
            self.hits + other.hits,
            self.total + other.total,
            self.best + other.best,
            self.area_km2 + other.area_km2,
            self.total_area_km2 + other.total_area_km2,
        )

    @property
    def saturated(self) -> bool:
        """True where the best map catches everything, so that PEI is nothing but the hit rate."""
        return self.best >= self.total > 0


def catch(expected: ArrayLike, observed: ArrayLike, area_km2: ArrayLike, budget: Budget, *, outside: int = 0) -> Catch:
    """Select cells by what was expected and count what happened there.

    Parameters
    ----------
    expected : array_like of float, shape (n_cells,)
        Expected incidents per cell.
    observed : array_like of float, shape (n_cells,)
        Incidents that happened.
    area_km2 : array_like of float, shape (n_cells,)
        Clipped cell areas.
    budget : Budget
    outside : int
        Incidents in no cell: they count in N and cannot be caught.

    Returns
    -------
    Catch
    """
    happened, areas = np.asarray(observed, dtype=float), np.asarray(area_km2, dtype=float)
    chosen = select_cells(expected, areas, budget)
    return Catch(
        hits=float(chosen @ happened),
        total=float(happened.sum()) + outside,
        best=float(select_cells(happened, areas, budget) @ happened),
        area_km2=float(chosen @ areas),
        total_area_km2=float(areas.sum()),
    )


def hit_rate(caught: Catch) -> float:
    """Share of incidents that fell in the selected cells, n / N; higher is better, in [0, 1]; nan without incidents."""
    return _ratio(caught.hits, caught.total)


def pai(caught: Catch) -> float:
    """Predictive accuracy index, (n / N) / (a / A): how many times denser the selected cells were than the area.

    1 is chance, higher is better. Chainey, Tompson & Uhlig 2008, doi:10.1057/palgrave.sj.8350066.
    """
    return _ratio(hit_rate(caught), caught.area_km2 / caught.total_area_km2)


def pei(caught: Catch) -> float:
    """Predictive efficiency index, n / n*: share of the best possible catch on the same cells; in [0, 1].

    The NIJ challenge calls it PEI*. Where `Catch.saturated`, it is only the hit rate and must be called so. It must
    not be compared across cell sizes. Hunt 2016 (dissertation, CUNY).
    """
    return _ratio(caught.hits, caught.best)


def rri(caught: Catch, before: Catch) -> float:
    """Recapture rate index, (n2 / n1) / (N2 / N1): did the selected cells keep their share of crime.

    1 means that they hold the same share in the test window as they did before it; below 1 the hot spots cooled.
    Levine 2008, doi:10.1057/palgrave.sj.8350067.

    Parameters
    ----------
    caught, before : Catch
        The same selection valued in the test window (2) and in the reference window before it (1).
    """
    return _ratio(_ratio(caught.hits, before.hits), _ratio(caught.total, before.total))


def hit_rate_curve(
    expected: Sequence[NDArray[np.float64]],
    observed: Sequence[NDArray[np.int64]],
    area_km2: ArrayLike,
    *,
    area_shares: Sequence[float],
    outside: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Trace the hit rate over area budgets, pooled over origins.

    Parameters
    ----------
    expected, observed : sequence of ndarray, each shape (n_cells,)
        One of each per origin.
    area_km2 : array_like of float, shape (n_cells,)
    area_shares : sequence of float
        Budgets, each in (0, 1).
    outside : sequence of int, optional
        Incidents in no cell, per origin.

    Returns
    -------
    DataFrame
        ``area_share, hit_rate``, from (0, 0) to the largest share.
    """
    areas = np.asarray(area_km2, dtype=float)
    missed = [0] * len(expected) if outside is None else list(outside)
    total = float(sum(counts.sum() for counts in observed)) + sum(missed)
    shares = sorted(area_shares)
    budgets = [Budget(area_share=share) for share in shares]
    hits = np.zeros(len(shares))
    for mean, happened in zip(expected, observed, strict=True):
        hits += [float(chosen @ happened) for chosen in select_each(mean, areas, budgets)]
    rows = [(share, _ratio(float(caught), total)) for share, caught in zip(shares, hits, strict=True)]
    return pd.DataFrame([(0.0, 0.0), *rows], columns=["area_share", "hit_rate"])


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else float("nan")
