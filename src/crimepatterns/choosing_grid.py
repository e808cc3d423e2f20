"""Stage: choose cell size, turn and shift by what they caught on past days, and say by how much that pays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import ConfigError
from crimepatterns.evaluation.comparison import PairedComparison
from crimepatterns.evaluation.grid_choice import (
    Choice,
    Origins,
    Trial,
    choose_best,
    hottest,
    nested_gain,
    recounted,
    try_lattices,
)
from crimepatterns.features.fading_counts import Fading
from crimepatterns.grid_trials import (
    FEWEST_WINDOWS,
    YEAR_DAYS,
    chooser,
    civil_day,
    fadings_of,
    lattices_of,
    occurrences_of,
)
from crimepatterns.store.atomic import write_json, write_text

__all__ = ["choose_grid"]


def choose_grid(settings: Settings, *, categories: Sequence[str] = (), progress: Progress = silent) -> dict[str, Any]:
    """Choose the grid on which simple maps would have caught most in the same area, before the judge span begins.

    Parameters
    ----------
    settings : Settings
        ``grid_choice`` says what is tried; ``grid`` is what the choice is compared with, by the plain count averaged
        over its shifts.
    categories : sequence of str
        Each has a map of its own; their hits count together. Those of the settings where it is left out.
    progress : Progress

    Returns
    -------
    dict
        ``grid`` (settings to use), ``fading``, ``hit_rate``, ``default_hit_rate``, ``gain`` (relative, with interval
        and verdict), ``origins``, ``tried``, ``sentences`` and ``outputs``.

    Raises
    ------
    ConfigError
        If the default grid is not of squares, or a category does not occur.
    DomainError
        If the record is too short.
    """
    city, wanted = City(settings), settings.grid_choice
    if settings.grid.kind != "square":
        raise ConfigError(f"Choosing a grid compares squares, got grid.kind {settings.grid.kind}: set it to square.")
    names = _categories(city, categories)
    until = _until(city)
    known = city.incidents.as_of(until)
    occurrences = occurrences_of(known, names, city.area.crs)
    origins = Origins.before(
        civil_day(until),
        first=civil_day(city.archive.start) + YEAR_DAYS,
        horizon_days=settings.forecast.horizon_days,
        step_days=wanted.step_days,
        most=wanted.origins,
    )
    lattices = lattices_of(wanted, wanted.cell_sizes_m, anchor=settings.grid.origin)
    usual = lattices_of(
        wanted, [settings.grid.cell_size_m], anchor=settings.grid.origin, rotations_deg=[settings.grid.rotation_deg]
    )
    progress("Trying grids", 0, len(lattices))
    choose, fadings = chooser(wanted), fadings_of(wanted)
    budget_m2 = wanted.area_share * city.area.area_km2 * 1e6
    budgets, usual_budgets = ([np.array([budget_m2 / one.area]) for one in some] for some in (lattices, usual))
    trial = try_lattices(occurrences, lattices, fadings, origins, budgets)
    default = try_lattices(occurrences, usual, [Fading()], origins, usual_budgets, choose=choose)
    progress("Trying grids", len(lattices), len(lattices))
    best = choose_best(trial, np.arange(len(origins)))
    reference = default.hits.mean(axis=(0, 1))
    gain, hits, scored = nested_gain(
        trial,
        reference,
        fewest=FEWEST_WINDOWS,
        confidence=settings.evaluation.confidence,
        recount=None if choose is hottest else recounted(trial, occurrences, budgets, choose),
    )
    facts = {
        "categories": list(names),
        "before": str(until.date()),
        **_facts(trial, best, gain),
        "hit_rate": float(hits.sum() / trial.totals[scored].sum()),
        "default_hit_rate": float(reference[scored].sum() / trial.totals[scored].sum()),
        "area_share": wanted.area_share,
        "origins": len(origins),
        "origins_scored": len(scored),
        "tried": trial.hits.shape[0] * trial.hits.shape[1],
    }
    return _written(city, trial, {**facts, "sentences": _sentences(facts, settings)})


def _categories(city: City, asked: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(set(asked) - set(city.incidents.categories))
    if unknown:
        raise ConfigError(f"--category names {unknown}, which do not occur; found {list(city.incidents.categories)}.")
    return tuple(asked) or city.targets


def _until(city: City) -> pd.Timestamp:
    """Return the beginning of the judge span: nothing may be chosen by it."""
    return city.spans[0].judge[0].cutoff


def _facts(trial: Trial, best: Choice, gain: PairedComparison) -> dict[str, Any]:
    lattice, fading = trial.lattices[best.lattice], trial.fadings[best.fading]
    return {
        "grid": {
            "cell_size_m": lattice.width,
            "origin": [round(value, 3) for value in lattice.origin],
            "rotation_deg": lattice.rotation_deg,
        },
        "fading": {"half_life_days": fading.half_life_days, "touching": fading.touching},
        "gain": {
            "relative": gain.difference,
            "lower": gain.lower,
            "upper": gain.upper,
            "smallest_detectable": gain.smallest_detectable,
            "verdict": gain.verdict,
        },
    }


def _sentences(facts: dict[str, Any], settings: Settings) -> list[str]:
    grid, gain, fading = facts["grid"], facts["gain"], facts["fading"]
    fades = "never fade" if fading["half_life_days"] is None else f"count half after {fading['half_life_days']:g} days"
    chosen = (
        f"Chosen from {facts['tried']} settings over {facts['origins']} past windows before {facts['before']}: cells "
        f"of {grid['cell_size_m']:g} m turned by {grid['rotation_deg']:g} degrees; incidents {fades}, those of each "
        f"touching cell count {fading['touching']:g}."
    )
    pays = (
        f"Chosen anew at each of {facts['origins_scored']} later windows from earlier ones alone, such maps caught "
        f"{facts['hit_rate'] * 100:.1f} % of incidents in {facts['area_share'] * 100:g} % of the area; plain counts on "
        f"the default grid of {settings.grid.cell_size_m:g} m, averaged over its shifts, "
        f"{facts['default_hit_rate'] * 100:.1f} %: {gain['relative'] * 100:+.1f} % "
        f"({gain['lower'] * 100:+.1f} to {gain['upper'] * 100:+.1f}), {gain['verdict']}."
    )
    use = (
        f"To use it: --set grid.cell_size_m={grid['cell_size_m']:g} --set 'grid.origin={grid['origin']}' "
        f"--set grid.rotation_deg={grid['rotation_deg']:g}"
    )
    return [chosen, pays, use]


def _written(city: City, trial: Trial, facts: dict[str, Any]) -> dict[str, Any]:
    folder = city.layout.grid_choice
    write_text(folder / "tried.csv", trial.table().to_csv(index=False))
    write_json(folder / "choice.json", facts)
    home = folder.relative_to(city.settings.root)
    return {**facts, "outputs": [str(home / "choice.json"), str(home / "tried.csv")]}
