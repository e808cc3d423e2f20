"""Measure the space-time scans against scikit-learn's exact kernel density, fitted and scored on 100,000 points.

Run with ``python benchmarks/scan.py``; some minutes, most of them for the yardstick. Each case runs in a process of
its own, for its memory; ``added_mb`` is what the case adds to the interpreter with its libraries.
"""

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import shapely
from sklearn.neighbors import KernelDensity

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.incidents import Incidents
from crimepatterns.patterns.scan import CylinderLimits, permutation_scan

DAYS, OUTBREAK = 365, 25


def city(points: int, area_km2: float) -> Incidents:
    """Scatter points over hot places and a year, and plant an outbreak of 25 in 300 m over the last ten days."""
    rng = np.random.default_rng(points)
    side = np.sqrt(area_km2) * 1e3
    spots = rng.uniform(0, side, size=(int(8 * area_km2), 2))
    hot = spots[rng.choice(len(spots), points // 2, p=rng.dirichlet(np.full(len(spots), 0.3)))]
    xy = np.r_[rng.uniform(0, side, size=(points - len(hot), 2)), hot + rng.normal(0, 150, size=hot.shape)]
    day = rng.integers(0, DAYS, points)
    xy[:OUTBREAK] = side / 3 + rng.uniform(-300, 300, size=(OUTBREAK, 2))
    day[:OUTBREAK] = rng.integers(DAYS - 10, DAYS, OUTBREAK)
    xy = np.clip(xy, 1.0, side - 1.0)
    moment = pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D")
    when = pd.Series(pd.DatetimeIndex(moment).as_unit("us").tz_localize("UTC"))
    table = pd.DataFrame(
        {
            "id": np.arange(points).astype(str), "occurred_from": when, "occurred_until": when, "known_at": when,
            "time_precision": "date", "category": "theft", "offence": "theft", "discovery": "reported",
            "source": "bench", "x": xy[:, 0], "y": xy[:, 1],
        }
    )  # fmt: skip
    area = StudyArea("bench", shapely.box(0, 0, side, side), "EPSG:32616", "UTC", empty_neighbourhoods("EPSG:32616"))
    return Incidents(table, area)


def prospective(points: int) -> dict[str, Any]:
    """Scan up to 1 km and 28 days with 99 replications."""
    return _facts(permutation_scan(city(points, 120.0), replicates_count=99))


def retrospective(points: int) -> dict[str, Any]:
    """Scan all spans of the year with 99 replications."""
    return _facts(permutation_scan(city(points, 120.0), replicates_count=99, limits=CylinderLimits(prospective=False)))


def density(points: int) -> dict[str, Any]:
    """Fit and score an exact kernel density, the yardstick."""
    xy = np.random.default_rng(0).uniform(0, 25_000, size=(points, 2))
    model = KernelDensity(bandwidth=300.0, kernel="gaussian", atol=0, rtol=0).fit(xy)
    return {"mean_log_density": round(float(model.score_samples(xy).mean()), 3)}


def _facts(found: Any) -> dict[str, Any]:
    row = found.clusters.iloc[0]
    return {
        "places": found.parameters["places"], "observed": int(row["observed"]), "ratio": round(float(row["ratio"]), 2),
        "p_value": float(row["p_value"]), "p_gumbel": float(row["p_gumbel"]),
    }  # fmt: skip


def _measured(work: Callable[[int], dict[str, Any]], points: int, queue: Any) -> None:
    city(1_000, 20.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.process_time()
    result = work(points)
    used = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts = {"points": points, "cpu_s": round(used, 2), "peak_mb": round(peak), "added_mb": round(peak - before)}
    queue.put({**facts, **result})


def alone(work: Callable[[int], dict[str, Any]], points: int) -> dict[str, Any]:
    """Run one case in a new process."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measured, args=(work, points, queue))
    process.start()
    result: dict[str, Any] = queue.get()
    process.join()
    return result


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="leave the retrospective scan out")
    small = parser.parse_args().small
    ours, yardstick = alone(prospective, 20_000), alone(density, 100_000)
    results: dict[str, Any] = {
        "prospective_20k": ours, "kernel_density_100k": yardstick,
        "share_of_its_cost": round(ours["cpu_s"] / yardstick["cpu_s"], 3),
    }  # fmt: skip
    if not small:
        results["retrospective_20k"] = alone(retrospective, 20_000)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
