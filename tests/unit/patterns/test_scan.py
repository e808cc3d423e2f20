"""Space-time scans: against plain loops and cases worked by hand, a planted outbreak, and their size under the null."""

from collections.abc import Callable
from itertools import product

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.execution import JoblibExecutor
from crimepatterns.patterns.scan import CylinderLimits, permutation_scan, poisson_scan
from crimepatterns.patterns.scan_cylinders import log_likelihood_ratio
from crimepatterns.patterns.scan_null import record_by_grid
from crimepatterns.patterns.scan_result import gumbel_tail, recurrence_days, recurrence_in_words

Maker = Callable[..., Incidents]
FIRST = pd.Timestamp("2024-01-01 12:00")


def on_days(make: Maker, area: StudyArea, x: object, y: object, day: object) -> Incidents:
    return make(area, x, y, times=FIRST + pd.to_timedelta(np.asarray(day), unit="D"))


def random_city(make: Maker, area: StudyArea, *, seed: int, count: int = 120, days: int = 30) -> Incidents:
    rng = np.random.default_rng(seed)
    xy = rng.integers(0, 20, size=(2, count)) * 150.0 + 75.0
    return on_days(make, area, *xy, rng.integers(0, days, count))


def plain_scan(x: np.ndarray, y: np.ndarray, day: np.ndarray, days: int, limits: CylinderLimits) -> float:
    """Give the highest ratio of all cylinders, by loops over what the definition says."""
    total, best = len(x), 0.0
    places = np.unique(np.column_stack([x, y]), axis=0)
    for place in places:
        away = np.hypot(x - place[0], y - place[1])
        if limits.radii == "all":
            radii = np.unique(away[away <= limits.max_radius_m])
        else:
            radii = np.linspace(0, limits.max_radius_m, int(limits.radii) + 1)
        for radius, length in product(radii, range(1, limits.max_days + 1)):
            circle = away <= radius + 1e-6
            if circle.sum() > limits.max_share * total:
                continue
            for start in [days - length] if limits.prospective else range(days - length + 1):
                span = (day >= start) & (day < start + length)
                seen, mean = int((circle & span).sum()), circle.sum() * span.sum() / total
                if seen >= limits.min_cases and seen > mean:
                    rest = (total - seen) * np.log((total - seen) / (total - mean)) if seen < total else 0.0
                    best = max(best, seen * np.log(seen / mean) + rest)
    return best


@pytest.mark.parametrize("prospective", [True, False])
@pytest.mark.parametrize("radii", [4, "all"])
def test_the_strongest_cylinder_is_that_of_plain_loops(
    plain_area: StudyArea, make_incidents: Maker, radii: int, *, prospective: bool
) -> None:
    limits = CylinderLimits(max_radius_m=700, radii=radii, max_days=6, prospective=prospective)
    for seed in range(3):
        city = random_city(make_incidents, plain_area, seed=seed)
        day = (city.table["occurred_from"].dt.day_of_year - 1).to_numpy()
        x, y = (city.table[axis].to_numpy(dtype=float) for axis in ("x", "y"))
        best = plain_scan(x, y, day - day.min(), int(day.max() - day.min()) + 1, limits)
        found = permutation_scan(city, limits=limits, cell_m=None, replicates_count=19)
        assert found.clusters["llr"].iloc[0] == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("prospective", [True, False])
def test_simulated_maxima_are_those_of_plain_loops(
    plain_area: StudyArea, make_incidents: Maker, *, prospective: bool
) -> None:
    limits = CylinderLimits(max_radius_m=500, radii=3, max_days=5, prospective=prospective)
    city = random_city(make_incidents, plain_area, seed=9, count=80)
    x, y = (city.table[axis].to_numpy(dtype=float) for axis in ("x", "y"))
    day = (city.table["occurred_from"].dt.day_of_year - 1).to_numpy()
    found = permutation_scan(city, limits=limits, cell_m=None, replicates_count=5, seed=3)
    for k, value in enumerate(found.simulated):
        stream = np.random.Generator(np.random.Philox(key=np.array([3, k], dtype=np.uint64)))
        # Places and days that are permuted among rows keep both margins.
        assert value == pytest.approx(plain_scan(x, y, stream.permutation(day), 30, limits), rel=1e-12)


def test_a_case_worked_by_hand(plain_area: StudyArea, make_incidents: Maker) -> None:
    # Place A has 1 incident early and 3 at the end; place B, far away, has 4 early ones.
    x = [1000.0] * 4 + [4000.0] * 4
    city = on_days(make_incidents, plain_area, x, [1000.0] * 8, [0, 6, 6, 7, 0, 1, 2, 3])
    limits = CylinderLimits(max_days=4)
    found = permutation_scan(city, limits=limits, replicates_count=99)
    row = found.clusters.iloc[0]
    assert (row["observed"], row["expected"], row["days"], row["radius_m"]) == (3, 4 * 3 / 8, 2, 0.0)
    assert row["llr"] == pytest.approx(3 * np.log(3 / 1.5) + 5 * np.log(5 / 6.5))
    assert row["ratio"] == pytest.approx(2.0)
    assert (row["start"], row["end"]) == (
        pd.Timestamp("2024-01-07", tz="America/Chicago"),
        pd.Timestamp("2024-01-09", tz="America/Chicago"),
    )
    assert sorted(found.members[0]) == ["i1", "i2", "i3"]
    # Of the 8! orders, the 3 last dates all fall on A in C(4,3)/C(8,3) = 1/14; two of them on A alone are weaker.
    assert found.clusters["p_value"].iloc[0] == pytest.approx(1 / 14 + 1 / 14, abs=0.12)
    assert isinstance(found.to_geodataframe(), gpd.GeoDataFrame)
    assert found.to_geodataframe()["members"].iloc[0] == "i1 i2 i3"
    assert "geometry" not in found.to_frame()


def test_the_likelihood_ratio_at_its_limits() -> None:
    assert log_likelihood_ratio([0, 2, 5], [1, 2, 6], 10).tolist() == [0.0, 0.0, 0.0]
    assert log_likelihood_ratio(10, 5, 10) == pytest.approx(10 * np.log(2))


@pytest.mark.parametrize("prospective", [True, False])
def test_a_planted_outbreak_is_found_where_and_when_it_is(
    plain_area: StudyArea, make_incidents: Maker, *, prospective: bool
) -> None:
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0, 5000, size=(2, 1_500))
    day = rng.integers(0, 180, 1_500)
    begin = 170 if prospective else 80
    x = np.r_[x, 3_300 + rng.uniform(-200, 200, 14)]
    y = np.r_[y, 1_800 + rng.uniform(-200, 200, 14)]
    day = np.r_[day, rng.integers(begin, begin + 10, 14)]
    city = on_days(make_incidents, plain_area, x, y, day)
    found = permutation_scan(
        city, limits=CylinderLimits(prospective=prospective), replicates_count=49, executor=JoblibExecutor(2)
    )
    row = found.significant().iloc[0]
    assert np.hypot(row["x"] - 3_300, row["y"] - 1_800) < 350
    overlap = min(row["end"].day_of_year, begin + 11) - max(row["start"].day_of_year, begin + 1)
    assert overlap >= 6
    assert len({f"i{i}" for i in range(1_500, 1_514)} & set(found.members[0])) >= 10
    assert row["p_value"] == 0.02
    assert row["p_gumbel"] < 0.001
    assert row["neighbourhood"] == "East End"
    text = found.sentence()
    if prospective:
        assert row["recurrence_days"] == pytest.approx(1 / row["p_gumbel"])
        assert "Were the scan run every day" in text
    else:
        assert np.isnan(row["recurrence_days"])
        assert "Were the scan" not in text
    # The answer is a matter of the seed only.
    alone = permutation_scan(city, limits=CylinderLimits(prospective=prospective), replicates_count=49)
    assert np.array_equal(alone.simulated, found.simulated)


def test_secondary_clusters_share_no_place_and_quiet_cities_show_nothing(
    plain_area: StudyArea, make_incidents: Maker
) -> None:
    city = random_city(make_incidents, plain_area, seed=1, count=400)
    found = permutation_scan(city, limits=CylinderLimits(max_days=10), replicates_count=99)
    centres = found.clusters[["x", "y"]].to_numpy()
    reach = found.clusters["radius_m"].to_numpy()
    assert len(centres) > 2
    assert (np.diff(found.clusters["llr"]) <= 0).all()
    for k in range(len(centres)):
        apart = np.hypot(*(centres[:k] - centres[k]).T)
        assert (apart > np.maximum(reach[:k], reach[k])).all()
    assert found.significant(alpha=0.01).empty
    assert "stands out" in found.sentence(alpha=0.01)
    assert (
        len(permutation_scan(city, max_clusters=2, limits=CylinderLimits(max_days=10), replicates_count=9).clusters)
        == 2
    )


def test_a_city_wide_wave_is_no_cluster_but_a_lasting_hot_place_is_one_for_poisson(
    plain_area: StudyArea, make_incidents: Maker
) -> None:
    rng = np.random.default_rng(8)
    day = np.r_[rng.integers(0, 60, 400), rng.integers(50, 60, 300)]
    x, y = rng.uniform(0, 5000, size=(2, 700))
    grid = Grid.square(plain_area, cell_size_m=500)
    limits = CylinderLimits(max_days=14)
    wave = on_days(make_incidents, plain_area, x, y, day)
    assert permutation_scan(wave, limits=limits, replicates_count=99).significant().empty
    assert poisson_scan(wave, grid, limits=limits, replicates_count=99).significant().empty
    assert len(poisson_scan(wave, grid, limits=limits, baseline="record", replicates_count=99).significant())
    x[:80], y[:80] = 1_200, 3_300
    hot = on_days(make_incidents, plain_area, x, y, day)
    found = poisson_scan(hot, grid, limits=limits, replicates_count=99).significant().iloc[0]
    assert np.hypot(found["x"] - 1_200, found["y"] - 3_300) < 500
    mass = np.bincount(grid.assign(x, y)[0], minlength=len(grid)) + 0.1
    assert poisson_scan(hot, grid, expected=mass, limits=limits, replicates_count=99).significant().empty


@pytest.mark.parametrize("baseline", ["step", "record"])
def test_poisson_cylinders_are_those_of_plain_loops(
    plain_area: StudyArea, make_incidents: Maker, baseline: str
) -> None:
    city, grid = random_city(make_incidents, plain_area, seed=4), Grid.square(plain_area, cell_size_m=500)
    cell, _ = grid.assign(city.table["x"], city.table["y"])
    day = city.table["occurred_from"].dt.day_of_year.to_numpy() - 1
    mass = np.random.default_rng(1).gamma(2.0, size=len(grid))
    best = 0.0
    for centre, radius, length in product(range(len(grid)), (0, 500, 1_000), range(1, 7)):
        circle = np.hypot(*(grid.centres - grid.centres[centre]).T) <= radius
        for start in range(30 - length + 1):
            span = (day >= start) & (day < start + length)
            seen = int((circle[cell] & span).sum())
            when = span.mean() if baseline == "step" else length / 30
            mean = 120 * mass[circle].sum() / mass.sum() * when
            if seen >= 2 and seen > mean:
                rest = (120 - seen) * np.log((120 - seen) / (120 - mean))
                best = max(best, seen * np.log(seen / mean) + rest)
    limits = CylinderLimits(max_radius_m=1_000, radii=2, max_days=6, prospective=False)
    found = poisson_scan(city, grid, expected=mass, baseline=baseline, limits=limits, replicates_count=9)  # type: ignore[arg-type]
    assert found.clusters["llr"].iloc[0] == pytest.approx(best, rel=1e-12)


def test_chance_deals_incidents_as_expected(plain_area: StudyArea, make_incidents: Maker) -> None:
    city, grid = (
        random_city(make_incidents, plain_area, seed=4, count=9_000),
        Grid.square(plain_area, cell_size_m=1_000),
    )
    mass = np.r_[0.0, np.arange(1.0, len(grid))]
    mass[0] = 1e-9
    record = record_by_grid(city, grid, expected=mass, baseline="record", end=None, record_days=None)
    place, day = record.drawn(np.random.default_rng(2))
    assert stats.chisquare(np.bincount(place, minlength=len(grid))[1:], 9_000 * mass[1:] / mass[1:].sum()).pvalue > 1e-3
    assert stats.chisquare(np.bincount(day, minlength=30)).pvalue > 1e-3
    kept = record_by_grid(city, grid, expected=mass, baseline="step", end=None, record_days=None)
    assert np.array_equal(kept.drawn(np.random.default_rng(2))[1], kept.day)


def test_an_as_of_date_ends_the_record_and_an_empty_end_has_no_cluster(
    plain_area: StudyArea, make_incidents: Maker
) -> None:
    city = random_city(make_incidents, plain_area, seed=2)
    later = pd.Timestamp("2024-02-20 10:30", tz="America/Chicago")
    found = permutation_scan(city, end=later, limits=CylinderLimits(max_days=7), replicates_count=19)
    assert found.parameters["days"] == 51
    assert found.clusters.empty
    assert found.sentence().startswith("No place had more")
    assert (found.simulated == 0).all()
    short = permutation_scan(city, record_days=20, limits=CylinderLimits(max_days=7), replicates_count=9)
    assert short.parameters["days"] == 20


def test_equal_ratios_count_as_extreme(plain_area: StudyArea, make_incidents: Maker) -> None:
    # Every permutation of so few incidents gives the same strongest cylinder.
    city = on_days(make_incidents, plain_area, [100, 4000], [100, 4000], [0, 9])
    found = permutation_scan(city, limits=CylinderLimits(max_days=4, min_cases=1), replicates_count=19)
    assert found.clusters["p_value"].iloc[0] == 1.0
    assert np.isnan(found.clusters["p_gumbel"].iloc[0])
    assert found.clusters["recurrence_days"].iloc[0] == 1.0


def test_what_cannot_be_scanned_is_said(plain_area: StudyArea, make_incidents: Maker) -> None:
    def at(x: list[float], day: list[int], **more: object) -> Incidents:
        return make_incidents(plain_area, x, x, times=FIRST + pd.to_timedelta(day, unit="D"), **more)

    city, grid = random_city(make_incidents, plain_area, seed=1), Grid.square(plain_area, cell_size_m=500)
    for wrong, text in (
        (at([], []), "got none"),
        (at([5.0], [1]), "at least two"),
        (at([5.0, 5.0, 5.0], [1, 2, 9]), "one place"),
        (at([5.0, 900.0], [3, 3]), "one day"),
        (at([5.0, 900.0], [3, 9], precision="month"), "month"),
    ):
        with pytest.raises(PatternError, match=text):
            permutation_scan(wrong, replicates_count=9)
    with pytest.raises(PatternError, match="half of the record"):
        permutation_scan(city, replicates_count=9)
    for limits, text in (({"max_days": 0}, "max_days"), ({"radii": 0}, "radii"), ({"radii": "some"}, "radii"),
                         ({"max_radius_m": -1.0}, "max_radius_m"), ({"max_share": 0.0}, "max_share")):  # fmt: skip
        with pytest.raises(PatternError, match=text):
            CylinderLimits(**limits)
    few = CylinderLimits(max_days=5)
    for settings, text in (({"cell_m": 0.0}, "cell_m"), ({"record_days": 1}, "record_days"),
                           ({"max_clusters": 0}, "max_clusters"), ({"end": pd.Timestamp("2024-02-01")}, "time zone"),
                           ):  # fmt: skip
        with pytest.raises(PatternError, match=text):
            permutation_scan(city, limits=few, replicates_count=9, **settings)
    mass = np.ones(len(grid))
    mass[grid.assign(city.table["x"], city.table["y"])[0]] = 0
    for expected, text in (
        (mass, "nothing is expected"),
        (mass[:3], "finite numbers"),
        (-np.ones(len(grid)), "finite"),
    ):
        with pytest.raises(PatternError, match=text):
            poisson_scan(city, grid, expected=expected, limits=few, replicates_count=9)
    with pytest.raises(PatternError, match="baseline"):
        poisson_scan(city, grid, baseline="week", limits=few)  # type: ignore[arg-type]
    with pytest.raises(PatternError, match="lies in the grid"):
        poisson_scan(at([9e5, 9e5 + 900], [3, 9]), grid, limits=few)


def test_too_many_pairs_of_places_are_refused(
    plain_area: StudyArea, make_incidents: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crimepatterns.patterns.scan_cylinders._MOST_PAIRS", 50)
    with pytest.raises(PatternError, match="larger cells"):
        permutation_scan(random_city(make_incidents, plain_area, seed=1), limits=CylinderLimits(max_days=5))


def test_the_fitted_tail_is_that_of_a_gumbel_distribution() -> None:
    drawn = stats.gumbel_r.rvs(7.0, 1.5, size=20_000, random_state=4)
    assert gumbel_tail([9.0, 20.0], drawn) == pytest.approx(stats.gumbel_r.sf([9.0, 20.0], 7.0, 1.5), rel=0.15)
    assert np.isnan(gumbel_tail([1.0], [1.0, 2.0])).all()


def test_the_tail_knows_that_it_is_fitted_to_few_replicates() -> None:
    rng, level = np.random.default_rng(8), 0.005
    maxima, new = rng.gumbel(7.0, 1.5, (3_000, 19)), rng.gumbel(7.0, 1.5, 3_000)
    kept = [gumbel_tail([one], before)[0] <= level for one, before in zip(new, maxima, strict=True)]
    scale = maxima.std(axis=1, ddof=1) * np.sqrt(6) / np.pi
    naive = stats.gumbel_r.sf(new, maxima.mean(axis=1) - np.euler_gamma * scale, scale) <= level
    assert np.sum(kept) <= stats.binom.ppf(0.999, 3_000, level) < np.sum(naive)
    assert np.sum(kept) >= stats.binom.ppf(0.001, 3_000, level)


def test_recurrence_counts_analyses_and_uses_the_fit_only_beyond_the_replicates() -> None:
    p, fitted = np.array([0.05, 0.01, 0.01]), np.array([0.001, 0.0005, np.nan])
    assert recurrence_days(p, fitted, replicates=99, run_every_days=7) == pytest.approx([140.0, 14_000.0, 700.0])
    assert recurrence_in_words(1.0) == "nearly every day"
    assert recurrence_in_words(1e6) == "less than once in a century"


def rejections(make: Maker, area: StudyArea, cities: int, *, prospective: bool) -> int:
    limits = CylinderLimits(max_radius_m=600, radii=4, max_days=8, prospective=prospective)
    total = 0
    for seed in range(cities):
        city = random_city(make, area, seed=1_000 + seed, count=150, days=40)
        found = permutation_scan(city, limits=limits, replicates_count=19, max_clusters=1, seed=seed)
        total += int((found.clusters["p_value"] <= 0.05).any())
    return total


def test_few_small_cities_without_clusters_show_one(plain_area: StudyArea, make_incidents: Maker) -> None:
    # At a true size of 5 % more than 9 of 60 happen once in a thousand such tests.
    assert rejections(make_incidents, plain_area, 60, prospective=True) <= stats.binom.ppf(0.999, 60, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("prospective", [True, False])
def test_the_size_is_not_liberal(plain_area: StudyArea, make_incidents: Maker, *, prospective: bool) -> None:
    found = rejections(make_incidents, plain_area, 300, prospective=prospective)
    assert found <= stats.binom.ppf(0.999, 300, 0.05)
    # Nor is the test idle: ties apart, its size is exact.
    assert found >= stats.binom.ppf(0.001, 300, 0.03)
