"""The measure of 3-km squares by hand, and that its forecasts do not know the day they are for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.errors import DomainError
from crimepatterns.evaluation.st_hsl import rolling_means, square_errors


def test_errors_count_only_where_something_happened() -> None:
    """Truth 0, 1, 4; forecast 3, 2, 2: errors 1 of 1 and 2 of 4 where it happened, 3 elsewhere."""
    found = square_errors([[3.0, 2.0, 2.0]], [[0, 1, 4]])
    assert found.mae == pytest.approx((1 + 2) / 2)
    assert found.mape == pytest.approx((1 / 1 + 2 / 4) / 2)
    assert found.mae_all == pytest.approx((3 + 1 + 2) / 3)
    assert found.expected_over_observed == pytest.approx(7 / 5)
    assert found.busy_share == pytest.approx(2 / 3)


def test_what_is_said_of_quiet_squares_does_not_matter_to_it() -> None:
    """That is its fault: a forecast of a hundred where nothing happens is as good as a right one."""
    truth = np.array([0, 0, 1, 2])
    wild, right = square_errors([100, 100, 1, 2], truth), square_errors([0, 0, 1, 2], truth)
    assert (wild.mae, wild.mape) == (right.mae, right.mape) == (0.0, 0.0)
    assert wild.mae_all > right.mae_all == 0.0


def test_the_constant_one_beats_the_true_rates_on_it() -> None:
    """Poisson counts at known rates: nobody knows more than the rates, and saying one still wins."""
    rng = np.random.default_rng(1)
    rates = rng.gamma(0.6, 1.0, (3, 60, 1)).repeat(92, axis=2)
    truth = rng.poisson(rates)
    assert square_errors(np.ones_like(rates), truth).mape < 0.8 * square_errors(rates, truth).mape


def test_nothing_happened_gives_no_number_and_shapes_must_fit() -> None:
    found = square_errors([1.0, 1.0], [0, 0])
    assert np.isnan([found.mae, found.mape, found.expected_over_observed]).all()
    with pytest.raises(DomainError, match="one shape"):
        square_errors([1.0], [1, 2])
    with pytest.raises(DomainError, match="at least one must come before"):
        rolling_means(np.ones((1, 2, 5), dtype=int), days=5, recent=3)


@given(st.integers(0, 2**16), st.integers(1, 9), st.integers(1, 20))
@settings(deadline=None)
def test_means_are_those_of_the_days_before(seed: int, days: int, recent: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(1.0, (2, 3, 12))
    made = rolling_means(counts, days=days, recent=recent)
    for step, day in enumerate(range(12 - days, 12)):
        np.testing.assert_allclose(made["count"][..., step], counts[..., :day].mean(axis=-1))
        begin = max(day - recent, 0)
        np.testing.assert_allclose(made["recent_count"][..., step], counts[..., begin:day].mean(axis=-1))
    later = counts.copy()
    later[..., -1] += 50
    for name, values in rolling_means(later, days=days, recent=recent).items():
        np.testing.assert_array_equal(values, made[name], err_msg="the last day is only ever forecast")
