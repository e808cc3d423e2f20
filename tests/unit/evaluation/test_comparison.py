"""Paired comparison: its size under correlated noise, its power, and what it refuses to claim."""

import numpy as np
import pytest

from crimepatterns.evaluation.comparison import compare, holm, pooled_ratio


def autoregressive(rng, *, runs, origins, rho):
    noise = rng.standard_normal((runs, origins + 30))
    series = np.zeros_like(noise)
    for t in range(1, noise.shape[1]):
        series[:, t] = rho * series[:, t - 1] + noise[:, t]
    return series[:, 30:]


@pytest.mark.parametrize(("rho", "limit"), [(0.0, 0.06), (0.15, 0.07)])
def test_size_with_thirteen_origins(rho, limit):
    rng = np.random.default_rng(1)
    base, ones = np.full(13, 50.0), np.full(13, 100.0)
    series = autoregressive(rng, runs=3000, origins=13, rho=rho)
    verdicts = [compare(base + row, base, ones, higher_is_better=True).verdict for row in series]
    assert np.mean([verdict != "not shown" for verdict in verdicts]) <= limit


def test_size_is_not_bought_with_blindness():
    rng = np.random.default_rng(2)
    base, ones = np.full(13, 50.0), np.full(13, 100.0)
    series = autoregressive(rng, runs=800, origins=13, rho=0.0)
    detectable = np.median(
        [compare(base + row, base, ones, higher_is_better=True).smallest_detectable for row in series]
    )
    shifted = [compare(base + row + detectable * 100, base, ones, higher_is_better=True).verdict for row in series]
    assert 0.7 <= np.mean([verdict == "better" for verdict in shifted]) <= 0.92


def test_intervals_of_a_pooled_ratio_cover_it():
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(500):
        bottom = rng.poisson(400, 13).astype(float)
        found = pooled_ratio(rng.binomial(bottom.astype(int), 0.3), bottom)
        covered += found.lower <= 0.3 <= found.upper
    assert 0.92 <= covered / 500 <= 0.98


def test_pools_as_sum_over_sum():
    assert pooled_ratio([1, 2, 9], [10, 10, 20]).value == pytest.approx(12 / 40)


def test_direction_decides_the_verdict():
    worse = np.arange(13) * 0.01 + 5
    assert compare(worse, np.ones(13), np.ones(13), higher_is_better=False).verdict == "worse"
    assert compare(worse, np.ones(13), np.ones(13), higher_is_better=True).verdict == "better"


def test_fewer_than_thirteen_origins_are_described_not_claimed():
    found = compare(np.arange(12) * 0.01 + 5, np.ones(12), np.ones(12), higher_is_better=True)
    assert found.lower > 0
    assert found.verdict == "not shown"


def test_equal_models_do_not_differ():
    found = compare(np.arange(13.0), np.arange(13.0), np.ones(13), higher_is_better=True)
    assert (found.difference, found.p_value, found.verdict) == (0.0, 1.0, "not shown")


def test_one_or_two_origins_have_no_interval_and_infinite_scores_no_value():
    assert np.isnan(pooled_ratio([1.0, 2.0], [4.0, 4.0]).lower)
    assert np.isnan(pooled_ratio([1.0, np.inf, 2.0], [4.0, 4.0, 4.0]).value)
    assert np.isnan(pooled_ratio([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]).value)


def test_holm_ignores_missing_and_never_lowers():
    adjusted = holm([0.04, float("nan"), 0.01, 0.03])
    assert adjusted[[0, 2, 3]] == pytest.approx([0.06, 0.03, 0.06])
    assert np.isnan(adjusted[1])
