"""Find the rows of a finding again, in any table of incidents: what lets later stages leave them out."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyproj
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import DomainError
from crimepatterns.quality.duplicates import near_pairs
from crimepatterns.quality.places import published_decimals, unprojected

__all__ = ["RULES", "affected_rows", "without"]

_DAY_S = 86_400
_Finder = Callable[[pd.DataFrame, StudyArea, Mapping[str, Any]], NDArray[np.bool_]]


def affected_rows(incidents: Incidents, rule: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Tell which incidents a finding's rule points at, shape (n,).

    Parameters
    ----------
    incidents : Incidents
        All, or those of a window or category.
    rule : mapping
        The ``rule`` of a finding; an empty one points at no row.

    Raises
    ------
    DomainError
        If the rule is of a kind that this version does not know.
    """
    if not rule or not len(incidents):
        return np.zeros(len(incidents), dtype=bool)
    finder = RULES.get(str(rule.get("kind")))
    if finder is None:
        raise DomainError(
            f"Rule of kind {rule.get('kind')!r} is not known, expected one of {sorted(RULES)}: "
            "run `crimepatterns check --force`."
        )
    return finder(incidents.table, incidents.area, rule)


def without(incidents: Incidents, rules: list[Mapping[str, Any]]) -> Incidents:
    """Return the incidents at which none of the rules points."""
    if not rules:
        return incidents
    gone = np.zeros(len(incidents), dtype=bool)
    for rule in rules:
        gone |= affected_rows(incidents, rule)
    return Incidents(incidents.table.loc[~gone].reset_index(drop=True), incidents.area, incidents.provenance)


def _points(table: pd.DataFrame, _: StudyArea, rule: Mapping[str, Any]) -> NDArray[np.bool_]:
    tree = cKDTree(np.asarray(rule["points"], dtype=float))
    away, _nearest = tree.query(table[["x", "y"]].to_numpy(dtype=float), distance_upper_bound=float(rule["metres"]))
    return np.asarray(np.isfinite(away))


def _near_copies(table: pd.DataFrame, _: StudyArea, rule: Mapping[str, Any]) -> NDArray[np.bool_]:
    copies = np.zeros(len(table), dtype=bool)
    timed = np.flatnonzero(table["time_precision"].eq("minute").to_numpy(dtype=bool))
    pairs = near_pairs(table.iloc[timed], metres=float(rule["metres"]), minutes=(0, float(rule["minutes"])))
    copies[timed[pairs.later]] = True
    return copies


def _minutes_of_day(table: pd.DataFrame, _: StudyArea, rule: Mapping[str, Any]) -> NDArray[np.bool_]:
    timed = table["time_precision"].isin(("minute", "hour")).to_numpy(dtype=bool)
    return np.asarray(timed & np.isin(_wall(table) % _DAY_S // 60, rule["minutes"]))


def _precision(table: pd.DataFrame, _: StudyArea, rule: Mapping[str, Any]) -> NDArray[np.bool_]:
    return table["time_precision"].isin(rule["levels"]).to_numpy(dtype=bool)


def _longer(table: pd.DataFrame, _: StudyArea, rule: Mapping[str, Any]) -> NDArray[np.bool_]:
    hours = (table["occurred_until"] - table["occurred_from"]).dt.total_seconds() / 3600
    timed = table["time_precision"].isin(("minute", "hour"))
    return ((hours > float(rule["hours"])) & timed).to_numpy(dtype=bool)


def _first_day(table: pd.DataFrame, _: StudyArea, rule: Mapping[str, Any]) -> NDArray[np.bool_]:
    days = table["occurred_from"].dt
    january = days.month == 1
    return ((days.day == 1) & (january if rule["month"] == 1 else ~january)).to_numpy(dtype=bool)


def _boundary(table: pd.DataFrame, area: StudyArea, rule: Mapping[str, Any]) -> NDArray[np.bool_]:
    edge = area.polygon.boundary
    shapely.prepare(edge)
    points = shapely.points(table[["x", "y"]].to_numpy(dtype=float))
    return np.asarray(shapely.dwithin(edge, points, float(rule["metres"])))


def _decimals(table: pd.DataFrame, area: StudyArea, rule: Mapping[str, Any]) -> NDArray[np.bool_]:
    degrees = pyproj.CRS.from_user_input(rule["crs"]).is_geographic
    coordinates, noise = _published(table, area, rule["crs"])
    return published_decimals(coordinates, degrees=degrees, noise=noise) <= int(rule["at_most"])


def _lattice(table: pd.DataFrame, area: StudyArea, rule: Mapping[str, Any]) -> NDArray[np.bool_]:
    degrees = rule["unit"] == "degrees"
    places = _published(table, area, rule["crs"])[0] if degrees else table[["x", "y"]].to_numpy(dtype=float)
    step = float(rule["step"])
    return np.asarray((np.abs(places - np.round(places / step) * step) <= float(rule["tolerance"])).all(axis=1))


def _published(table: pd.DataFrame, area: StudyArea, crs: str) -> tuple[NDArray[np.float64], float]:
    return unprojected(table[["x", "y"]].to_numpy(dtype=float), area.crs, crs)


def _wall(table: pd.DataFrame) -> NDArray[np.int64]:
    """Civil time in seconds."""
    return table["occurred_from"].dt.tz_localize(None).dt.as_unit("s").to_numpy().astype(np.int64)


RULES: Mapping[str, _Finder] = MappingProxyType(
    {
        "points": _points,
        "near_copies": _near_copies,
        "minutes_of_day": _minutes_of_day,
        "precision": _precision,
        "longer_than_h": _longer,
        "first_day": _first_day,
        "near_boundary": _boundary,
        "decimals": _decimals,
        "lattice": _lattice,
    }
)
"""Kinds of rules, and how each finds its rows."""
