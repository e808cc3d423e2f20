"""Measure how the cost of the pattern methods grows from ten thousand to a million points at constant density.

Run with ``python benchmarks/growth.py --plot docs/images/growth.png``; some minutes. A million points stand on 600
km2 and 5 years. Each size runs in a process of its own; what is made before the analysis (incidents, grid) is not
counted.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.patterns.autocorrelation import gi_star
from crimepatterns.patterns.clusters import dbscan, st_dbscan
from crimepatterns.patterns.density import kernel_density
from crimepatterns.patterns.knox import knox
from crimepatterns.patterns.near_repeat import near_repeat_chains
from crimepatterns.patterns.scan import permutation_scan
from crimepatterns.patterns.space_time_pairs import SpaceTimeBands
from space_time import AREA_KM2, city

SIZES = (10_000, 100_000, 1_000_000)
BANDS = SpaceTimeBands((200.0,), (14,))
PERMUTATIONS = 9
LINEAR = 1.2

Facts = dict[str, Any]


def density(incidents: Incidents, grid: Grid) -> Facts:
    """Smooth with a bandwidth of 300 m."""
    return {"cells": len(kernel_density(incidents, grid, bandwidth_m=300.0).values)}


def hot_cells(incidents: Incidents, grid: Grid) -> Facts:
    """Count by cell and test with Gi*."""
    cell, _ = grid.assign(incidents.table["x"], incidents.table["y"])
    return {"hot": gi_star(np.bincount(cell, minlength=len(grid)), grid).parameters["discoveries"]}


def places(incidents: Incidents, _: Grid) -> Facts:
    """DBSCAN with 50 m and 30 incidents, with the summary of every cluster."""
    return {"clusters": len(dbscan(incidents, radius_m=50.0, min_incidents=30).summary)}


def bursts(incidents: Incidents, _: Grid) -> Facts:
    """ST-DBSCAN with 100 m, 14 days and 8 incidents, with the summary of every cluster."""
    return {"clusters": len(st_dbscan(incidents, radius_m=100.0, days=14, min_incidents=8).summary)}


def repeats(incidents: Incidents, _: Grid) -> Facts:
    """Knox with 200 m and 14 days."""
    found = knox(incidents, bands=BANDS, replicates_count=PERMUTATIONS)
    return {"pairs": int(found.observed.sum())}


def chains(incidents: Incidents, _: Grid) -> Facts:
    """Near-repeat chains with 200 m and 14 days."""
    return {"pairs": int(str(near_repeat_chains(incidents, distance_m=200.0, days=14).parameters["links"]))}


def outbreaks(incidents: Incidents, _: Grid) -> Facts:
    """Scan the last year for clusters of up to 1 km and 28 days that still last."""
    found = permutation_scan(incidents, replicates_count=PERMUTATIONS)
    return {"places": found.parameters["places"], "incidents": found.parameters["incidents"]}


CASES: Mapping[str, Callable[[Incidents, Grid], Facts]] = {
    "kernel density": density,
    "Gi*": hot_cells,
    "DBSCAN": places,
    "ST-DBSCAN": bursts,
    f"Knox, {PERMUTATIONS} permutations": repeats,
    "near-repeat chains": chains,
    f"scan, {PERMUTATIONS} replicates": outbreaks,
}


def _measured(points: int, queue: Any) -> None:
    """Measure every case on one city; short ones several times, of which the shortest counts."""
    incidents = city(points, area_km2=AREA_KM2 * points / 1e6)
    grid = Grid.square(incidents.area, cell_size_m=150.0)
    small = city(2_000, area_km2=AREA_KM2 * 2_000 / 1e6)
    small_grid = Grid.square(small.area, cell_size_m=150.0)
    found = {}
    for name, work in CASES.items():
        work(small, small_grid)
        spent: list[float] = []
        while not spent or (len(spent) < 5 and sum(spent) < 1.0):
            began = time.process_time()
            facts = work(incidents, grid)
            spent.append(time.process_time() - began)
        found[name] = {"cpu_s": round(min(spent), 4), **facts}
    queue.put(found)


def alone(points: int) -> dict[str, Facts]:
    """Measure one size in a new process."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measured, args=(points, queue))
    process.start()
    result: dict[str, Facts] = queue.get()
    process.join()
    return result


def exponent(sizes: tuple[int, ...], cost: list[float]) -> float:
    """Return the power of the number of points with which the cost grows."""
    return round(float(np.polyfit(np.log(sizes), np.log(cost), 1)[0]), 2)


def plot(sizes: tuple[int, ...], costs: Mapping[str, list[float]], path: Path) -> None:
    """Draw the cost of each method over the number of points."""
    from crimepatterns.visuals.frame import framed
    from crimepatterns.visuals.palette import MUTED, OKABE_ITO, figure_style

    caption = (
        "CPU seconds at constant density: a million points stand on 600 km2 and 5 years. Behind each name the power "
        "of the number of points with which its cost grows. Grey lines: growth in proportion to the points."
    )
    with figure_style():
        frame = framed(
            8.6, 4.8, title="What ten times the points cost", subtitle="10 thousand to 1 million", caption=caption
        )
        axes = frame.axes(0.7, 0.45, 5.6, 4.2)
        axes.set(xscale="log", yscale="log", xlabel="points", ylabel="CPU seconds")
        low, high = min(map(min, costs.values())), max(map(max, costs.values()))
        for level in np.logspace(-5, 3, 9):
            axes.plot(sizes, [level * size / sizes[0] for size in sizes], color=MUTED, alpha=0.25, linewidth=0.8)
        axes.set_ylim(low / 2, high * 2)
        names = sorted(costs, key=lambda key: costs[key][-1])
        heights = _spread(np.log10([costs[name][-1] for name in names]), least=0.05 * np.log10(high * 4 / low))
        for name, height in zip(names, heights, strict=True):
            colour = OKABE_ITO[list(costs).index(name) % len(OKABE_ITO)]
            axes.plot(sizes, costs[name], color=colour, linewidth=2, marker="o", markersize=4)
            axes.plot([sizes[-1], sizes[-1] * 1.25], [costs[name][-1], 10**height], color=colour, lw=0.7, clip_on=False)
            label = f" {name}: {exponent(sizes, costs[name]):.2f}"
            axes.text(sizes[-1] * 1.25, 10**height, label, color=colour, fontsize=9, va="center", fontweight="bold")
        axes.set_xlim(sizes[0] / 1.15, sizes[-1] * 1.05)
        axes.grid(visible=False)
    frame.figure.savefig(path, dpi=150)


def _spread(heights: np.ndarray, *, least: float) -> np.ndarray:
    """Move ascending heights apart until neighbours are at least so far from each other, about where they stood."""
    moved = heights.astype(float).copy()
    for _ in range(200):
        close = np.maximum(least - np.diff(moved), 0.0) / 2
        moved[:-1] -= close
        moved[1:] += close
    return moved


def main() -> None:
    """Print the figures as JSON and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", type=Path, default=None, help="file for the picture")
    parser.add_argument("--small", action="store_true", help="leave the million points out")
    chosen = parser.parse_args()
    sizes = SIZES[:-1] if chosen.small else SIZES
    measured = {size: alone(size) for size in sizes}
    costs = {name: [max(measured[size][name]["cpu_s"], 1e-4) for size in sizes] for name in CASES}
    powers = {name: exponent(sizes, cost) for name, cost in costs.items()}
    results = {
        "points": {f"{size:,}": measured[size] for size in sizes}, "exponents": powers,
        "above_the_goal": [name for name, power in powers.items() if power > LINEAR],
    }  # fmt: skip
    print(json.dumps(results, indent=2))
    if chosen.plot:
        plot(sizes, costs, chosen.plot)


if __name__ == "__main__":
    main()
