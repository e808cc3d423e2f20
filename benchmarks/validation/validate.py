"""Measure how often the tests of the pattern room reject where nothing is, and how often they find what is planted.

Run with ``make validate``, or ``python benchmarks/validation/validate.py --cities 1000``; some minutes. Prints Markdown
and ends with an error if a test is liberal: if even the lower 99.9 % limit of its rejection rate at 5 % lies above 5 %.
"""

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from global_tests import GLOBAL_TESTS
from judging import ALLOWED, Rate, lowest_mean, lowest_share, table
from local_methods import LOCAL_METHODS, MEANS, SPARSE_MAPS

MOST_SHOWING = 0.07
"""Share of even maps that may show any discovery."""

WORKERS = 2


def global_rates(pool: ProcessPoolExecutor, name: str, quiet: int, planted: int) -> list[Rate]:
    """Measure every question of one global test."""
    nothing = list(pool.map(partial(_global_case, name, False), range(quiet), chunksize=8))
    something = list(pool.map(partial(_global_case, name, True), range(planted), chunksize=8))
    rates = []
    for question in nothing[0]:
        rejected = sum(values[question] <= ALLOWED * (1 + 1e-9) for values in nothing)
        power = float(np.mean([values[question] <= ALLOWED * (1 + 1e-9) for values in something]))
        rates.append(Rate(f"{name}: {question}", rejected / quiet, lowest_share(rejected, quiet), power))
    return rates


def local_rates(pool: ProcessPoolExecutor, name: str, quiet: int, planted: int) -> tuple[Rate, Rate]:
    """Measure one local method: any discovery where nothing is; the false share of discoveries where something is."""
    nothing = list(pool.map(partial(_local_case, name, False), range(quiet), chunksize=8))
    something = list(pool.map(partial(_local_case, name, True), range(planted), chunksize=8))
    showing = sum(one[0] > 0 for one in nothing)
    false_shares, powers = zip(*[(one[1], one[2]) for one in something], strict=True)
    power = float(np.nanmean(powers))
    return (
        Rate(name, showing / quiet, lowest_share(showing, quiet), power),
        Rate(name, float(np.mean(false_shares)), lowest_mean(false_shares), power),
    )


def sparse_rate(pool: ProcessPoolExecutor, name: str, mean: float, maps: int) -> Rate:
    """Measure on how many even maps of one mean count anything is discovered."""
    showing = sum(pool.map(partial(_sparse_case, name, mean), range(maps), chunksize=16))
    return Rate(f"{name}, mean {mean:g}", showing / maps, showing / maps, np.nan, MOST_SHOWING)


def main() -> None:
    """Measure, print, and fail if something is liberal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cities", type=int, default=1_000, help="quiet cities per method; a fifth as many planted")
    parser.add_argument("--only", default="", help="methods whose name contains this text")
    chosen = parser.parse_args()
    quiet, planted = chosen.cities, max(chosen.cities // 5, 10)
    with ProcessPoolExecutor(WORKERS) as pool:
        judged = _global_part(pool, chosen.only, quiet, planted)
        judged += _local_part(pool, chosen.only, quiet, planted)
        judged += _sparse_part(pool, chosen.only, quiet)
    liberal = [rate for rate in judged if rate.liberal]
    for rate in liberal:
        print(f"LIBERAL  {rate.name}: {100 * rate.value:.1f} %, lower limit {100 * rate.lowest:.1f} %")
    print(f"{len(judged)} rates judged, {len(liberal)} liberal.")
    sys.exit(1 if liberal else 0)


def _global_part(pool: ProcessPoolExecutor, only: str, quiet: int, planted: int) -> list[Rate]:
    rates: list[Rate] = []
    for name in GLOBAL_TESTS:
        if only in name:
            rates += _timed(name, partial(global_rates, pool, name, quiet, planted))
    if rates:
        print(f"\n{quiet} quiet cities, {planted} with something planted\n")
        rows = [(rate.name, _percent(rate.value), _percent(rate.lowest), _percent(rate.power)) for rate in rates]
        print(table(["test", "rejects", "lower limit", "power"], rows))
    return rates


def _local_part(pool: ProcessPoolExecutor, only: str, quiet: int, planted: int) -> list[Rate]:
    pairs = [_timed(name, partial(local_rates, pool, name, quiet, planted)) for name in LOCAL_METHODS if only in name]
    if pairs:
        print(f"\n{quiet} maps with nothing in them, {planted} with a planted place\n")
        rows = [
            (empty.name, _percent(empty.value), _percent(empty.lowest), _percent(false.value), _percent(false.power))
            for empty, false in pairs
        ]
        print(table(["method", "shows anything", "lower limit", "false share of finds", "planted cells found"], rows))
    return [rate for pair in pairs for rate in pair]


def _sparse_part(pool: ProcessPoolExecutor, only: str, maps: int) -> list[Rate]:
    names = [name for name in SPARSE_MAPS if only in name]
    rates = {
        name: _timed(f"{name}, even maps", lambda name=name: [sparse_rate(pool, name, mean, maps) for mean in MEANS])
        for name in names
    }
    if rates:
        print(f"\nShare of {maps} even maps that show any discovery, by mean count per cell\n")
        rows = [(name, *[_percent(rate.value) for rate in found]) for name, found in rates.items()]
        print(table(["method", *[f"{mean:g}" for mean in MEANS]], rows))
    return [rate for found in rates.values() for rate in found]


def _global_case(name: str, planted: bool, seed: int) -> dict[str, float]:
    return GLOBAL_TESTS[name].run(seed, planted)


def _local_case(name: str, planted: bool, seed: int) -> tuple[int, float, float]:
    """Return the number of discoveries, the share of them that is false, and the share of the planted that is found."""
    found, true, wanted = LOCAL_METHODS[name].run(seed, planted)
    false_share = float((found & ~true).sum() / max(found.sum(), 1))
    return int(found.sum()), false_share, _found_share(found, wanted)


def _found_share(found: np.ndarray, wanted: np.ndarray) -> float:
    if not wanted.any():
        return float("nan")
    return float(found[wanted].mean()) if found.shape == wanted.shape else 0.0


def _sparse_case(name: str, mean: float, seed: int) -> bool:
    return SPARSE_MAPS[name](np.random.default_rng([99, round(1000 * mean), seed]), mean)


def _timed(name: str, work: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    result = work()
    print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return result


def _percent(share: float) -> str:
    return "" if np.isnan(share) else f"{100 * share:.1f} %"


if __name__ == "__main__":
    main()
