"""Measure the Knox test against pointpats, and Knox and near-repeat chains on a million points.

Run with ``python benchmarks/space_time.py``; some minutes. Each case runs in a process of its own, for its memory;
``added_mb`` is what the case adds to the interpreter with its libraries.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from pointpats import Knox as Peer

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.incidents import Incidents
from crimepatterns.patterns.knox import knox
from crimepatterns.patterns.near_repeat import near_repeat_chains
from crimepatterns.patterns.space_time_pairs import PairSearch, SpaceTimeBands, civil_days

BANDS = SpaceTimeBands((200.0,), (14,))
AREA_KM2, YEARS = 600.0, 5


def city(points: int, area_km2: float = AREA_KM2, repeats: float = 0.0) -> Incidents:
    """Scatter points over hot places and years: half of them anywhere, half near 8 hot places per square kilometre.

    A share `repeats` of them then follows another one, some 100 m and some 7 days from it.
    """
    rng = np.random.default_rng(points)
    side = np.sqrt(area_km2) * 1e3
    spots = rng.uniform(0, side, size=(int(8 * area_km2), 2))
    hot = spots[rng.choice(len(spots), points // 2, p=rng.dirichlet(np.full(len(spots), 0.3)))]
    xy = np.r_[rng.uniform(0, side, size=(points - len(hot), 2)), hot + rng.normal(0, 150, size=hot.shape)]
    xy = np.clip(xy, 1.0, side - 1.0)
    number = rng.integers(0, 365 * YEARS, points)
    follows = rng.permutation(points)[: 2 * int(repeats * points)].reshape(2, -1)
    xy[follows[0]] = np.clip(xy[follows[1]] + rng.normal(0, 100, size=(follows.shape[1], 2)), 1.0, side - 1.0)
    number[follows[0]] = np.minimum(number[follows[1]] + rng.integers(0, 14, follows.shape[1]), 365 * YEARS - 1)
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(number, unit="D")
    when = pd.Series(pd.DatetimeIndex(day).as_unit("us").tz_localize("UTC"))
    table = pd.DataFrame(
        {
            "id": np.arange(points).astype(str), "occurred_from": when, "occurred_until": when, "known_at": when,
            "time_precision": "date", "category": "theft", "offence": "theft", "discovery": "reported",
            "source": "bench", "x": xy[:, 0], "y": xy[:, 1],
        }
    )  # fmt: skip
    area = StudyArea("bench", shapely.box(0, 0, side, side), "EPSG:32616", "UTC", empty_neighbourhoods("EPSG:32616"))
    return Incidents(table, area)


def ours(points: int, permutations: int) -> dict[str, Any]:
    """Run our test."""
    found = knox(city(points), bands=BANDS, replicates_count=permutations)
    return {"pairs": int(found.observed.sum()), "ratio": round(float(found.ratio[1, 0]), 3)}


def peer(points: int, permutations: int) -> dict[str, Any]:
    """Run the test of pointpats."""
    table = city(points).table
    day = civil_days(table["occurred_from"])[:, None]
    found = Peer(table[["x", "y"]].to_numpy(), day, delta=200.0, tau=14.0, permutations=permutations)
    return {"pairs": int(found.statistic_)}


def chains(points: int, _: int) -> dict[str, Any]:
    """Link near repeats."""
    found = near_repeat_chains(city(points), distance_m=200.0, days=14)
    return {"links": found.parameters["links"], "chains": len(found.chains)}


def agreement(points: int, permutations: int) -> dict[str, Any]:
    """Compare the fitted tail, of the moments of 99 permutations, with the share of 999 permutations, band by band.

    In records without repeats and with a few, so that p-values lie from 0.001 to 1. A difference counts in units of the
    error that 999 permutations have anyway.
    """
    rows = []
    for repeats in (0.0, 0.002, 0.004, 0.008):
        incidents = city(points, repeats=repeats)
        fitted, many = knox(incidents, replicates_count=99), knox(incidents, replicates_count=permutations, seed=1)
        rows += list(
            zip(fitted.p_fitted[1:].ravel(), many.p_fitted[1:].ravel(), many.p_values[1:].ravel(), strict=True)
        )
    of_99, of_999, share = np.array(rows).T
    error = np.sqrt(np.maximum(share * (1 - share), 1 / permutations) / permutations)
    facts: dict[str, Any] = {"bands": len(share)}
    for name, tail in (("moments_of_99", of_99), ("moments_of_999", of_999)):
        facts[name] = {
            "largest_difference": round(float(np.abs(tail - share).max()), 4),
            "largest_below_0.1": round(float(np.abs(tail - share)[share <= 0.1].max(initial=0.0)), 4),
            "mean_errors_apart": round(float((np.abs(tail - share) / error).mean()), 2),
            "same_verdict_at_0.05": f"{int(((tail <= 0.05) == (share <= 0.05)).sum())} of {len(share)}",
        }
    facts["p_values_of_999_and_fitted"] = [
        [round(float(one), 4), round(float(other), 4)] for one, other in sorted(zip(share, of_99, strict=True))
    ]
    return facts


def growth(points: int, _: int) -> dict[str, Any]:
    """Count close pairs once, at the density of a million points in 600 km2."""
    incidents = city(points, area_km2=AREA_KM2 * points / 1e6)
    day = civil_days(incidents.table["occurred_from"])
    search = PairSearch(incidents.table["x"], incidents.table["y"], reach_m=200.0, reach_days=14)
    began = time.process_time()
    pairs = sum(len(block.first) for block in search.pairs(day))
    return {"pairs": pairs, "search_cpu_s": round(time.process_time() - began, 3)}


def _peak_mb() -> float:
    """Return the peak memory of this process; `ru_maxrss` would begin with that of its parent."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _measured(work: Callable[[int, int], dict[str, Any]], points: int, permutations: int, queue: Any) -> None:
    city(1_000)
    before = _peak_mb()
    began = time.process_time()
    result = work(points, permutations)
    used = time.process_time() - began
    peak = _peak_mb()
    facts = {"points": points, "cpu_s": round(used, 2), "peak_mb": round(peak), "added_mb": round(peak - before)}
    queue.put({**facts, **result})


def alone(work: Callable[[int, int], dict[str, Any]], points: int, permutations: int = 99) -> dict[str, Any]:
    """Run one case in a new process."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measured, args=(work, points, permutations, queue))
    process.start()
    result: dict[str, Any] = queue.get()
    process.join()
    return result


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="leave the million points out")
    small = parser.parse_args().small
    mine, theirs = alone(ours, 20_000), alone(peer, 20_000)
    results: dict[str, Any] = {
        "knox_20k": {"ours": mine, "pointpats": theirs, "times_faster": round(theirs["cpu_s"] / mine["cpu_s"], 1),
                     "memory_share": round(mine["added_mb"] / theirs["added_mb"], 3)},
    }  # fmt: skip
    assert mine["pairs"] == theirs["pairs"]
    results["fitted_tail_20k"] = alone(agreement, 20_000, 999)
    sizes = (10_000, 100_000) if small else (10_000, 100_000, 1_000_000)
    steps = [alone(growth, size) for size in sizes]
    cost = np.polyfit(np.log([s["points"] for s in steps]), np.log([max(s["search_cpu_s"], 1e-3) for s in steps]), 1)
    results["growth"] = {"steps": steps, "exponent": round(float(cost[0]), 2)}
    if not small:
        results["knox_1m"], results["chains_1m"] = alone(ours, 1_000_000), alone(chains, 1_000_000)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
