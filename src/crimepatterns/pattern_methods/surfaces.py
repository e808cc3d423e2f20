"""Pattern methods that give a value to every cell."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import NotApplicableError, PatternError
from crimepatterns.pattern_methods.work import PatternWork
from crimepatterns.patterns.autocorrelation import gi_star
from crimepatterns.patterns.change import change_between
from crimepatterns.patterns.change_sentences import change_sentence, persistence_sentence
from crimepatterns.patterns.density import kernel_density
from crimepatterns.patterns.emerging import emerging_hot_spots
from crimepatterns.patterns.emerging_sentences import emerging_sentence
from crimepatterns.patterns.local_moran import local_moran, quadrants
from crimepatterns.patterns.optimised import optimised_hot_spots
from crimepatterns.patterns.persistence import hot_spot_persistence
from crimepatterns.patterns.sentences import density_sentence, gi_star_sentence, local_moran_sentence
from crimepatterns.store.layers import write_layer, write_surface

__all__ = ["cell_counts", "change", "chosen_scale", "density", "emerging", "hot_cells", "persistence", "resemblance"]

_LEAST_STEPS = 4


def cell_counts(incidents: Incidents, grid: Grid) -> NDArray[np.int64]:
    """Count incidents per cell, shape (n_cells,)."""
    cell, inside = grid.assign(incidents.table["x"], incidents.table["y"])
    return np.bincount(cell[inside], minlength=len(grid))


def density(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Smooth the incidents into a surface."""
    surface = kernel_density(chosen, work.density_grid, bandwidth_m=work.settings.bandwidth_m)
    sentence = density_sentence(surface)
    write_surface(folder / "density.parquet", surface, {**facts, "sentence": sentence})
    return {"peak_per_km2": round(float(np.max(surface.values)), 1), "sentence": sentence}


def hot_cells(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Test each cell and its neighbours against an even spread."""
    surface = gi_star(cell_counts(chosen, work.city.grid), work.city.grid, fdr=work.settings.fdr)
    sentence = gi_star_sentence(surface, chosen)
    write_surface(folder / "gi_star.parquet", surface, {**facts, "sentence": sentence})
    return {"hot_cells": surface.parameters["discoveries"], "sentence": sentence}


def chosen_scale(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Find hot spots on cells of a size that the records themselves choose, with the reasons."""
    try:
        found = optimised_hot_spots(chosen, fdr=work.settings.fdr)
    except PatternError as error:
        raise NotApplicableError(str(error)) from error
    sentence = " ".join(found.reasons)
    write_surface(folder / "optimised.parquet", found.surface, {**facts, "sentence": sentence})
    return {"cell_size_m": found.surface.grid.cell_size_m, "sentence": sentence}


def resemblance(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Compare each cell with its neighbours."""
    counts = cell_counts(chosen, work.city.grid)
    surface = local_moran(counts, work.city.grid, fdr=work.settings.fdr)
    sentence = local_moran_sentence(surface)
    write_surface(folder / "local_moran.parquet", surface, {**facts, "sentence": sentence})
    kinds = quadrants(counts, work.city.grid)
    assert surface.q_values is not None  # noqa: S101  # local Moran always tests
    layer = surface.to_geodataframe().assign(kind=np.where(surface.q_values <= work.settings.fdr, kinds, ""))
    own = {"kind": "cells by kind", "method": "local_moran", "parameters": dict(surface.parameters)}
    write_layer(folder / "local_moran_kinds.parquet", layer, {**facts, **own, "sentence": sentence})
    return {"discoveries": surface.parameters["discoveries"], "sentence": sentence}


def change(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Compare the window with the same number of days before it."""
    days = (work.window.end.tz_localize(None) - work.window.start.tz_localize(None)).days
    both = work.history(chosen, days=2 * days)
    before = both.between(both.table["occurred_from"].min(), work.window.start)
    if not len(before):
        raise NotApplicableError(f"The record holds nothing in the {days} days before {work.window}.")
    grid = work.city.grid
    surface = change_between(
        cell_counts(before, grid), cell_counts(chosen, grid), grid, neighbours=True, fdr=work.settings.fdr
    )
    sentence = change_sentence(surface)
    write_surface(folder / "change.parquet", surface, {**facts, "days_before": days, "sentence": sentence})
    return {"up": surface.parameters["up"], "down": surface.parameters["down"], "sentence": sentence}


def emerging(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Name the history of each cell."""
    counts, periods = work.steps(chosen, days=work.settings.step_days, count=work.settings.steps)
    _check_steps(len(periods), work)
    found = emerging_hot_spots(counts, work.city.grid, periods, fdr=work.settings.fdr)
    sentence = emerging_sentence(found)
    own = {"kind": "emerging hot spots", "method": "emerging", "null": found.null, "parameters": dict(found.parameters)}
    write_layer(folder / "emerging.parquet", found.to_geodataframe(), {**facts, **own, "sentence": sentence})
    return {"cells": int((found.classes != "").sum()), "sentence": sentence}


def persistence(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Say of each hot spot whether it is chronic, acute, emerging or fading."""
    counts, periods = work.steps(chosen, days=work.settings.step_days, count=work.settings.steps)
    _check_steps(len(periods), work)
    found = hot_spot_persistence(counts, work.city.grid, periods, fdr=work.settings.fdr)
    sentence = persistence_sentence(found)
    own = {"kind": "hot spots with a past", "method": "persistence", "parameters": dict(found.parameters)}
    write_layer(folder / "persistence.parquet", found.spots, {**facts, **own, "sentence": sentence})
    return {"hot_spots": len(found.spots), "sentence": sentence}


def _check_steps(count: int, work: PatternWork) -> None:
    if count < _LEAST_STEPS:
        raise NotApplicableError(
            f"The record holds {count} steps of {work.settings.step_days} days, fewer than {_LEAST_STEPS}: "
            "lower patterns.step_days."
        )
