"""Borders of weighted bins: the same as scikit-learn's, found faster."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.ensemble._hist_gradient_boosting import binning

from crimepatterns.forecasts.weighted_borders import borders_in_one_go, weighted_borders


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rows", [40, 3_000])
def test_borders_are_those_of_scikit_learn(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = np.ones(rows) if seed % 3 == 0 else rng.gamma(0.5, size=rows)
    for values in (rng.normal(size=rows), rng.poisson(1.0, rows) / 7.0, np.round(rng.gamma(0.3, size=rows), 2)):
        values[rng.random(rows) < 0.05] = np.nan if seed % 2 else 0.0
        expected = binning._find_binning_thresholds(values, 63, weights)
        np.testing.assert_array_equal(weighted_borders(values, weights, 63), expected)


def test_rows_without_weight_and_a_column_of_one_value_have_no_borders() -> None:
    values, weights = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 1.0])
    np.testing.assert_array_equal(weighted_borders(values, weights, 63), [2.0])
    assert len(weighted_borders(np.full(3, 4.0), weights, 63)) == 0


def test_a_fit_is_the_same_inside_and_the_library_is_as_before_afterwards() -> None:
    rng, plain = np.random.default_rng(5), binning._find_binning_thresholds
    features, weights = rng.normal(size=(2_000, 4)), rng.uniform(0.1, 2.0, 2_000)
    counts = rng.poisson(np.exp(0.3 * features[:, 0]))
    model = HistGradientBoostingRegressor(loss="poisson", max_iter=20, max_bins=63, early_stopping=False)
    expected = model.fit(features, counts, sample_weight=weights).predict(features)
    with pytest.raises(ZeroDivisionError), borders_in_one_go():
        assert binning._find_binning_thresholds is not plain
        found = model.fit(features, counts, sample_weight=weights).predict(features)
        raise ZeroDivisionError
    np.testing.assert_array_equal(found, expected)
    assert binning._find_binning_thresholds is plain


def test_blocks_of_threads_that_overlap_leave_the_library_as_it_was() -> None:
    plain = binning._find_binning_thresholds
    first, second = borders_in_one_go(), borders_in_one_go()
    with first:
        second.__enter__()
    assert binning._find_binning_thresholds is not plain, "the second block still runs"
    second.__exit__(None, None, None)
    assert binning._find_binning_thresholds is plain
