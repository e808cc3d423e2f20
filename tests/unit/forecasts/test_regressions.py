"""The regressions behind forecasters, against statsmodels and scipy."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, sparse, stats

from crimepatterns.forecasts.negative_binomial_regression import (
    dispersion_of,
    drawn_regressions,
    negative_binomial_regression,
)
from crimepatterns.forecasts.nonnegative_poisson import choose_nonnegative, fit_nonnegative
from crimepatterns.forecasts.scale_counts import Happened
from crimepatterns.forecasts.stack_weights import mixture_weights


def test_negative_binomial_regression_agrees_with_statsmodels() -> None:
    rng = np.random.default_rng(1)
    angle = np.linspace(0, 6 * np.pi, 150)
    design = np.column_stack([np.ones(150), np.sin(angle), np.cos(angle)])
    exposure = rng.uniform(5, 9, 150)
    mean = exposure * np.exp(design @ [1.0, 0.3, -0.2])
    counts = rng.negative_binomial(8, 8 / (8 + mean))
    found, dispersion = negative_binomial_regression(design, counts, exposure)
    oracle = sm.NegativeBinomial(counts, design, offset=np.log(exposure)).fit(disp=False, maxiter=500)
    np.testing.assert_allclose(found, oracle.params[:3], atol=2e-3)
    assert dispersion == pytest.approx(oracle.params[3], rel=0.01)


def test_poisson_counts_have_next_to_no_dispersion() -> None:
    mean = np.full(2_000, 4.0)
    assert dispersion_of(np.random.default_rng(2).poisson(mean), mean) < 0.02


def test_departures_are_drawn_towards_none_as_far_as_series_are_alike() -> None:
    rng = np.random.default_rng(3)
    time = np.linspace(-0.5, 0.5, 60)
    design = np.column_stack([np.ones(60), time])
    alike = rng.poisson(6.0, (40, 60))
    slopes = rng.normal(0, 0.6, 40)
    apart = rng.poisson(6.0 * np.exp(np.outer(slopes, time)))
    expected = np.full((40, 60), 6.0)
    flat, small, _ = drawn_regressions(design, alike, expected)
    steep, large, _ = drawn_regressions(design, apart, expected)
    assert small[1] < 0.15
    assert np.abs(flat[:, 1]).max() < 0.15
    assert large[1] == pytest.approx(0.6, abs=0.2)
    assert np.corrcoef(steep[:, 1], slopes)[0, 1] > 0.9


def test_free_effects_above_zero_are_those_of_the_usual_poisson_regression() -> None:
    rng = np.random.default_rng(4)
    met = (rng.random((3_000, 3)) < 0.3).astype(float)
    exposure = rng.uniform(0.5, 1.5, 3_000)
    counts = rng.poisson(exposure * np.exp(-0.5 + met @ [0.7, 0.3, 0.5]))
    found = fit_nonnegative(sparse.csr_array(met), counts, exposure)
    oracle = sm.GLM(counts, sm.add_constant(met), family=sm.families.Poisson(), offset=np.log(exposure)).fit()
    np.testing.assert_allclose([found.constant, *found.effects], oracle.params, atol=1e-6)
    assert found.deviance == pytest.approx(oracle.deviance)


@pytest.mark.parametrize("penalty", [0.0, 5.0, 40.0])
def test_penalised_effects_agree_with_a_general_optimiser(penalty: float) -> None:
    rng = np.random.default_rng(5)
    met = (rng.random((800, 4)) < 0.25).astype(float)
    counts = rng.poisson(np.exp(-0.3 + met @ [0.6, -0.5, 0.2, 0.0]))
    found = fit_nonnegative(sparse.csr_array(met), counts, np.ones(800), penalty=penalty)

    def objective(values: np.ndarray) -> float:
        rate = values[0] + met @ values[1:]
        return float(np.exp(rate).sum() - (counts * rate).sum() + penalty * values[1:].sum())

    bounds = [(None, None), *[(0, None)] * 4]
    oracle = optimize.minimize(objective, np.zeros(5), bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-14})
    assert objective(np.array([found.constant, *found.effects])) <= oracle.fun + 1e-4
    np.testing.assert_allclose(found.effects, oracle.x[1:], atol=2e-3)
    assert found.effects[1] == 0.0, "what lowers the rate is left out"


def test_factors_that_matter_are_chosen_and_noise_is_not_even_where_counts_cluster() -> None:
    rng = np.random.default_rng(6)
    chosen = np.zeros(12)
    for _ in range(10):
        met = (rng.random((2_000, 12)) < 0.2).astype(float)
        mean = np.exp(0.2 + met[:, 0] * np.log(2.0))
        counts = rng.poisson(mean * rng.gamma(0.8, 1 / 0.8, 2_000))
        fit, dispersion = choose_nonnegative(sparse.csr_array(met), counts, np.ones(2_000))
        chosen += fit.effects > 0
        assert dispersion > 1.5
        assert np.exp(fit.effects[0]) == pytest.approx(2.0, rel=0.3)
    assert chosen[0] == 10
    assert chosen[1:].sum() <= 5


def test_mixture_weights_agree_with_a_general_optimiser_and_add_up_to_one() -> None:
    rng = np.random.default_rng(7)
    truth = rng.gamma(0.5, 0.6, 5_000)
    counts = rng.poisson(truth)
    means = [np.full(5_000, truth.mean()), truth * rng.lognormal(0, 0.4, 5_000), rng.permutation(truth) + 0.01]
    found = mixture_weights(means, counts, anchor=0, ridge=1e-9)

    def objective(weights: np.ndarray) -> float:
        mean = sum(w * m for w, m in zip(weights, means, strict=True))
        return float(mean.sum() - (counts * np.log(mean)).sum())

    oracle = optimize.minimize(objective, [0.3] * 3, bounds=[(1e-9, None)] * 3, method="L-BFGS-B").x
    np.testing.assert_allclose(found, oracle / oracle.sum(), atol=5e-3)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1.0)


def test_members_that_are_nearly_alike_are_still_told_apart() -> None:
    """A ridge on the weights themselves would hold on to the anchor: what counts is how far members differ."""
    rng = np.random.default_rng(11)
    anchor = rng.gamma(0.5, 0.6, 100_000)
    truth = anchor * rng.lognormal(0, 0.15, 100_000)
    found = mixture_weights([anchor, truth, anchor.copy()], rng.poisson(truth), anchor=0, ridge=0.02)
    assert found[1] > 0.8
    assert np.isfinite(found).all()


def test_a_strong_ridge_and_no_incident_leave_the_anchor_alone() -> None:
    rng = np.random.default_rng(8)
    means = [rng.uniform(0.1, 1, 300), rng.uniform(0.1, 1, 300)]
    np.testing.assert_allclose(mixture_weights(means, rng.poisson(means[1]), anchor=0, ridge=1e6), [1, 0], atol=1e-3)
    np.testing.assert_array_equal(mixture_weights(means, np.zeros(300, dtype=int), anchor=0, ridge=0.01), [1, 0])


def test_the_likelihood_of_scales_is_the_negative_binomial_one() -> None:
    rng = np.random.default_rng(9)
    mean, size = rng.uniform(0.05, 3, (50, 4)), rng.uniform(0.2, 4, (50, 4))
    counts = rng.poisson(mean)
    oracle = stats.nbinom.logpmf(counts, size, size / (size + mean)).sum()
    from scipy.special import gammaln

    assert Happened.of(counts).log_likelihood(mean, size) == pytest.approx(oracle + gammaln(counts + 1).sum())
