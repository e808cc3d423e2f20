"""Clean records of an invented city, and defects planted in them: what the honesty report is validated on.

The embedded city publishes rows with known defects and times rounded by people. Here its true incidents become
records without any, and each function plants one defect in a share of them.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from crimepatterns.domain.incidents import INCIDENT_COLUMNS, Incidents
from crimepatterns.sources.planted_course import (
    category_halved,
    category_missing,
    gap,
    renamed_label,
    thin_end,
    undiscovered,
)
from crimepatterns.sources.planted_places import (
    clamped_to_boundary,
    default_point,
    default_point_without_areas,
    near_copies,
    rounded_coordinates,
    snapped_to_areas,
    snapped_to_degrees,
    snapped_to_metres,
)
from crimepatterns.sources.planted_rows import HOUR_S, Plant, moments
from crimepatterns.sources.planted_times import (
    at_midnight,
    at_noon,
    dates_only,
    endless_intervals,
    on_the_first_of_the_month,
    on_the_first_of_the_year,
    rounded_to_the_hour,
)
from crimepatterns.sources.synthetic import SyntheticCity
from crimepatterns.sources.synthetic_plan import ROUNDED_SHARE

__all__ = ["PLANTS", "Plant", "clean_incidents"]


def clean_incidents(city: SyntheticCity, rng: np.random.Generator) -> Incidents:
    """Record every true incident of a city exactly: no defect, and minutes instead of rounded hours.

    Parameters
    ----------
    city : SyntheticCity
    rng : Generator
        Draws the minutes that people rounded away.

    Returns
    -------
    Incidents
        With the further column ``area``, the name of the neighbourhood.
    """
    answers = city.truth.answer_table()
    zone = city.area.timezone
    begun = answers["occurred_from"].to_numpy().astype("datetime64[s]").astype(np.int64)
    length = (answers["occurred_until"] - answers["occurred_from"]).dt.total_seconds().to_numpy().astype(np.int64)
    delay = (answers["known_at"] - answers["occurred_until"]).dt.total_seconds().to_numpy().astype(np.int64)
    # Of the full hours only the natural ones stay; the rounded ones get a minute that makes all equally likely.
    natural = (1 - ROUNDED_SHARE) / 60
    rounded = (begun % HOUR_S == 0) & (rng.random(len(begun)) >= natural / (ROUNDED_SHARE + natural))
    begun = np.where(rounded, begun + 60 * rng.integers(0, 60, len(begun)), begun)
    start = moments(begun, zone)
    until = (start.tz_convert("UTC") + pd.to_timedelta(length, unit="s")).tz_convert(zone)
    known = (until.tz_convert("UTC") + pd.to_timedelta(np.maximum(delay, 0), unit="s")).tz_convert(zone)
    table = pd.DataFrame(
        {
            "id": answers["Case Number"].to_numpy(),
            "occurred_from": start,
            "occurred_until": until,
            "known_at": known,
            "time_precision": pd.Categorical(["minute"] * len(answers)),
            "category": answers["category"].astype("category").to_numpy(),
            "offence": answers["category"].astype("category").to_numpy(),
            "discovery": np.where(answers["police_initiated"], "police-initiated", "reported"),
            "source": "invented",
            "x": answers["x"].to_numpy(),
            "y": answers["y"].to_numpy(),
            "area": city.area.neighbourhood_of(answers["x"], answers["y"]),
        }
    )
    return Incidents(table[[*INCIDENT_COLUMNS, "area"]], city.area)


PLANTS: Mapping[str, tuple[str, Plant]] = MappingProxyType(
    {
        "default point, areas named": ("default_geocodes", default_point),
        "default point, no area named": ("default_geocodes", default_point_without_areas),
        "lattice of 0.002 degrees": ("snapped_points", snapped_to_degrees),
        "lattice of 100 m": ("snapped_points", snapped_to_metres),
        "middles of neighbourhoods": ("default_geocodes", snapped_to_areas),
        "three decimals": ("coordinate_precision", rounded_coordinates),
        "clamped to the boundary": ("boundary_points", clamped_to_boundary),
        "near copies": ("near_duplicates", near_copies),
        "midnight": ("midnight", at_midnight),
        "noon": ("noon", at_noon),
        "full hours": ("on_the_hour", rounded_to_the_hour),
        "first of the month": ("first_of_month", on_the_first_of_the_month),
        "first of the year": ("first_of_year", on_the_first_of_the_year),
        "dates without times": ("time_precision", dates_only),
        "endless intervals": ("intervals", endless_intervals),
        "days lost": ("gaps", gap),
        "one category missing": ("volume_breaks", category_missing),
        "one category halved": ("volume_breaks", category_halved),
        "label renamed": ("code_changes", renamed_label),
        "discovery no longer told": ("discovery", undiscovered),
        "last weeks thin": ("recent_weeks", thin_end),
    }
)
"""What is planted: the check that should find it, and the function that plants it."""
