"""Measure maps under the rules of the NIJ challenge on Portland, month by month, against the plain count.

Run with ``python benchmarks/portland.py`` (a minute) after ``crimepatterns ingest`` and ``clean`` with
``--config config/cities/portland.yaml``; ``--data FOLDER`` where they wrote elsewhere. From every month of 2014-03 to
2017-01 a map of the next month is chosen by earlier months alone: cell, turn, shift and fading. The plain count has
upright squares of 250 ft, averaged over nine positions. Both choose whole numbers of cells within 0.25 and 0.75 square
miles. ``--category burglary`` for the other category, ``--plot docs/images/challenge.png`` to draw a map.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from crimepatterns.challenge_plane import ChallengePlane, draw_map
from crimepatterns.city import City
from crimepatterns.config import load_settings
from crimepatterns.decisions.challenge_rules import NIJ
from crimepatterns.domain.map_units import MILE_M
from crimepatterns.evaluation.comparison import compare
from crimepatterns.evaluation.grid_choice import Occurrences, Origins, choose_best
from crimepatterns.grid_trials import civil_day, occurrences_of

FIRST_TRIED, FIRST_SCORED, LAST_SCORED = "2013-03-01", "2014-03-01", "2017-01-01"
BUSIEST = 3


def months_of(zone: str) -> Origins:
    """Give every month from the first that is tried to the last that is scored."""
    edges = pd.date_range(FIRST_TRIED, pd.Timestamp(LAST_SCORED) + pd.DateOffset(months=1), freq="MS", tz=zone)
    days = np.array([civil_day(edge) for edge in edges], dtype=np.int64)
    return Origins(days[:-1], days[1:])


def without_busiest(one: Occurrences) -> Occurrences:
    """Leave out all incidents of the three coordinates that have most in the whole record."""
    _, place, counts = np.unique(one.places, axis=0, return_inverse=True, return_counts=True)
    keep = ~np.isin(place.ravel(), np.argsort(-counts, kind="stable")[:BUSIEST])
    return Occurrences(one.places[keep], one.day[keep], one.known[keep])


def scored(plane: ChallengePlane, one: Occurrences, origins: Origins) -> dict[str, Any]:
    """Choose at each month by the earlier ones, and set its hits beside those of the count."""
    attempt = plane.attempt(one, origins)
    trial = attempt.trial
    first = civil_day(pd.Timestamp(FIRST_SCORED, tz="UTC"))
    later = np.flatnonzero(origins.start >= first)
    picks = [choose_best(trial, origins.ended_by(int(origins.start[k]))) for k in later]
    ours = np.array([trial.hits[pick.lattice, pick.fading, k] for pick, k in zip(picks, later, strict=True)])
    counts = attempt.count[later]
    total_mi2 = plane.area.area * (plane.unit_m / MILE_M) ** 2
    areas = {
        f"{wish:g} sq mi": _told(ours[:, i], counts[:, i], trial.totals[later], wish / total_mi2)
        for i, wish in enumerate(plane.wanted.challenge_areas_mi2)
    }
    areas["both"] = _told(ours.sum(axis=1), counts.sum(axis=1), trial.totals[later], None)
    afterwards = trial.hits[:, :, later].sum(axis=2).max(axis=(0, 1))
    for told, best in zip(areas.values(), afterwards, strict=False):
        told["hits_of_the_best_known_afterwards"] = float(best)
    chosen = [trial.lattices[pick.lattice] for pick in picks]
    fading = [trial.fadings[pick.fading] for pick in picks]
    return {
        "months": len(later),
        "incidents": float(trial.totals[later].sum()),
        "areas": areas,
        "cells": pd.Series([f"{c.width:.0f} x {c.height:.0f}" for c in chosen]).value_counts().to_dict(),
        "half_lives": pd.Series([str(one.half_life_days) for one in fading]).value_counts().to_dict(),
        "touching": pd.Series([one.touching for one in fading]).value_counts().to_dict(),
    }


def _told(
    ours: NDArray[np.float64], counts: NDArray[np.float64], totals: NDArray[np.float64], share: float | None
) -> dict[str, float]:
    paired = compare(ours, counts, counts, higher_is_better=True)
    return {
        "hits": float(ours.sum()),
        "hits_count": float(counts.sum()),
        **({} if share is None else {"pai": float(ours.sum() / totals.sum() / share)}),
        **({} if share is None else {"pai_count": float(counts.sum() / totals.sum() / share)}),
        "difference_%": 100 * paired.difference,
        "lower_%": 100 * paired.lower,
        "upper_%": 100 * paired.upper,
    }


def plot(plane: ChallengePlane, one: Occurrences, origins: Origins, path: Path) -> None:
    """Draw the map of the last scored month, chosen by earlier months: the city, and its hottest three kilometres."""
    from crimepatterns.visuals.frame import framed
    from crimepatterns.visuals.palette import ACCENT, GRID, INK, LAND, MUTED, figure_style

    attempt, day, end = plane.attempt(one, origins), int(origins.start[-1]), int(origins.end[-1])
    best = choose_best(attempt.trial, origins.ended_by(day))
    lattice, fading = attempt.trial.lattices[best.lattice], attempt.trial.fadings[best.fading]
    area_mi2 = max(plane.wanted.challenge_areas_mi2)
    cells, _ = draw_map(plane, one, day, lattice, fading, area_mi2)
    hot = cells.loc[cells["hotspot"] == 1]
    centres = shapely.get_coordinates(hot.geometry.centroid.to_numpy())
    month = one.places[(one.day >= day) & (one.day < end)]
    caught = int(shapely.intersects(shapely.points(month), hot.geometry.union_all()).sum())
    reach = 1_500 / plane.unit_m
    middle = centres[np.argmax([(np.abs(centres - one).max(axis=1) < reach).sum() for one in centres])]
    caption = (
        f"{len(hot)} cells of {lattice.width:.0f} by {lattice.height:.0f} ft, turned by {lattice.rotation_deg:g} "
        "degrees, chosen from what was known before the month. Left: every cell as a dot. Right: the three kilometres "
        "with most chosen cells; dots are that month's thefts."
    )
    subtitle = f"{LAST_SCORED[:7]}: {caught} of {len(month)} thefts of vehicles in {area_mi2:g} of 147.7 square miles"
    with figure_style():
        frame = framed(9.2, 4.6, title="A map under the challenge's rules", subtitle=subtitle, caption=caption)
        city, near = frame.axes(0.1, 0.1, 4.9, 4.2), frame.axes(5.1, 0.1, 4.0, 4.2)
        gpd.GeoSeries([plane.area]).plot(ax=city, color=LAND, edgecolor=GRID)
        city.scatter(*centres.T, s=3, color=ACCENT, linewidths=0)
        city.add_patch(Rectangle(tuple(middle - reach), 2 * reach, 2 * reach, fill=False, edgecolor=INK, linewidth=0.8))
        cells.plot(ax=near, facecolor="none", edgecolor=GRID, linewidth=0.3)
        hot.plot(ax=near, color=ACCENT, edgecolor="white", linewidth=0.4)
        near.scatter(*month.T, s=14, color=INK, edgecolors="white", linewidths=0.5, zorder=3)
        near.set(xlim=middle[0] + np.array([-reach, reach]), ylim=middle[1] + np.array([-reach, reach]))
        for axes in (city, near):
            axes.set_aspect("equal")
            axes.set_axis_off()
        near.text(0, -0.02, "3 km across", transform=near.transAxes, color=MUTED, va="top")
    frame.figure.savefig(path, dpi=150)


def main() -> None:
    """Score with and without the three busiest points, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--category", default="vehicle theft")
    parser.add_argument("--data", type=Path, default=Path())
    parser.add_argument("--plot", type=Path, help="only draw the map of the last month here")
    asked = parser.parse_args()
    settings = load_settings("config/cities/portland.yaml", {"root": str(asked.data)})
    city, crs = City(settings), settings.cleaning.coordinates_crs
    area = gpd.GeoSeries([city.area.polygon], crs=city.area.crs).to_crs(crs).iloc[0]
    plane = ChallengePlane(NIJ, crs, area, settings.grid_choice)
    (one,) = occurrences_of(city.incidents, [asked.category], crs)
    origins = months_of(city.area.timezone)
    if asked.plot is not None:
        plot(plane, one, origins, asked.plot)
        return
    found = {
        "category": asked.category,
        "all": scored(plane, one, origins),
        "without the three busiest points": scored(plane, without_busiest(one), origins),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
