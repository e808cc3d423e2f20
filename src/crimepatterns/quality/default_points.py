"""Default geocodes: one exact point that stands for places nobody knew, such as a police station or a city's middle."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy import stats

from crimepatterns.quality.findings import Finding, by_share, per_cent, sound
from crimepatterns.quality.record import Record

__all__ = ["SuspiciousPoint", "default_geocodes", "suspicious_points"]

_LEVEL = 1e-3
_LEAST_SHARE = 0.001
_LEAST_ROWS = 10
_FIRST_GAPS = 5
_TAIL = (10, 200)
_LABEL_PURE = 0.8
_MANY_LABELS = 0.35
_FEWEST_LABELS = 4.0
_MOST_LABELS = 2_000
_AT_CENTRE_M = 0.5
_PEERS = 60
_BIG_SHARE = 0.01
_LIKE_CITY_LEVEL, _LIKE_CITY_FIT = 5e-4, 5e-3
_LEAST_UNLIKE = 0.0015


@dataclass(frozen=True)
class SuspiciousPoint:
    """One point and why it is suspected.

    Parameters
    ----------
    place : int
        Position in the record's `places`.
    rows : int
    why : {"areas", "tail", "mix", "centre"}
        Its rows name too many different areas; it has far more rows than the largest places lead to expect; its rows
        are like those of the whole city, which no busy place's are; or it is the very middle of an area.
    detail : str
    """

    place: int
    rows: int
    why: str
    detail: str


def default_geocodes(record: Record, *, area_columns: Sequence[str]) -> Finding:
    """Look for points that hold far too many incidents, or incidents of all over the city.

    Parameters
    ----------
    record : Record
    area_columns : sequence of str
        Columns of the table that may name areas; those that do not are passed over.
    """
    flag = "default_geocodes"
    found = suspicious_points(record, area_columns=area_columns)
    counts = np.sort(record.rows_per_place)[::-1]
    evidence = {
        "busiest_rows": [int(count) for count in counts[:10]],
        "busiest_share": round(float(counts[0] / counts.sum()), 5),
        "area_columns": list(_area_columns(record, area_columns)),
        "points": [
            {
                "x": round(float(record.places[one.place, 0]), 3),
                "y": round(float(record.places[one.place, 1]), 3),
                "rows": one.rows,
                "why": one.why,
                "detail": one.detail,
            }
            for one in found
        ],
    }
    rows = sum(one.rows for one in found)
    share = rows / max(len(record.points), 1)
    if not found or share < _LEAST_SHARE:
        return sound(
            "default_geocodes",
            f"No point holds more incidents than a busy address can; the busiest has {counts[0]:,}.",
            flag=flag,
            evidence=evidence,
        )
    first = max(found, key=lambda one: one.rows)
    more = f" ({len(found)} such points in all)" if len(found) > 1 else ""
    return Finding(
        "default_geocodes",
        by_share(share, warning=0.002, serious=0.03),
        f"{per_cent(share)} of the incidents lie at default points: {first.rows:,} at one{more}, {first.detail}.",
        "Look at the point on a map; leave its rows out of patterns with quality.leave_out: [default_geocodes].",
        flag,
        affected=rows,
        share=share,
        evidence=evidence,
        rule={
            "kind": "points",
            "points": [[round(float(value), 3) for value in record.places[one.place]] for one in found],
            "metres": 0.01,
        },
    )


def suspicious_points(record: Record, *, area_columns: Sequence[str]) -> list[SuspiciousPoint]:
    """List the points that look like defaults, the busiest first, each once."""
    by_place: dict[int, SuspiciousPoint] = {}
    looks = (
        _of_many_areas(record, area_columns),
        _beyond_the_tail(record),
        _like_the_city(record),
        _at_centres(record),
    )
    for one in (suspect for look in looks for suspect in look):
        by_place.setdefault(one.place, one)
    return sorted(by_place.values(), key=lambda one: -one.rows)


def _area_columns(record: Record, names: Iterable[str]) -> dict[str, NDArray[np.int64]]:
    """Pick the columns that tell where a row is: at most places with several rows all of them agree."""
    usable = {}
    repeated = np.flatnonzero(record.rows_per_place >= 3)
    for name in names:
        codes, labels = pd.factorize(record.table[name])
        if not 4 <= len(labels) <= _MOST_LABELS or not len(repeated):
            continue
        most = _labels_at(record.points, codes, len(labels), len(record.places))[0]
        pure = most[repeated] >= 0.99 * record.rows_per_place[repeated]
        if pure.mean() >= _LABEL_PURE:
            usable[name] = codes.astype(np.int64)
    return usable


def _of_many_areas(record: Record, names: Sequence[str]) -> list[SuspiciousPoint]:
    """Find points at which many rows name other areas than most rows there do, nearly as many as the whole city has.

    At a crossing between areas, where rows name different ones too, there are three or four.
    """
    found = []
    for name, codes in _area_columns(record, names).items():
        labels = int(codes.max()) + 1
        of_city = _effective(np.bincount(codes[codes >= 0], minlength=labels))
        least = max(_LEAST_ROWS, _LEAST_SHARE * len(codes) / 4)
        _, _, main = _labels_at(record.points, codes, labels, len(record.places))
        other = (codes >= 0) & (codes != main[record.points])
        _, effective, _ = _labels_at(record.points[other], codes[other], labels, len(record.places))
        strange = np.bincount(record.points[other], minlength=len(record.places))
        for place in np.flatnonzero((strange >= least) & (effective >= max(_FEWEST_LABELS, _MANY_LABELS * of_city))):
            told = f"where {strange[place]:,} rows name about {effective[place]:.0f} other values of {name}"
            found.append(SuspiciousPoint(int(place), int(record.rows_per_place[place]), "areas", told))
    return found


def _beyond_the_tail(record: Record) -> list[SuspiciousPoint]:
    """Find the few largest points that stand apart from the tail of the others.

    In a tail that falls like a power the logarithms of neighbouring order statistics differ by exponential amounts:
    ``i log(X_i / X_(i+1))`` has the mean that Hill's estimator gives from the ranks below. Real tails fall faster, so
    that the test is on the safe side. Hill (1975), https://doi.org/10.1214/aos/1176343247
    """
    order = np.argsort(-record.rows_per_place, kind="stable")
    counts = record.rows_per_place[order].astype(float)
    first, last = _TAIL
    last = min(last, int((counts >= 5).sum()) - 1)
    if last < first + 20:
        return []
    shape = float(np.mean(np.log(counts[first:last] / counts[last])))
    if shape <= 0:
        return []
    gaps = np.arange(1, _FIRST_GAPS + 1) * np.log(counts[:_FIRST_GAPS] / counts[1 : _FIRST_GAPS + 1])
    # Hill's mean of 30 to 190 gaps is itself uncertain: two standard errors wider.
    wide = shape * (1 + 2 / np.sqrt(last - first))
    apart = np.flatnonzero(stats.expon.sf(gaps / wide) <= _LEVEL / _FIRST_GAPS)
    if not apart.size:
        return []
    return [
        SuspiciousPoint(
            int(order[rank]), int(counts[rank]), "tail", f"{counts[rank] / counts[apart[-1] + 1]:.1f} times the next"
        )
        for rank in range(apart[-1] + 1)
    ]


def _like_the_city(record: Record) -> list[SuspiciousPoint]:
    """Find busy points whose categories, hours and weekdays are those of the whole city.

    Every real place has a mix of its own, by which its chi-square against the city grows with its rows. A default
    point's does not grow. Suspected is a point whose chi-square fits the city and would be far too small for a place
    only as peculiar as the less peculiar quarter of the busiest places (noncentral chi-square).
    """
    busiest = np.argsort(-record.rows_per_place, kind="stable")[:_PEERS]
    rows = record.rows_per_place[busiest].astype(float)
    big = np.flatnonzero(rows >= max(_BIG_SHARE * len(record.points), 100.0))
    if not big.size or len(busiest) < _PEERS // 2:
        return []
    chi, freedom = _against_the_city(record, busiest)
    unlike = (chi / max(freedom, 1) - 1) / rows
    found = []
    for at in big.tolist() if freedom >= 6 else []:
        usual = max(float(np.quantile(np.delete(unlike, at), 0.25)), _LEAST_UNLIKE)
        too_small = stats.ncx2.cdf(chi[at], freedom, usual * rows[at] * freedom) <= _LIKE_CITY_LEVEL
        if too_small and stats.chi2.sf(chi[at], freedom) >= _LIKE_CITY_FIT:
            found.append(
                SuspiciousPoint(
                    int(busiest[at]), int(rows[at]), "mix", "with the categories, hours and weekdays of the whole city"
                )
            )
    return found


def _against_the_city(record: Record, chosen: NDArray[np.int64]) -> tuple[NDArray[np.float64], int]:
    """Chi-square of each chosen place against the whole city over category, hour and weekday, and its freedom."""
    table, wall = record.table, record.wall
    timed = table["time_precision"].isin(("minute", "hour")).to_numpy(dtype=bool)
    dated = table["time_precision"].ne("month").to_numpy(dtype=bool)
    traits = [
        np.asarray(pd.factorize(table["category"])[0]),
        np.where(timed, wall % 86_400 // 7_200, -1),
        np.where(dated, (wall // 86_400 + 3) % 7, -1),
    ]
    rank = np.full(len(record.places), -1)
    rank[chosen] = np.arange(len(chosen))
    at = rank[record.points]
    chi, freedom = np.zeros(len(chosen)), 0
    for trait in traits:
        sizes = np.bincount(trait[trait >= 0])
        if (sizes > 0).sum() < 2:
            continue
        mine = (at >= 0) & (trait >= 0)
        seen = np.zeros((len(chosen), len(sizes)))
        np.add.at(seen, (at[mine], trait[mine]), 1.0)
        expected = seen.sum(axis=1, keepdims=True) * sizes / sizes.sum()
        chi += np.divide((seen - expected) ** 2, expected, out=np.zeros_like(seen), where=expected > 0).sum(axis=1)
        freedom += int((sizes > 0).sum()) - 1
    return chi, freedom


def _at_centres(record: Record) -> list[SuspiciousPoint]:
    """Find busy points that are the exact middle of the study area or of a neighbourhood."""
    area = record.incidents.area
    shapes = [("the study area", area.polygon)]
    shapes += list(zip(area.neighbourhoods["name"], area.neighbourhoods.geometry, strict=True))
    outlines = [shape for _, shape in shapes]
    middles = np.concatenate([shapely.centroid(outlines), shapely.envelope(outlines)])
    middles = shapely.get_coordinates(shapely.centroid(middles))
    tree = shapely.STRtree(shapely.points(record.places))
    middle, place = tree.query(shapely.points(middles), predicate="dwithin", distance=_AT_CENTRE_M)
    least = max(3.0, 2 * float(np.median(record.rows_per_place)))
    return [
        SuspiciousPoint(
            int(p), int(record.rows_per_place[p]), "centre", f"the exact middle of {shapes[int(m) % len(shapes)][0]}"
        )
        for m, p in zip(middle, place, strict=True)
        if record.rows_per_place[p] >= least
    ]


def _labels_at(
    points: NDArray[np.int64], codes: NDArray[np.int64], labels: int, places: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Rows of the most frequent label at each place, effective number of labels (inverse Simpson), and that label."""
    known = codes >= 0
    pairs, sizes = np.unique(points[known] * labels + codes[known], return_counts=True)
    place = pairs // labels
    most = np.zeros(places, dtype=np.int64)
    np.maximum.at(most, place, sizes)
    main = np.full(places, -1, dtype=np.int64)
    largest = sizes == most[place]
    main[place[largest]] = pairs[largest] % labels
    total = np.bincount(place, weights=sizes, minlength=places)
    squares = np.bincount(place, weights=sizes.astype(float) ** 2, minlength=places)
    return most, np.divide(total**2, squares, out=np.zeros(places), where=squares > 0), main


def _effective(sizes: NDArray[np.int64]) -> float:
    return float(sizes.sum() ** 2 / np.maximum((sizes.astype(float) ** 2).sum(), 1.0))
