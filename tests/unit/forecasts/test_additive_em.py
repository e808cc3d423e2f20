import numpy as np
import pytest
from scipy import optimize

from crimepatterns.forecasts.additive_intensity_em import AdditiveCounts, fit_weights


def problem_of(columns: np.ndarray, counts: np.ndarray) -> AdditiveCounts:
    some = counts > 0
    return AdditiveCounts(columns[some], counts[some].astype(float), columns.sum(axis=0))


def drawn(seed: int = 1, rows: int = 4_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    columns = rng.gamma(0.4, 1.0, (rows, 4))
    columns[:, 3] = 0.6 * columns[:, 2] + 0.4 * columns[:, 3]
    true = np.array([0.5, 0.2, 0.3, 0.0])
    return columns, rng.poisson(columns @ true), true


def test_weights_are_those_of_plain_maximum_likelihood() -> None:
    columns, counts, _ = drawn()

    def minus_log_likelihood(weights: np.ndarray) -> float:
        mean = columns @ weights + 1e-12
        return float((mean - counts * np.log(mean)).sum())

    oracle = optimize.minimize(
        minus_log_likelihood, np.full(4, 0.3), method="L-BFGS-B", bounds=[(0, None)] * 4,
        options={"ftol": 1e-14, "gtol": 1e-9},
    )  # fmt: skip
    weights = fit_weights(problem_of(columns, counts))
    assert -problem_of(columns, counts).log_likelihood(weights) <= oracle.fun + 1e-3
    np.testing.assert_allclose(weights, oracle.x, atol=2e-3)


def test_with_much_data_weights_agree_with_non_negative_least_squares_and_the_truth() -> None:
    columns, _, true = drawn(rows=20_000)
    counts = np.random.default_rng(2).poisson(500 * columns @ true)
    squares, _ = optimize.nnls(columns, counts.astype(float))
    weights = fit_weights(problem_of(columns, counts))
    np.testing.assert_allclose(weights, squares, rtol=0.02, atol=3)
    np.testing.assert_allclose(weights / 500, true, atol=0.01)


def test_the_expected_total_is_the_observed_one() -> None:
    columns, counts, _ = drawn()
    assert (columns @ fit_weights(problem_of(columns, counts))).sum() == pytest.approx(counts.sum(), rel=1e-6)


def test_a_penalty_switches_columns_off_and_never_helps_the_likelihood() -> None:
    columns, counts, _ = drawn()
    problem = problem_of(columns, counts)
    free = fit_weights(problem)
    priced = fit_weights(problem, penalty=np.array([0.0, 0.05, 0.05, 0.05]))
    dear = fit_weights(problem, penalty=np.array([0.0, 1e6, 1e6, 1e6]))
    assert problem.log_likelihood(free) >= problem.log_likelihood(priced) >= problem.log_likelihood(dear)
    assert priced[1:].sum() < free[1:].sum()
    np.testing.assert_allclose(dear[1:], 0, atol=1e-4)


def test_columns_of_zeros_and_no_counts_give_no_weight() -> None:
    columns, counts, _ = drawn()
    columns[:, 1] = 0.0
    weights = fit_weights(problem_of(columns, counts))
    assert weights[1] == 0
    assert np.isfinite(weights).all()
    np.testing.assert_array_equal(fit_weights(problem_of(columns, np.zeros(len(columns)))), 0)
