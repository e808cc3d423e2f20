"""The places of the patrol plan as the morning's page tells them: problem, hours, past, chances, what could be done."""

import re
from typing import Any

import geopandas as gpd
import shapely

from crimepatterns.errors import MissingInputError
from crimepatterns.serving.names import place_name
from crimepatterns.serving.pages.shifts import ShiftTable, shift_table, summed
from crimepatterns.serving.pages.stored import layer_of, records
from crimepatterns.serving.results import ALL, Results

__all__ = ["past_of_places", "planned_places", "problems_of"]


def planned_places(results: Results, *, most: int) -> dict[str, Any]:
    """Return the first places of the plan.

    Parameters
    ----------
    results : Results
    most : int

    Returns
    -------
    dict
        ``places`` (rank, neighbourhood, cell, problem with its share, hours, past, expected, chance of none, shifts,
        why, response and owner), ``total`` (places of the plan), ``facts``, ``layer`` and ``shifts_absent``: why there
        are no shifts, or an empty text.

    Raises
    ------
    MissingInputError
        If there is no plan.
    """
    path = results.plan_path
    if not path.exists():
        raise MissingInputError("No patrol plan yet: run `crimepatterns plan`.")
    layer, facts = layer_of(results, path)
    first = layer.head(most)
    shifts, absent = _shifts(results, [str(cell) for cell in first["cell_id"]], facts["categories"])
    pasts = _pasts(results, first)
    told, wanted = [], results.settings.briefing
    for k, row in enumerate(records(first)):
        problems = problems_of(str(row["category_mix"]))
        problem = problems[0][0] if problems else ""
        told.append(
            {
                **row,
                "neighbourhood": place_name(str(row["neighbourhood"] or "")),
                "problem": problem,
                "problem_share": problems[0][1] if problems else None,
                "past": pasts[k],
                "response": wanted.response_to(problem),
                "owner": wanted.owner_of(problem),
                **(shifts[k] if shifts else {"shifts": []}),
            }
        )
    return {"places": told, "total": len(layer), "facts": facts, "layer": first, "shifts_absent": absent}


def problems_of(mix: str) -> list[tuple[str, int]]:
    """Read a place's mix of categories, such as ``assault 36 %, burglary 25 %``, the largest share first.

    >>> problems_of("assault 36 %, motor vehicle theft 25 %")
    [('assault', 36), ('motor vehicle theft', 25)]
    """
    found = [(name.strip(), int(share)) for name, share in re.findall(r"([^,]+?)\s+(\d+)\s*%", mix)]
    return sorted(found, key=lambda one: -one[1])


def past_of_places(places: gpd.GeoDataFrame, spots: gpd.GeoDataFrame) -> list[str]:
    """Say of each place whether the hot spot it lies in is chronic, acute or of another kind.

    Parameters
    ----------
    places, spots : GeoDataFrame
        In one reference system; `spots` with the column ``persistence``.

    Returns
    -------
    list of str
        Empty texts for places outside every hot spot.
    """
    inside = shapely.STRtree(spots.geometry.to_numpy()).query(places.geometry.centroid.to_numpy(), "intersects")
    found = dict.fromkeys(range(len(places)), "")
    kinds = spots["persistence"].astype(str).to_numpy()
    for place, spot in zip(*inside.tolist(), strict=True):
        found[place] = found[place] or kinds[spot]
    return list(found.values())


def _pasts(results: Results, places: gpd.GeoDataFrame) -> list[str]:
    path = results.layout.patterns / ALL / "persistence.parquet"
    try:
        spots, _ = layer_of(results, path)
    except MissingInputError:
        return [""] * len(places)
    return past_of_places(places, spots.to_crs(places.crs))


def _shifts(results: Results, cells: list[str], categories: list[str]) -> tuple[list[dict[str, Any]], str]:
    tables: list[ShiftTable] = []
    for category in results.categories:
        if category.name not in categories:
            continue
        try:
            tables.append(shift_table(results, category))
        except MissingInputError:
            return [], f"There is no forecast by shift of {category.label}: see forecast.shifts in the settings."
    if not tables:
        return [], "There is no forecast by shift."
    return summed(tables, cells), ""
