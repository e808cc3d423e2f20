"""P-values, checked against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crimepatterns.errors import PatternError
from crimepatterns.patterns.significance import binomial_tail, discoveries, false_discovery_rate, permutation_p


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_q_values_are_those_of_scipy(p: list[float]) -> None:
    np.testing.assert_allclose(false_discovery_rate(p), stats.false_discovery_control(p), atol=1e-12)


def test_q_values_do_not_depend_on_the_order_of_the_tests() -> None:
    rng = np.random.default_rng(1)
    p = np.round(rng.uniform(size=500), 2)
    order = rng.permutation(500)
    np.testing.assert_allclose(false_discovery_rate(p)[order], false_discovery_rate(p[order]))


@pytest.mark.parametrize("bad", [[0.5, np.nan], [-0.1], [1.2], [[0.1, 0.2]]])
def test_unusable_p_values_are_refused(bad: list[float]) -> None:
    with pytest.raises(PatternError, match="p-values must"):
        false_discovery_rate(bad)


@pytest.mark.parametrize("fdr", [0.0, 1.0, -1.0, float("nan")])
def test_a_false_discovery_rate_outside_its_range_is_refused(fdr: float) -> None:
    with pytest.raises(PatternError, match="between 0 and 1"):
        discoveries([0.1], fdr=fdr)


def test_discoveries_include_the_limit_itself() -> None:
    assert discoveries([0.05, 0.0500001], fdr=0.05).tolist() == [True, False]


def test_a_permutation_p_counts_ties_and_is_never_zero() -> None:
    simulated = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    assert permutation_p([9.0, 5.0], simulated).tolist() == [0.25, 1.0]
    assert permutation_p(2.0, simulated[:, :1]).tolist() == [0.75]
    with pytest.raises(PatternError, match="one row per simulation"):
        permutation_p([1.0, 2.0], simulated[:, :1])


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0, 1))
def test_binomial_tails_are_those_of_scipy(total: int, fraction: float, probability: float) -> None:
    count = round(fraction * total)
    more = binomial_tail([count], total, [probability])[0]
    fewer = binomial_tail([count], total, [probability], alternative="less")[0]
    assert more == pytest.approx(stats.binom.sf(count - 1, total, probability), rel=1e-9, abs=1e-290)
    assert fewer == pytest.approx(stats.binom.cdf(count, total, probability), rel=1e-9, abs=1e-290)
