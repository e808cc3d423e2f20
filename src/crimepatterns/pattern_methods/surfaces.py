"""Pattern methods that give a value to every cell."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import NotApplicableError, PatternError
from crimepatterns.pattern_methods.opening import denominator_words
from crimepatterns.pattern_methods.work import PatternWork
from crimepatterns.patterns.autocorrelation import gi_star
from crimepatterns.patterns.change import change_between
from crimepatterns.patterns.change_sentences import change_sentence, persistence_sentence
from crimepatterns.patterns.emerging import emerging_hot_spots
from crimepatterns.patterns.emerging_sentences import emerging_sentence
from crimepatterns.patterns.local_moran import local_moran, quadrants
from crimepatterns.patterns.local_moran_given import local_moran_given, local_moran_given_sentence, quadrants_given
from crimepatterns.patterns.optimised import optimised_hot_spots
from crimepatterns.patterns.persistence import hot_spot_persistence
from crimepatterns.patterns.sentences import gi_star_sentence, local_moran_sentence
from crimepatterns.store.layers import write_layer, write_surface

__all__ = [
    "cell_counts",
    "change",
    "chosen_scale",
    "emerging",
    "held_counts",
    "hot_cells",
    "persistence",
    "resemblance",
]

_LEAST_STEPS = 4


def cell_counts(incidents: Incidents, grid: Grid) -> NDArray[np.int64]:
    """Count incidents per cell, shape (n_cells,)."""
    cell, inside = grid.assign(incidents.table["x"], incidents.table["y"])
    return np.bincount(cell[inside], minlength=len(grid))


def held_counts(incidents: Incidents, grid: Grid) -> NDArray[np.int64]:
    """Count incidents per cell, shape (n_cells,).

    Raises
    ------
    NotApplicableError
        If no cell holds any.
    """
    counts = cell_counts(incidents, grid)
    if not counts.any():
        raise NotApplicableError(f"None of {len(incidents):,} incidents lies in a cell of the grid.")
    return counts


def hot_cells(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Test each cell and its neighbours against an even spread, and a second null where the settings name one."""
    counts, grid = held_counts(chosen, work.city.grid), work.city.grid
    surface = gi_star(counts, grid, fdr=work.settings.fdr)
    sentence = gi_star_sentence(surface, chosen)
    write_surface(folder / "gi_star.parquet", surface, {**facts, "sentence": sentence})
    found = {"hot_cells": surface.parameters["discoveries"], "sentence": sentence}
    reference = _second_reference(work, chosen)
    if reference is None:
        return found
    kind, values, words = reference
    second = gi_star(
        counts, grid, fdr=work.settings.fdr, expected=values if kind == "expected" else None,
        background=values if kind == "background" else None,
    )  # fmt: skip
    told = f"Beside {words}: {gi_star_sentence(second, chosen)}"
    write_surface(folder / "gi_star_given.parquet", second, {**facts, "given": words, "sentence": told})
    return {**found, "hot_cells_given": second.parameters["discoveries"], "sentence": f"{sentence} {told}"}


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
    """Compare each cell with its neighbours, and their excess over a second null where the settings name one."""
    counts, grid, fdr = held_counts(chosen, work.city.grid), work.city.grid, work.settings.fdr
    surface = local_moran(counts, grid, fdr=fdr)
    sentence = local_moran_sentence(surface)
    _write_kinds(folder, "local_moran", surface, quadrants(counts, grid), {**facts, "sentence": sentence}, fdr)
    found = {"discoveries": surface.parameters["discoveries"], "sentence": sentence}
    reference = _second_reference(work, chosen)
    if reference is None:
        return found
    kind, values, words = reference
    second = local_moran_given(counts, values, grid, kind=kind, fdr=fdr)
    told = f"Beside {words}: {local_moran_given_sentence(second)}"
    kinds = quadrants_given(counts, values, grid)
    _write_kinds(folder, "local_moran_given", second, kinds, {**facts, "given": words, "sentence": told}, fdr)
    return {**found, "discoveries_given": second.parameters["discoveries"], "sentence": f"{sentence} {told}"}


def change(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Compare the window with the same number of days before it."""
    days, before = work.days, work.days_before(chosen)
    grid = work.city.grid
    surface = change_between(
        cell_counts(before, grid), held_counts(chosen, grid), grid, neighbours=True, fdr=work.settings.fdr
    )
    sentence = change_sentence(surface)
    write_surface(folder / "change.parquet", surface, {**facts, "days_before": days, "sentence": sentence})
    return {"up": surface.parameters["up"], "down": surface.parameters["down"], "sentence": sentence}


def emerging(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Name the history of each cell."""
    counts, periods = work.steps(chosen, days=work.settings.step_days, count=work.settings.steps)
    _check_steps(counts, work)
    found = emerging_hot_spots(counts, work.city.grid, periods, fdr=work.settings.fdr)
    sentence = emerging_sentence(found)
    own = {"kind": "emerging hot spots", "method": "emerging", "null": found.null, "parameters": dict(found.parameters)}
    write_layer(folder / "emerging.parquet", found.to_geodataframe(), {**facts, **own, "sentence": sentence})
    return {"cells": found.parameters["cells_with_pattern"], "sentence": sentence}


def persistence(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Say of each hot spot whether it is chronic, acute, emerging or fading."""
    counts, periods = work.steps(chosen, days=work.settings.step_days, count=work.settings.steps)
    _check_steps(counts, work)
    found = hot_spot_persistence(counts, work.city.grid, periods, fdr=work.settings.fdr)
    sentence = persistence_sentence(found)
    own = {"kind": "hot spots with a past", "method": "persistence", "parameters": dict(found.parameters)}
    write_layer(folder / "persistence.parquet", found.spots, {**facts, **own, "sentence": sentence})
    return {"hot_spots": len(found.spots), "sentence": sentence}


def _second_reference(
    work: PatternWork, chosen: Incidents
) -> tuple[Literal["expected", "background"], NDArray[np.float64], str] | None:
    """Return what the second null is made of, and what to call it; None where the settings ask for none."""
    if work.settings.second_null == "denominator":
        if not work.denominator.any():
            raise NotApplicableError(f"patterns.denominator {work.settings.denominator} is 0 in every cell.")
        return "expected", work.denominator, denominator_words(work.settings.denominator)
    if work.settings.second_null == "record":
        earlier = work.before(chosen)
        counts = cell_counts(earlier, work.city.grid).astype(float)
        if not counts.any():
            raise NotApplicableError(f"The record holds nothing before {work.window} to compare with.")
        return "background", counts, f"the {int(counts.sum()):,} incidents on record before"
    return None


def _write_kinds(
    folder: Path, name: str, surface: Surface, kinds: NDArray[np.object_], facts: Mapping[str, Any], fdr: float
) -> None:
    """Write a surface of local Moran and the cells by kind."""
    write_surface(folder / f"{name}.parquet", surface, facts)
    assert surface.q_values is not None  # noqa: S101  # local Moran always tests
    layer = surface.to_geodataframe().assign(kind=np.where(surface.q_values <= fdr, kinds, ""))
    own = {"kind": "cells by kind", "method": name, "null": surface.null, "parameters": dict(surface.parameters)}
    write_layer(folder / f"{name}_kinds.parquet", layer, {**facts, **own})


def _check_steps(counts: NDArray[np.int32], work: PatternWork) -> None:
    if not counts.any():
        raise NotApplicableError("No incident of the last steps lies in a cell of the grid.")
    count = counts.shape[1]
    if count < _LEAST_STEPS:
        raise NotApplicableError(
            f"The record holds {count} steps of {work.settings.step_days} days, fewer than {_LEAST_STEPS}: "
            "lower patterns.step_days."
        )
