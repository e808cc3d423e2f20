"""Stage: find hot spots and clusters in the last months of a city, and write them as map layers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.domain.clusters import Clusters
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.police_found import police_warning
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import NotApplicableError, PatternError
from crimepatterns.pattern_methods import ALL_CATEGORIES, ALL_TOGETHER, METHODS, ONE_CATEGORY, PatternWork
from crimepatterns.pattern_methods.surfaces import cell_counts
from crimepatterns.patterns.autocorrelation import gi_star
from crimepatterns.patterns.clusters import dbscan
from crimepatterns.patterns.density import Kernel, kernel_density
from crimepatterns.patterns.window import Window
from crimepatterns.store.atomic import copy_missing, replacing_folder
from crimepatterns.store.layers import export_layer
from crimepatterns.store.layout import slug

__all__ = ["ALL_CATEGORIES", "find_clusters", "find_patterns", "hot_spots"]

_TASK = "Finding patterns"


def hot_spots(
    incidents: Incidents,
    grid: Grid,
    *,
    method: Literal["gi_star", "density"] = "gi_star",
    fdr: float = 0.05,
    bandwidth_m: float | None = None,
    kernel: Kernel = "gaussian",
) -> Surface:
    """Map where incidents gather: with a test against chance, or as a smooth density.

    Parameters
    ----------
    incidents : Incidents
        Choose category and window first, such as ``incidents.of("burglary")``.
    grid : Grid
    method : {"gi_star", "density"}
    fdr : float
        ``gi_star`` only: accepted share of false hot spots.
    bandwidth_m : float, metres, optional
        ``density`` only; twice the cell size where left out.
    kernel : {"gaussian", "quartic"}
        ``density`` only.

    Returns
    -------
    Surface
        See `crimepatterns.patterns.autocorrelation.gi_star` and `crimepatterns.patterns.density.kernel_density`.

    Raises
    ------
    PatternError
        If there is no incident in the grid, the method is unknown, or the bandwidth is smaller than the cells.
    """
    if method == "gi_star":
        return gi_star(cell_counts(incidents, grid), grid, fdr=fdr)
    if method == "density":
        size = grid.cell_size_m if grid.kind != "polygon" else float(np.sqrt(np.median(grid.area_km2) * 1e6))
        return kernel_density(incidents, grid, bandwidth_m=bandwidth_m or 2.0 * size, kernel=kernel)
    raise PatternError(f"Hot-spot method must be 'gi_star' or 'density', got {method!r}.")


def find_clusters(incidents: Incidents, *, radius_m: float = 120.0, min_incidents: int = 30) -> Clusters:
    """Group incidents that lie close together, with a readable row per cluster.

    Parameters
    ----------
    incidents : Incidents
    radius_m : float, metres
        Incidents closer than this are neighbours.
    min_incidents : int
        So many neighbours make the core of a cluster.

    Returns
    -------
    Clusters
        See `crimepatterns.patterns.clusters.dbscan`, also for the errors.
    """
    return dbscan(incidents, radius_m=radius_m, min_incidents=min_incidents)


def find_patterns(settings: Settings, *, keep: bool = False, progress: Progress = silent) -> dict[str, Any]:
    """Apply every method of the settings per category and for all together; write below ``results/<city>/patterns``.

    Every file carries its window, as-of date, parameters, run date and a sentence.

    Parameters
    ----------
    settings : Settings
    keep : bool
        Keep the files of former runs that this one does not make, such as those of other methods.
    progress : Progress

    Returns
    -------
    dict
        JSON-able: ``outputs``, ``window``, ``categories``, ``not_analysed`` and a ``sentence``.

    Raises
    ------
    ConfigError
        If a category of the settings does not occur.
    PatternError
        If no category has an incident in the window, or a setting cannot work.
    MissingInputError
        If cleaning has not run.
    """
    work = PatternWork(City(settings))
    names, methods = (*work.categories, ALL_CATEGORIES), settings.patterns.methods
    found: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    outputs: list[str] = []
    with replacing_folder(work.city.layout.patterns) as folder:
        for step, name in enumerate(names):
            chosen = work.incidents(name)
            if len(chosen) == 0:
                skipped[name] = f"no incident in the window {work.window}"
                continue

            def told(method: int, step: int = step) -> None:
                progress(_TASK, step * len(methods) + method, len(names) * len(methods))

            found[name] = _analyse(work, name, chosen, folder / slug(name), told)
        for path in sorted(folder.rglob("*.parquet")):
            for form in settings.patterns.export:
                export_layer(path, form)
        if keep:
            copy_missing(work.city.layout.patterns, folder)
        outputs += sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.is_file())
    if not found:
        raise PatternError(f"No category has an incident in the window {work.window}: raise patterns.window_days.")
    progress(_TASK, len(names) * len(methods), len(names) * len(methods))
    root = work.city.layout.patterns.relative_to(settings.root)
    police = work.city.found_by_police
    return {
        "sentence": _overall_sentence(found, work.window),
        "warnings": [police_warning(name, police[name]) for name in found if name in police],
        "window": str(work.window),
        "as_of": work.window.end.isoformat(),
        "filter": list(work.filter_notes),
        "categories": found,
        "not_analysed": skipped,
        "density_cell_m": work.density_grid.cell_size_m,
        "outputs": [str(root / name) for name in outputs],
    }


def _analyse(
    work: PatternWork, name: str, chosen: Incidents, folder: Path, progress: Callable[[int], None]
) -> dict[str, Any]:
    facts = {
        "city": work.city.settings.title,
        "category": name,
        "as_of": work.window.end.isoformat(),
        "window_start": work.window.start.isoformat(),
        "window_end": work.window.end.isoformat(),
        "window": str(work.window),
        "incidents": len(chosen),
        "left_out": list(work.city.settings.quality.leave_out),
        "filter": list(work.settings.filter),
        "filter_notes": list(work.filter_notes),
        "run_date": work.run_date,
    }
    if name in work.city.found_by_police:
        facts["warning"] = police_warning(name, work.city.found_by_police[name])
    found: dict[str, Any] = {"incidents": len(chosen)}
    for step, method in enumerate(work.settings.methods):
        progress(step)
        if method in (ONE_CATEGORY if name == ALL_CATEGORIES else ALL_TOGETHER):
            continue
        try:
            # Threads of linear algebra wait for one another by spinning: on small tables several cost more than one.
            with threadpool_limits(limits=1, user_api="blas"):
                found[method] = METHODS[method](work, chosen, facts, folder)
        except NotApplicableError as error:
            found[method] = {"not_applicable": str(error), "sentence": str(error)}
    return found


def _overall_sentence(found: Mapping[str, Mapping[str, Any]], window: Window) -> str:
    parts = []
    for name, facts in found.items():
        if name == ALL_CATEGORIES:
            continue
        counted = (("gi_star", "hot_cells", "hot cell"), ("dbscan", "clusters", "cluster"))
        told = [_counted(facts[method][key], noun) for method, key, noun in counted if key in facts.get(method, ())]
        # Where other methods were asked for, their own sentences are the answer.
        sentences = [str(one["sentence"]).removesuffix(".") for one in facts.values() if isinstance(one, Mapping)]
        parts.append(
            f"{name} {' and '.join(told)}" if told else f"{name}: {'. '.join(sentences)}" if sentences else name
        )
    cards = found.get(ALL_CATEGORIES, {}).get("cards")
    told_of_cards = f" Cards: {cards['sentence']}" if cards else ""
    return f"{window}: {'; '.join(parts)}.{told_of_cards}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
