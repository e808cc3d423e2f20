"""Stage: find hot spots and clusters in the last months of a city, and write them as map layers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from crimepatterns.city import City
from crimepatterns.config import PatternSettings, Settings
from crimepatterns.domain.clusters import Clusters
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import ConfigError, PatternError
from crimepatterns.patterns.autocorrelation import gi_star
from crimepatterns.patterns.clusters import dbscan
from crimepatterns.patterns.density import Kernel, kernel_density
from crimepatterns.patterns.sentences import clusters_sentence, density_sentence, gi_star_sentence
from crimepatterns.patterns.window import Window, last_days
from crimepatterns.store.atomic import replacing_folder
from crimepatterns.store.layers import write_layer, write_surface
from crimepatterns.store.layout import slug

__all__ = ["ALL_CATEGORIES", "find_clusters", "find_patterns", "hot_spots"]

ALL_CATEGORIES = "all"
"""Name of the layers in which every analysed category is counted together."""

_CORE_TIMES_MEAN = 8.0
"""A cluster core must be at least so many times as dense as the study area is on average."""

_TASK = "Finding hot spots and clusters"


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
        cell, inside = grid.assign(incidents.table["x"], incidents.table["y"])
        return gi_star(np.bincount(cell[inside], minlength=len(grid)), grid, fdr=fdr)
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


def find_patterns(settings: Settings, *, progress: Progress = silent) -> dict[str, Any]:
    """Find hot spots and clusters per category and for all together, and write them below ``results/<city>/patterns``.

    Every layer carries its window, as-of date, parameters, run date and a sentence inside the file.

    Parameters
    ----------
    settings : Settings
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
    work = _Work(City(settings))
    names = (*work.categories, ALL_CATEGORIES)
    found: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    outputs: list[str] = []
    with replacing_folder(work.city.layout.patterns) as folder:
        for step, name in enumerate(names):
            progress(_TASK, step, len(names))
            chosen = work.incidents(name)
            if len(chosen) == 0:
                skipped[name] = f"no incident in the window {work.window}"
                continue
            found[name] = _analyse(work, name, chosen, folder / slug(name))
        outputs += sorted(str(path.relative_to(folder)) for path in folder.rglob("*.parquet"))
    if not found:
        raise PatternError(f"No category has an incident in the window {work.window}: raise patterns.window_days.")
    progress(_TASK, len(names), len(names))
    root = work.city.layout.patterns.relative_to(settings.root)
    return {
        "sentence": _overall_sentence(found, work.window),
        "window": str(work.window),
        "as_of": work.window.end.isoformat(),
        "categories": found,
        "not_analysed": skipped,
        "density_cell_m": work.density_grid.cell_size_m,
        "outputs": [str(root / name) for name in outputs],
    }


@dataclass(frozen=True, eq=False)
class _Work:
    """What is the same for every category."""

    city: City

    @property
    def settings(self) -> PatternSettings:
        return self.city.settings.patterns

    @cached_property
    def window(self) -> Window:
        return last_days(self.city.incidents, days=self.settings.window_days)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        wanted, occurring = self.settings.categories, self.city.incidents.categories
        unknown = sorted(set(wanted) - set(occurring))
        if unknown:
            raise ConfigError(f"patterns.categories names {unknown}, which do not occur; found {list(occurring)}.")
        return wanted or self.city.targets

    @cached_property
    def in_window(self) -> Incidents:
        return self.window.of(self.city.incidents)

    @cached_property
    def density_grid(self) -> Grid:
        """A fine square grid; coarser than the settings ask only where it would have too many cells."""
        area, grid = self.city.area, self.city.settings.grid
        least = 25.0 * np.ceil(np.sqrt(area.area_km2 * 1e6 / (0.8 * grid.max_cells)) / 25.0)
        return Grid.square(
            area,
            cell_size_m=max(self.settings.density_cell_m, float(least)),
            origin=grid.origin,
            rotation_deg=grid.rotation_deg,
            max_cells=grid.max_cells,
        )

    @cached_property
    def run_date(self) -> str:
        return datetime.now(UTC).date().isoformat()

    def incidents(self, name: str) -> Incidents:
        """Incidents of one category, or of every category that citizens report."""
        if name != ALL_CATEGORIES:
            return self.in_window.of(name)
        together = {*self.categories, *self.city.reported_categories}
        return self.in_window.of(*sorted(together))

    def core_incidents(self, chosen: Incidents) -> int:
        """Neighbours that make a core: the setting, or more where the study area is dense throughout."""
        disc_km2 = np.pi * (self.settings.dbscan_radius_m / 1e3) ** 2
        mean = len(chosen) / self.city.area.area_km2 * disc_km2
        return max(self.settings.dbscan_min_incidents, int(np.ceil(_CORE_TIMES_MEAN * mean)))


def _analyse(work: _Work, name: str, chosen: Incidents, folder: Path) -> dict[str, Any]:
    facts = {
        "city": work.city.settings.title,
        "category": name,
        "as_of": work.window.end.isoformat(),
        "window_start": work.window.start.isoformat(),
        "window_end": work.window.end.isoformat(),
        "window": str(work.window),
        "incidents": len(chosen),
        "run_date": work.run_date,
    }
    return {"incidents": len(chosen), **dict(_layers(work, chosen, facts, folder))}


def _layers(
    work: _Work, chosen: Incidents, facts: Mapping[str, Any], folder: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    settings = work.settings
    if "density" in settings.methods:
        surface = hot_spots(chosen, work.density_grid, method="density", bandwidth_m=settings.bandwidth_m)
        sentence = density_sentence(surface)
        write_surface(folder / "density.parquet", surface, {**facts, "sentence": sentence})
        yield "density", {"peak_per_km2": round(float(np.max(surface.values)), 1), "sentence": sentence}
    if "gi_star" in settings.methods:
        surface = hot_spots(chosen, work.city.grid, method="gi_star", fdr=settings.fdr)
        sentence = gi_star_sentence(surface, chosen)
        write_surface(folder / "gi_star.parquet", surface, {**facts, "sentence": sentence})
        yield "gi_star", {"hot_cells": surface.parameters["discoveries"], "sentence": sentence}
    if "dbscan" in settings.methods:
        core = work.core_incidents(chosen)
        clusters = find_clusters(chosen, radius_m=settings.dbscan_radius_m, min_incidents=core)
        sentence = clusters_sentence(clusters)
        _write_clusters(folder, clusters, {**facts, "sentence": sentence})
        yield "dbscan", {"clusters": len(clusters.summary), "core_incidents": core, "sentence": sentence}


def _write_clusters(folder: Path, clusters: Clusters, facts: Mapping[str, Any]) -> None:
    own = {"kind": "clusters", "method": clusters.method, "parameters": dict(clusters.parameters)}
    write_layer(folder / "dbscan.parquet", clusters.summary, {**facts, **own})
    member = clusters.labels.notna().to_numpy(dtype=bool)
    table = clusters.incidents.table.loc[member, ["id", "occurred_from", "category", "x", "y"]]
    points = gpd.GeoDataFrame(
        {
            "id": table["id"],
            "cluster": clusters.labels[member].astype("int64"),
            "category": pd.Series(table["category"].astype(str)),
            "occurred_from": table["occurred_from"],
        },
        geometry=gpd.points_from_xy(table["x"], table["y"]),
        crs=clusters.incidents.area.crs,
    )
    write_layer(folder / "dbscan_members.parquet", points, {**facts, **own, "kind": "cluster members"})


def _overall_sentence(found: Mapping[str, Mapping[str, Any]], window: Window) -> str:
    parts = []
    for name, facts in found.items():
        if name == ALL_CATEGORIES:
            continue
        hot, clusters = facts.get("gi_star"), facts.get("dbscan")
        told = [_counted(hot["hot_cells"], "hot cell")] if hot else []
        told += [_counted(clusters["clusters"], "cluster")] if clusters else []
        parts.append(f"{name} {' and '.join(told)}" if told else name)
    return f"{window}: {'; '.join(parts)}."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
