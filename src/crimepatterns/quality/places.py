"""How exactly places are written, and whether too many lie on the boundary itself."""

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from pyproj.enums import TransformDirection
from scipy import stats

from crimepatterns.quality.findings import Finding, Severity, by_share, per_cent, sound
from crimepatterns.quality.record import Record

__all__ = ["boundary_points", "coordinate_precision", "published_coordinates", "published_decimals", "unprojected"]

_MOST_DECIMALS = 9
_LEVEL = 1e-4
_ON_BOUNDARY_M = 1.0
_BAND_M = 100.0
_TIMES_BAND = 5.0
_LEAST_SHARE = 0.001
_COARSE_NOTE_M, _COARSE_WARNING_M, _COARSE_SERIOUS_M = 5.0, 50.0, 250.0


def published_coordinates(record: Record) -> tuple[NDArray[np.float64], float]:
    """Return the distinct places in the reference system in which they were published, and how exact that is.

    Returns
    -------
    coordinates : ndarray of float, shape (n_places, 2)
    noise : float
        What projecting there and back moves them by, in the unit of the coordinates; changes of datum are not exact.
    """
    return unprojected(record.places, record.incidents.area.crs, record.intake.coordinates_crs)


def unprojected(places: NDArray[np.float64], metric_crs: str, published_crs: str) -> tuple[NDArray[np.float64], float]:
    """Take back the projection of cleaning; see `published_coordinates` for what is returned.

    The inverse of the same operation is used: asking for a way back could give another one, metres away.
    """
    there = pyproj.Transformer.from_crs(published_crs, metric_crs, always_xy=True)

    def back(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(there.transform(x, y, direction=TransformDirection.INVERSE))

    coordinates = back(places[:, 0], places[:, 1])
    probe = coordinates[:: max(len(coordinates) // 2_000, 1)]
    again = back(*(np.asarray(axis) for axis in there.transform(probe[:, 0], probe[:, 1])))
    moved = float(np.abs(again - probe).max(initial=0.0))
    least = 1e-10 if there.source_crs is not None and there.source_crs.is_geographic else 1e-4
    return coordinates, max(3 * moved, least)


def published_decimals(
    coordinates: NDArray[np.float64], *, degrees: bool, noise: float | None = None
) -> NDArray[np.int64]:
    """Count the decimals with which each place is written: those of the finer of its two coordinates.

    Parameters
    ----------
    coordinates : ndarray of float, shape (n, 2)
    degrees : bool
        Degrees have up to nine decimals, metres and feet up to three.
    noise : float, optional
        What the coordinates may be off by; fewer decimals can be told the larger it is.

    Returns
    -------
    ndarray of int, shape (n,)
    """
    most = _MOST_DECIMALS if degrees else 3
    noise = noise or (1e-10 if degrees else 1e-4)
    most = min(most, int(np.floor(-np.log10(5 * noise))))
    decimals = np.full(len(coordinates), most, dtype=np.int64)
    for digits in range(most - 1, -1, -1):
        short = np.abs(coordinates - np.round(coordinates, digits)).max(axis=1) < noise
        decimals[short & (decimals == digits + 1)] = digits
    return decimals


def coordinate_precision(record: Record) -> Finding:
    """Tell how many decimals the coordinates have, and what that is on the ground."""
    degrees = pyproj.CRS.from_user_input(record.intake.coordinates_crs).is_geographic
    coordinates, noise = published_coordinates(record)
    decimals = published_decimals(coordinates, degrees=degrees, noise=noise)[record.points]
    usual = int(np.quantile(decimals, 0.9))
    unit_m = (111_320.0 if degrees else 1.0) * 10.0**-usual
    counted = np.bincount(decimals, minlength=usual + 1)
    # Of numbers with d decimals one in ten ends in zero, in both coordinates one in a hundred.
    coarse = int(counted[: max(usual - 2, 0)].sum())
    by_chance = len(decimals) * 1e-6
    evidence = {
        "unit": "degrees" if degrees else "length",
        "decimals": usual,
        "metres": round(unit_m, 4),
        "share_by_decimals": {
            str(digits): round(float(count / len(decimals)), 5) for digits, count in enumerate(counted) if count
        },
        "rows_with_three_decimals_less": coarse,
    }
    share = coarse / len(decimals)
    flag = "coordinates_rounded"
    if unit_m >= _COARSE_NOTE_M:
        severity: Severity = (
            "note" if unit_m < _COARSE_WARNING_M else "warning" if unit_m < _COARSE_SERIOUS_M else "serious"
        )
        return Finding(
            "coordinate_precision",
            severity,
            f"Coordinates have {usual} decimals: places are known to about {unit_m:,.0f} m.",
            f"Do not use cells or bandwidths below {4 * unit_m:,.0f} m.",
            flag,
            affected=len(decimals),
            share=1.0,
            evidence=evidence,
        )
    if share >= _LEAST_SHARE and stats.poisson.sf(coarse - 1, by_chance) < _LEVEL:
        return Finding(
            "coordinate_precision",
            by_share(share, warning=0.004),
            f"{per_cent(share)} of the places have three decimals less than the {usual} of the others.",
            "These places are rounded: leave them out of fine maps.",
            flag,
            affected=coarse,
            share=share,
            evidence=evidence,
            rule={"kind": "decimals", "at_most": usual - 3, "crs": record.intake.coordinates_crs},
        )
    return sound(
        "coordinate_precision",
        f"Coordinates have {usual} decimals, which is {_length(unit_m)} on the ground.",
        flag=flag,
        evidence=evidence,
    )


def boundary_points(record: Record) -> Finding:
    """Look for places that lie on the boundary of the study area itself, as clamped or clipped ones do."""
    flag = "boundary_points"
    edge = record.incidents.area.polygon.boundary
    shapely.prepare(edge)
    points = shapely.points(record.places)
    near = np.flatnonzero(shapely.dwithin(edge, points, _BAND_M))
    on = near[shapely.dwithin(edge, points[near], _ON_BOUNDARY_M)]
    beside = len(near) - len(on)
    expected = beside * _ON_BOUNDARY_M / (_BAND_M - _ON_BOUNDARY_M)
    rows = int(record.rows_per_place[on].sum())
    share = rows / max(len(record.points), 1)
    chance = float(stats.poisson.sf(len(on) - 1, _TIMES_BAND * expected + 1.0))
    evidence = {
        "places_on_the_boundary": len(on),
        "expected_places": round(expected, 1),
        "rows": rows,
        "share_within_100_m": round(float(record.rows_per_place[near].sum()) / max(len(record.points), 1), 4),
        "p_value": float(f"{chance:.2g}"),
    }
    # Many rows at one point are another finding: the boundary is suspected for its many places.
    if share < _LEAST_SHARE or chance > _LEVEL:
        return sound("boundary_points", "No more places on the boundary than beside it.", flag=flag, evidence=evidence)
    return Finding(
        "boundary_points",
        by_share(share),
        f"{per_cent(share)} of the incidents ({rows:,}) lie on the boundary itself, at {len(on):,} places where "
        f"{expected:,.0f} would be expected.",
        "Check whether outside places were moved to the boundary; widen it with study_area.buffer_m if a street is it.",
        flag,
        affected=rows,
        share=share,
        evidence=evidence,
        rule={"kind": "near_boundary", "metres": _ON_BOUNDARY_M},
    )


def _length(metres: float) -> str:
    return f"{metres:,.1f} m" if metres >= 1 else f"{metres * 100:.0f} cm" if metres >= 0.01 else "less than 1 cm"
