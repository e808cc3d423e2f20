"""Learners of counts: calibration, offset, storage types, and totals that fit."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import mean_poisson_deviance
from skops import io as skops_io

from crimepatterns.features.rows import Rows
from crimepatterns.features.shrunk import RECENT_PERIODS, shrunk_count_feature
from crimepatterns.forecasts.calibrated_classifier import fit_line
from crimepatterns.forecasts.calibrated_counts import CalibratedCounts, log_mean
from crimepatterns.forecasts.learning_task import ChanceTask, CountTask
from crimepatterns.forecasts.poisson_boosting import POISSON_BOOSTING_CANDIDATES, build_poisson_boosting
from crimepatterns.forecasts.random_forest import RANDOM_FOREST_CANDIDATES
from crimepatterns.forecasts.random_forest_regressor import build_random_forest_regressor
from crimepatterns.store.models import TRUSTED_TYPES


class Told:
    """Answers what it was given, and remembers what it was fitted to."""

    def __init__(self, answer: np.ndarray) -> None:
        self.answer = answer

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        return self.answer[: len(features)]

    def fit(self, _: pd.DataFrame, target: np.ndarray, sample_weight: np.ndarray | None = None) -> None:
        self.target, self.weight = target, sample_weight


def test_log_scale_is_smeared_to_the_right_total() -> None:
    rng = np.random.default_rng(1)
    truth = rng.gamma(0.4, 0.5, 20_000)
    counts = rng.poisson(truth)
    # The best that a regressor of log(1 + count) can say of each mean, by simulation.
    grid = np.linspace(0, truth.max(), 400)
    best = np.interp(truth, grid, np.log1p(rng.poisson(grid[:, None], (400, 2_000))).mean(axis=1))
    model, features = Told(best), pd.DataFrame({"a": truth})
    raw = log_mean(model, features, scale="log", offset=None)
    assert np.exp(raw).sum() < 0.95 * counts.sum()
    made = CalibratedCounts(model, *fit_line(raw, counts), scale="log").fit(features, np.zeros(0))
    assert made.expected(features).sum() == pytest.approx(counts.sum(), rel=1e-3)
    np.testing.assert_allclose(made.predict_proba(features)[:, 1], -np.expm1(-made.expected(features)), atol=1e-12)
    np.testing.assert_array_equal(made.predict(features), made.expected(features) > np.log(2))


def test_a_weighted_ratio_is_poisson_regression_with_an_offset() -> None:
    """Scikit-learn's PoissonRegressor on count / m with weight m solves the equations of an offset log m."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"x": rng.normal(size=4_000), "m": rng.uniform(0.05, 2.0, 4_000)})
    counts = rng.poisson(frame["m"] * np.exp(0.3 + 0.5 * frame["x"]))
    task = CountTask("count", offset="m")
    told = Told(np.ones(4_000))
    task.fit(told, frame, counts)
    model = PoissonRegressor(alpha=0, tol=1e-10).fit(frame[["x"]], told.target, sample_weight=told.weight)
    mean = frame["m"] * model.predict(frame[["x"]])
    residual = counts - mean
    assert residual.sum() == pytest.approx(0, abs=1e-3)
    assert (residual * frame["x"]).sum() == pytest.approx(0, abs=1e-3)
    assert model.coef_[0] == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(np.exp(task.log_rate(told, frame)), frame["m"])


def test_the_loss_is_poisson_deviance_at_the_right_total() -> None:
    rng = np.random.default_rng(3)
    mean, counts = rng.uniform(0.1, 2.0, 500), rng.poisson(0.7, 500)
    features = pd.DataFrame({"a": mean})
    scaled = mean * counts.sum() / mean.sum()
    found = CountTask("count").loss(Told(7.0 * mean), features, counts)
    assert found == pytest.approx(mean_poisson_deviance(counts, scaled))
    assert CountTask("count").nothing_to_learn(np.zeros(4, dtype=int))
    assert not CountTask("count").nothing_to_learn(np.ones(4, dtype=int))
    assert ChanceTask().nothing_to_learn(np.ones(4, dtype=int))


def test_trees_correct_the_shrunk_count_and_leave_it_where_it_is_right() -> None:
    rng = np.random.default_rng(4)
    n = 8_000
    frame = pd.DataFrame({"drift": rng.uniform(-1, 1, n), "m": rng.gamma(0.5, 0.2, n) + 1e-3})
    task = CountTask("count", offset="m")
    right, wrong = rng.poisson(frame["m"]), rng.poisson(frame["m"] * np.exp(frame["drift"]))
    for counts, truth in ((right, frame["m"]), (wrong, frame["m"] * np.exp(frame["drift"]))):
        model = build_poisson_boosting(POISSON_BOOSTING_CANDIDATES[0], rows=n, seed=1, jobs=1)
        task.fit(model, frame, counts)
        told = np.exp(task.log_rate(model, frame))
        assert float(np.average(np.abs(np.log(told / truth)), weights=frame["m"])) < 0.15


def test_a_forest_never_draws_more_rows_than_there_are() -> None:
    forest = build_random_forest_regressor(RANDOM_FOREST_CANDIDATES[0], rows=300, seed=1, jobs=1)
    assert forest.max_samples == 300


def test_calibrated_boosting_of_counts_can_be_stored_and_read() -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"a": rng.normal(size=400), "m": np.full(400, 0.5)})
    model = HistGradientBoostingRegressor(loss="poisson", max_iter=5).fit(frame, rng.poisson(0.5, 400))
    made = CalibratedCounts(model, 0.1, 0.9, "count", "m").fit(frame, np.zeros(0))
    content = skops_io.dumps(made)
    assert set(skops_io.get_untrusted_types(data=content)) <= TRUSTED_TYPES
    again = skops_io.loads(content, trusted=sorted(TRUSTED_TYPES))
    np.testing.assert_array_equal(again.expected(frame), made.expected(frame))


def test_the_shrunk_count_feature_knows_the_past_only_and_follows_its_formula() -> None:
    rng = np.random.default_rng(6)
    counts = rng.poisson(0.4, (5, 30)).astype(np.int32)
    area = np.array([1.0, 1.0, 1.0, 0.5, 1.5])
    rows = Rows(np.array([3, 0, 3]), np.array([20, 5, 5]))
    found = shrunk_count_feature(counts, area, rows, shape=0.7)
    later = counts.copy()
    later[:, 20:] += 9
    np.testing.assert_array_equal(found, shrunk_count_feature(later, area, rows, shape=0.7))
    past = counts[:, :20].sum(axis=1)
    mean = past.sum() / (20 * 5.0)
    rate = area * (0.7 + past) / (0.7 / mean + 20 * area)
    recent = counts[:, 20 - RECENT_PERIODS : 20].sum()
    assert found[0] == pytest.approx(rate[3] * (recent + 1) / (rate.sum() * RECENT_PERIODS + 1), rel=1e-6)
    assert (
        shrunk_count_feature(np.zeros((5, 9), dtype=int), area, Rows(np.arange(5), np.full(5, 9)), shape=1.0) > 0
    ).all()
