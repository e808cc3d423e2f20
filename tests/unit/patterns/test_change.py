"""Two periods compared: exact tests by scipy, rejection rates, planted courses, and the S-index by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import PatternError
from crimepatterns.patterns.autocorrelation import gi_star
from crimepatterns.patterns.change import change_between, change_table
from crimepatterns.patterns.change_sentences import (
    area_change_sentence,
    change_sentence,
    persistence_sentence,
    similarity_sentence,
)
from crimepatterns.patterns.persistence import hot_spot_persistence
from crimepatterns.patterns.similarity import s_index


def months(count: int) -> Periods:
    return Periods.starting_at(pd.Timestamp("2024-01-01", tz="America/Chicago"), days=30, count=count)


def test_the_conditional_test_and_its_interval_are_those_of_scipy() -> None:
    before, after = np.array([3, 10, 0, 7, 40]), np.array([9, 4, 5, 7, 22])
    table = change_table(before, after, days=(30, 60))
    for row, b, a in zip(table.itertuples(), before, after, strict=True):
        upper, lower = stats.binom.sf(a - 1, a + b, 2 / 3), stats.binom.cdf(a, a + b, 2 / 3)
        assert row.p_value == pytest.approx(min(2 * min(upper, lower), 1.0))
        exact = stats.binomtest(int(a), int(a + b)).proportion_ci(0.95, method="exact")
        low, high = (p / (1 - p) / 2 if p < 1 else np.inf for p in (exact.low, exact.high))
        assert row.ratio_low == pytest.approx(low)
        assert row.ratio_high == pytest.approx(high)
    assert table["expected"].tolist() == [6, 20, 0, 14, 80]
    assert table["ratio"].tolist()[:2] == [1.5, 0.2]
    assert np.isinf(table["ratio"].iloc[2])
    assert table["change"].tolist() == ["", "down", "", "", "down"]


def test_against_the_whole_area_it_is_fishers_test() -> None:
    before, after = np.array([3, 10, 50]), np.array([9, 4, 90])
    table = change_table(before, after, reference="whole area")
    for row, b, a in zip(table.itertuples(), before, after, strict=True):
        rest = [[a, b], [after.sum() - a, before.sum() - b]]
        tails = [stats.fisher_exact(rest, alternative=side).pvalue for side in ("greater", "less")]
        assert row.p_value == pytest.approx(min(2 * min(tails), 1.0))
    # A rise of everything by half is no change of anything.
    steady = change_table([20, 40, 60], [30, 60, 90], reference="whole area")
    assert (steady["p_value"] == 1.0).all()
    np.testing.assert_allclose(steady["ratio"], 1.0)


@pytest.mark.parametrize("mean", [0.2, 1.0, 8.0])
def test_nothing_changes_and_nothing_is_claimed(plain_area: StudyArea, mean: float) -> None:
    grid = Grid.square(plain_area, cell_size_m=100)
    rng = np.random.default_rng(1)
    rate = mean * rng.gamma(0.7, 1 / 0.7, len(grid))
    claimed = {"own past": 0, "whole area": 0}
    for _ in range(60):
        before, after = rng.poisson(rate), rng.poisson(2 * rate)
        for reference in claimed:
            surface = change_between(before, after, grid, days=(1, 2), reference=reference)
            claimed[reference] += bool(surface.parameters["up"] or surface.parameters["down"])
    # At most 5 %; with 60 pairs of maps chance allows 8 (99 %).
    assert max(claimed.values()) <= 8


def test_planted_changes_are_found(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=250)
    rng = np.random.default_rng(2)
    rate = np.full(len(grid), 3.0)
    before = rng.poisson(rate)
    rate[[50, 210]] = 60.0
    after = rng.poisson(rate)
    surface = change_between(before, after, grid)
    assert set(np.flatnonzero(surface.q_values <= 0.05)) == {50, 210}
    assert change_sentence(surface).endswith("2 cells rose and 0 fell by more than chance.")
    wide = change_between(before, after, grid, neighbours=True)
    assert wide.parameters["up"] >= 18
    with pytest.raises(PatternError, match="compares no periods"):
        change_sentence(gi_star(before, grid))
    assert "no cell changed" in change_sentence(change_between([3] * 400, [3] * 400, grid))


def test_sentences_of_areas() -> None:
    table = change_table([10, 5], [40, 6])
    assert area_change_sentence("Beat 7", table.iloc[0]).startswith("Beat 7: 40 after 10, up (4.0 times what was")
    assert "no change shown" in area_change_sentence("Beat 8", table.iloc[1])


def test_places_without_a_chance_do_not_burden_the_others() -> None:
    few = change_table([0] * 10_000 + [2], [1] * 10_000 + [14])
    assert few["q_value"].iloc[-1] == pytest.approx(few["p_value"].iloc[-1])
    assert (few["q_value"].iloc[:-1] == 1).all()


def test_unusable_periods_are_refused(plain_area: StudyArea) -> None:
    for before, after, words in (
        ([1, 2], [1], "two counts per place"),
        ([0.5], [1], "whole, non-negative"),
        ([0, 0], [0, 0], "at least one incident"),
    ):
        with pytest.raises(PatternError, match=words):
            change_table(before, after)
    with pytest.raises(PatternError, match="length > 0"):
        change_table([1], [1], days=(0, 1))
    with pytest.raises(PatternError, match="'own past'"):
        change_table([1], [1], reference="city")
    with pytest.raises(PatternError, match="one count per cell"):
        change_between([1], [1], Grid.square(plain_area, cell_size_m=1000))
    only_after = change_table([0, 0], [3, 4], reference="whole area")
    assert only_after["p_value"].tolist() == [1.0, 1.0]
    assert only_after["expected"].isna().all()


# -- the past of hot spots --------------------------------------------------------------------------------------------


def test_planted_pasts_are_told_apart(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=250)
    rate = np.full((len(grid), 12), 0.3)
    courses = {
        "chronic": (600.0, 600.0, np.full(12, 12.0)),
        "emerging": (4400.0, 600.0, np.r_[np.full(9, 1.0), np.full(3, 30.0)]),
        "fading": (600.0, 4400.0, np.r_[np.full(9, 14.0), np.full(3, 0.5)]),
        "acute": (4400.0, 4400.0, np.r_[np.full(4, 0.3), [40.0], np.full(7, 0.3)]),
    }
    cells = {}
    for kind, (x, y, course) in courses.items():
        cells[kind] = int(grid.assign([x], [y])[0][0])
        rate[cells[kind]] = course
    counts = np.random.default_rng(3).poisson(rate)
    found = hot_spot_persistence(counts, grid, months(12), at_least=1.0)
    named = found.spots.set_index("hot_spot")["persistence"]
    for kind, cell in cells.items():
        assert named[found.labels[cell]] == kind
    assert len(found.spots) == 4
    assert found.spots["incidents"].is_monotonic_decreasing
    fourth = found.spots.set_index("persistence").loc["acute"]
    assert fourth["burst_step"] == 4
    assert fourth["neighbourhood"] == "East End"
    assert persistence_sentence(found).startswith("4 hot spots hold ")
    assert sum(found.parameters[kind] for kind in cells) == 4
    assert found.to_frame().crs == plain_area.crs


def test_steady_hot_spots_are_chronic(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=250)
    rng = np.random.default_rng(4)
    spots = other = 0
    for _ in range(20):
        rate = rng.gamma(0.3, 1 / 0.3, len(grid))[:, None] * rng.gamma(8, 1 / 8, 12)[None, :]
        found = hot_spot_persistence(rng.poisson(rate), grid, months(12))
        spots += len(found.spots)
        other += (found.spots["persistence"] != "chronic").sum()
    assert spots > 100
    assert other / spots < 0.02


def test_no_hot_spot_given_cells_and_refusals(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=1000)
    even = np.full((25, 6), 2)
    none = hot_spot_persistence(even, grid, months(6))
    assert none.spots.empty
    assert persistence_sentence(none) == "No hot spot stands out from chance over the whole span."
    chosen = np.zeros(25, dtype=bool)
    chosen[[0, 1, 24]] = True
    given = hot_spot_persistence(even, grid, months(6), hot=chosen, baseline="record")
    assert given.spots["cells"].tolist() == [2, 1]
    assert given.spots["persistence"].tolist() == ["chronic", "chronic"]
    with pytest.raises(PatternError, match="four steps"):
        hot_spot_persistence(np.ones((25, 3)), grid, months(3))
    with pytest.raises(PatternError, match="counts of shape"):
        hot_spot_persistence(np.ones((25, 3)), grid, months(4))
    with pytest.raises(PatternError, match="Hot cells"):
        hot_spot_persistence(even, grid, months(6), hot=[True])
    with pytest.raises(PatternError, match="baseline"):
        hot_spot_persistence(even, grid, months(6), baseline="x")
    with pytest.raises(PatternError, match="at least one incident"):
        hot_spot_persistence(np.zeros((25, 6)), grid, months(6))


# -- the S-index ------------------------------------------------------------------------------------------------------


def test_the_same_map_the_opposite_map_and_empty_areas() -> None:
    base = np.array([100, 200, 300, 400, 0, 0])
    same = s_index(base, base * 3)
    assert (same.s, same.s_robust) == (1.0, 1.0)
    opposite = s_index(base, base[[3, 2, 1, 0, 4, 5]])
    assert opposite.s == pytest.approx(2 / 6)
    assert opposite.s_robust == 0.0
    assert opposite.table["direction"].tolist() == [-1, -1, 1, 1, 0, 0]
    assert "agree in 0 % of the areas" in similarity_sentence(opposite)


def test_the_interval_is_that_of_binomial_samples_and_the_seed_decides_alone() -> None:
    test = np.array([50, 150, 300])
    found = s_index([10, 20, 30], test, replicates=4000, seed=5)
    size = round(0.85 * 500)
    exact = stats.binom.ppf([0.025, 0.975], size, 0.3) / size
    assert found.table["low"].iloc[1] == pytest.approx(exact[0], abs=0.004)
    assert found.table["high"].iloc[1] == pytest.approx(exact[1], abs=0.004)
    pd.testing.assert_frame_equal(found.to_frame(), s_index([10, 20, 30], test, replicates=4000, seed=5).table)


def test_two_draws_of_one_map_are_as_alike_as_chance_says() -> None:
    rng = np.random.default_rng(6)
    shares = rng.dirichlet(np.full(300, 0.5))
    base, test = rng.multinomial(2000, shares), rng.multinomial(3000, shares)
    found = s_index(base, test)
    assert found.s_robust == pytest.approx(found.s_by_chance, abs=0.06)
    assert s_index(base, rng.permutation(test)).s_robust < found.s_by_chance - 0.3


def test_maps_that_cannot_be_compared_are_refused() -> None:
    for base, test, words in (
        ([1, 2], [1], "same areas"),
        ([1.5], [1], "whole, non-negative"),
        ([0], [1], "at least one incident each"),
    ):
        with pytest.raises(PatternError, match=words):
            s_index(base, test)
    with pytest.raises(PatternError, match="sample_share"):
        s_index([1], [1], sample_share=0)


def test_a_warm_centre_is_not_one_hot_spot(plain_area: StudyArea) -> None:
    grid = Grid.square(plain_area, cell_size_m=250)
    rate = np.where(np.hypot(*(grid.centres - 2500).T) < 1500, 40.0, 20.0)
    for x, y in ((2000.0, 2500.0), (3300.0, 2500.0)):
        rate[grid.assign([x], [y])[0]] = 900.0
    counts = np.random.default_rng(7).poisson(rate[:, None] / 8, (len(grid), 8))
    assert len(hot_spot_persistence(counts, grid, months(8)).spots) == 2
    everything = hot_spot_persistence(counts, grid, months(8), at_least=0.0)
    assert everything.spots["cells"].iloc[0] > 50
