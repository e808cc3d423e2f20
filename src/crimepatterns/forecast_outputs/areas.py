"""What is expected in each neighbourhood and the whole city, with intervals: one layer per category."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from crimepatterns.domain.forecast import Forecast
from crimepatterns.evaluation.learned_intervals import LearnedIntervals, UnionExpectation
from crimepatterns.evaluation.shared_effects import SharedEffects
from crimepatterns.evaluation.union_intervals import union_sums
from crimepatterns.evaluation.unions import CITY, Unions, area_index, standard_unions
from crimepatterns.store.layers import write_layer

__all__ = ["AREA_COLUMNS", "expect_unions", "write_areas"]

AREA_COLUMNS: tuple[str, ...] = ("area", "kind", "expected", "lower", "upper", "chance_of_none", "geometry")

_DRAWS = 4000
_TOP = 5


def expect_unions(made: Forecast, unions: Unions, learned: LearnedIntervals | None, *, seed: int) -> UnionExpectation:
    """Say what a forecast expects in unions of cells over all its periods; Poisson where nothing was learned."""
    mean = made.mean.sum(axis=1)
    areas, names = area_index(made.grid)
    sums = union_sums(unions.members, mean, areas, n_areas=len(names))
    whole = np.array([kind == CITY for kind in unions.kinds])
    return (learned or LearnedIntervals(SharedEffects())).expect(sums, draws=_DRAWS, seed=seed, whole_city=whole)


def write_areas(
    made: Forecast, learned: LearnedIntervals | None, path: Path, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the layer of areas: one row per neighbourhood and one for the city.

    Parameters
    ----------
    made : Forecast
        The champion's.
    learned : LearnedIntervals or None
    path : Path
    facts : mapping
        Written into the file; ``seed`` is used.

    Returns
    -------
    dict
        ``interval`` of the city's total, ``intervals_from`` and ``areas``: those that expect most.
    """
    grid = made.grid
    unions = standard_unions(grid, compact=0, seed=0)
    found = expect_unions(made, unions, learned, seed=int(facts["seed"]))
    shapes = dict(zip(grid.area.neighbourhoods["name"].astype(str), grid.area.neighbourhoods.geometry, strict=True))
    table = pd.DataFrame(
        {
            "area": unions.names,
            "kind": unions.kinds,
            "expected": found.expected,
            "lower": found.lower,
            "upper": found.upper,
            "chance_of_none": found.chance_of_none,
        }
    )
    pairs = zip(unions.names, unions.kinds, strict=True)
    places = [grid.area.polygon if kind == CITY else shapes.get(name) for name, kind in pairs]
    confidence = 0.9 if learned is None else learned.confidence
    own = {
        "kind": "forecast_areas",
        "category": made.category,
        "model": made.model,
        "edges": [edge.isoformat() for edge in made.periods.edges],
        "confidence": confidence,
    }
    layer = gpd.GeoDataFrame(table, geometry=places, crs=grid.area.crs)[list(AREA_COLUMNS)]
    write_layer(path, layer, {**facts, **own})
    city = table.loc[table["kind"] == CITY].iloc[0]
    most = table.loc[table["kind"] != CITY].sort_values(["expected", "area"], ascending=[False, True]).head(_TOP)
    return {
        "interval": [int(city["lower"]), int(city["upper"])],
        "confidence": confidence,
        "intervals_from": facts["intervals_from"],
        "areas": [
            {
                "area": str(row["area"]),
                "expected": round(float(row["expected"]), 2),
                "interval": [int(row["lower"]), int(row["upper"])],
            }
            for row in most.to_dict("records")
        ],
    }
