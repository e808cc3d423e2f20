"""Plant self-exciting records and see whether what follows an incident is found, and how the cost grows.

Run with ``python benchmarks/self_exciting.py recovery`` (20 cities of 100,000 incidents: some plain, some with snapped
places, late reports or a background that is not as the method takes it), ``... growth`` (10,000 to 1 million incidents
at equal density) or ``... nothing`` (cities in which nothing follows anything); minutes each.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.incidents import Incidents
from crimepatterns.patterns.self_exciting import SelfExciting, self_exciting
from crimepatterns.patterns.self_exciting_process import Excitation, Record, simulate

CRS, START = "EPSG:32616", pd.Timestamp("2021-01-01", tz="UTC")
DAYS, PER_KM2 = 1_095.0, 1_000.0
KINDS = ("plain", "snapped", "late", "wrong background")
Places = tuple[NDArray[np.float64], NDArray[np.float64]]


class Hot:
    """Background: two fifths anywhere, the rest at eight hot places per square kilometre, narrow and wide ones.

    A `wrong` one is as no smooth and lasting surface can be: the hot places are sharp squares that rise and fade over
    the years and walk (by default some 60 m a year); a season and days of the city's own move all of it.
    """

    def __init__(self, side_m: float, seed: int, *, wrong: bool, walk_m: float = 60.0) -> None:
        rng = np.random.default_rng([seed, 1])
        count = int(8 * side_m**2 / 1e6)
        self.side_m, self.wrong = side_m, wrong
        self.spots = rng.uniform(0, side_m, size=(count, 2))
        self.weight = rng.dirichlet(np.full(count, 0.3))
        self.width = rng.choice([30.0, 80.0, 200.0], count)
        self.drift = rng.normal(0, walk_m / 365.0, size=(count, 2))
        self.phase = rng.uniform(0, 2 * np.pi, count)
        self.shock = rng.gamma(20.0, 1 / 20.0, 4_000)

    def __call__(self, count: int, day: NDArray[np.float64], rng: np.random.Generator) -> Places:
        """Draw places of so many incidents at these days."""
        places = rng.uniform(0, self.side_m, size=(count, 2))
        spot = rng.choice(len(self.weight), count, p=self.weight)
        step = rng.uniform(-1.7, 1.7, (count, 2)) if self.wrong else rng.normal(size=(count, 2))
        at = self.spots[spot] + step * self.width[spot][:, None]
        if self.wrong:
            at += self.drift[spot] * day[:, None]
        hot = rng.random(count) < 0.6
        places[hot] = at[hot]
        if self.wrong:
            # Thinned in time; what is thinned goes far outside of the study area.
            level = (1 + 0.25 * np.sin(2 * np.pi * day / 365.0)) * self.shock[day.astype(int) + 500]
            level *= np.where(hot, 1 + 0.5 * np.sin(2 * np.pi * day / 900.0 + self.phase[spot]), 1.0)
            places[rng.random(count) > level / 2.5] = -1e6
        return places[:, 0], places[:, 1]


def city(
    incidents: int, seed: int, planted: Excitation, kind: str = "plain", walk_m: float = 60.0
) -> tuple[Incidents, Record]:
    """Draw a record of about so many incidents; see the top of the file for its kinds."""
    side = float(np.sqrt(incidents / PER_KM2) * 1e3)
    background = Hot(side, seed, wrong=kind == "wrong background", walk_m=walk_m)
    per_day = incidents * (1 - planted.branching) / DAYS * (2.5 if background.wrong else 1.0)
    rng = np.random.default_rng(seed)
    made = simulate(planted, background, per_day=per_day, days=DAYS, rng=rng)
    x, y = made.x, made.y
    inside = (x >= 0) & (x < side) & (y >= 0) & (y < side)
    if kind in {"snapped", "blocks"}:
        # A tenth (or all) to the middle of a 100-m block, the others to house fronts 20 m apart.
        to = np.where(rng.random(len(x)) < (0.1 if kind == "snapped" else 1.0), 100.0, 20.0)
        x, y = (np.floor(axis / to) * to + to / 2 for axis in (x, y))
        inside &= (x < side) & (y < side)
    kept = Record(x[inside], y[inside], made.day[inside], made.triggered[inside])
    when = (START + pd.to_timedelta(kept.day, unit="D")).as_unit("us")
    known = when + pd.to_timedelta(rng.exponential(5.0, len(kept)) if kind == "late" else 0.0, unit="D")
    table = pd.DataFrame(
        {
            "id": [f"{k:07d}" for k in range(len(kept))], "occurred_from": when, "occurred_until": when,
            "known_at": known.as_unit("us"), "time_precision": "minute", "category": "theft", "offence": "theft",
            "discovery": "reported", "source": "bench", "x": kept.x, "y": kept.y,
        }
    )  # fmt: skip
    area = StudyArea("bench", shapely.box(0, 0, side, side), CRS, "UTC", empty_neighbourhoods(CRS))
    found = Incidents(table, area)
    return (found.as_of(START + pd.Timedelta(days=DAYS)) if kind == "late" else found), kept


def fitted(incidents: Incidents) -> tuple[SelfExciting, float]:
    """Fit up to the last day; also return the CPU seconds."""
    begin = time.process_time()
    found = self_exciting(incidents, end=START + pd.Timedelta(days=DAYS))
    return found, time.process_time() - begin


def recovery(seeds: range, size: int, kinds: Sequence[str], walk_m: float, branching: float | None) -> pd.DataFrame:
    """Compare planted and found figures; kinds take turns. Not shown counts as a branching of 0."""
    rows = []
    for seed in seeds:
        rng = np.random.default_rng([seed, 2])
        planted = Excitation(rng.uniform(0.2, 0.5), rng.uniform(2.0, 8.0), rng.uniform(60.0, 140.0))
        if branching is not None:
            planted = replace(planted, branching=branching)
        kind = kinds[seed % len(kinds)]
        found, seconds = fitted(city(size, seed, planted, kind, walk_m)[0])
        row = {"kind": kind, "incidents": found.incidents, "cpu_s": seconds}
        for name in ("branching", "half_life_days", "half_distance_m"):
            row[name] = getattr(planted, name)
            row[f"{name}_error"] = getattr(found, name) / getattr(planted, name) - 1
        rows.append(row)
        print(pd.DataFrame(rows[-1:]).round(3).to_string(header=len(rows) == 1, index=False), flush=True)
    return pd.DataFrame(rows)


def growth(sizes: list[int]) -> None:
    """Print the cost of one fit by the number of incidents, and the exponent with which it grows."""
    planted = Excitation(0.35, 5.0, 90.0)
    seconds = []
    for size in sizes:
        found, cpu = fitted(city(size, 1, planted)[0])
        seconds.append(cpu)
        print(f"{size:>9,} incidents: {cpu:7.1f} CPU s, branching {found.branching:.3f}", flush=True)
    print(f"exponent {np.polyfit(np.log(sizes), np.log(seconds), 1)[0]:.2f}")


def nothing(seeds: range, size: int) -> None:
    """Print the share reported where nothing follows anything."""
    shares = [fitted(city(size, seed, Excitation(0.0, 5.0, 90.0), KINDS[seed % 4])[0])[0].share for seed in seeds]
    told = f"greatest share {max(shares):.3f}, mean {np.mean(shares):.4f}"
    print(f"{len(seeds)} cities of {size:,} without followers: {told}")


def main() -> None:
    """Parse the arguments and run one part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["recovery", "growth", "nothing"], nargs="?", default="recovery")
    parser.add_argument("--cities", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=[*KINDS, "blocks"])
    parser.add_argument("--walk-m", type=float, default=60.0, help="Yearly walk of hot places of a wrong background.")
    parser.add_argument("--branching", type=float, help="Planted in every city; by default drawn from 0.2 to 0.5.")
    asked = parser.parse_args()
    seeds = range(asked.first_seed, asked.first_seed + asked.cities)
    if asked.part == "growth":
        growth(asked.sizes)
    elif asked.part == "nothing":
        nothing(seeds, asked.size)
    else:
        table = recovery(seeds, asked.size, asked.kinds, asked.walk_m, asked.branching)
        errors = [name for name in table.columns if name.endswith("_error")]
        summary = pd.concat([table.groupby("kind")[errors].mean(), table[errors].mean().to_frame("all").T])
        print(summary.round(3).to_string())


if __name__ == "__main__":
    main()
