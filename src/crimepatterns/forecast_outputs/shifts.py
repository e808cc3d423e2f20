"""The forecast by shift: one layer per category, and what it says in a sentence."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from crimepatterns.city import City
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.errors import ConfigError, ForecastError, PatternError
from crimepatterns.forecasts.hour_profile import FittedHourProfile, HourProfile
from crimepatterns.forecasts.shift_forecast import by_shift
from crimepatterns.patterns.shifts import ShiftCalendar
from crimepatterns.quality.flags import without_doubted_hours
from crimepatterns.store.layers import write_forecast
from crimepatterns.store.layout import slug

__all__ = ["PLACES", "hour_profile", "shifts_of", "summary_of_shifts", "write_shifts"]

PLACES = 20
"""So many places are looked at in every shift."""

_TOP = 5


def shifts_of(
    city: City, history: History, champion: Forecast, folder: Path, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the champion's forecast by shift into a folder, and tell it under ``shifts``; nothing where none are asked.

    See `write_shifts` for the others.
    """
    if not city.settings.forecast.shifts:
        return {}
    return {
        "shifts": write_shifts(city, history, champion, folder / "shifts" / f"{slug(champion.category)}.parquet", facts)
    }


def write_shifts(
    city: City, history: History, champion: Forecast, path: Path, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Share the champion's forecast out over the shifts of ``forecast.shifts`` and write it as one layer.

    Parameters
    ----------
    city : City
    history : History
        From which the forecast was made.
    champion : Forecast
    path : Path
    facts : mapping
        Written into the file.

    Returns
    -------
    dict
        See `summary_of_shifts`; ``note`` alone where the records do not tell the hours, and nothing is written.

    Raises
    ------
    ConfigError
        If the shifts of the settings are no calendar.
    """
    try:
        calendar = ShiftCalendar(city.settings.forecast.shifts)
    except PatternError as error:
        raise ConfigError(f"forecast.shifts: {error}") from error
    try:
        profile = hour_profile(city, history)
    except ForecastError as reason:
        return {"note": str(reason)}
    made = by_shift(champion, profile, calendar)
    week = [round(float(share), 8) for share in profile.profiles[0]]
    write_forecast(path, made, {**facts, "champion": True, "hours_of_week": week})
    return summary_of_shifts(made)


def hour_profile(
    city: City, history: History, *, refined: bool | None = None, by_place: bool = True
) -> FittedHourProfile:
    """Learn the rhythm of the week from a history, without hours that the honesty report doubts.

    Raises
    ------
    ForecastError
        If there are too few incidents, or most of them do not tell the hour.
    """
    trusted = replace(history, incidents=without_doubted_hours(history.incidents, city.flags))
    return HourProfile(refined=refined, by_place=by_place).fit(trusted)


def summary_of_shifts(made: Forecast) -> dict[str, Any]:
    """Tell the busiest shift and places, and how little a single place expects in a single shift.

    Parameters
    ----------
    made : Forecast
        By shift.

    Returns
    -------
    dict
        ``busiest`` (shift, its begin and expected total), ``top`` (places with shift), ``places``, ``per_place_shift``
        and ``none`` (of the so many busiest places of each shift: expected incidents, and chance of none, on average)
        and a ``sentence``.
    """
    names, mean = list(map(str, made.parameters["shifts"])), made.mean  # type: ignore[call-overload]
    totals = mean.sum(axis=0)
    busiest = int(np.argmax(totals))
    places = min(PLACES, len(made.grid))
    # Equal cells are told apart by their id, so that the list never changes by chance.
    cell, shift = np.divmod(np.arange(mean.size), mean.shape[1])
    leading = np.argsort(-mean.ravel(), kind="stable")[: _TOP * 20]
    order = leading[np.lexsort((shift[leading], made.grid.ids[cell[leading]].astype(str), -mean.ravel()[leading]))]
    busy = -np.sort(-mean, axis=0)[:places]
    expected, none = float(busy.mean()), float(np.exp(-busy).mean())
    return {
        "busiest": {
            "shift": names[busiest],
            "start": made.periods.edges[busiest].isoformat(),
            "expected": round(float(totals[busiest]), 2),
        },
        "top": [
            {
                "cell_id": str(made.grid.ids[cell[i]]),
                "neighbourhood": str(made.grid.neighbourhood[cell[i]]),
                "shift": names[shift[i]],
                "expected": round(float(mean.ravel()[i]), 4),
            }
            for i in order[:_TOP]
        ],
        "places": places,
        "per_place_shift": round(expected, 4),
        "none": round(none, 4),
        "sentence": (
            f"Busiest shift: {names[busiest]}, {totals[busiest]:.1f} {made.category} expected. One of the {places} "
            f"busiest places of a shift expects {expected:.3f}: nothing happens in {100 * none:.0f} of 100 of them."
        ),
    }
