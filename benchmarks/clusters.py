"""Measure DBSCAN of a million incidents against scikit-learn: CPU seconds, added memory, equal cores.

Run with ``python benchmarks/clusters.py``; a minute or two. Each case runs in a process of its own, for its memory.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyproj

from crimepatterns.patterns.dense_groups import dense_groups
from crimepatterns.sources.synthetic import SyntheticCity

RADIUS_M, LEAST = 50.0, 30


def places(incidents: int) -> np.ndarray:
    """Return the incidents of the synthetic city in 600 km2 and 5 years that lie inside it, metres."""
    city = SyntheticCity(incidents=incidents, years=5, area_km2=600.0)
    batches = [[b.column(city.columns[axis]) for axis in ("longitude", "latitude")] for b in city.fetch().batches]
    lonlat = [np.concatenate([np.asarray(b[k]).astype(float) for b in batches]) for k in (0, 1)]
    xy = np.column_stack(pyproj.Transformer.from_crs("EPSG:4326", city.area.crs, always_xy=True).transform(*lonlat))
    xy = xy[np.isfinite(xy).all(axis=1)]
    return xy[city.area.contains(xy[:, 0], xy[:, 1])]


def _peak_mb() -> float:
    """Return the peak memory of this process; `ru_maxrss` would begin with that of its parent."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _case(which: str, path: str, queue: Any) -> None:
    xy = np.load(path)
    if which == "scikit-learn":
        from sklearn.cluster import DBSCAN
    before = _peak_mb()
    began = time.process_time()
    if which == "scikit-learn":
        fitted = DBSCAN(eps=RADIUS_M, min_samples=LEAST).fit(xy)
        labels, core = fitted.labels_, np.zeros(len(xy), dtype=bool)
        core[fitted.core_sample_indices_] = True
    else:
        distinct, where = np.unique(np.round(xy, 3), axis=0, return_inverse=True)
        where = where.ravel()
        mass, day = np.bincount(where).astype(float), np.zeros(len(distinct), dtype=np.int64)
        labels, core = dense_groups(distinct, mass, day, radius_m=RADIUS_M, within_days=0, min_mass=LEAST)
        labels, core = labels[where], core[where]
    used = time.process_time() - began
    added = _peak_mb() - before
    queue.put((labels, core, {"cpu_s": round(used, 2), "added_mb": round(added)}))


def alone(which: str, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Run one case in a new process."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "places.npy")
        np.save(path, xy)
        queue = context.Queue()
        process = context.Process(target=_case, args=(which, path, queue))
        process.start()
        result: tuple[np.ndarray, np.ndarray, dict[str, Any]] = queue.get()
        process.join()
    return result


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=1_000_000)
    xy = places(parser.parse_args().incidents)
    labels, core, ours = alone("ours", xy)
    peer_labels, peer_core, theirs = alone("scikit-learn", xy)
    assert np.array_equal(core, peer_core), "cores differ"
    assert np.array_equal(labels < 0, peer_labels < 0), "scatter differs"
    pairs = np.unique(np.column_stack([labels[core], peer_labels[core]]), axis=0)
    assert len(pairs) == len(np.unique(labels[core])) == len(np.unique(peer_labels[core])), "groups of cores differ"
    facts = {"incidents": len(xy), "clusters": len(pairs), "ours": ours, "scikit-learn": theirs}
    ratios = {
        "times_faster": round(theirs["cpu_s"] / ours["cpu_s"], 1),
        "memory_share": round(ours["added_mb"] / theirs["added_mb"], 3),
    }
    print(json.dumps({**facts, **ratios}, indent=2))


if __name__ == "__main__":
    main()
