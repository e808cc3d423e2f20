"""Near-repeat chains, and how fast the raised chance after an incident fades with distance and time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy import optimize, sparse
from scipy.sparse.csgraph import connected_components

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.knox import Knox
from crimepatterns.patterns.space_time_pairs import SAME_PLACE_M, PairSearch, civil_days

__all__ = ["NearRepeatChains", "RepeatDecay", "near_repeat_chains", "repeat_decay"]


@dataclass(frozen=True, eq=False)
class NearRepeatChains:
    """Incidents linked to earlier ones close by.

    Parameters
    ----------
    members : DataFrame, shape (n_members, ...)
        One row per linked incident: ``row`` (position in the table), ``id``, ``chain`` (from 1, the longest first),
        ``order`` in the chain (1 is the originator), ``role`` (originator; repeat; or second root, which follows none
        but is followed by a member), ``follows`` (id of the latest earlier incident it is linked to), ``distance_m``
        and ``days`` to that one, and ``occurred_from``.
    chains : GeoDataFrame, shape (n_chains, ...)
        ``chain``, ``incidents``, ``distinct_places``, ``first``, ``last``, ``days``; ``geometry`` are lines from each
        incident to the one it follows.
    parameters : mapping
    """

    members: pd.DataFrame = field(repr=False)
    chains: gpd.GeoDataFrame = field(repr=False)
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def sentence(self) -> str:
        """Say in one sentence how much of the record follows an earlier incident close by."""
        total, count = int(str(self.parameters["incidents"])), len(self.chains)
        if not count:
            return f"None of {total:,} incidents follows another close by."
        repeats = int((self.members["role"] == "repeat").sum())
        return (
            f"{repeats:,} of {total:,} incidents ({100 * repeats / total:.0f} %) follow another within "
            f"{self.parameters['distance_m']:g} m and {self.parameters['days']} days, in {count:,} chains; the longest "
            f"has {int(self.chains['incidents'].iloc[0])}. Some of this is chance: see the Knox ratio."
        )


def near_repeat_chains(
    incidents: Incidents, *, distance_m: float = 200.0, days: int = 14, min_incidents: int = 2
) -> NearRepeatChains:
    """Link every incident to the earlier ones close by, and collect what is linked into chains.

    Parameters
    ----------
    incidents : Incidents
        Choose category and window first.
    distance_m : float
        Greatest distance of a link, metres, inclusive.
    days : int
        Greatest number of civil days between, inclusive.
    min_incidents : int
        Leave shorter chains out.

    Returns
    -------
    NearRepeatChains
        The originator is the earliest incident of its chain; of two on the same day the one with the earlier time, and
        with equal times the one with the smaller id, so that the answer does not depend on the order of the rows.

    Raises
    ------
    PatternError
        If there are no incidents or a parameter is out of range.

    References
    ----------
    Townsley, Homel and Chaseling (2003), https://doi.org/10.1093/bjc/43.3.615; Ratcliffe and Rengert (2008),
    https://doi.org/10.1057/palgrave.sj.8350068
    """
    _check(incidents, distance_m, days, min_incidents)
    table = incidents.table
    # In order of time, then id: "earlier" is then simply the smaller position.
    order = np.lexsort((table["id"].to_numpy(dtype=str), table["occurred_from"].astype("int64").to_numpy()))
    sorted_table = table.iloc[order]
    day = civil_days(sorted_table["occurred_from"])
    x, y = (sorted_table[axis].to_numpy(dtype=float) for axis in ("x", "y"))
    follows, distance, edges = _links(PairSearch(x, y, reach_m=distance_m, reach_days=days), day)
    n = len(table)
    chain = connected_components(
        sparse.coo_array((np.ones(edges.shape[1], bool), edges), shape=(n, n)), directed=False
    )[1]
    sizes = np.bincount(chain, minlength=1)
    kept = np.flatnonzero(sizes[chain] >= max(min_incidents, 2))
    members = _member_table(sorted_table, order, kept, chain, sizes, follows, distance, day)
    lines = _chain_table(members, x, y, kept, follows, incidents.area.crs)
    parameters = {
        "distance_m": float(distance_m), "days": int(days), "min_incidents": int(min_incidents), "incidents": n,
        "links": int(edges.shape[1]),
    }  # fmt: skip
    return NearRepeatChains(members.drop(columns="position"), lines, MappingProxyType(parameters))


@dataclass(frozen=True)
class RepeatDecay:
    """How the excess of close pairs over chance fades.

    Parameters
    ----------
    half_distance_m, half_life_days : float
        Distance and time over which the excess halves, each with a 95 % profile-likelihood interval.
    peak : float
        Excess at no distance and no time, as a share of what chance gives.
    half_distance_interval, half_life_interval : tuple of float
    """

    half_distance_m: float
    half_life_days: float
    peak: float
    half_distance_interval: tuple[float, float]
    half_life_interval: tuple[float, float]

    def is_determined(self, *, times: float = 10.0) -> bool:
        """Tell whether the data fix both figures: no interval spans more than so many times its lower end."""
        return all(high <= times * low for low, high in (self.half_distance_interval, self.half_life_interval))

    def sentence(self) -> str:
        """Say in one sentence how far and how long the raised chance reaches."""
        near, far = self.half_distance_interval
        soon, late = self.half_life_interval
        return (
            f"The raised chance after an incident halves every {self.half_distance_m:.0f} m ({near:.0f} to {far:.0f}) "
            f"and every {self.half_life_days:.0f} days ({soon:.0f} to {late:.0f})."
        )


def repeat_decay(table: Knox) -> RepeatDecay:
    """Estimate half-distance and half-life of near repeats from a Knox table with several bands.

    The pairs of a band are taken as Poisson with mean ``level * expected * (1 + peak * 2^(-distance /
    half_distance) * 2^(-days / half_life))`` at the middle of the band, with a level of its own for each distance,
    the same place apart: it is left out, since its excess is of another kind (the same address rather than the same
    street). Pairs of two repeats of one origin count as well, so that where repeats are many both figures are
    larger than those of a single step.

    Raises
    ------
    PatternError
        If there are fewer than two bands each, or no excess to fade.
    """
    bands = table.bands
    if len(bands.distances_m) < 2 or len(bands.days) < 2:
        raise PatternError("Half-distance and half-life need at least two bands of distance and of days.")
    middle_m = _middles((SAME_PLACE_M, *bands.distances_m))
    middle_days = _middles((-0.5, *[edge + 0.5 for edge in bands.days]))
    seen, chance = table.observed[1:], table.expected[1:]
    if seen.sum() <= chance.sum():
        raise PatternError("There are no more close pairs than chance gives, so that nothing fades.")

    def loss(theta: NDArray[np.float64]) -> float:
        peak, half_m, half_days = np.exp(np.clip(theta, -20, 20))
        fade = 2.0 ** (-middle_m[:, None] / half_m - middle_days[None, :] / half_days)
        shape = chance * (1.0 + peak * fade)
        # Repeats raise the permuted counts of their distance as well: each distance has a level of its own.
        level = seen.sum(axis=1, keepdims=True) / np.maximum(shape.sum(axis=1, keepdims=True), 1e-12)
        mean = np.maximum(level * shape, 1e-12)
        return float((mean - seen * np.log(mean)).sum())

    start = np.log([1.0, bands.reach_m / 3, max(bands.reach_days / 3, 1.0)])
    best = optimize.minimize(
        loss, start, method="Nelder-Mead", options={"maxiter": 4_000, "xatol": 1e-5, "fatol": 1e-7}
    )
    peak, half_m, half_days = np.exp(best.x)
    return RepeatDecay(
        float(half_m), float(half_days), float(peak),
        _profile(loss, best.x, 1, best.fun), _profile(loss, best.x, 2, best.fun),
    )  # fmt: skip


def _check(incidents: Incidents, distance_m: float, days: int, min_incidents: int) -> None:
    if not len(incidents):
        raise PatternError("Near-repeat chains need at least one incident, got none: widen the window or the category.")
    if not distance_m > SAME_PLACE_M or days < 0 or min_incidents < 2:
        raise PatternError(
            f"Near-repeat chains need distance_m > {SAME_PLACE_M:g}, days >= 0 and min_incidents >= 2, "
            f"got {distance_m}, {days} and {min_incidents}."
        )


def _links(
    search: PairSearch, day: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int32]]:
    """Return for each incident the latest earlier one it is linked to (-1: none), its distance, and all links."""
    follows, gap = np.full(len(day), -1, dtype=np.int64), np.full(len(day), np.inf)
    found = []
    for block in search.pairs(day):
        found.append(np.array([block.first, block.second], dtype=np.int32))
        # The latest wins, of equally late ones the nearest: the last written of those sorted by it.
        order = np.lexsort((-block.distance_m, block.first, block.second))
        second = block.second[order]
        last = np.flatnonzero(np.diff(second, append=-1))
        who, earlier, apart = second[last], block.first[order][last], block.distance_m[order][last]
        better = earlier > follows[who]
        follows[who[better]], gap[who[better]] = earlier[better], apart[better]
    edges = np.concatenate(found, axis=1) if found else np.zeros((2, 0), dtype=np.int32)
    return follows, gap, edges


def _member_table(
    table: pd.DataFrame,
    order: NDArray[np.int64],
    kept: NDArray[np.int64],
    chain: NDArray[np.int64],
    sizes: NDArray[np.int64],
    follows: NDArray[np.int64],
    distance: NDArray[np.float64],
    day: NDArray[np.int64],
) -> pd.DataFrame:
    labels = chain[kept]
    # The longest chain first, of equally long ones the one that began earlier.
    first = np.full(len(sizes), len(chain))
    np.minimum.at(first, chain, np.arange(len(chain)))
    ranked = np.lexsort((first, -sizes))
    number = np.empty(len(sizes), dtype=np.int64)
    number[ranked] = np.arange(1, len(sizes) + 1)
    before = follows[kept]
    linked = before >= 0
    ids = table["id"].to_numpy(dtype=object)
    members = pd.DataFrame(
        {
            "row": order[kept],
            "id": ids[kept],
            "chain": number[labels],
            "position": kept,
            "role": np.where(linked, "repeat", "originator"),
            "follows": pd.Series([ids[k] if k >= 0 else None for k in before], dtype="str"),
            "distance_m": np.where(linked, distance[kept], np.nan),
            "days": pd.Series(np.where(linked, day[kept] - day[before], -1), dtype="Int64").mask(~linked),
            "occurred_from": table["occurred_from"].iloc[kept].to_numpy(),
        }
    )
    members["occurred_from"] = table["occurred_from"].iloc[kept].array
    members = members.sort_values(["chain", "position"], ignore_index=True)
    members.insert(3, "order", members.groupby("chain").cumcount() + 1)
    # Two roots of one chain can meet in a later incident; the earliest alone is the originator.
    late_root = (members["role"] == "originator") & (members["order"] > 1)
    members.loc[late_root, "role"] = "second root"
    return members


def _chain_table(
    members: pd.DataFrame,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    kept: NDArray[np.int64],
    follows: NDArray[np.int64],
    crs: str,
) -> gpd.GeoDataFrame:
    position = members["position"].to_numpy()
    if not len(kept):
        empty: dict[str, list[object]] = {
            "chain": [],
            "incidents": [],
            "distinct_places": [],
            "first": [],
            "last": [],
            "days": [],
        }
        return gpd.GeoDataFrame(empty, geometry=[], crs=crs)
    place = np.unique(np.round(np.column_stack([x, y])[position], 3), axis=0, return_inverse=True)[1].ravel()
    grouped = members.assign(place=place).groupby("chain")
    when = grouped["occurred_from"]
    chains = pd.DataFrame(
        {
            "incidents": grouped.size(), "distinct_places": grouped["place"].nunique(),
            "first": when.min(), "last": when.max(),
        }
    ).reset_index()  # fmt: skip
    chains["days"] = civil_days(chains["last"]) - civil_days(chains["first"])
    before = follows[position]
    tied = before >= 0
    ends = np.stack([np.column_stack([x, y])[before[tied]], np.column_stack([x, y])[position[tied]]], axis=1)
    lines = shapely.linestrings(ends)
    owner = members["chain"].to_numpy()[tied] - 1
    # Members are sorted by chain, so the lines of each chain are one stretch.
    bundles = np.array(shapely.multilinestrings(lines, indices=owner), dtype=object)
    return gpd.GeoDataFrame(chains, geometry=list(bundles), crs=crs)


def _middles(edges: tuple[float, ...]) -> NDArray[np.float64]:
    low, high = np.array(edges[:-1]), np.array(edges[1:])
    return (low + high) / 2.0


def _profile(
    loss: Callable[[NDArray[np.float64]], float], best: NDArray[np.float64], index: int, least: float
) -> tuple[float, float]:
    """Find where the profile log-likelihood has fallen by 1.92 on each side."""
    others = [i for i in range(len(best)) if i != index]

    def excess(value: float) -> float:
        def inner(rest: NDArray[np.float64]) -> float:
            theta = best.copy()
            theta[index], theta[others] = value, rest
            return float(loss(theta))

        found = optimize.minimize(inner, best[others], method="Nelder-Mead", options={"maxiter": 1_000})
        return float(found.fun - least - 1.920729)

    ends = []
    for side in (-1.0, 1.0):
        reach = 0.25
        while excess(best[index] + side * reach) < 0 and reach < 4.0:
            reach *= 2.0
        inside = best[index] + side * (reach / 2.0 if reach > 0.25 else 0.0)
        outside = best[index] + side * reach
        open_ended = excess(outside) < 0
        ends.append(outside if open_ended else optimize.brentq(excess, inside, outside, xtol=1e-3))
    return float(np.exp(ends[0])), float(np.exp(ends[1]))
