"""Trends and changes of many short series: brute force, scipy, and rejection rates."""

import itertools

import numpy as np
import pytest
from scipy import stats

from crimepatterns.errors import PatternError
from crimepatterns.patterns.time_tests import binomial_two_sided, mann_kendall, unusual_stretch


def test_tau_is_that_of_scipy_where_nothing_ties_and_p_nears_the_exact_one() -> None:
    values = np.random.default_rng(1).normal(size=(12, 8)) + np.arange(8) * np.linspace(0, 0.6, 12)[:, None]
    tau, p = mann_kendall(values, replicates=19_999, seed=3)
    for row in range(12):
        exact = stats.kendalltau(np.arange(8), values[row], method="exact")
        assert tau[row] == pytest.approx(exact.statistic)
        assert p[row] == pytest.approx(exact.pvalue, abs=0.012)


def test_ties_are_counted_as_ties() -> None:
    values = np.array([[0, 0, 1, 0, 2, 2.0]])
    every = np.array(list(itertools.permutations(values[0])))
    first, second = np.triu_indices(6, 1)
    s = np.sign(every[:, second] - every[:, first]).sum(axis=1)
    exact = 2 * (s >= s[0]).mean()
    assert mann_kendall(values, replicates=19_999)[1][0] == pytest.approx(exact, abs=0.012)
    assert mann_kendall(np.ones((2, 6)))[1].tolist() == [1.0, 1.0]


def test_blocks_keep_short_memory_from_passing_for_a_trend() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(4000, 25))
    series = noise[:, 1:] + noise[:, :-1]  # each step shares half of its noise with the next
    plain = (mann_kendall(series, replicates=999)[1] <= 0.05).mean()
    blocked = (mann_kendall(series, replicates=999, block=4)[1] <= 0.05).mean()
    assert plain > 0.11
    assert blocked < plain - 0.03


def test_the_answer_does_not_depend_on_the_other_series() -> None:
    values = np.random.default_rng(3).poisson(2.0, (50, 12))
    alone = mann_kendall(values[:1], replicates=500, seed=9)
    together = mann_kendall(values, replicates=500, seed=9)
    assert (alone[0][0], alone[1][0]) == (together[0][0], together[1][0])
    assert mann_kendall(np.zeros((0, 12)))[0].shape == (0,)


def test_the_unusual_stretch_by_brute_force() -> None:
    counts = np.array([[1, 0, 6, 1], [2, 2, 2, 2]])
    share = np.array([0.1, 0.3, 0.2, 0.4])
    found = unusual_stretch(counts, share)
    for row, p in zip(counts, found, strict=True):
        least = 1.0
        for begin, end in itertools.combinations(range(1, 5), 2):
            k, n, part = row[begin:end].sum(), row.sum(), share[begin:end].sum()
            least = min(least, 2 * stats.binom.sf(k - 1, n, part), 2 * stats.binom.cdf(k, n, part))
        assert p == pytest.approx(min(6 * least, 1.0))
    assert unusual_stretch([[0, 0, 0, 0]], share).tolist() == [1.0]


@pytest.mark.parametrize("mean", [0.1, 1.0, 200.0])
@pytest.mark.parametrize("steps", [2, 3, 9])
def test_stretches_left_out_are_never_the_most_unusual(mean: float, steps: int) -> None:
    rng = np.random.default_rng(8)
    share = rng.dirichlet(np.full(steps, 3.0))
    counts = rng.poisson(steps * mean * share * rng.gamma(4, 0.25, (300, steps)))
    least = np.ones(300)
    for begin, end in itertools.combinations(range(1, steps + 1), 2):
        part = share[begin:end].sum()
        least = np.minimum(least, binomial_two_sided(counts[:, begin:end].sum(axis=1), counts.sum(axis=1), part))
    exact = np.minimum(least * steps * (steps - 1) / 2, 1.0)
    np.testing.assert_allclose(unusual_stretch(counts, share), exact, rtol=1e-6)


@pytest.mark.parametrize("mean", [0.2, 2.0, 30.0])
def test_the_unusual_stretch_is_never_liberal(mean: float) -> None:
    counts = np.random.default_rng(4).poisson(mean, (4000, 12))
    assert (unusual_stretch(counts, np.full(12, 1 / 12)) <= 0.05).mean() <= 0.05


def test_two_sided_tails_are_those_of_scipy() -> None:
    k, n, share = np.array([0, 3, 9, 10]), np.array([10, 10, 10, 10]), np.array([0.2, 0.3, 0.4, 1.0])
    smaller = np.minimum(stats.binom.sf(k - 1, n, share), stats.binom.cdf(k, n, share))
    np.testing.assert_allclose(binomial_two_sided(k, n, share), np.minimum(2 * smaller, 1.0))


def test_too_few_steps_are_refused() -> None:
    with pytest.raises(PatternError, match="four blocks"):
        mann_kendall(np.zeros((3, 7)), block=2)
    with pytest.raises(PatternError, match="finite series"):
        mann_kendall(np.full((3, 7), np.nan))
