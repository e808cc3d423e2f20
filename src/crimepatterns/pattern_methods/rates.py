"""Pattern methods that set the counts of cells and areas beside something else: a denominator, or another period."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import NotApplicableError, PatternError
from crimepatterns.pattern_methods.opening import denominator_words
from crimepatterns.pattern_methods.surfaces import cell_counts
from crimepatterns.pattern_methods.work import PatternWork
from crimepatterns.patterns.change_sentences import similarity_sentence
from crimepatterns.patterns.similarity import s_index
from crimepatterns.patterns.smoothed_rates import smoothed_rates, smoothed_rates_sentence
from crimepatterns.store.layers import write_layer, write_surface

__all__ = ["alike", "rates"]

_FEWEST_AREAS = 5


def rates(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Map incidents per what could have been hit, drawn towards the mean where there is little of it."""
    name = work.settings.denominator
    if name is None:
        raise NotApplicableError("No denominator: set patterns.denominator to a column of a context layer.")
    try:
        surface = smoothed_rates(
            cell_counts(chosen, work.city.grid), work.denominator, work.city.grid,
            denominator_name=denominator_words(name), fdr=work.settings.fdr,
        )  # fmt: skip
    except PatternError as error:
        raise NotApplicableError(str(error)) from error
    sentence = smoothed_rates_sentence(surface)
    write_surface(folder / "smoothed_rates.parquet", surface, {**facts, "sentence": sentence})
    return {"cells": surface.parameters["discoveries"], "sentence": sentence}


def alike(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Say how alike the maps of the window and of as many days before it are: Andresen's S."""
    before = work.days_before(chosen)
    areas, base, test = _by_area(work, before, chosen)
    try:
        found = s_index(base, test)
    except PatternError as error:
        raise NotApplicableError(str(error)) from error
    sentence = similarity_sentence(found)
    layer = areas.assign(
        before=base, incidents=test, before_share=base / base.sum(), share=test / test.sum(),
        low=found.table["low"].to_numpy(), high=found.table["high"].to_numpy(),
        kind=np.array(["as before", "larger share than before", "smaller share than before"], dtype=object)[
            -found.table["direction"].to_numpy()
        ],
    )  # fmt: skip
    figures = {name: round(float(getattr(found, name)), 4) for name in ("s", "s_robust", "s_by_chance")}
    own = {"kind": "areas by kind", "method": "similarity", "parameters": {**found.parameters, **figures},
           "days_before": work.days, "null": "both periods are drawn from one map"}  # fmt: skip
    write_layer(folder / "similarity.parquet", layer, {**facts, **own, "sentence": sentence})
    return {**figures, "sentence": sentence}


def _by_area(
    work: PatternWork, before: Incidents, after: Incidents
) -> tuple[gpd.GeoDataFrame, np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
    """Count two periods by neighbourhood, or by cell where there are too few of them."""
    named = work.city.area.neighbourhoods
    if len(named) < _FEWEST_AREAS:
        grid = work.city.grid
        return grid.to_geodataframe(), cell_counts(before, grid), cell_counts(after, grid)
    areas = named[["name", "geometry"]].rename(columns={"name": "area"}).reset_index(drop=True)
    counts = []
    for some in (before, after):
        own = work.city.area.neighbourhood_of(some.table["x"], some.table["y"])
        position = areas["area"].astype(object)
        found = {str(name): k for k, name in enumerate(position)}
        counts.append(np.bincount([found[str(name)] for name in own], minlength=len(areas)))
    return areas, counts[0], counts[1]
