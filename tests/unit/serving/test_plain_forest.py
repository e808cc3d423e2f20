"""A forest that is asked tree by tree gives the bits that scikit-learn gives."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor

from crimepatterns.forecasts.calibrated_classifier import CalibratedClassifier
from crimepatterns.forecasts.calibrated_counts import CalibratedCounts
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
    boosting = CalibratedCounts(HistGradientBoostingRegressor(max_iter=5).fit(ROWS, COUNTS))
    assert quick(boosting) is boosting
