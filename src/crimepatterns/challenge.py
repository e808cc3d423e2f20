"""Stage: maps under the rules of the NIJ challenge, for every horizon, tuned on days before the cutoff alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from crimepatterns.challenge_plane import Attempt, ChallengePlane, draw_map
from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.decisions.challenge_rules import NIJ
from crimepatterns.domain.map_units import FOOT_M, metres_per_unit
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import ConfigError
from crimepatterns.evaluation.grid_choice import (
    Occurrences,
    Origins,
    choose_best,
    nested_gain,
)
from crimepatterns.grid_trials import (
    FEWEST_WINDOWS,
    YEAR_DAYS,
    civil_day,
    occurrences_of,
)
from crimepatterns.store.atomic import replacing_folder, write_json
from crimepatterns.store.layout import slug
from crimepatterns.store.map_files import write_map
from crimepatterns.version import __version__

__all__ = ["draw_maps"]

_WINDOW_DAYS = 28
"""Shorter windows hold too few incidents to choose by; which places are hot does not change within a month."""


def draw_maps(
    settings: Settings, *, as_of: str | None = None, categories: Sequence[str] = (), progress: Progress = silent
) -> dict[str, Any]:
    """Write a valid map of the NIJ challenge per category, horizon and area below ``results/<city>/challenge/nij``.

    Parameters
    ----------
    settings : Settings
        ``grid_choice`` says what is tried. Maps have the reference system of the records where that is projected.
    as_of : str, optional
        Day from which to forecast: nothing that became known later has any influence on the files. Default: the day
        after the last incident.
    categories : sequence of str
        Those of the settings where it is left out.
    progress : Progress

    Returns
    -------
    dict
        ``rules``, ``cutoff``, ``crs``, ``maps`` (what was chosen, and the gain on past windows), ``sentences`` and
        ``outputs``.

    Raises
    ------
    ConfigError
        If the day lies outside the data, a category does not occur, or settings break the rules.
    DomainError
        If the record before the day is too short to tune on.
    """
    city = City(settings)
    cutoff = _cutoff(city, as_of)
    known = city.incidents.as_of(cutoff)
    names = tuple(categories) or tuple(name for name in city.targets if name in known.categories)
    unknown = sorted(set(names) - set(known.categories))
    if unknown:
        raise ConfigError(f"Nothing of {unknown} was known before {cutoff.date()}; there is {list(known.categories)}.")
    plane = _plane(city)
    occurrences = dict(zip(names, occurrences_of(known, names, plane.crs), strict=True))
    pairs = [(name, horizon) for name in names for horizon in plane.rules.horizons]
    maps, tried = [], {}
    with replacing_folder(city.layout.challenge / plane.rules.name) as folder:
        for step, (name, horizon) in enumerate(pairs):
            progress(f"Tuning maps of {name}", step, len(pairs))
            days = max(_WINDOW_DAYS, civil_day(cutoff + plane.rules.horizons[horizon]) - civil_day(cutoff))
            if (name, days) not in tried:
                tried[name, days] = plane.attempt(occurrences[name], _origins(settings, occurrences, cutoff, days))
            facts = _chosen(tried[name, days], settings)
            for area in plane.wanted.challenge_areas_mi2:
                cells, compact = draw_map(
                    plane, occurrences[name], civil_day(cutoff), facts["lattice"], facts["fading"], area
                )
                about = {
                    "rules": plane.rules.name, "category": name, "horizon": horizon, "cutoff": cutoff.isoformat(),
                    "area_mi2": area, "code_version": __version__, "patches": compact.patches,
                    "area_to_perimeter_km": round(compact.area_to_perimeter_km, 6), **_plain(facts),
                }  # fmt: skip
                file = f"{slug(name)}_{horizon}_{area:g}.gpkg"
                write_map(folder / file, cells, about, dated=cutoff)
                maps.append({"file": file, **about, "broken_rules": plane.rules.broken_by(cells, crs=plane.crs)})
        write_json(folder / "maps.json", maps)
    progress("Tuning maps", len(pairs), len(pairs))
    home = (city.layout.challenge / plane.rules.name).relative_to(settings.root)
    outputs = [str(home / str(one["file"])) for one in maps] + [str(home / "maps.json")]
    return {
        "rules": plane.rules.name,
        "cutoff": cutoff.isoformat(),
        "crs": plane.crs,
        "maps": maps,
        "sentences": _sentences(maps, cutoff),
        "outputs": outputs,
    }


def _plane(city: City) -> ChallengePlane:
    settings = city.settings
    declared = settings.cleaning.coordinates_crs
    crs = declared if metres_per_unit(declared) is not None else city.area.crs
    area = gpd.GeoSeries([city.area.polygon], crs=city.area.crs).to_crs(crs).iloc[0]
    plane = ChallengePlane(NIJ, crs, area, settings.grid_choice)
    for lattice in plane.lattices:
        sides_ft = sorted(side * plane.unit_m / FOOT_M for side in (lattice.width, lattice.height))
        area_ft2 = sides_ft[0] * sides_ft[1]
        rounding = 1e-9
        fits = NIJ.least_cell_ft2 * (1 - rounding) <= area_ft2 <= NIJ.most_cell_ft2 * (1 + rounding)
        if not fits or sides_ft[0] < NIJ.least_side_ft * (1 - rounding):
            raise ConfigError(
                f"Cells of {sides_ft[0]:,.1f} by {sides_ft[1]:,.1f} ft break the rules of {NIJ.name}: change "
                "grid_choice.challenge_cells_ft or challenge_aspects."
            )
    return plane


def _cutoff(city: City, as_of: str | None) -> pd.Timestamp:
    days = city.incidents.table["occurred_from"].dt.normalize()
    start, end = days.min(), days.max() + pd.DateOffset(days=1)
    if as_of is None:
        return end
    try:
        day = pd.Timestamp(as_of).tz_localize(city.area.timezone).normalize()
    except (ValueError, TypeError) as error:
        raise ConfigError(f"--as-of needs a day such as 2017-03-01, got {as_of!r}.") from error
    if not start < day <= end:
        raise ConfigError(f"--as-of must lie within {start.date()} to {end.date()}, got {as_of}.")
    return day


def _origins(settings: Settings, occurrences: Mapping[str, Occurrences], cutoff: pd.Timestamp, days: int) -> Origins:
    wanted = settings.grid_choice
    first = min(int(one.day.min()) for one in occurrences.values()) + YEAR_DAYS
    return Origins.before(
        civil_day(cutoff), first=first, horizon_days=days, step_days=wanted.step_days, most=wanted.origins
    )


def _chosen(attempt: Attempt, settings: Settings) -> dict[str, Any]:
    trial = attempt.trial
    best = choose_best(trial, np.arange(len(trial.origins)))
    facts: dict[str, Any] = {
        "lattice": trial.lattices[best.lattice],
        "fading": trial.fadings[best.fading],
        "windows": len(trial.origins),
        "tried": trial.hits.shape[0] * trial.hits.shape[1],
    }
    if len(trial.origins) > FEWEST_WINDOWS + 1:
        gain, _, scored = nested_gain(
            trial,
            attempt.count,
            fewest=FEWEST_WINDOWS,
            confidence=settings.evaluation.confidence,
            recount=attempt.recount,
        )
        facts["gain"] = {"relative": gain.difference, "lower": gain.lower, "upper": gain.upper, "windows": len(scored)}
    return facts


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    lattice, fading = facts["lattice"], facts["fading"]
    return {
        **{key: value for key, value in facts.items() if key not in {"lattice", "fading"}},
        "width": lattice.width,
        "height": lattice.height,
        "rotation_deg": lattice.rotation_deg,
        "origin": list(lattice.origin),
        "half_life_days": fading.half_life_days,
        "touching": fading.touching,
    }


def _sentences(maps: Sequence[Mapping[str, Any]], cutoff: pd.Timestamp) -> list[str]:
    broken = [f"{one['file']}: {' '.join(one['broken_rules'])}" for one in maps if one["broken_rules"]]
    verdict = f"NOT valid: {'; '.join(broken)}" if broken else "all valid"
    said = [f"{len(maps)} maps from {cutoff.date()}, {verdict}."]
    for name in dict.fromkeys(str(one["category"]) for one in maps):
        own = next(one for one in maps if one["category"] == name)
        fades = "never" if own["half_life_days"] is None else f"{own['half_life_days']:g} days"
        gain = own.get("gain")
        pays = "" if gain is None else (
            f"; on {gain['windows']} later windows such maps caught {gain['relative'] * 100:+.1f} % "
            f"({gain['lower'] * 100:+.1f} to {gain['upper'] * 100:+.1f}) against plain counts on upright squares"
        )  # fmt: skip
        said.append(
            f"{name}: cells of {own['width']:g} by {own['height']:g}, turned by {own['rotation_deg']:g} degrees, "
            f"half-life {fades}, touching cells {own['touching']:g}, chosen from {own['tried']} settings by "
            f"{own['windows']} past windows{pays}."
        )
    return said
