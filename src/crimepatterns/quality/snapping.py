"""Points that were moved for privacy or ease: onto a lattice, to the middle of blocks, or to the middle of areas."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial import cKDTree

from crimepatterns.quality.findings import Finding, Severity, by_share, per_cent, sound
from crimepatterns.quality.places import published_coordinates
from crimepatterns.quality.record import Record

__all__ = ["Lattice", "block_middles", "find_lattice", "snapped_points"]

_LEVEL = 1e-4
_LEAST_SHARE = 0.001
_DEGREE_STEPS = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001, 1 / 1200, 1 / 3600)
_METRE_STEPS = (5000.0, 2000.0, 1000.0, 500.0, 400.0, 250.0, 200.0, 100.0, 50.0, 25.0, 20.0, 10.0, 5.0)
_FOOT_M = 0.3048
_COARSE_DEGREES = 1e-4
_BLOCK_REACH_M = 260.0
_BLOCK_LEAST_M = 40.0
_MIDDLE_M = 0.25
_BESIDE_M = (-4.0, -3.0, -2.0, -1.5, 1.5, 2.0, 3.0, 4.0)
_MOST_PAIRS = 400_000
_MOST_PLACES = 30_000
_TIMES_BESIDE = 1.5
_MIDDLE_LEVEL = 2e-3
_AS_MANY = 0.9
_FINE_M, _WIDE_M, _BLOCK_M, _DISTRICT_M = 5.0, 20.0, 50.0, 250.0


@dataclass(frozen=True)
class Lattice:
    """A lattice on which many places lie exactly.

    Parameters
    ----------
    unit : {"degrees", "metres"}
        Unit of the step; metres are those of the study area's reference system.
    step : float
    step_m : float
        The longer side of a mesh on the ground, metres.
    places : ndarray of bool, shape (n_places,)
        Which distinct places lie on it.
    expected : float
        How many would by chance.
    tolerance : float
        How far off a node a place may lie, in the unit.
    """

    unit: str
    step: float
    step_m: float
    places: NDArray[np.bool_]
    expected: float
    tolerance: float


def snapped_points(record: Record, rng: np.random.Generator) -> Finding:
    """Tell whether places were snapped, to what, and how far apart the points stand.

    Parameters
    ----------
    record : Record
    rng : Generator
        Draws places and pairs where there are too many to look at all.
    """
    flag = "snapped_points"
    lattice = find_lattice(record)
    middles = block_middles(record.places, rng)
    spacing = _spacing(record)
    evidence: dict[str, Any] = {
        "distinct_places": len(record.places),
        "rows_per_place": round(len(record.points) / max(len(record.places), 1), 2),
        "share_at_repeated_places": round(
            float(record.rows_per_place[record.rows_per_place > 1].sum() / max(len(record.points), 1)), 4
        ),
        "spacing_m": spacing,
        "block_middles": middles,
        "lattice": None,
    }
    if lattice is not None:
        rows = int(record.rows_per_place[lattice.places].sum())
        share = rows / len(record.points)
        evidence["lattice"] = {
            "unit": lattice.unit,
            "step": lattice.step,
            "step_m": round(lattice.step_m, 1),
            "rows": rows,
            "share": round(share, 5),
            "places": int(lattice.places.sum()),
            "expected_places": round(lattice.expected, 2),
        }
        return _on_lattice(lattice, rows, share, evidence, record.intake.coordinates_crs)
    if middles["snapped"]:
        spread = float(spacing["median"])
        severity: Severity = "warning" if spread >= _BLOCK_M and evidence["rows_per_place"] >= 1.3 else "note"
        share = min(middles["excess"] * 2 / max(middles["places"], 1), 1.0)
        return Finding(
            "snapped_points",
            severity,
            f"{middles['found']:,} places lie exactly midway between two others (chance would give "
            f"{middles['expected']:,.0f}): "
            + (
                f"places are snapped to the middle and the ends of blocks, {len(record.places):,} points that stand "
                f"{spread:.0f} m apart."
                if spread >= _WIDE_M
                else "some are set between the ends of a block by rule, not measured."
            ),
            f"Do not read patterns finer than a block; keep cells and bandwidths at {max(100, 2 * round(spread)):,} m "
            "or more."
            if spread >= _WIDE_M
            else "Do not tell neighbouring addresses apart.",
            flag,
            affected=share * len(record.points),
            share=share,
            evidence=evidence,
        )
    return sound(
        "snapped_points",
        f"{len(record.places):,} distinct places, {evidence['rows_per_place']} incidents each; no sign of snapping.",
        flag=flag,
        evidence=evidence,
    )


def find_lattice(record: Record) -> Lattice | None:
    """Find the lattice on which most incidents lie exactly, far more than chance would put there.

    Tried are usual steps in the unit of publication and in metres and feet of the study area's reference system; a
    place counts where both of its coordinates are multiples of the step.
    """
    geographic = pyproj.CRS.from_user_input(record.intake.coordinates_crs).is_geographic
    published, noise = published_coordinates(record)
    trials: list[tuple[str, NDArray[np.float64], float, float, float]] = []
    digits = 10.0 ** -_finest(published, noise) if geographic else 0.0
    if geographic:
        trials += [("degrees", published, step, digits, 111_320.0) for step in _DEGREE_STEPS]
    trials += [("metres", record.places, step, 0.01, 1.0) for step in _METRE_STEPS]
    trials += [("metres", record.places, step * _FOOT_M, 0.01, 1.0) for step in _METRE_STEPS]
    if not geographic:
        trials += [("metres", published, step, 0.01, 1.0) for step in _METRE_STEPS]
    found: list[tuple[float, Lattice]] = []
    for unit, coordinates, step, grain, metres in trials:
        tolerance = _tolerance(unit, noise)
        on = _multiples(coordinates, step, tolerance)
        # A number written in steps of `grain` is a multiple of `step` once in step / grain.
        chance = min(max(grain, 2 * tolerance) / step, 1.0) ** 2
        expected = chance * len(on)
        rows = float(record.rows_per_place[on].sum())
        many = rows >= max(_LEAST_SHARE * len(record.points), 3 * chance * len(record.points))
        if many and stats.poisson.sf(int(on.sum()) - 1, 2 * expected + 1) < _LEVEL and step * metres >= _FINE_M:
            excess = rows - chance * len(record.points)
            found.append((excess, Lattice(unit, step, step * metres, on, expected, tolerance)))
    if found:
        # Every node of a lattice of 100 m is one of 50 m too, and one in a hundred one of 1 km: the coarsest of those
        # that hold nearly as many rows as any is meant.
        most = max(excess for excess, _ in found)
        return max((one for excess, one in found if excess >= _AS_MANY * most), key=lambda one: one.step_m)
    if geographic and digits >= _COARSE_DEGREES:
        return Lattice("degrees", digits, digits * 111_320.0, np.ones(len(published), dtype=bool), 0.0, noise)
    return None


def block_middles(places: NDArray[np.float64], rng: np.random.Generator) -> dict[str, Any]:
    """Count places that lie exactly midway between two others, as middles of blocks do between their crossings.

    Points a few metres before and behind the middle of the same pairs tell how often that happens by chance, streets
    and rows of houses included.

    Parameters
    ----------
    places : ndarray of float, shape (n_places, 2)
        Distinct places, metres.
    rng : Generator

    Returns
    -------
    dict
        ``places``, ``found``, ``expected``, ``excess``, ``p_value`` and ``snapped``.
    """
    if len(places) > _MOST_PLACES:
        places = _one_part(places, _MOST_PLACES)
    tree = cKDTree(places)
    pairs = tree.query_pairs(_BLOCK_REACH_M, output_type="ndarray") if len(places) > 2 else np.empty((0, 2), int)
    if len(pairs) > _MOST_PAIRS:
        pairs = pairs[rng.choice(len(pairs), _MOST_PAIRS, replace=False)]
    start, end = places[pairs[:, 0]], places[pairs[:, 1]]
    length = np.linalg.norm(end - start, axis=1)
    start, end, length = (part[length >= _BLOCK_LEAST_M] for part in (start, end, length))
    along = (end - start) / length[:, None]

    def met(offset: float) -> int:
        target = start + along * (length / 2 + offset)[:, None]
        away, which = tree.query(target, distance_upper_bound=_MIDDLE_M)
        return len(np.unique(which[np.isfinite(away)]))

    found = met(0.0)
    beside = np.array([met(offset) for offset in _BESIDE_M], dtype=float)
    expected = float(beside.mean())
    # Rows of houses put a few more at the middle than beside it, and neighbouring triples come together.
    allowed = _TIMES_BESIDE * expected + 2.0 * float(beside.std()) + 1.0
    chance = float(stats.poisson.sf(found - 1, allowed))
    return {
        "places": len(places),
        "found": found,
        "expected": round(expected, 1),
        "excess": round(max(found - expected, 0.0), 1),
        "p_value": float(f"{chance:.2g}"),
        "snapped": chance < _MIDDLE_LEVEL,
    }


def _on_lattice(lattice: Lattice, rows: int, share: float, evidence: dict[str, Any], crs: str) -> Finding:
    step = f"{lattice.step:g} degrees ({lattice.step_m:,.0f} m)" if lattice.unit == "degrees" else f"{lattice.step:g} m"
    severity: Severity
    if share < 0.5:
        severity = by_share(share, warning=0.004, serious=0.2)
    else:
        severity = "note" if lattice.step_m < _WIDE_M else "warning" if lattice.step_m < _DISTRICT_M else "serious"
    return Finding(
        "snapped_points",
        severity,
        f"{per_cent(share)} of the incidents ({rows:,}) lie exactly on a lattice of {step}; "
        f"{evidence['distinct_places']:,} distinct places hold {evidence['rows_per_place']} incidents each.",
        f"Keep cells and bandwidths at {4 * lattice.step_m:,.0f} m or more."
        if share >= 0.5
        else "Leave these rows out of fine maps: they stand for the mesh, not for the place.",
        "snapped_points",
        affected=rows,
        share=share,
        evidence=evidence,
        rule={
            "kind": "lattice",
            "unit": lattice.unit,
            "step": lattice.step,
            "crs": crs,
            "tolerance": lattice.tolerance,
        },
    )


def _finest(coordinates: NDArray[np.float64], noise: float) -> int:
    """Decimals of degrees in which nearly all places can be written, at most nine."""
    for digits in range(2, 9):
        if (np.abs(coordinates - np.round(coordinates, digits)).max(axis=1) < noise).mean() > 0.95:
            return digits
    return 9


def _tolerance(unit: str, noise: float) -> float:
    # Coordinates that went through degrees of six decimals are up to 8 cm off their lattice.
    return max(noise, 1e-9) if unit == "degrees" else 0.15


def _multiples(coordinates: NDArray[np.float64], step: float, tolerance: float) -> NDArray[np.bool_]:
    away = np.abs(coordinates - np.round(coordinates / step) * step)
    return np.asarray((away <= tolerance).all(axis=1))


def _spacing(record: Record) -> dict[str, float]:
    """Distances from each place to the next one: quartiles, metres."""
    if len(record.places) < 2:
        return {"lower": 0.0, "median": 0.0, "upper": 0.0}
    away = cKDTree(record.places).query(record.places, k=2)[0][:, 1]
    lower, middle, upper = np.quantile(away, [0.25, 0.5, 0.75])
    return {"lower": round(float(lower), 1), "median": round(float(middle), 1), "upper": round(float(upper), 1)}


def _one_part(places: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Keep the middle of the city with so many places, whole, so that neighbours stay together."""
    away = np.abs(places - np.median(places, axis=0)).max(axis=1)
    return places[np.argsort(away, kind="stable")[:most]]
