"""Measure how long the additive intensity takes to learn 100,000 incidents, beside scikit-learn's exact kernel density.

Run with ``python benchmarks/intensity.py``; about four minutes, most of it the peer's. Both see the same incidents
in one run: the peer fits a KernelDensity and scores the same points exactly (relative tolerance 0); ours learns all
its parts and forecasts every cell.
"""

import argparse
import json
import time
from typing import Any

import numpy as np
import pandas as pd
import shapely
from sklearn.neighbors import KernelDensity

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods
from crimepatterns.forecasts.registry import make_forecaster

CRS = "EPSG:32616"
SIDE_M = 20_000.0  # 400 km2
DAYS = 730


def recorded(points: int) -> Incidents:
    """Scatter points over 3,000 places and two years, in four categories of which the first has all but a tenth."""
    rng = np.random.default_rng(points)
    places = rng.uniform(0, SIDE_M, size=(3000, 2))
    chosen = places[rng.choice(3000, points, p=rng.dirichlet(np.full(3000, 0.3)))]
    xy = np.clip(chosen + rng.normal(0, 250, size=(points, 2)), 1.0, SIDE_M - 1.0)
    day = pd.Timestamp("2020-01-06") + pd.to_timedelta(np.sort(rng.uniform(0, DAYS, points)), unit="D")
    when = pd.Series(pd.DatetimeIndex(day).as_unit("us").tz_localize("UTC"))
    table = pd.DataFrame(
        {
            "id": np.arange(points).astype(str), "occurred_from": when, "occurred_until": when, "known_at": when,
            "time_precision": "minute", "offence": "x", "discovery": "reported", "source": "bench",
            "category": rng.choice(["theft", "assault", "burglary", "robbery"], points, p=[0.9, 0.05, 0.03, 0.02]),
            "x": xy[:, 0], "y": xy[:, 1],
        }
    )  # fmt: skip
    return Incidents(
        table, StudyArea("bench", shapely.box(0, 0, SIDE_M, SIDE_M), CRS, "UTC", empty_neighbourhoods(CRS))
    )


def compare(points: int) -> dict[str, Any]:
    """Time both on the same points, CPU seconds of this process."""
    incidents = recorded(points)
    grid = Grid.square(incidents.area, cell_size_m=250.0)
    archive = Archive(incidents, grid, 7)
    history = archive.at(archive.end, target="theft")
    began = time.process_time()
    fitted = make_forecaster("additive_intensity").fit(history, rng=np.random.default_rng(0))
    made = fitted.predict(history, Periods.starting_at(history.cutoff, days=7, count=1))
    ours = time.process_time() - began
    xy = incidents.table[["x", "y"]].to_numpy()
    began = time.process_time()
    KernelDensity(bandwidth=250.0, rtol=0.0, atol=0.0).fit(xy).score_samples(xy)
    theirs = time.process_time() - began
    return {
        "points": points, "cells": len(grid), "ours_cpu_s": round(ours, 2), "kernel_density_cpu_s": round(theirs, 2),
        "ratio": round(ours / theirs, 3), "expected": round(float(made.mean.sum()), 1),
    }  # fmt: skip


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    print(json.dumps(compare(parser.parse_args().points), indent=2))


if __name__ == "__main__":
    main()
