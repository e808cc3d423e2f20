"""Forests and boosted trees that are asked in a shorter way give the bits that scikit-learn gives."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import PoissonRegressor

from crimepatterns.forecasts.calibrated_classifier import CalibratedClassifier
from crimepatterns.forecasts.calibrated_counts import CalibratedCounts
from crimepatterns.serving.model_server.boosting import PlainBoosting
from crimepatterns.serving.model_server.forests import PlainForest, quick

RNG = np.random.default_rng(5)
ROWS = pd.DataFrame(RNG.gamma(1.0, 1.0, (400, 5)), columns=list("abcde"))
COUNTS = RNG.poisson(ROWS["a"] * 0.6)


@pytest.mark.parametrize("rows", [1, 7, 400])
def test_chances_and_values_are_the_same_bits(rows: int) -> None:
    chances = RandomForestClassifier(20, max_depth=6, random_state=1).fit(ROWS, COUNTS > 0)
    values = RandomForestRegressor(20, max_depth=6, random_state=1).fit(ROWS, np.log1p(COUNTS))
    asked = ROWS.head(rows)
    assert np.array_equal(PlainForest(chances).predict_proba(asked), chances.predict_proba(asked))
    assert np.array_equal(PlainForest(values).predict(asked), values.predict(asked))


def test_calibration_stays_what_it_was() -> None:
    forest = RandomForestClassifier(20, max_depth=6, random_state=1).fit(ROWS, COUNTS > 0)
    counts = RandomForestRegressor(20, max_depth=6, random_state=1).fit(ROWS, np.log1p(COUNTS))
    for slow in (CalibratedClassifier(forest, 0.2, 0.9), CalibratedCounts(counts, -0.1, 1.1, scale="log", offset="b")):
        assert isinstance(quick(slow).model, PlainForest)
        assert np.array_equal(quick(slow).expected(ROWS), slow.expected(ROWS))
        assert not isinstance(slow.model, PlainForest)


def test_what_is_not_known_and_other_models_are_left_to_scikit_learn() -> None:
    holes = ROWS.mask(RNG.random(ROWS.shape) < 0.2)
    forest = RandomForestRegressor(10, random_state=1).fit(holes, COUNTS)
    assert np.array_equal(PlainForest(forest).predict(holes), forest.predict(holes))
    full = RandomForestRegressor(10, random_state=1).fit(ROWS, COUNTS)
    assert np.array_equal(PlainForest(full).predict(holes), full.predict(holes))
    line = CalibratedCounts(PoissonRegressor().fit(ROWS, COUNTS))
    assert quick(line) is line
    kinds = ROWS.assign(kind=RNG.integers(0, 4, len(ROWS)))
    by_kind = HistGradientBoostingRegressor(max_iter=5, categorical_features=["kind"]).fit(kinds, kinds["kind"] % 2)
    assert quick(CalibratedCounts(by_kind)).model is by_kind


@pytest.mark.parametrize("rows", [1, 16, 400])
@pytest.mark.parametrize("unknown", [0.0, 0.2])
def test_boosted_trees_that_step_together_give_the_same_bits(rows: int, unknown: float) -> None:
    asked = ROWS.mask(np.random.default_rng(3).random(ROWS.shape) < unknown)
    asked.iloc[3, 0] = np.inf
    values = HistGradientBoostingRegressor(loss="poisson", max_iter=40, max_leaf_nodes=9).fit(asked, COUNTS)
    chances = HistGradientBoostingClassifier(max_iter=40, max_depth=3).fit(asked, COUNTS > 0)
    some = asked.head(rows)
    assert np.array_equal(PlainBoosting(values).predict(some), values.predict(some))
    assert np.array_equal(PlainBoosting(chances).predict_proba(some), chances.predict_proba(some))
    slow = CalibratedCounts(values, -0.1, 1.1)
    assert isinstance(quick(slow).model, PlainBoosting)
    assert np.array_equal(quick(slow).expected(some), slow.expected(some))
