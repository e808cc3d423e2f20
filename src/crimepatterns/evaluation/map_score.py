"""How much crime any map of hot cells caught, whoever drew it: hits, PAI, PEI and RRI with intervals."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from crimepatterns.domain.overlaps import overlapping_pairs
from crimepatterns.errors import DomainError
from crimepatterns.evaluation.hotspot_metrics import Catch, hit_rate, pai, pei, rri
from crimepatterns.evaluation.selection import Budget, select_cells

__all__ = ["MapScore", "clustered_interval", "score_map"]

_SHARED = 1e-3
"""Cells that share more of the smaller one than this overlap; less is rounding of corners."""


@dataclass(frozen=True)
class MapScore:
    """What a map caught.

    Parameters
    ----------
    caught : Catch
        n, N, n*, a and A in square kilometres.
    outside : int
        Incidents in no cell; they count in N.
    hit_rate, pai, pei : tuple of float, shape (3,)
        Value and the ends of its interval. That of PEI takes n* as it was found.
    rri : float
        Against the earlier incidents; nan where none were given.
    confidence : float
    """

    caught: Catch
    outside: int
    hit_rate: tuple[float, float, float]
    pai: tuple[float, float, float]
    pei: tuple[float, float, float]
    rri: float
    confidence: float

    def to_json(self) -> dict[str, object]:
        """Give the score as plain values."""
        return {
            "hits": self.caught.hits,
            "incidents": self.caught.total,
            "best_possible_hits": self.caught.best,
            "in_no_cell": self.outside,
            "area_km2": self.caught.area_km2,
            "study_area_km2": self.caught.total_area_km2,
            "hit_rate": list(self.hit_rate),
            "pai": list(self.pai),
            "pei": list(self.pei),
            "pei_saturated": self.caught.saturated,
            "rri": self.rri,
            "confidence": self.confidence,
        }


def score_map(
    cells: gpd.GeoDataFrame,
    chosen: ArrayLike,
    places: NDArray[np.float64],
    *,
    study_area_km2: float | None = None,
    before: NDArray[np.float64] | None = None,
    confidence: float = 0.95,
) -> MapScore:
    """Count what fell into the chosen cells and value it against their area and the best choice of the same area.

    Parameters
    ----------
    cells : GeoDataFrame, shape (n_cells, >= 1)
        Polygons that do not overlap, in a projected reference system in metres.
    chosen : array_like of float, shape (n_cells,)
        Share of each cell that the map sends people to, in [0, 1]; 0 or 1 for a map of hot spots.
    places : ndarray of float, shape (n, 2)
        Where incidents happened, in the same system. One on a common edge belongs to the first cell of the file.
    study_area_km2 : float, optional
        A; the area of all cells where it is left out.
    before : ndarray of float, shape (m, 2), optional
        Incidents before the forecast, for the recapture rate.
    confidence : float

    Returns
    -------
    MapScore

    Raises
    ------
    DomainError
        If a cell is no polygon, cells overlap, nothing is chosen, or there is no incident.
    """
    shapes, share = cells.geometry.to_numpy(), np.asarray(chosen, dtype=float)
    _check(shapes, share, places)
    areas = shapely.area(shapes) / 1e6
    area_km2 = float(share @ areas)
    total_km2 = float(areas.sum()) if study_area_km2 is None else study_area_km2
    cell, inside = _cell_of(shapes, places)
    happened = np.bincount(cell[inside], minlength=len(shapes)).astype(float)
    caught = Catch(float(share @ happened), float(len(places)), _best(happened, areas, area_km2), area_km2, total_km2)
    hit = np.where(inside, share[cell], 0.0)
    low, high = clustered_interval(hit, places, confidence=confidence)
    times, per_best = (caught.total_area_km2 / area_km2, caught.total / caught.best if caught.best else float("nan"))
    recapture = float("nan")
    if before is not None and len(before):
        earlier, known = _cell_of(shapes, before)
        hits = float(share[earlier[known]].sum())
        recapture = rri(caught, Catch(hits, float(len(before)), hits, area_km2, total_km2))
    return MapScore(
        caught,
        int((~inside).sum()),
        (hit_rate(caught), low, high),
        (pai(caught), low * times, high * times),
        (pei(caught), low * per_best, min(high * per_best, 1.0)),
        recapture,
        confidence,
    )


def clustered_interval(hit: ArrayLike, places: NDArray[np.float64], *, confidence: float = 0.95) -> tuple[float, float]:
    """Give the interval of a hit rate when incidents at one place are caught or missed together.

    The exact binomial interval (Clopper & Pearson 1934, https://doi.org/10.1093/biomet/26.4.404) of n / d hits among
    N / d incidents, d >= 1 the factor by which repeated places raise the variance (Korn & Graubard 1998, Survey
    Methodology 24: 193-201).

    Parameters
    ----------
    hit : array_like of float, shape (n,)
        1 where the incident was caught.
    places : ndarray of float, shape (n, 2)
        Incidents with equal coordinates belong together.
    confidence : float

    Examples
    --------
    >>> low, high = clustered_interval([1, 1, 0, 0], np.arange(8.0).reshape(4, 2))
    >>> round(low, 3), round(high, 3)
    (0.068, 0.932)
    """
    caught = np.asarray(hit, dtype=float)
    total, hits = float(len(caught)), float(caught.sum())
    rate = hits / total
    if 0 < rate < 1:
        _, place = np.unique(places, axis=0, return_inverse=True)
        excess = np.bincount(place.ravel(), weights=caught - rate)
        factor = max(1.0, float(excess @ excess) / (total * rate * (1 - rate)))
        total, hits = total / factor, hits / factor
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, hits, total - hits + 1)) if hits > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, total - hits)) if hits < total else 1.0
    return low, high


def _check(shapes: NDArray[np.object_], share: NDArray[np.float64], places: NDArray[np.float64]) -> None:
    kinds = {shape.geom_type if shape is not None else "nothing" for shape in shapes}
    if not kinds <= {"Polygon", "MultiPolygon"}:
        raise DomainError(f"A map must consist of polygons, found {sorted(kinds)}: give cells, not points or lines.")
    if share.shape != (len(shapes),) or not ((share >= 0) & (share <= 1)).all():
        raise DomainError("Each cell needs a share from 0 to 1 that says how much of it is chosen.")
    if not share.any():
        raise DomainError("The map chooses no cell: its hotspot field is 0 everywhere.")
    if not len(places):
        raise DomainError("There is no incident to score the map against: check the file and the days asked for.")
    first, second, shared = overlapping_pairs(shapes, share=_SHARED)
    if len(first):
        raise DomainError(
            f"Cells must not overlap, {len(first)} pairs do, such as rows {first[0]} and {second[0]} "
            f"({shared[0]:.0f} m2): dissolve or clip them first."
        )


def _cell_of(shapes: NDArray[np.object_], places: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    point, cell = shapely.STRtree(shapes).query(shapely.points(places), predicate="intersects")
    index, inside = np.full(len(places), len(shapes), dtype=np.int64), np.zeros(len(places), dtype=bool)
    np.minimum.at(index, point, cell)
    inside[point] = True
    return np.where(inside, index, 0), inside


def _best(happened: NDArray[np.float64], areas: NDArray[np.float64], area_km2: float) -> float:
    """Most that any choice of the same area on these cells could have caught."""
    share = area_km2 / float(areas.sum())
    if share >= 1:
        return float(happened.sum())
    return float(select_cells(happened, areas, Budget(area_share=share)) @ happened)
