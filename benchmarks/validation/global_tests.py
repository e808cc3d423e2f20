"""Every global test of the pattern room, run on one small city: with nothing in it, or with something planted.

A case takes a seed and gives the p-value of each question that its method answers with one. Where a method answers in
words (the sentence of the near-repeat table, the busiest weekday), the p-value is 0 if the words claim something,
else 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from small_cities import DAYS, FIRST_DAY, SIDE_M, ZONE, grid, incidents_of, small_city

from crimepatterns.patterns.density_labelling import labelled_ratio
from crimepatterns.patterns.knox import knox
from crimepatterns.patterns.rhythms import peak_weekday
from crimepatterns.patterns.scan import CylinderLimits, permutation_scan, poisson_scan
from crimepatterns.patterns.seasonality import season_trend
from crimepatterns.patterns.time_tests import mann_kendall, unusual_stretch
from crimepatterns.patterns.usual_counts import against_usual

__all__ = ["GLOBAL_TESTS", "Case"]

PValues = dict[str, float]
CLAIM, SILENCE = 0.0, 1.0

END = (FIRST_DAY.normalize() + pd.DateOffset(days=DAYS)).tz_localize(ZONE)
"""As-of date of the scans: without one a record ends on a day with an incident, which chance need not do."""


@dataclass(frozen=True)
class Case:
    """One method with what is planted to measure its power."""

    run: Callable[[int, bool], PValues]
    planted: str


def knox_case(seed: int, planted: bool) -> PValues:
    """Test the bands of the near-repeat table."""
    city = small_city(np.random.default_rng([1, seed]), repeats=0.2 if planted else 0.0)
    found = knox(city.incidents, replicates_count=99, seed=seed)
    table = found.to_frame()
    bands = table["distance"].str.cat(table["days"], sep=", ")
    values = dict(zip(bands, table["p_value"], strict=True))
    near = table["distance"].eq("0 to 100 m") & table["days"].eq("0 to 7 days")
    values["0 to 100 m, 0 to 7 days, fitted tail"] = float(table.loc[near, "p_fitted"].iloc[0])
    values["the sentence claims repeats"] = SILENCE if found.sentence().startswith("No band") else CLAIM
    return values


def permutation_scan_case(seed: int, planted: bool) -> PValues:
    """Scan with permuted dates."""
    city = small_city(np.random.default_rng([2, seed]), outbreak=10 if planted else 0)
    values: PValues = {}
    # Looking back costs more: coarser cells and fewer replicates, which cost power but not the level.
    for name, prospective, cell_m, count in (("prospective", True, 150.0, 39), ("retrospective", False, 250.0, 19)):
        found = permutation_scan(
            city.incidents, limits=_limits(prospective=prospective), cell_m=cell_m, replicates_count=count,
            max_clusters=1, seed=seed, end=END,
        )  # fmt: skip
        values |= _first_cluster(found.clusters, name)
    return values


def poisson_scan_case(seed: int, planted: bool) -> PValues:
    """Scan against the true expected counts; with even days where the baseline says so."""
    values: PValues = {}
    for baseline in ("step", "record"):
        rng = np.random.default_rng([3, seed, baseline == "step"])
        city = small_city(rng, wave=baseline == "step", outbreak=10 if planted else 0)
        found = poisson_scan(
            city.incidents, grid(), expected=city.share, baseline=baseline, limits=_limits(prospective=True),
            replicates_count=39, max_clusters=1, seed=seed, end=END,
        )  # fmt: skip
        values |= _first_cluster(found.clusters, f"prospective, baseline {baseline}")
    return values


def trend_case(seed: int, planted: bool) -> PValues:
    """Test 24 monthly counts for a trend, and for any stretch of months that stands out."""
    rng = np.random.default_rng([4, seed])
    along = np.arange(24)
    rise = 1 + along / 24 if planted else np.ones(24)
    counts = rng.poisson(8 * rise)[None, :].astype(float)
    # Like neighbours in time: the mean of two months, as in steps with a time lag of one.
    fresh = rng.poisson(8, 25)
    alike = ((fresh[1:] + fresh[:-1]) / 2 * rise)[None, :]
    burst = rng.poisson(np.where((along >= 15) & (along < 18) & planted, 20, 8))[None, :].astype(float)
    return {
        "Mann-Kendall, independent months": float(mann_kendall(counts, replicates=199, seed=seed)[1][0]),
        "Mann-Kendall, neighbouring months alike, blocks of two": float(
            mann_kendall(alike, block=2, replicates=199, seed=seed)[1][0]
        ),
        "unusual stretch": float(unusual_stretch(burst, np.full(24, 1 / 24))[0]),
    }


def usual_case(seed: int, planted: bool) -> PValues:
    """Compare the last 7 and 28 days and the year to date with what is usual, in even and in clumped records."""
    values: PValues = {}
    records = (
        ("", 0.8, False),
        ("few, ", 0.08, False),
        ("clumped weeks, ", 0.8, True),
        ("few and clumped, ", 0.08, True),
    )
    for name, mean, clumps in records:
        rng = np.random.default_rng([5, seed, int(100 * mean), clumps])
        days = 4 * 365 + 120
        # Weeks that differ by a gamma factor make the variance of weekly counts twice their mean.
        week = rng.gamma(7 * mean, 1 / (7 * mean), days // 7 + 1) if clumps else np.ones(days // 7 + 1)
        level = mean * week[np.arange(days) // 7]
        level[-28:] *= 1.6 if planted else 1.0
        count = rng.poisson(level)
        count[0] += 1
        day = np.repeat(np.arange(days), count)
        first = pd.Timestamp("2024-05-01 12:00") - pd.Timedelta(days=days)
        record = incidents_of(rng.uniform(0, SIDE_M, size=(len(day), 2)), day, first=first)
        table = against_usual(record, as_of=pd.Timestamp("2024-05-01", tz=ZONE), by_area=False).table
        values |= {f"{name}{row.period}": float(row.p_value) for row in table.itertuples()}
    return values


def season_case(seed: int, planted: bool) -> PValues:
    """Test three years of months for a season, and the days for a busiest weekday."""
    rng = np.random.default_rng([6, seed])
    days = np.arange(3 * 365)
    level = 2.0 * (1 + 0.15 * planted * np.sin(2 * np.pi * days / 365.25))
    level = level * np.where(days % 7 == 4, 1 + 0.3 * planted, 1.0) * (1 + 0.3 * days / len(days))
    day = np.repeat(days, rng.poisson(level))
    record = incidents_of(rng.uniform(0, SIDE_M, size=(len(day), 2)), day, first=pd.Timestamp("2021-01-01 12:00"))
    return {
        "season of months (STL)": season_trend(record, replicates=39, seed=seed).season_p,
        "a weekday is named as busiest": CLAIM if peak_weekday(record.table) else SILENCE,
    }


def two_maps_case(seed: int, planted: bool) -> PValues:
    """Compare two periods of one city by random labelling; the p-value is that of any difference on the map."""
    rng = np.random.default_rng([7, seed])
    places, weight = rng.uniform(1.0, SIDE_M - 1.0, size=(200, 2)), rng.dirichlet(np.full(200, 0.5))
    before, after = (places[rng.choice(200, int(rng.poisson(200)), p=weight)] for _ in range(2))
    if planted:
        after = np.r_[after, places[0] + rng.normal(0, 120, size=(25, 2))]
    after = np.clip(after, 0.0, SIDE_M - 1e-3)
    found = labelled_ratio(tuple(after.T), tuple(before.T), grid(), bandwidth_m=300.0, count=39, seed=seed)
    return {"any difference between two maps": found.map_p}


GLOBAL_TESTS: Mapping[str, Case] = {
    "Knox": Case(knox_case, "20 % of 300 incidents follow another, some 80 m and 4 days from it"),
    "permutation scan": Case(permutation_scan_case, "10 incidents within 250 m in the last 7 days, beside 300"),
    "Poisson scan": Case(poisson_scan_case, "10 incidents within 250 m in the last 7 days, beside 300"),
    "trend": Case(trend_case, "monthly counts of 8 rise to 16; three months of 20"),
    "usual counts": Case(usual_case, "60 % more in the last 28 days"),
    "dual density, random labelling": Case(two_maps_case, "25 incidents about one place, beside 200"),
    "season and weekday": Case(season_case, "a yearly wave of 15 %; one weekday 30 % busier"),
}


def _limits(*, prospective: bool) -> CylinderLimits:
    return CylinderLimits(max_radius_m=600, radii=4, max_days=14, prospective=prospective)


def _first_cluster(clusters: pd.DataFrame, name: str) -> PValues:
    if clusters.empty:
        return {f"{name}, Monte Carlo": 1.0, f"{name}, Gumbel": 1.0}
    row = clusters.iloc[0]
    gumbel = float(row["p_gumbel"])
    return {f"{name}, Monte Carlo": float(row["p_value"]), f"{name}, Gumbel": 1.0 if np.isnan(gumbel) else gumbel}


assert DAYS >= 2 * 14, "the record must hold the longest span twice"
