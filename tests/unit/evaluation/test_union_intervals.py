"""Intervals of unions: planted effects are found, coverage is nominal where Poisson intervals fail, answers repeat."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse, stats

from crimepatterns.errors import DomainError
from crimepatterns.evaluation.conformal import MIN_PAST, adjusted, conformal_scale, interval_scores
from crimepatterns.evaluation.learned_intervals import LearnedIntervals
from crimepatterns.evaluation.shared_effects import SharedEffects, learn_effects, origin_moments
from crimepatterns.evaluation.union_coverage import coverage_table, rolling_intervals
from crimepatterns.evaluation.union_intervals import (
    UnionSums,
    cell_quantiles,
    chance_of_none,
    simulate_unions,
    union_sums,
)
from crimepatterns.evaluation.unions import CITY, NEIGHBOURHOOD, area_index, standard_unions

from .planted_effects import PLANTED, planted_grid, planted_result


@pytest.fixture(scope="module")
def grid():
    return planted_grid()


@pytest.fixture(scope="module")
def result(grid):
    return planted_result(grid=grid)


@pytest.fixture(scope="module")
def unions(grid):
    return standard_unions(grid, compact=20, seed=7)


@pytest.fixture(scope="module")
def rolled(result, unions):
    return rolling_intervals(result, "truth", unions, draws=500, seed=7)


def moments_of(result, model="truth"):
    areas, names = area_index(result.grid)
    pairs = zip(result.expected[model], result.observed, strict=True)
    return [origin_moments(mean, count, areas, n_areas=len(names)) for mean, count in pairs]


def test_planted_effects_are_found(grid):
    found = learn_effects(moments_of(planted_result(origins=300, grid=grid)))
    assert found.city == pytest.approx(PLANTED.city, rel=0.25)
    assert found.area == pytest.approx(PLANTED.area, rel=0.15)
    assert found.cell_linear == pytest.approx(PLANTED.cell_linear, abs=0.06)
    assert found.cell_square == pytest.approx(PLANTED.cell_square, abs=0.06)


def test_no_effects_are_found_where_none_are_planted(grid):
    found = learn_effects(moments_of(planted_result(origins=100, effects=SharedEffects(), grid=grid)))
    assert max(found.to_json().values()) < 0.01


def test_no_past_is_an_error():
    with pytest.raises(DomainError, match="at least one past forecast"):
        learn_effects([])


def test_coverage_is_nominal_where_poisson_intervals_fail(rolled):
    late = rolled.rows.loc[rolled.rows["origin"] >= 16]
    assert 0.86 <= late["covered"].mean() <= 0.94
    assert late["poisson"].mean() < 0.8
    large = late.loc[late["expected"] > 50]
    assert large["poisson"].mean() < 0.7
    assert large["covered"].mean() > 0.84


def test_intervals_without_effects_keep_their_coverage(grid, unions):
    plain = planted_result(effects=SharedEffects(), grid=grid)
    late = rolling_intervals(plain, "truth", unions, draws=500, seed=7).rows.query("origin >= 16")
    assert 0.86 <= late["covered"].mean() <= 0.94


def test_only_earlier_outcomes_teach(result, unions):
    """Property: counts of an origin and of later ones change no interval of it."""
    changed = result.observed.copy()
    changed[25:] *= 3
    other = rolling_intervals(replace(result, observed=changed), "truth", unions, draws=100, seed=7).rows
    same = rolling_intervals(result, "truth", unions, draws=100, seed=7).rows
    before, after = (rows.loc[rows["origin"] <= 25, ["lower", "upper"]].to_numpy() for rows in (same, other))
    np.testing.assert_array_equal(before, after)
    assert not np.array_equal(same.loc[same["origin"] > 26, "upper"], other.loc[other["origin"] > 26, "upper"])


def test_outcomes_that_were_not_complete_do_not_teach(result, unions):
    late = rolling_intervals(result, "truth", unions, draws=50, seed=7, ready_days=14).rows
    prompt = rolling_intervals(result, "truth", unions, draws=50, seed=7).rows
    assert late["origin"].min() == prompt["origin"].min() + 2


def test_coverage_is_told_by_group(rolled):
    audit = {"poverty": {f"quarter {i:02d}": float(i) for i in range(25)}}
    table = coverage_table(rolled.rows, audit=audit)
    assert set(table["by"]) == {"all", "kind", "season", "neighbourhood", "expected", "poverty"}
    assert (table["by"] == "expected").sum() == (table["by"] == "poverty").sum() == 10
    pooled = table.loc[table["by"] == "all"].iloc[0]
    assert pooled["unions"] == len(rolled.rows) == table.loc[table["by"] == "kind", "unions"].sum()
    assert pooled["lower"] < pooled["coverage"] < pooled["upper"]


def test_draws_of_disjoint_unions_share_effects_and_have_the_planted_variance():
    sums = UnionSums(np.array([[40.0, 0.0], [20.0, 20.0], [0.0, 40.0]]), np.array([4.0, 4.0, 4.0]))
    draws = simulate_unions(sums, PLANTED, draws=200_000, seed=3).astype(float)
    np.testing.assert_allclose(draws.mean(axis=1), 40, rtol=0.01)
    shared = (1 + PLANTED.city) * (1 + PLANTED.area)
    cell = PLANTED.cell_linear * 40 + PLANTED.cell_square * 4 * shared
    assert draws[0].var() == pytest.approx(40 + cell + 1600 * (shared - 1), rel=0.02)
    together = np.cov(draws)
    assert together[0, 2] == pytest.approx(1600 * PLANTED.city, rel=0.15)
    assert together[0, 1] > together[0, 2]


def test_without_effects_a_union_is_poisson():
    sums = UnionSums(np.array([[7.0]]), np.array([1.0]))
    draws = simulate_unions(sums, SharedEffects(), draws=100_000, seed=1)[0]
    for level in (0.05, 0.5, 0.95):
        assert np.quantile(draws, level) == stats.poisson.ppf(level, 7)
    assert chance_of_none(sums, SharedEffects(), draws=10, seed=1)[0] == pytest.approx(np.exp(-7), rel=1e-6)


def test_chance_of_none_is_that_of_the_draws():
    sums = UnionSums(np.array([[1.5, 0.5]]), np.array([0.3]))
    drawn = (simulate_unions(sums, PLANTED, draws=200_000, seed=1)[0] == 0).mean()
    assert chance_of_none(sums, PLANTED, draws=20_000, seed=1)[0] == pytest.approx(drawn, abs=0.004)


def test_the_same_question_has_the_same_answer():
    learned = LearnedIntervals(PLANTED, scale_parts=0.1, origins=39, horizon_days=7)
    one = UnionSums(np.array([[12.0, 3.0]]), np.array([2.0]))
    first, again = (learned.expect(one, draws=500, seed=7) for _ in range(2))
    stored = LearnedIntervals.from_json(learned.to_json()).expect(one, draws=500, seed=7)
    for answer in (again, stored):
        assert (answer.lower[0], answer.upper[0]) == (first.lower[0], first.upper[0])
    assert first.expected[0] == 15
    assert first.lower[0] == int(first.lower[0]) < 15 < first.upper[0]


def test_cell_quantiles_widen_with_the_effects_and_match_their_variance():
    mean = np.array([0.0, 0.2, 3.0, 40.0])
    wide, plain = (cell_quantiles(mean, effects, (0.05, 0.5, 0.95)) for effects in (PLANTED, SharedEffects()))
    np.testing.assert_array_equal(plain[0.95], stats.poisson.ppf(0.95, mean))
    assert wide[0.95][3] > plain[0.95][3]
    assert wide[0.05][3] < plain[0.05][3]
    assert wide[0.95][0] == 0
    sums = UnionSums(np.array([[40.0]]), np.array([1600.0]))
    drawn = simulate_unions(sums, PLANTED, draws=100_000, seed=2)
    assert np.quantile(drawn, 0.95) == pytest.approx(wide[0.95][3], abs=1.5)


def test_unions_are_the_neighbourhoods_pieces_and_the_city(unions, grid):
    assert unions.kinds.count(NEIGHBOURHOOD) == 25
    assert unions.kinds[-1] == CITY
    sizes = np.asarray(unions.members.sum(axis=1)).ravel()
    assert sizes[-1] == len(grid)
    assert (sizes[:25] == 64).all()
    assert sizes[25:-1].min() >= 4
    with pytest.raises(DomainError, match="Unions are over"):
        union_sums(sparse.csr_array(np.ones((1, 3))), np.ones(4), np.zeros(4, dtype=int), n_areas=1)


def test_conformal_scale_makes_the_past_right():
    rng = np.random.default_rng(4)
    counts = [rng.poisson(50, 200) for _ in range(30)]
    narrow = (np.full(200, 45.0), np.full(200, 55.0))
    scale = conformal_scale([interval_scores(*narrow, part) for part in counts], confidence=0.9)
    lower, upper = adjusted(*narrow, scale)
    held = np.mean([(part >= lower) & (part <= upper) for part in counts])
    assert 0.9 <= held <= 0.93
    few = [interval_scores(*narrow, part) for part in counts[: MIN_PAST - 1]]
    assert conformal_scale(few, confidence=0.9) == 0.0
