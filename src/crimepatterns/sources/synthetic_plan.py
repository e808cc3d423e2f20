"""What is planted in the embedded city: every parameter of its categories, rhythms, delays and defects in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CATEGORIES",
    "CITY_CLASSES",
    "DEFECT_SHARES",
    "HOT_KINDS",
    "MAX_LAG_DAYS",
    "MAX_REPORT_DELAY_DAYS",
    "PREMISES",
    "ROUNDED_SHARE",
    "SHOCK_VARIANCE_AREA",
    "SHOCK_VARIANCE_CITY",
    "CategoryPlan",
    "CityClass",
    "delay_pmf",
    "hour_cdf",
]

CityClass = Literal["stable", "drifting", "triggering"]
CITY_CLASSES: tuple[str, ...] = get_args(CityClass)

MAX_LAG_DAYS = 30
"""A triggered incident follows its parent after 1 to so many days."""

MAX_REPORT_DELAY_DAYS = 60.0
"""Nobody reports later than this; the export is taken after it, so that no incident is missing for its delay."""

SHOCK_VARIANCE_CITY = 0.01
SHOCK_VARIANCE_AREA = 0.12
"""Variance of the Gamma factors of mean 1 that each day draws for the city and for every neighbourhood."""

ROUNDED_SHARE = 0.35
"""Share of times that people round down to the full hour."""

DEFECT_SHARES: Mapping[str, float] = MappingProxyType(
    {
        "missing_coordinates": 0.012,
        "null_island": 0.003,
        "missing_category": 0.003,
        "impossible_date": 0.001,
        "duplicate": 0.010,
        "midnight": 0.020,
        "snapped": 0.080,
    }
)
"""Share of incidents whose row carries the defect; a row carries at most one."""

HOT_KINDS: tuple[str, ...] = ("nightlife", "retail", "transit", "housing", "strip")
"""What makes a hot place hot; see `CategoryPlan.affinity`."""

PREMISES: tuple[str, ...] = (
    "Street",
    "Residence",
    "Parking lot",
    "Store",
    "Bar or restaurant",
    "Transit stop",
    "Other",
)


@dataclass(frozen=True)
class CategoryPlan:
    """One category as it is planted.

    Parameters
    ----------
    name, label : str
        Our category and the publisher's label.
    offences : tuple of str
        Finer labels, the first the most frequent.
    share : float
        Share of all expected incidents.
    branching : mapping of city class to float
        Expected number of incidents that one incident triggers directly.
    delay_days : float
        Scale of the exponential delay of triggered incidents, days.
    affinity : tuple of float, shape (n_hot_kinds,)
        How strongly each kind of hot place draws the category.
    hot_share : float
        Share of the background that lies in hot places.
    arterial : float
        Factor for addresses on arterial streets.
    trend : float
        Change per year, as a log rate.
    season, season_peak : float
        Relative amplitude, and the day of the year of the maximum.
    weekdays : tuple of float, shape (7,)
        Monday first; scaled to mean 1.
    hours, weekend_hours : tuple of (peak hour, width in hours, weight)
        Bumps of the daily profile, round the clock.
    interval_share, interval_hours : float
        Share of incidents known only as from/until, and the median length of that span.
    report_hours, late_share, late_days : float
        Median delay from the end of the incident to the report; share reported late and the scale of being late.
    police_initiated : float
        Share found by police activity.
    premises : tuple of float, shape (n_premises,)
        Weights of `PREMISES`.
    """

    name: str
    label: str
    offences: tuple[str, ...]
    share: float
    branching: Mapping[str, float]
    delay_days: float
    affinity: tuple[float, ...]
    hot_share: float
    arterial: float
    trend: float
    season: float
    season_peak: float
    weekdays: tuple[float, ...]
    hours: tuple[tuple[float, float, float], ...]
    weekend_hours: tuple[tuple[float, float, float], ...]
    interval_share: float
    interval_hours: float
    report_hours: float
    late_share: float
    late_days: float
    police_initiated: float
    premises: tuple[float, ...]


def _branching(stable: float, triggering: float) -> Mapping[str, float]:
    return MappingProxyType({"stable": stable, "drifting": stable, "triggering": triggering})


_DAYTIME = ((13.0, 3.5, 1.0), (18.0, 2.5, 0.8))
_EVENING = ((21.0, 3.0, 1.0), (15.0, 4.0, 0.5))
_NIGHT = ((23.5, 2.5, 1.0), (18.0, 4.0, 0.5))
_WEEK_FLAT = (1.0, 1.0, 1.0, 1.0, 1.05, 1.0, 0.95)
_WEEK_SHOP = (0.95, 0.97, 1.0, 1.0, 1.1, 1.15, 0.83)
_WEEK_OUT = (0.85, 0.85, 0.88, 0.95, 1.1, 1.25, 1.12)
_WEEK_WORK = (1.1, 1.1, 1.08, 1.05, 1.05, 0.85, 0.77)

CATEGORIES: tuple[CategoryPlan, ...] = (
    CategoryPlan(
        "theft", "LARCENY", ("FROM BUILDING", "SHOPLIFTING", "FROM VEHICLE", "BICYCLE"), 0.36, _branching(0.12, 0.46),
        6.0, (0.6, 1.0, 0.7, 0.15, 0.1), 0.56, 2.4, 0.01, 0.14, 215, _WEEK_SHOP, _DAYTIME, _DAYTIME,
        0.20, 3.0, 3.0, 0.05, 5.0, 0.01, (2.0, 1.2, 2.0, 4.0, 1.0, 0.6, 0.8),
    ),
    CategoryPlan(
        "assault", "ASSAULT", ("SIMPLE", "AGGRAVATED", "DOMESTIC"), 0.17, _branching(0.10, 0.44),
        7.0, (1.0, 0.3, 0.5, 0.9, 0.3), 0.52, 1.5, 0.0, 0.18, 200, _WEEK_OUT, _EVENING, _NIGHT,
        0.0, 0.0, 0.5, 0.03, 4.0, 0.02, (3.0, 4.0, 0.7, 0.6, 1.6, 0.5, 0.8),
    ),
    CategoryPlan(
        "damage", "CRIMINAL MISCHIEF", ("TO VEHICLE", "TO PROPERTY", "GRAFFITI"), 0.13, _branching(0.14, 0.43),
        7.0, (0.7, 0.4, 0.5, 0.9, 0.3), 0.46, 1.3, -0.03, 0.12, 190, _WEEK_OUT, _NIGHT, _NIGHT,
        0.45, 8.0, 4.0, 0.06, 5.0, 0.03, (4.0, 3.0, 2.0, 1.0, 0.4, 0.4, 1.0),
    ),
    CategoryPlan(
        "burglary", "BURGLARY", ("RESIDENTIAL", "COMMERCIAL", "GARAGE OR SHED"), 0.10, _branching(0.33, 0.45),
        7.0, (0.2, 0.6, 0.1, 1.0, 0.1), 0.45, 1.2, -0.06, 0.16, 340, _WEEK_WORK, _DAYTIME, _EVENING,
        0.60, 9.0, 2.0, 0.08, 6.0, 0.01, (0.0, 7.0, 0.2, 1.8, 0.4, 0.0, 0.8),
    ),
    CategoryPlan(
        "vehicle theft", "MOTOR VEHICLE THEFT", ("AUTOMOBILE", "MOTORCYCLE", "TRUCK"), 0.08, _branching(0.30, 0.44),
        7.0, (0.3, 0.5, 0.7, 0.9, 0.2), 0.48, 1.3, 0.08, 0.08, 300, _WEEK_FLAT, _NIGHT, _NIGHT,
        0.60, 10.0, 2.5, 0.05, 4.0, 0.01, (5.0, 1.5, 3.0, 0.2, 0.1, 0.0, 0.4),
    ),
    CategoryPlan(
        "drugs", "NARCOTICS", ("POSSESSION", "DELIVERY"), 0.08, _branching(0.05, 0.40),
        5.0, (0.4, 0.1, 1.0, 0.7, 0.9), 0.60, 1.8, 0.0, 0.05, 150, _WEEK_WORK, _EVENING, _EVENING,
        0.0, 0.0, 0.1, 0.0, 1.0, 0.93, (6.0, 1.0, 1.5, 0.4, 0.4, 1.0, 0.5),
    ),
    CategoryPlan(
        "robbery", "ROBBERY", ("STREET", "COMMERCIAL", "CARJACKING"), 0.05, _branching(0.16, 0.42),
        6.0, (0.8, 0.5, 0.9, 0.4, 0.4), 0.55, 2.6, 0.02, 0.08, 290, _WEEK_OUT, _NIGHT, _NIGHT,
        0.0, 0.0, 0.3, 0.03, 3.0, 0.02, (6.0, 0.6, 1.5, 1.3, 0.3, 1.0, 0.3),
    ),
    CategoryPlan(
        "prostitution", "PROSTITUTION", ("SOLICITATION",), 0.03, _branching(0.05, 0.40),
        5.0, (0.3, 0.0, 0.3, 0.1, 1.0), 0.85, 3.0, -0.05, 0.05, 200, _WEEK_OUT, _NIGHT, _NIGHT,
        0.0, 0.0, 0.1, 0.0, 1.0, 0.95, (8.0, 0.5, 1.0, 0.0, 0.3, 0.0, 0.2),
    ),
)  # fmt: skip
"""The planted categories, the most frequent first."""


def delay_pmf(scale_days: float) -> NDArray[np.float64]:
    """Return the probability of each delay of 1 to `MAX_LAG_DAYS` days, shape (MAX_LAG_DAYS,), summing to 1."""
    mass = np.exp(-np.arange(1, MAX_LAG_DAYS + 1) / scale_days)
    return np.asarray(mass / mass.sum(), dtype=np.float64)


def hour_cdf(bumps: tuple[tuple[float, float, float], ...]) -> NDArray[np.float64]:
    """Return the cumulative probability of the 24 hours of a day, shape (24,)."""
    hours = np.arange(24) + 0.5
    profile = np.full(24, 0.12)
    for peak, width, weight in bumps:
        apart = np.abs(hours - peak)
        profile += weight * np.exp(-0.5 * (np.minimum(apart, 24 - apart) / width) ** 2)
    cumulative = np.cumsum(profile / profile.sum())
    cumulative[-1] = 1.0
    return np.asarray(cumulative, dtype=np.float64)
