"""Places with many incidents, the busiest first: repeat addresses and risky facilities."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError

__all__ = ["RepeatPlaces", "repeat_places", "risky_facilities"]

_CENTRE_M = 30.0


@dataclass(frozen=True, eq=False)
class RepeatPlaces:
    """A ranking of places: the J-curve.

    Parameters
    ----------
    table : DataFrame
        One row per place, the busiest first: ``rank``, ``x``, ``y`` (metres), ``incidents``, ``share``,
        ``cumulative_share`` of the incidents and ``places_share`` of the places up to this one; from `repeat_places`
        also ``days``, ``first``, ``last``, ``category``, ``next_busiest``, ``suspect`` and ``reason``.
    incidents : int
    unplaced : int
        Incidents at none of the places, which the shares leave out.
    parameters : mapping
    """

    table: pd.DataFrame = field(repr=False)
    incidents: int
    unplaced: int = 0
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()

    def held_by(self, places_share: float) -> float:
        """Return the share of the incidents at the busiest share of the places, such as 0.1."""
        if not 0 < places_share <= 1:
            raise PatternError(f"Share of places must lie in (0, 1], got {places_share}.")
        along = np.concatenate([[0.0], self.table["places_share"]])
        held = np.concatenate([[0.0], self.table["cumulative_share"]])
        return float(np.interp(places_share, along, held))


def repeat_places(
    incidents: Incidents,
    *,
    snap_m: float = 1.0,
    radius_m: float = 300.0,
    suspect_incidents: int = 20,
    suspect_times: float = 10.0,
) -> RepeatPlaces:
    """Rank exact places by their incidents, and mark those that may be no place but a default of the geocoder.

    Parameters
    ----------
    incidents : Incidents
        At least one.
    snap_m : float, metres
        Positions in the same square of this side are one place.
    radius_m : float, metres
        What counts as the surroundings.
    suspect_incidents : int
        Places with fewer are never marked.
    suspect_times : float
        Marked from so many times the incidents of the busiest other place in the surroundings on.

    Returns
    -------
    RepeatPlaces
        ``next_busiest`` is the busiest other place within `radius_m` (0 where there is none; missing for places with
        fewer than `suspect_incidents`). ``suspect`` says that
        someone should look at the address: it is a large facility, or where the geocoder puts what it cannot find;
        ``reason`` says why, and whether the place lies at the centre of the city or of a neighbourhood.

    Raises
    ------
    PatternError
        If there are no incidents or a distance is not positive.
    """
    if len(incidents) == 0:
        raise PatternError("Repeat places need at least one incident, got none: widen the window or the category.")
    if not (snap_m > 0 and radius_m > 0 and suspect_incidents >= 1 and suspect_times > 0):
        raise PatternError("snap_m, radius_m, suspect_incidents and suspect_times must be positive.")
    table = _places_of(incidents, snap_m)
    points = table[["x", "y"]].to_numpy(dtype=float)
    counts = table["incidents"].to_numpy()
    asked = int((counts >= suspect_incidents).sum())
    beside = _next_busiest(points, counts, asked, radius_m)
    table["next_busiest"] = pd.array([*beside.tolist(), *[pd.NA] * (len(table) - asked)], dtype="Int64")
    table["suspect"] = np.arange(len(table)) < asked
    table.loc[: asked - 1, "suspect"] = counts[:asked] >= suspect_times * np.maximum(beside, 1)
    table["reason"] = _reasons(table, _centres_near(points, incidents), radius_m)
    return RepeatPlaces(
        table,
        len(incidents),
        parameters=MappingProxyType(
            {
                "snap_m": snap_m,
                "radius_m": radius_m,
                "suspect_incidents": suspect_incidents,
                "suspect_times": suspect_times,
            }
        ),
    )


def risky_facilities(
    facilities: pd.DataFrame, incidents: Incidents | tuple[ArrayLike, ArrayLike], *, radius_m: float = 50.0
) -> RepeatPlaces:
    """Rank facilities of one kind by their incidents, those without any among them.

    Parameters
    ----------
    facilities : DataFrame
        ``x`` and ``y``, metres; further columns, such as a name, are kept.
    incidents : Incidents, or tuple (x, y) of array_like of float
    radius_m : float, metres
        An incident belongs to the nearest facility within this distance, or to none.

    Raises
    ------
    PatternError
        If there is no facility, a position is missing, no incident is near one, or the radius is not positive.

    References
    ----------
    Eck, Clarke and Guerette (2007), Risky facilities, Crime Prevention Studies 21
    """
    if facilities.empty or not {"x", "y"} <= set(facilities.columns):
        raise PatternError(f"Facilities need rows with x and y, got {len(facilities)} with {list(facilities.columns)}.")
    if not radius_m > 0:
        raise PatternError(f"radius_m must be > 0 metres, got {radius_m}.")
    if isinstance(incidents, Incidents):
        incidents = (incidents.table["x"].to_numpy(dtype=float), incidents.table["y"].to_numpy(dtype=float))
    points = np.column_stack([np.asarray(axis, dtype=float) for axis in incidents])
    sites = facilities[["x", "y"]].to_numpy(dtype=float)
    if not np.isfinite(sites).all() or not np.isfinite(points).all():
        raise PatternError("Facilities and incidents need finite x and y: leave out rows without a position.")
    _, nearest = cKDTree(sites).query(points, distance_upper_bound=radius_m)
    near = nearest < len(sites)
    if not near.any():
        raise PatternError(f"No incident lies within {radius_m:g} m of a facility: raise radius_m or check the system.")
    table = facilities.assign(incidents=np.bincount(nearest[near], minlength=len(sites)))
    return RepeatPlaces(
        _ranked(table), int(near.sum()), int((~near).sum()), MappingProxyType({"radius_m": float(radius_m)})
    )


def _places_of(incidents: Incidents, snap_m: float) -> pd.DataFrame:
    events = incidents.table
    square = pd.DataFrame({name: np.floor(events[name] / snap_m).astype("int64") for name in ("x", "y")})
    place = square.groupby(["x", "y"], sort=False).ngroup()
    day = events["occurred_from"].dt.tz_localize(None).dt.floor("D")
    grouped = pd.DataFrame(
        {"place": place, "x": events["x"], "y": events["y"], "day": day, "at": events["occurred_from"]}
    ).groupby("place")
    found = grouped.agg(
        x=("x", "mean"),
        y=("y", "mean"),
        incidents=("at", "size"),
        days=("day", "nunique"),
        first=("at", "min"),
        last=("at", "max"),
    )
    labels = pd.DataFrame({"place": place, "category": events["category"].astype(str)})
    kinds = labels.value_counts(["place", "category"]).rename("n").reset_index()
    kinds = kinds.sort_values(["place", "n", "category"], ascending=[True, False, True]).drop_duplicates("place")
    return _ranked(found.assign(category=kinds.set_index("place")["category"]))


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    ordered = table.sort_values(["incidents", "x", "y"], ascending=[False, True, True]).reset_index(drop=True)
    total, n = ordered["incidents"].sum(), len(ordered)
    ordered["share"] = ordered["incidents"] / total
    ordered["cumulative_share"] = ordered["incidents"].cumsum() / total
    ordered["places_share"] = np.arange(1, n + 1) / n
    ordered.insert(0, "rank", np.arange(1, n + 1))
    return ordered


def _next_busiest(
    points: NDArray[np.float64], counts: NDArray[np.int64], asked: int, radius_m: float
) -> NDArray[np.int64]:
    """Find the count of the busiest other place around each of the first `asked` places, in descending order."""
    found = np.zeros(asked, dtype=np.int64)
    tree = cKDTree(points)
    for begin in range(0, asked, 1000):
        for row, near in enumerate(tree.query_ball_point(points[begin : min(begin + 1000, asked)], radius_m), begin):
            near.remove(row)
            if near:
                found[row] = counts[min(near)]
    return found


def _centres_near(points: NDArray[np.float64], incidents: Incidents) -> list[str]:
    area = incidents.area
    named = [("the study area", area.polygon)]
    named += list(zip(area.neighbourhoods["name"].astype(str), area.neighbourhoods.geometry, strict=True))
    centres = np.array([[shape.centroid.x, shape.centroid.y] for _, shape in named])
    distance, which = cKDTree(centres).query(points)
    return [named[i][0] if metres <= _CENTRE_M else "" for metres, i in zip(distance, which, strict=True)]


def _reasons(table: pd.DataFrame, centre: list[str], radius_m: float) -> list[str]:
    reasons = []
    for suspect, count, other, where in zip(
        table["suspect"], table["incidents"], table["next_busiest"], centre, strict=True
    ):
        if not suspect:
            reasons.append("")
            continue
        beside = f"at most {other:,} at any other place" if other else "none at any other place"
        reason = f"{count:,} incidents at one exact position, {beside} within {radius_m:g} m"
        reasons.append(f"{reason}; it is the centre of {where}" if where else reason)
    return reasons
