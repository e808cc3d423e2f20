"""Patterns on street segments: rates per kilometre, density along the streets and hot spots, without planar leakage."""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.network_surface import NetworkSurface
from crimepatterns.domain.segments import Segments, Snapped
from crimepatterns.errors import PatternError
from crimepatterns.patterns.network_reach import Reach, reachable_segments
from crimepatterns.patterns.significance import binomial_tail, discoveries, false_discovery_rate

__all__ = ["NetworkKernel", "SnappedCounts", "network_density", "network_gi_star", "network_rates", "segment_counts"]

NetworkKernel = Literal["quartic", "gaussian"]

_Floats = NDArray[np.float64]
_Points = Incidents | tuple[ArrayLike, ArrayLike]
_REACH = {"quartic": 1.0, "gaussian": 3.0}
_NODES = 4
"""Points of each segment at which the kernel is evaluated."""
_CHUNK_PAIRS = 1_000_000


@dataclass(frozen=True, eq=False)
class SnappedCounts:
    """Incidents per segment, and how far they had to be moved.

    Parameters
    ----------
    segments : Segments
    counts : ndarray of int, shape (n_segments,)
    snapped : Snapped
        Segment, distance and position of each point.
    parameters : mapping
        Number ``incidents`` snapped, number ``refused`` as too far from every street, the limit, and quantiles of the
        snapping distance in metres.
    """

    segments: Segments
    counts: NDArray[np.int64] = field(repr=False)
    snapped: Snapped = field(repr=False)
    parameters: MappingProxyType[str, object]

    def sentence(self) -> str:
        """Say how well the incidents fit the streets."""
        facts = self.parameters
        left_out = f"{facts['refused']:,} do not and are left out" if facts["refused"] else "none is left out"
        return (
            f"{facts['incidents']:,} incidents lie within {facts['max_snap_m']:g} m of a street (half of them within "
            f"{facts['snap_m_median']:g} m, 95 % within {facts['snap_m_p95']:g} m); {left_out}."
        )


def segment_counts(points: _Points, segments: Segments, *, max_snap_m: float = 50.0) -> SnappedCounts:
    """Count incidents on their nearest street segment.

    Parameters
    ----------
    points : Incidents, or tuple (x, y) of array_like of float, shape (n,)
        Metres.
    segments : Segments
    max_snap_m : float
        Incidents farther from every street are refused, and counted as such.

    Raises
    ------
    PatternError
        If no incident lies near a street.
    """
    if isinstance(points, Incidents):
        points = (points.table["x"].to_numpy(dtype=float), points.table["y"].to_numpy(dtype=float))
    x, y = (np.asarray(axis, dtype=float) for axis in points)
    if x.ndim != 1 or x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise PatternError(f"Points need finite x and y of one length, got shapes {x.shape} and {y.shape}.")
    snapped = segments.assign(x, y, max_distance_m=max_snap_m)
    if not snapped.inside.any():
        raise PatternError(
            f"None of {len(x):,} incidents lies within {max_snap_m:g} m of a street: widen the window, raise "
            "max_snap_m or check the reference systems."
        )
    counts = np.bincount(snapped.segment[snapped.inside], minlength=len(segments))
    facts = {"incidents": int(snapped.inside.sum()), "refused": int((~snapped.inside).sum()), "max_snap_m": max_snap_m}
    facts |= {f"snap_m_{name}": value for name, value in snapped.distance_quantiles().items()}
    return SnappedCounts(segments, counts.astype(np.int64), snapped, MappingProxyType(facts))


def network_rates(points: _Points, segments: Segments, *, max_snap_m: float = 50.0) -> NetworkSurface:
    """Give the incidents per kilometre of each segment.

    Returns
    -------
    NetworkSurface
        ``times_expected`` compares with the mean of all streets.

    Raises
    ------
    PatternError
        As `segment_counts`.
    """
    found = segment_counts(points, segments, max_snap_m=max_snap_m)
    per_km = found.counts / (segments.length_m / 1e3)
    mean = found.counts.sum() / (segments.length_m.sum() / 1e3)
    return NetworkSurface(
        segments, "network_rates", per_km, "incidents per km", parameters=found.parameters, times_expected=per_km / mean
    )


def network_density(
    points: _Points,
    segments: Segments,
    *,
    bandwidth_m: float,
    kernel: NetworkKernel = "quartic",
    max_snap_m: float = 50.0,
) -> NetworkSurface:
    """Smooth incidents along the streets into incidents per kilometre.

    Each incident is spread over the street length within reach, thinner with the distance along the streets, and its
    parts add up to one: no mass is lost at dead ends, multiplied at crossings, or leaked to a street that is near only
    as the crow flies.

    Parameters
    ----------
    points : Incidents, or tuple (x, y) of array_like of float, shape (n,)
    segments : Segments
    bandwidth_m : float, metres
        Reach of the quartic, or standard deviation of the gaussian (cut at 3); at least the longest segment.
    kernel : {"quartic", "gaussian"}
    max_snap_m : float

    Returns
    -------
    NetworkSurface
        Values are means over each segment; times its length they sum to the number of incidents.

    Raises
    ------
    PatternError
        If the bandwidth is shorter than a segment, or no incident lies near a street.

    References
    ----------
    Okabe and Sugihara (2012), chapter 9, https://doi.org/10.1002/9781119967101; McSwiggan, Baddeley and Nair (2017),
    https://doi.org/10.1111/sjos.12255
    """
    _check_bandwidth(bandwidth_m, segments, kernel)
    found = segment_counts(points, segments, max_snap_m=max_snap_m)
    inside = found.snapped.inside
    # Incidents at one place to the metre are spread once.
    spot = np.column_stack([found.snapped.segment[inside], np.round(found.snapped.position_m[inside])])
    spots, mass = np.unique(spot, axis=0, return_counts=True)
    home, position = spots[:, 0].astype(np.int64), np.minimum(spots[:, 1], segments.length_m[spots[:, 0].astype(int)])
    total = np.zeros(len(segments))
    for reach in reachable_segments(segments, np.unique(home), _REACH[kernel] * bandwidth_m):
        mine = np.flatnonzero((home >= reach.source[0]) & (home <= reach.source[-1]))
        size = np.searchsorted(reach.source, home[mine], side="right") - np.searchsorted(reach.source, home[mine])
        cuts = np.searchsorted(np.cumsum(size), np.arange(_CHUNK_PAIRS, int(size.sum()), _CHUNK_PAIRS), side="left") + 1
        for some in np.split(mine, np.unique(cuts)):
            if some.size:
                total += _spread(home[some], position[some], mass[some], reach, segments, bandwidth_m, kernel)
    return NetworkSurface(
        segments, "network_density", total / (segments.length_m / 1e3), "incidents per km",
        parameters=MappingProxyType({**found.parameters, "bandwidth_m": float(bandwidth_m), "kernel": kernel}),
    )  # fmt: skip


def network_gi_star(
    points: _Points,
    segments: Segments,
    *,
    fdr: float = 0.05,
    alternative: Literal["hot", "cold"] = "hot",
    expected: ArrayLike | None = None,
    max_snap_m: float = 50.0,
) -> NetworkSurface:
    """Find segments that, together with those they meet, hold more incidents than chance puts there.

    Parameters
    ----------
    points : Incidents, or tuple (x, y) of array_like of float, shape (n,)
    segments : Segments
    fdr : float
        False discovery rate, in (0, 1).
    alternative : {"hot", "cold"}
    expected : array_like of float, shape (n_segments,), optional
        Expected counts in any unit; the same chance per metre of street where left out.
    max_snap_m : float

    Returns
    -------
    NetworkSurface
        ``values`` are differences from expectation in binomial standard deviations; ``p_values`` exact binomial tails;
        ``q_values`` after Benjamini and Hochberg.

    Raises
    ------
    PatternError
        If `expected` is unusable, or no incident lies near a street.

    References
    ----------
    Ord and Getis (1995), https://doi.org/10.1111/j.1538-4632.1995.tb00912.x; Yamada and Thill (2007) for networks,
    https://doi.org/10.1111/j.1538-4632.2007.00704.x
    """
    if alternative not in ("hot", "cold"):
        raise PatternError(f"alternative must be 'hot' or 'cold', got {alternative!r}.")
    mass = segments.length_m if expected is None else np.asarray(expected, dtype=float)
    if mass.shape != (len(segments),) or not np.isfinite(mass).all() or (mass < 0).any() or not mass.any():
        raise PatternError(f"Expected counts must be {len(segments)} finite numbers >= 0, not all zero.")
    found = segment_counts(points, segments, max_snap_m=max_snap_m)
    counts, total = found.counts.astype(float), float(found.counts.sum())
    lag = segments.adjacency @ counts + counts
    share = np.minimum((segments.adjacency @ mass + mass) / mass.sum(), 1.0)
    p = binomial_tail(lag, total, share, alternative="greater" if alternative == "hot" else "less")
    q = false_discovery_rate(p)
    spread = np.sqrt(total * share * (1.0 - share))
    where = "with the same chance per metre of street" if expected is None else "in proportion to the expected counts"
    facts = {"fdr": fdr, "alternative": alternative, "neighbourhood": "the segment and those it meets at a junction",
             "discoveries": int(discoveries(q, fdr=fdr).sum())}  # fmt: skip
    return NetworkSurface(
        segments, "network_gi_star",
        np.divide(lag - total * share, spread, out=np.zeros(len(segments)), where=spread > 0), "z-score", p, q,
        f"each of the {int(total):,} incidents falls, independently of the others, {where}",
        MappingProxyType({**found.parameters, **facts}),
        np.divide(lag, total * share, out=np.full(len(segments), np.nan), where=share > 0),
    )  # fmt: skip


def _check_bandwidth(bandwidth_m: float, segments: Segments, kernel: str) -> None:
    if kernel not in _REACH:
        raise PatternError(f"Kernel must be one of {sorted(_REACH)}, got {kernel!r}.")
    longest = float(segments.length_m.max())
    if not (np.isfinite(bandwidth_m) and bandwidth_m >= longest * (1.0 - 1e-9)):
        raise PatternError(
            f"Bandwidth must be at least the longest segment, got {bandwidth_m:g} m and {longest:.0f} m: raise it, or "
            "cut the streets into shorter segments (max_length_m)."
        )


def _spread(
    home: NDArray[np.int64],
    position: _Floats,
    mass: NDArray[np.int64],
    reach: Reach,
    segments: Segments,
    bandwidth_m: float,
    kernel: str,
) -> _Floats:
    """Spread some spots over the segments in their reach; return the mass that each segment gets."""
    first = np.searchsorted(reach.source, home, side="left")
    size = np.searchsorted(reach.source, home, side="right") - first
    spot = np.repeat(np.arange(len(home)), size)
    pair = np.arange(len(spot)) - np.repeat(np.cumsum(size) - size, size) + first[spot]
    target, way = reach.target[pair], reach.way[pair]
    before, after = position[spot], segments.length_m[home[spot]] - position[spot]
    # From the spot to each end of the target, over either end of its own segment.
    to_first, to_last = (np.minimum(before + way[:, 0, end], after + way[:, 1, end]) for end in (0, 1))
    length = segments.length_m[target]
    weight = np.zeros(len(spot))
    for k in range(_NODES):
        at = (k + 0.5) / _NODES * length
        distance = np.minimum(to_first + at, to_last + length - at)
        own = target == home[spot]
        distance[own] = np.minimum(distance[own], np.abs(before - at)[own])
        weight += _kernel_value(distance / bandwidth_m, kernel)
    weight *= length
    whole = np.bincount(spot, weights=weight, minlength=len(home))
    shares: _Floats = np.bincount(target, weights=weight * (mass / whole)[spot], minlength=len(segments)).astype(float)
    return shares


def _kernel_value(distance: _Floats, kernel: str) -> _Floats:
    if kernel == "gaussian":
        return np.where(distance <= _REACH["gaussian"], np.exp(-0.5 * np.minimum(distance, 99.0) ** 2), 0.0)
    return np.maximum(1.0 - np.minimum(distance, 1.0) ** 2, 0.0) ** 2
