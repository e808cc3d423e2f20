"""The simulation engine: the answer depends on the seed only, ties are extreme, p-values are honest."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from crimepatterns.errors import PatternError
from crimepatterns.execution import JoblibExecutor, SerialExecutor
from crimepatterns.patterns.permutation import exceeds, permutation_test, replicate_stream, replicates


def _shuffled_covariance(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.array([x @ rng.permutation(y), float(rng.normal())])


def _numbers(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=3)


@pytest.fixture(scope="module")
def pairs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=40)
    return x, 0.4 * x + rng.normal(size=40)


def test_chunks_and_workers_do_not_change_a_bit(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    simulate = partial(_shuffled_covariance, *pairs)
    alone = list(replicates(simulate, 37, seed=5))
    for executor, chunk in ((SerialExecutor(), 1), (SerialExecutor(), 10), (JoblibExecutor(2), 4)):
        spread = list(replicates(simulate, 37, seed=5, executor=executor, chunk=chunk))
        assert np.array_equal(np.array(alone), np.array(spread))


def test_the_first_replicates_of_a_longer_run_are_the_same() -> None:
    short, long = list(replicates(_numbers, 5, seed=1)), list(replicates(_numbers, 50, seed=1))
    assert np.array_equal(short, long[:5])
    assert not np.array_equal(list(replicates(_numbers, 5, seed=2)), short)


def test_streams_of_neighbouring_replicates_are_uncorrelated() -> None:
    drawn = np.array([replicate_stream(9, k).normal(size=2_000) for k in range(20)])
    worst = np.abs(np.corrcoef(drawn) - np.eye(20)).max()
    assert worst < 5 / np.sqrt(2_000)


def test_p_value_agrees_with_scipy(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = pairs
    simulate = partial(_shuffled_covariance, x, y)
    ours = permutation_test([x @ y, 0.0], simulate, count=4_000, seed=2)
    theirs = stats.permutation_test(
        (y,), lambda one: x @ one, permutation_type="pairings", n_resamples=4_000, alternative="greater",
        rng=np.random.default_rng(8),
    )  # fmt: skip
    error = 4 * np.sqrt(theirs.pvalue * (1 - theirs.pvalue) / 4_000) + 1e-3
    assert abs(ours.p_values[0] - theirs.pvalue) < error
    exact_sd = np.sqrt(x.var() * y.var() * len(x) ** 2 / (len(x) - 1))
    assert ours.sd[0] == pytest.approx(exact_sd, rel=0.05)
    assert ours.mean[0] == pytest.approx(len(x) * x.mean() * y.mean(), abs=4 * exact_sd / np.sqrt(4_000))


def test_ties_count_as_extreme_even_when_rounding_parts_them() -> None:
    assert exceeds(0.1 + 0.2, 0.3).all()
    assert exceeds(0.3, 0.1 + 0.2).all()
    assert not exceeds(0.3 - 1e-9, 0.3).any()
    constant = permutation_test(1.0, lambda rng: np.array(1.0 + 0.0 * rng.random()), count=19)
    assert float(constant.p_values) == 1.0


def test_tails() -> None:
    draw = partial(_one_normal)
    low = permutation_test(-8.0, draw, count=99, alternative="less")
    high = permutation_test(-8.0, draw, count=99, alternative="greater")
    both = permutation_test(-8.0, draw, count=99, alternative="two-sided")
    assert (float(low.p_values), float(high.p_values), float(both.p_values)) == (0.01, 1.0, 0.02)


def _one_normal(rng: np.random.Generator) -> np.ndarray:
    return np.array(rng.normal())


def test_p_values_are_uniform_under_the_null() -> None:
    found = []
    for trial in range(300):
        x, y = np.random.default_rng([trial, 7]).normal(size=(2, 15))
        found.append(float(permutation_test(x @ y, partial(_covariance, x, y), count=39, seed=trial).p_values))
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert stats.kstest(found, "uniform").statistic < 0.12


def _covariance(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.array(x @ rng.permutation(y))


def test_unusable_requests_are_refused() -> None:
    with pytest.raises(PatternError, match="must be >= 1"):
        list(replicates(_numbers, 0, seed=0))
    with pytest.raises(PatternError, match="shape"):
        permutation_test([0.0, 0.0], _numbers, count=3)
