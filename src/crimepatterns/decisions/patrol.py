"""A patrol plan: places with hours, within an area budget, a capacity and a cap per neighbourhood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.decisions.allocation import Allocation, Capacity, allocate
from crimepatterns.decisions.timetable import Timetable, hours_text, timetable
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import DomainError

__all__ = ["PLAN_COLUMNS", "PatrolPlan", "PlanRules", "plan_patrols", "reported_shares"]

PLAN_COLUMNS: tuple[str, ...] = (
    "rank",
    "cell_id",
    "neighbourhood",
    "hours",
    "place_days",
    "expected",
    "expected_in_hours",
    "chance_of_none",
    "category_mix",
    "reason",
    "geometry",
)
"""One row per place. ``expected`` counts incidents at the place over the whole horizon, ``expected_in_hours`` those in
the proposed hours; ``chance_of_none`` is the Poisson chance of none over the whole horizon."""

_RHYTHM_DAYS = 365


@dataclass(frozen=True)
class PlanRules:
    """What limits a plan.

    Parameters
    ----------
    capacity : Capacity
    area_budget : float
        Largest share of the study area.
    neighbourhood_cap : float or None
        A neighbourhood's share of the place-days is at most this many times its share of reported incidents.
    weights : mapping of str to float
        Harm weight per category; 1 where it is not named.
    """

    capacity: Capacity
    area_budget: float
    neighbourhood_cap: float | None
    weights: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, eq=False)
class PatrolPlan:
    """Places with hours, and what the plan rests on.

    Parameters
    ----------
    places : GeoDataFrame
        `PLAN_COLUMNS`, in the order of expected incidents in the proposed hours.
    blocks : ndarray of bool, shape (n_cells, 7, n_shifts)
        Chosen place-days, Monday first.
    schedule : Timetable
        Of all categories together; names the shifts.
    facts : mapping
        Capacity, budget, cap and its price, horizon and statements; JSON-able.
    """

    places: gpd.GeoDataFrame = field(repr=False)
    blocks: NDArray[np.bool_] = field(repr=False)
    schedule: Timetable
    facts: Mapping[str, object]


def plan_patrols(forecasts: Sequence[Forecast], incidents: Incidents, *, rules: PlanRules) -> PatrolPlan:
    """Choose places and hours for the horizon of the forecasts.

    Each category's expected incidents of a cell are shared out over the week by the city-wide rhythm of that
    category; blocks are then taken greedily. A place gets at most one shift per day, and none is quieter than the
    average cell.

    Parameters
    ----------
    forecasts : sequence of Forecast
        One per category, on the same grid and periods.
    incidents : Incidents
        What was known when the forecasts were issued: gives the rhythm and the shares behind the cap.
    rules : PlanRules

    Returns
    -------
    PatrolPlan

    Raises
    ------
    DomainError
        If the forecasts do not fit together, nothing is expected, or no cell fits into the budget.
    """
    grid, days = _common_frame(forecasts)
    expected = np.stack([forecast.mean.sum(axis=1) for forecast in forecasts])
    names = [forecast.category for forecast in forecasts]
    weights = np.array([rules.weights.get(name, 1.0) for name in names])
    if not (expected.sum(axis=1) * weights).sum() > 0:
        raise DomainError("Nothing is expected anywhere: there is no plan to make.")
    recent = _recent(incidents, forecasts[0].issued_at)
    whole = timetable(recent.of(*names), shift_hours=rules.capacity.shift_hours)
    rhythm = np.stack([_block_shares(recent.of(name), whole, forecasts[0]) for name in names])
    unweighted = np.einsum("kc,kds->cds", expected, rhythm)
    weighted = weights @ expected
    # Leftover ground must not send anyone to a place that is quieter than the average one.
    hot = weighted >= weighted.mean() * (1 - 1e-9)
    values = np.einsum("kc,kds->cds", expected * weights[:, None], rhythm) * hot[:, None, None]
    uncapped = _allocate(values, grid, rules, None)
    shares = reported_shares(recent.of(*names), grid)
    chosen = uncapped
    if rules.neighbourhood_cap is not None and shares:
        chosen = _allocate(values, grid, rules, {name: rules.neighbourhood_cap * part for name, part in shares.items()})
    places = _place_table(grid, chosen, expected, unweighted, names, whole, days)
    facts = {
        **_rule_facts(rules, grid, chosen, whole, names),
        "horizon_days": days,
        "issued_at": forecasts[0].issued_at.isoformat(),
        "start": forecasts[0].periods.start.isoformat(),
        "end": forecasts[0].periods.end.isoformat(),
        "models": {forecast.category: forecast.model for forecast in forecasts},
        "places": len(places),
        "place_days": chosen.place_days,
        "expected_total": float(expected.sum()),
        "expected_at_places": float(places["expected"].sum()),
        "expected_in_hours": float(unweighted[chosen.blocks].sum()),
        "uncapped_expected_in_hours": float(unweighted[uncapped.blocks].sum()),
        "uncapped_expected_at_places": float(expected[:, uncapped.cells].sum()),
        "exposure": _exposure(grid, chosen, shares),
    }
    return PatrolPlan(places, chosen.blocks, whole, MappingProxyType(facts))


def reported_shares(incidents: Incidents, grid: Grid) -> dict[str, float]:
    """Return each neighbourhood's share of the incidents that citizens reported; empty where there are no names."""
    table = incidents.table.loc[incidents.table["discovery"] == "reported"]
    if table.empty or incidents.area.neighbourhoods.empty:
        return {}
    cell, inside = grid.assign(table["x"], table["y"])
    names = pd.Series(grid.neighbourhood[cell[inside]].astype(str))
    return {str(name): float(share) for name, share in names.value_counts(normalize=True).items()}


def _common_frame(forecasts: Sequence[Forecast]) -> tuple[Grid, int]:
    if not forecasts:
        raise DomainError("A plan needs at least one forecast.")
    first = forecasts[0]
    for other in forecasts[1:]:
        if not np.array_equal(other.grid.ids, first.grid.ids) or not other.periods.edges.equals(first.periods.edges):
            raise DomainError(
                f"Forecasts of {first.category} and {other.category} must share grid and periods: "
                "forecast them together."
            )
    days = (first.periods.end.tz_localize(None) - first.periods.start.tz_localize(None)).days
    return first.grid, max(1, days)


def _recent(incidents: Incidents, issued_at: pd.Timestamp) -> Incidents:
    known = incidents.as_of(issued_at)
    last_year = known.between(issued_at - pd.DateOffset(days=_RHYTHM_DAYS), issued_at)
    return last_year if len(last_year) else known


def _block_shares(incidents: Incidents, whole: Timetable, forecast: Forecast) -> NDArray[np.float64]:
    """Share the horizon's incidents out over the blocks of the week, by the weekdays that the horizon holds."""
    own = timetable(incidents, shift_hours=whole.shift_hours) if whole.known == "hours" else whole
    shares = own.shares if own.shares.shape == whole.shares.shape and own.known == whole.known else whole.shares
    dates = pd.date_range(
        forecast.periods.start.tz_localize(None), forecast.periods.end.tz_localize(None), inclusive="left"
    )
    occurring = shares * np.bincount(dates.day_of_week, minlength=7)[:, None]
    return np.asarray(occurring / occurring.sum())


def _allocate(
    values: NDArray[np.float64], grid: Grid, rules: PlanRules, caps: Mapping[str, float] | None
) -> Allocation:
    areas = grid.area_km2
    return allocate(
        values,
        area_km2=areas,
        area_limit_km2=rules.area_budget * float(areas.sum()),
        capacity=rules.capacity,
        cell_ids=grid.ids,
        neighbourhoods=grid.neighbourhood,
        cap_shares=caps,
    )


def _place_table(
    grid: Grid,
    chosen: Allocation,
    expected: NDArray[np.float64],
    values: NDArray[np.float64],
    names: Sequence[str],
    schedule: Timetable,
    days: int,
) -> gpd.GeoDataFrame:
    cells, means = chosen.cells, expected.sum(axis=0)
    in_hours = (values * chosen.blocks).sum(axis=(1, 2))
    cells = cells[np.lexsort((grid.ids[cells].astype(str), -in_hours[cells]))]
    rows = []
    for rank, cell in enumerate(cells.tolist(), start=1):
        hours = hours_text(chosen.blocks[cell], schedule)
        mix = _mix(expected[:, cell], names)
        rows.append(
            {
                "rank": rank,
                "cell_id": grid.ids[cell],
                "neighbourhood": grid.neighbourhood[cell],
                "hours": hours,
                "place_days": int(chosen.blocks[cell].sum()),
                "expected": float(means[cell]),
                "expected_in_hours": float(in_hours[cell]),
                "chance_of_none": float(np.exp(-means[cell])),
                "category_mix": mix,
                "reason": _reason(float(means[cell]), float(means.mean()), mix, days, float(in_hours[cell])),
                "geometry": grid.cells.geometry.iloc[cell],
            }
        )
    return gpd.GeoDataFrame(rows, columns=list(PLAN_COLUMNS), geometry="geometry", crs=grid.area.crs)


def _mix(expected: NDArray[np.float64], names: Sequence[str]) -> str:
    order = np.argsort(-expected, kind="stable")
    shares = expected / expected.sum()
    return ", ".join(f"{names[i]} {shares[i] * 100:.0f} %" for i in order if shares[i] >= 0.005)


def _reason(expected: float, average: float, mix: str, days: int, in_hours: float) -> str:
    return (
        f"{expected:.2f} incidents expected in {days} days, {expected / average:.0f} times the average cell; "
        f"{mix.split(',', maxsplit=1)[0]}; {in_hours:.2f} of them in the hours proposed."
    )


def _rule_facts(
    rules: PlanRules, grid: Grid, chosen: Allocation, schedule: Timetable, names: Sequence[str]
) -> dict[str, object]:
    capacity = rules.capacity
    if rules.neighbourhood_cap is None:
        cap = "No cap per neighbourhood."
    elif not chosen.capped:
        cap = "No cap: the area has no named neighbourhoods, or nothing was reported by citizens."
    elif chosen.loosened:
        cap = (
            f"No plan of this size keeps the cap: {rules.neighbourhood_cap:g} times a neighbourhood's share of "
            "citizen-reported incidents is counted against the patrol time available, not against the plan as made."
        )
    else:
        cap = (
            f"No neighbourhood has more than {rules.neighbourhood_cap:g} times its share of citizen-reported incidents."
        )
    areas = grid.area_km2
    return {
        "categories": list(names),
        "weights": {name: float(rules.weights.get(name, 1.0)) for name in names},
        "units": capacity.units,
        "hours_per_unit": capacity.hours_per_unit,
        "minutes_per_visit": capacity.minutes_per_visit,
        "visits_per_place_day": capacity.visits_per_place_day,
        "shift_hours": capacity.shift_hours,
        "places_per_day": capacity.places_per_day,
        "area_budget": rules.area_budget,
        "area_share": float(areas[chosen.cells].sum() / areas.sum()),
        "neighbourhood_cap": rules.neighbourhood_cap,
        "cap": cap,
        "times_known": schedule.known,
    }


def _exposure(grid: Grid, chosen: Allocation, shares: Mapping[str, float]) -> list[dict[str, object]]:
    """Set each neighbourhood's share of the plan beside its share of the reports; only those in the plan."""
    days = pd.Series(chosen.blocks.sum(axis=(1, 2))).groupby(grid.neighbourhood.astype(str)).sum()
    return [
        {
            "neighbourhood": str(name),
            "place_days": int(count),
            "share_of_plan": float(count / max(1, chosen.place_days)),
            "share_of_reports": shares.get(str(name), 0.0),
        }
        for name, count in days.sort_values(ascending=False).items()
        if count > 0
    ]
