"""Deviance, classification and calibration against scikit-learn, scipy and hand-worked cases."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics
from sklearn.linear_model import PoissonRegressor

from crimepatterns.evaluation.calibration import calibration_slope, calibration_table, coverage, pit_histogram
from crimepatterns.evaluation.classification import chance_of_any, classification_report, confusion, rank_pairs
from crimepatterns.evaluation.scoring_rules import deviance_skill, impossible, log_score, poisson_deviance

RNG = np.random.default_rng(11)
MEANS = RNG.gamma(0.4, 0.8, 4000) + 1e-3
COUNTS = RNG.poisson(MEANS)


def test_deviance_is_that_of_scikit_learn():
    assert poisson_deviance(MEANS, COUNTS).mean() == pytest.approx(metrics.mean_poisson_deviance(COUNTS, MEANS))


def test_a_mean_of_zero_scores_zero_or_infinity_and_is_never_repaired():
    assert poisson_deviance([0.0, 0.0], [0, 3]).tolist() == [0.0, np.inf]
    assert log_score([0.0, 0.0], [0, 1]).tolist() == [0.0, np.inf]
    assert impossible([0.0, 0.0, 0.1], [0, 3, 9]) == 3


def test_log_score_is_the_poisson_probability():
    assert log_score(MEANS, COUNTS) == pytest.approx(-stats.poisson.logpmf(COUNTS, MEANS))


def test_skill_is_the_share_of_deviance_removed():
    assert deviance_skill(8.0, 10.0) == pytest.approx(0.2)
    assert np.isnan(deviance_skill(8.0, np.inf))


def test_classifier_scores_are_those_of_scikit_learn():
    chance, happened = chance_of_any(MEANS), COUNTS > 0
    called = chance >= 0.5
    ratios = {name: top / bottom for name, (top, bottom) in confusion(chance, COUNTS, threshold=0.5).ratios.items()}
    assert ratios["accuracy"] == pytest.approx(metrics.accuracy_score(happened, called))
    assert ratios["precision"] == pytest.approx(metrics.precision_score(happened, called))
    assert ratios["recall"] == pytest.approx(metrics.recall_score(happened, called))
    assert ratios["f1"] == pytest.approx(metrics.f1_score(happened, called))
    assert ratios["majority_accuracy"] == pytest.approx(max(happened.mean(), 1 - happened.mean()))
    ordered, pairs = rank_pairs(chance, COUNTS)
    assert ordered / pairs == pytest.approx(metrics.roc_auc_score(happened, chance))
    report = classification_report(chance, COUNTS, threshold=0.5).set_index("outcome")
    assert report.loc["at least one", "recall"] == pytest.approx(ratios["recall"])
    assert report.loc["none", "cells"] == int((~happened).sum())


def test_ranking_needs_both_outcomes():
    assert rank_pairs([0.1, 0.9], [0, 0]) == (0.0, 0.0)


def test_calibration_groups_hold_equal_expected_mass_and_lose_nothing():
    table = calibration_table([MEANS, MEANS], [COUNTS, COUNTS])
    assert table["expected"].to_numpy() == pytest.approx(2 * MEANS.sum() / 10, rel=0.05)
    assert table["observed"].sum() == 2 * COUNTS.sum()
    assert table["expected"].sum() == pytest.approx(2 * MEANS.sum())


def test_calibration_intervals_cover_the_truth():
    rng, covered = np.random.default_rng(3), 0
    for _ in range(100):
        table = calibration_table([MEANS] * 4, [rng.poisson(MEANS) for _ in range(4)])
        covered += int(((table["lower"] <= 1) & (table["upper"] >= 1)).sum())
    assert 0.93 <= covered / 1000 <= 0.99


def test_calibration_of_a_group_without_incidents_has_an_exact_upper_bound():
    table = calibration_table([np.array([1.5, 1.5])], [np.array([0, 0])])
    assert table.loc[0, ["ratio", "lower"]].tolist() == [0, 0]
    assert table.loc[0, "upper"] == pytest.approx(-np.log(0.025) / 3)


def test_slope_is_that_of_a_poisson_regression():
    sharpened = MEANS**1.4
    found = calibration_slope([sharpened] * 3, [COUNTS, COUNTS, COUNTS])
    oracle = PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000).fit(np.log(sharpened)[:, None], COUNTS)
    assert found.value == pytest.approx(oracle.coef_[0], abs=1e-4)
    assert found.value == pytest.approx(1 / 1.4, abs=0.06)


def test_slope_interval_covers_one_for_true_means():
    rng, covered = np.random.default_rng(4), 0
    for _ in range(60):
        slope = calibration_slope([MEANS] * 8, [rng.poisson(MEANS) for _ in range(8)])
        covered += slope.lower <= 1 <= slope.upper
    assert covered >= 52


def test_slope_of_a_flat_map_is_not_a_number():
    assert np.isnan(calibration_slope([np.ones(50)], [np.arange(50)]).value)


def test_coverage_counts_only_cells_that_say_something():
    assert coverage([0.1, 2, 3], [0, 2, 9], [0, 0, 1], [0, 4, 6]) == (1, 2)


def test_pit_is_flat_for_true_means_and_a_slope_for_wrong_ones():
    rng = np.random.default_rng(8)
    means = rng.uniform(0.5, 20, 20_000)
    right = pit_histogram([means], [rng.poisson(means)])
    assert right.sum() == pytest.approx(1)
    assert right == pytest.approx(0.1, abs=0.01)
    wrong = pit_histogram([means], [rng.poisson(1.5 * means)])
    assert wrong[-1] > 0.2
    assert np.isnan(pit_histogram([np.full(10, 0.1)], [np.zeros(10, dtype=int)])).all()
