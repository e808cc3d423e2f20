"""Pattern methods that smooth incidents: alone, and beside something else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import NotApplicableError, PatternError
from crimepatterns.pattern_methods.opening import denominator_words, weights_of
from crimepatterns.pattern_methods.work import PatternWork
from crimepatterns.patterns.bandwidth import choose_bandwidth
from crimepatterns.patterns.density import kernel_density
from crimepatterns.patterns.density_adaptive import adaptive_density
from crimepatterns.patterns.density_labelling import labelled_ratio
from crimepatterns.patterns.density_ratio import DensityRatio, density_ratio
from crimepatterns.patterns.density_sentences import bandwidth_sentence, density_ratio_sentence
from crimepatterns.patterns.sentences import density_sentence
from crimepatterns.store.layers import write_surface

__all__ = ["density", "ratio"]


def density(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Smooth the incidents into a surface."""
    wanted = work.settings
    bandwidth_m, told = _bandwidth(work, chosen)
    weights, notes = weights_of(chosen, work.city)
    if weights is not None and not weights.any():
        raise NotApplicableError(f"No incident has a weight above 0. {' '.join(notes)}")
    smooth = adaptive_density if wanted.adaptive else kernel_density
    surface = smooth(
        chosen, work.density_grid, bandwidth_m=bandwidth_m, kernel=wanted.kernel, weights=weights,
        edge_correction=wanted.edge_correction,
    )  # fmt: skip
    sentence = " ".join([density_sentence(surface), *told, *notes])
    more = {"weights": list(wanted.weights), "hours": wanted.hours} if wanted.weights else {}
    write_surface(folder / "density.parquet", surface, {**facts, **more, "sentence": sentence})
    return {"peak_per_km2": round(float(np.max(surface.values)), 1), "bandwidth_m": bandwidth_m, "sentence": sentence}


def ratio(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Divide the density of the incidents by that of what could have been hit, or of the days before."""
    bandwidth_m, told = _bandwidth(work, chosen)
    if work.settings.denominator is not None:
        found = _beside_denominator(work, chosen, bandwidth_m)
        against = denominator_words(work.settings.denominator)
    else:
        found, against = _beside_the_days_before(work, chosen, bandwidth_m), f"the {work.days} days before"
    sentence = " ".join([density_ratio_sentence(found, denominator=against), *told])
    surface: Surface = found.surface
    own = {"against": against, "sentence": sentence}
    write_surface(folder / "density_ratio.parquet", surface, {**facts, **own})
    return {"cells": surface.parameters["discoveries"], "against": against, "sentence": sentence}


def _beside_denominator(work: PatternWork, chosen: Incidents, bandwidth_m: float) -> DensityRatio:
    wanted, grid = work.settings, work.city.grid
    held = work.denominator > 0
    if not held.any():
        raise NotApplicableError(f"patterns.denominator {wanted.denominator} is 0 in every cell at {work.window.end}.")
    # Each cell's amount stands at its middle: the bandwidth must reach over the cells.
    side = float(np.sqrt(np.median(grid.area_km2) * 1e6))
    if bandwidth_m < side:
        raise PatternError(
            f"Bandwidth must be at least the cells of the denominator, got {bandwidth_m:g} m on cells of {side:g} m: "
            "raise patterns.bandwidth_m or lower grid.cell_size_m."
        )
    weights, _ = weights_of(chosen, work.city)
    return density_ratio(
        chosen, tuple(grid.centres[held].T), work.density_grid, bandwidth_m=bandwidth_m, kernel=wanted.kernel,
        weights=weights, denominator_weights=work.denominator[held], fdr=wanted.fdr,
        edge_correction=wanted.edge_correction,
    )  # fmt: skip


def _beside_the_days_before(work: PatternWork, chosen: Incidents, bandwidth_m: float) -> DensityRatio:
    wanted = work.settings
    if wanted.weights:
        raise NotApplicableError(
            "Random labelling deals out incidents of one weight each: leave patterns.weights empty."
        )
    return labelled_ratio(
        chosen, work.days_before(chosen), work.density_grid, bandwidth_m=bandwidth_m, kernel=wanted.kernel,
        level=wanted.fdr, edge_correction=wanted.edge_correction, count=wanted.replicates,
    ).ratio  # fmt: skip


def _bandwidth(work: PatternWork, chosen: Incidents) -> tuple[float, tuple[str, ...]]:
    """Return the bandwidth of the settings, or the one that later incidents choose, with the reasons."""
    wanted = work.settings
    if wanted.bandwidth_m != "auto":
        return float(wanted.bandwidth_m), ()
    record = work.known.of(*chosen.categories)
    try:
        choice = choose_bandwidth(
            record, work.density_grid, kernel=wanted.kernel, adaptive=wanted.adaptive,
            edge_correction=wanted.edge_correction,
        )  # fmt: skip
    except PatternError as error:
        raise NotApplicableError(f"{error} Or set patterns.bandwidth_m to metres.") from error
    return choice.bandwidth_m, (bandwidth_sentence(choice),)
