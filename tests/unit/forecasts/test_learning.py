from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, precision_score, recall_score, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from crimepatterns.forecasts.calibrated_classifier import (
    CalibratedClassifier,
    expected_count,
    fit_calibration,
    log_rate,
)
from crimepatterns.forecasts.probability_scores import probability_scores
from crimepatterns.forecasts.tuning import time_blocks, tune


def test_calibration_recovers_a_known_line_and_the_total() -> None:
    rng = np.random.default_rng(1)
    raw = rng.beta(0.5, 6, 40_000)
    truth = np.exp(0.4 + 1.3 * log_rate(raw))
    counts = rng.poisson(truth)
    intercept, slope = fit_calibration(raw, counts)
    oracle = PoissonRegressor(alpha=0, tol=1e-10, max_iter=2_000).fit(log_rate(raw)[:, None], counts)
    assert intercept == pytest.approx(oracle.intercept_, abs=0.01)
    assert slope == pytest.approx(oracle.coef_[0], abs=0.01)
    assert slope == pytest.approx(1.3, abs=0.1)
    mean = np.exp(intercept + slope * log_rate(raw))
    assert mean.sum() == pytest.approx(counts.sum(), rel=1e-3)


def test_calibration_with_no_incident_keeps_the_order() -> None:
    raw = np.linspace(0.01, 0.9, 50)
    intercept, slope = fit_calibration(raw, np.zeros(50, dtype=int))
    assert slope > 0
    assert np.isfinite(intercept)


def test_a_calibrated_classifier_says_what_its_formula_says() -> None:
    features = pd.DataFrame({"own": np.arange(20.0)})
    model = LogisticRegression().fit(features, np.arange(20) > 12)
    made = CalibratedClassifier(model, -0.2, 0.8).fit(features, np.zeros(0))
    chance = made.predict_proba(features)
    np.testing.assert_allclose(chance.sum(axis=1), 1)
    mean = np.exp(-0.2 + 0.8 * log_rate(model.predict_proba(features)[:, 1]))
    np.testing.assert_allclose(expected_count(chance[:, 1]), mean, rtol=1e-6)
    # Below a raw chance of 1e-5 everything counts as equal.
    assert (np.diff(chance[:, 1]) >= 0).all()
    assert (np.diff(chance[3:, 1]) > 0).all()
    np.testing.assert_array_equal(made.predict(features), chance[:, 1] > 0.5)
    assert np.isfinite(expected_count(np.array([0.0, 1.0]))).all()


def test_scores_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    chance = rng.beta(1, 3, 2_000)
    outcome = rng.random(2_000) < chance
    found = probability_scores(chance, outcome)
    yes = chance >= 0.5
    for name, oracle in {
        "log_loss": sklearn_log_loss(outcome, chance),
        "brier": brier_score_loss(outcome, chance),
        "roc_auc": roc_auc_score(outcome, chance),
        "accuracy": accuracy_score(outcome, yes),
        "precision": precision_score(outcome, yes),
        "recall": recall_score(outcome, yes),
        "f1": f1_score(outcome, yes),
    }.items():
        assert found[name] == pytest.approx(oracle), name
    assert found["majority_accuracy"] == max(outcome.mean(), 1 - outcome.mean())
    assert np.isnan(probability_scores([0.1, 0.2], [False, False])["roc_auc"])


@pytest.mark.parametrize(("first", "last", "folds"), [(0, 52, 3), (4, 9, 3), (1, 3, 3), (5, 6, 2)])
def test_blocks_lie_at_the_end_in_order_with_a_past(first: int, last: int, folds: int) -> None:
    blocks = time_blocks(first, last, folds=folds)
    assert len(blocks) <= folds
    for (start, end), following in zip(blocks, [*blocks[1:], (last, last)], strict=False):
        assert first < start < end == following[0]


class Spy:
    """Remembers the periods it was shown, and takes the mean for every answer."""

    seen: ClassVar[list[tuple[float, float, float]]] = []

    def __init__(self, bias: float) -> None:
        self.bias = bias

    def fit(self, features: pd.DataFrame, outcome: np.ndarray) -> None:
        self.mean, self.latest = float(outcome.mean()), float(features["period"].max())

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        Spy.seen.append((self.latest, float(features["period"].min()), float(features["period"].max())))
        chance = np.full(len(features), np.clip(self.mean + self.bias, 0.01, 0.99))
        return np.column_stack([1 - chance, chance])


def test_tuning_learns_from_the_past_only_and_takes_the_least_log_loss() -> None:
    rng = np.random.default_rng(4)
    periods = np.repeat(np.arange(3, 33), 40)
    outcome = rng.random(len(periods)) < 0.3
    Spy.seen = []
    found = tune(
        pd.DataFrame({"period": periods}),
        outcome,
        periods,
        build=lambda settings, **_: Spy(settings["bias"]),
        candidates=[{"bias": 0.3}, {"bias": 0.0}, {"bias": -0.25}],
        folds=3,
        rng=rng,
    )
    assert found.settings == {"bias": 0.0}
    assert len(Spy.seen) == 9
    assert all(latest < earliest for latest, earliest, _ in Spy.seen)
    assert {(a, b) for _, a, b in Spy.seen} == {(start, end - 1) for start, end in found.folds}
    assert found.table["log_loss"].idxmin() == 1


def test_one_candidate_is_taken_untried() -> None:
    found = tune(
        pd.DataFrame({"a": [1.0, 2.0]}),
        np.array([True, False]),
        np.array([1, 2]),
        build=lambda *_, **__: pytest.fail("nothing to try"),
        candidates=[{"depth": 3}],
        folds=3,
        rng=np.random.default_rng(0),
    )
    assert found.settings == {"depth": 3}
    assert found.table.empty


def test_calibration_does_not_depend_on_the_number_of_threads() -> None:
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(4)
    raw = rng.uniform(0.001, 0.4, 60_000)
    counts = rng.poisson(raw)
    found = []
    for threads in (1, 2, 4):
        with threadpool_limits(limits=threads):
            found.append(fit_calibration(raw, counts))
    assert len(set(found)) == 1
