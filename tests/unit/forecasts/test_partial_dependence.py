"""Partial dependence agrees with scikit-learn's, and is drawn with a panel per feature."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import partial_dependence as theirs
from sklearn.pipeline import Pipeline

from crimepatterns.forecasts.calibrated_classifier import CalibratedClassifier
from crimepatterns.forecasts.held_out import HeldOut
from crimepatterns.forecasts.learned_forecaster import FittedLearner
from crimepatterns.forecasts.partial_dependence import partial_dependence
from crimepatterns.visuals.static import dependence_figure

FEATURES = ["own_last_4", "neighbours", "empty"]


class Told(RegressorMixin, BaseEstimator):
    """What a learner expects, as scikit-learn asks for it."""

    def __init__(self, held: HeldOut) -> None:
        self.held = held

    def fit(self, *_: object) -> "Told":
        self.fitted_ = True
        return self

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        return self.held.fitted.expected(features)


@pytest.fixture(scope="module")
def held() -> HeldOut:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.poisson(2.0, size=(400, 2)), columns=FEATURES[:2]).assign(empty=np.nan)
    outcome = rng.random(400) < 0.05 + 0.1 * table["own_last_4"].clip(upper=8)
    model = RandomForestClassifier(n_estimators=20, min_samples_leaf=20, random_state=0).fit(
        table[FEATURES[:2]], outcome.astype(int)
    )
    choose = ColumnTransformer([("features", "passthrough", FEATURES[:2])], verbose_feature_names_out=False)
    choose.set_output(transform="pandas").fit(table)
    calibrated = CalibratedClassifier(model, 0.1, 0.9).fit(pd.DataFrame(), np.zeros(0))
    fitted = FittedLearner(
        "random_forest", Pipeline([("choose", choose), ("model", calibrated)]), (), "theft",
        pd.Timestamp("2024-01-01", tz="UTC"),
    )  # fmt: skip
    nothing = np.zeros(0)
    return HeldOut(fitted, (), nothing, nothing, nothing.astype(bool), table, outcome.to_numpy())


def test_it_is_what_scikit_learn_tells(held: HeldOut) -> None:
    found = partial_dependence(held, ["own_last_4"], points=9)
    assert found["value"].is_monotonic_increasing
    oracle = theirs(
        Told(held).fit(), held.features.astype(float), ["own_last_4"], method="brute", kind="average",
        custom_values={"own_last_4": found["value"].to_numpy()},
    )  # fmt: skip
    np.testing.assert_allclose(found["expected"], oracle["average"][0], rtol=1e-9)
    assert found["expected"].iloc[-1] > 2 * found["expected"].iloc[0], "more incidents before, more expected"


def test_a_panel_per_feature_and_none_for_an_empty_one(held: HeldOut) -> None:
    found = partial_dependence(held, FEATURES)
    assert found["feature"].unique().tolist() == FEATURES[:2]
    figure = dependence_figure(found, title="Lindenfeld: theft, random_forest")
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in drawn] == ["own last 4", "neighbours"]
    assert len(drawn[0].lines[0].get_xdata()) == (found["feature"] == "own_last_4").sum()
