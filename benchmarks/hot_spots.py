"""Measure the kinds of hot spots: binned density of a million points against scipy, and what the other kinds cost.

Run with ``python benchmarks/hot_spots.py``; a few minutes. Each case runs in a process of its own, for its memory;
``added_mb`` is what the case adds to the interpreter with its libraries and its points.
"""

import argparse
import json
import multiprocessing
import resource
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import shapely
from esda.smoothing import Spatial_Empirical_Bayes
from libpysal.weights import WSP, WSP2W
from scipy import ndimage, sparse

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods
from crimepatterns.patterns.change import change_between
from crimepatterns.patterns.concentration import concentration
from crimepatterns.patterns.density import kernel_density
from crimepatterns.patterns.density_adaptive import adaptive_density
from crimepatterns.patterns.density_ratio import density_ratio
from crimepatterns.patterns.emerging import emerging_hot_spots
from crimepatterns.patterns.optimised import optimised_hot_spots
from crimepatterns.patterns.persistence import hot_spot_persistence
from crimepatterns.patterns.repeat_places import repeat_places
from crimepatterns.patterns.smoothed_rates import smoothed_rates

CRS = "EPSG:32616"
SIDE_M = 24_500.0  # 600 km2
BANDWIDTH_M = 450.0


def area(side_m: float = SIDE_M) -> StudyArea:
    """Return a square city."""
    return StudyArea("bench", shapely.box(0, 0, side_m, side_m), CRS, "UTC", empty_neighbourhoods(CRS))


def scattered(points: int) -> np.ndarray:
    """Scatter points over 3,000 hot places, snapped to addresses ten metres apart."""
    rng = np.random.default_rng(points)
    places = rng.uniform(0, SIDE_M, size=(3000, 2))
    chosen = places[rng.choice(3000, points, p=rng.dirichlet(np.full(3000, 0.3)))]
    xy = np.round((chosen + rng.normal(0, 250, size=(points, 2))) / 10.0) * 10.0
    return np.clip(xy, 1.0, SIDE_M - 1.0)


def recorded(points: int) -> Incidents:
    """Give the points dates over five years."""
    xy = scattered(points)
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.random.default_rng(1).integers(0, 1826, points), unit="D")
    when = pd.Series(pd.DatetimeIndex(day).as_unit("us").tz_localize("UTC"))
    table = pd.DataFrame(
        {
            "id": np.arange(points).astype(str), "occurred_from": when, "occurred_until": when, "known_at": when,
            "time_precision": "date", "category": "theft", "offence": "theft", "discovery": "reported",
            "source": "bench", "x": xy[:, 0], "y": xy[:, 1],
        }
    )  # fmt: skip
    return Incidents(table, area())


def least_cpu(work: Callable[[], Any], repeats: int = 5) -> tuple[float, Any]:
    """Return the least CPU time of several runs and the last result."""
    least, outcome = float("inf"), None
    for _ in range(repeats):
        began = time.process_time()
        outcome = work()
        least = min(least, time.process_time() - began)
    return least, outcome


def density(points: int) -> dict[str, Any]:
    """Compare binned density with scipy's binning and filter, the limit of what is possible."""
    grid = Grid.square(area(), cell_size_m=150.0)
    x, y = scattered(points).T
    kernel_density((x, y), grid, bandwidth_m=BANDWIDTH_M)  # lays the grid's own tables once
    columns = int(np.ceil(SIDE_M / 150.0))

    def peer() -> np.ndarray:
        edge = columns * 150.0
        binned, _, _ = np.histogram2d(x, y, bins=columns, range=((0, edge), (0, edge)))
        return ndimage.gaussian_filter(binned, BANDWIDTH_M / 150.0, mode="reflect")

    theirs, raster = least_cpu(peer)
    plain, _ = least_cpu(lambda: kernel_density((x, y), grid, bandwidth_m=BANDWIDTH_M, edge_correction=False))
    ours, surface = least_cpu(lambda: kernel_density((x, y), grid, bandwidth_m=BANDWIDTH_M))
    mass = float(np.asarray(surface.to_geodataframe()["value"]) @ grid.area_km2)
    difference = abs(mass - float(raster.sum())) / points
    assert difference <= 1e-6, f"mass differs by {difference:.1e}"
    return {
        "scipy_cpu_s": round(theirs, 4), "ours_cpu_s": round(plain, 4), "ours_edge_corrected_cpu_s": round(ours, 4),
        "times_scipy": round(plain / theirs, 2), "times_scipy_edge_corrected": round(ours / theirs, 2),
        "relative_difference_of_mass": difference,
    }  # fmt: skip


def adaptive(points: int) -> dict[str, Any]:
    """Measure adaptive and dual density."""
    grid = Grid.square(area(), cell_size_m=150.0)
    x, y = scattered(points).T
    fixed, _ = least_cpu(lambda: kernel_density((x, y), grid, bandwidth_m=BANDWIDTH_M), 3)
    cpu, surface = least_cpu(lambda: adaptive_density((x, y), grid, bandwidth_m=BANDWIDTH_M), 2)
    half = points // 2
    dual, _ = least_cpu(
        lambda: density_ratio((x[:half], y[:half]), (x[half:], y[half:]), grid, bandwidth_m=BANDWIDTH_M), 2
    )
    return {
        "adaptive_cpu_s": round(cpu, 3), "times_fixed": round(cpu / fixed, 1), "dual_cpu_s": round(dual, 3),
        "narrowest_m": surface.parameters["narrowest_m"], "widest_m": surface.parameters["widest_m"],
    }  # fmt: skip


def emerging(_: int) -> dict[str, Any]:
    """Follow 19,881 cells over 60 months, then compare periods, and classify hot spots."""
    grid = Grid.square(area(21_150.0), cell_size_m=150.0)
    rng = np.random.default_rng(2)
    counts = rng.poisson(0.5 * rng.gamma(0.5, 2.0, len(grid))[:, None], (len(grid), 60))
    months = Periods(pd.date_range("2020-01-01", periods=61, freq="MS", tz="UTC").as_unit("us"))
    cpu, found = least_cpu(lambda: emerging_hot_spots(counts, grid, months), 1)
    compared, _ = least_cpu(
        lambda: change_between(counts[:, :30].sum(1), counts[:, 30:].sum(1), grid, reference="whole area"), 2
    )
    past, _ = least_cpu(lambda: hot_spot_persistence(counts, grid, months), 1)
    return {
        "cells": len(grid), "steps": 60, "incidents": int(counts.sum()), "emerging_cpu_s": round(cpu, 2),
        "change_cpu_s": round(compared, 3), "persistence_cpu_s": round(past, 2),
        "classes_in_a_city_where_nothing_changes": dict(Counter(found.classes.tolist())),
    }  # fmt: skip


def false_names(cities: int) -> dict[str, Any]:
    """Count names that claim a change in cities where nothing changes, by our rules and by the customary ones."""
    grid = Grid.square(area(6_000.0), cell_size_m=200.0)
    months = Periods.starting_at(pd.Timestamp("2024-01-01", tz="UTC"), days=30, count=12)
    rng = np.random.default_rng(3)
    result: dict[str, Any] = {"cells": len(grid), "steps": 12, "cities": cities}
    for mean in (0.02, 0.2, 1.0, 5.0):
        even = ours = customary = false_cells = 0
        for seed in range(cities):
            flat = rng.poisson(mean, (len(grid), 12))
            even += flat.any() and bool(
                emerging_hot_spots(flat, grid, months, seed=seed).parameters["cells_with_pattern"]
            )
            uneven = rng.poisson(mean * rng.gamma(0.5, 2.0, len(grid))[:, None], (len(grid), 12))
            for require in (True, False):
                classes = emerging_hot_spots(uneven, grid, months, seed=seed, require_change=require).classes
                claims = sum(not str(name).startswith(("persistent", "no pattern")) for name in classes)
                ours += require and claims > 0
                customary += (not require) and claims > 0
                false_cells += 0 if require else claims
        result[f"mean_{mean:g}"] = {
            "even_any_name": even / cities, "uneven_any_change": ours / cities,
            "customary_any_change": customary / cities, "customary_false_cells": round(false_cells / cities, 1),
        }  # fmt: skip
    return result


def places(points: int) -> dict[str, Any]:
    """Measure concentration, repeat places, optimised hot spots and smoothed rates."""
    incidents = recorded(points)
    grid = Grid.square(area(), cell_size_m=150.0)
    counts = np.bincount(grid.assign(incidents.table["x"], incidents.table["y"])[0], minlength=len(grid))
    concentrated, found = least_cpu(lambda: concentration(counts), 1)
    repeated, ranking = least_cpu(lambda: repeat_places(incidents), 1)
    optimised, best = least_cpu(lambda: optimised_hot_spots(incidents), 1)
    base = np.random.default_rng(4).integers(1, 500, len(grid)).astype(float)
    weights = WSP2W(WSP(sparse.csr_matrix(grid.adjacency)))
    theirs, reference = least_cpu(lambda: Spatial_Empirical_Bayes(counts, base, weights), 1)
    ours, rates = least_cpu(lambda: smoothed_rates(counts, base, grid, per=1.0, towards="neighbours"), 3)
    difference = float(np.abs(rates.to_geodataframe()["value"] - reference.r.ravel()).max())
    assert difference <= 1e-8, f"rates differ by {difference:.1e}"
    return {
        "concentration_cpu_s": round(concentrated, 2),
        "half_of_incidents_at": round(float(found.shares["places_share"].iloc[1]), 4),
        "repeat_places_cpu_s": round(repeated, 2), "places": len(ranking.table),
        "optimised_cpu_s": round(optimised, 2), "cell_size_m": best.cell_size_m,
        "esda_local_rates_cpu_s": round(theirs, 3), "ours_local_rates_cpu_s": round(ours, 4),
        "ratio": round(theirs / ours, 1), "largest_difference": difference,
    }  # fmt: skip


CASES = {"density": density, "adaptive": adaptive, "emerging": emerging, "false_names": false_names, "places": places}


def alone(name: str, size: int, queue: Any) -> None:
    """Run one case in this process and report its figures and memory."""
    scattered(size) if name != "false_names" else None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    figures = CASES[name](size)
    added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    queue.put({**figures, "all_cpu_s": round(time.process_time() - began, 1), "added_mb": round(added / 1024)})


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--cities", type=int, default=40)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    chosen = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    results = {}
    for name in chosen.cases:
        queue = context.Queue()
        size = chosen.cities if name == "false_names" else chosen.points
        process = context.Process(target=alone, args=(name, size, queue))
        process.start()
        results[name] = queue.get()
        process.join()
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
