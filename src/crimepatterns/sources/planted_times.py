"""Defects of times that can be planted in clean records."""

import numpy as np
import pandas as pd

from crimepatterns.domain.incidents import Incidents
from crimepatterns.sources.planted_rows import (
    DAY_S,
    HOUR_S,
    floored,
    pick,
    timed,
)

__all__ = [
    "at_midnight",
    "at_noon",
    "dates_only",
    "endless_intervals",
    "on_the_first_of_the_month",
    "on_the_first_of_the_year",
    "rounded_to_the_hour",
]


def at_midnight(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Write midnight for the time of rows."""
    return timed(incidents, pick(incidents, share, rng), lambda wall: wall // DAY_S * DAY_S)


def at_noon(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Write noon for the time of rows."""
    return timed(incidents, pick(incidents, share, rng), lambda wall: wall // DAY_S * DAY_S + DAY_S // 2)


def rounded_to_the_hour(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Round the times of rows down to the full hour."""
    return timed(incidents, pick(incidents, share, rng), lambda wall: wall // HOUR_S * HOUR_S)


def on_the_first_of_the_month(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Write the first of the month for the date of rows."""
    return timed(incidents, pick(incidents, share, rng), lambda wall: floored(wall, "M") + wall % DAY_S)


def on_the_first_of_the_year(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Write the first of January for the date of rows."""
    return timed(incidents, pick(incidents, share, rng), lambda wall: floored(wall, "Y") + wall % DAY_S)


def dates_only(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Leave only the date of rows."""
    moved = timed(incidents, pick(incidents, share, rng), lambda wall: wall // DAY_S * DAY_S)
    table = moved.table
    same = (table["occurred_from"] == incidents.table["occurred_from"]).to_numpy()
    table["time_precision"] = np.where(same, "minute", "date")
    return Incidents(table, moved.area)


def endless_intervals(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Let rows end two months or more after they began."""
    table = incidents.table.copy()
    rows = pick(incidents, share, rng)
    longer = pd.to_timedelta(rng.integers(60, 400, len(rows)), unit="D")
    until = table["occurred_until"].copy()
    until.iloc[rows] = (table["occurred_from"].iloc[rows] + longer).to_numpy()
    table["occurred_until"] = until
    table["known_at"] = table["known_at"].where(table["known_at"] >= until, until)
    return Incidents(table, incidents.area)
