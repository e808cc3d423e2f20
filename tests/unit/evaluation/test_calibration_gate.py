"""The gate: the truth passes, a flat forecast, a bold one and intervals that are too narrow do not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crimepatterns.evaluation.calibration import calibration_table
from crimepatterns.evaluation.calibration_gate import calibration_gate, gate_of
from crimepatterns.evaluation.comparison import Estimate
from crimepatterns.evaluation.union_coverage import coverage_table, rolling_intervals
from crimepatterns.evaluation.unions import standard_unions

from .planted_effects import planted_grid, planted_result


@pytest.fixture(scope="module")
def result():
    return planted_result(grid=planted_grid())


@pytest.fixture(scope="module")
def rows(result):
    unions = standard_unions(result.grid, compact=20, seed=7)
    found = rolling_intervals(result, "truth", unions, draws=400, seed=7).rows
    return found.loc[found["origin"] >= 16]


def test_the_truth_passes(result, rows):
    assert gate_of(result, "truth", reference="truth", coverage=coverage_table(rows)).verdict == "calibrated"
    assert gate_of(result, "truth").verdict == "calibrated"


def test_poisson_intervals_fail_although_the_counts_are_right(result, rows):
    found = gate_of(result, "truth", coverage=coverage_table(rows, column="poisson"))
    assert found.verdict == "not calibrated"
    assert all("intervals cover" in reason for reason in found.reasons)


def test_a_flat_forecast_fails_even_where_its_own_groups_are_right(result):
    found = gate_of(result, "flat", reference="truth")
    assert found.verdict == "not calibrated"
    assert any("past counts" in reason for reason in found.reasons)
    constant = replace(result, expected={"flat": np.full_like(result.expected["flat"], result.observed.mean())})
    assert "do not differ between places" in gate_of(constant, "flat").reasons[-1]
    table = calibration_table(list(result.expected["flat"]), list(result.observed))
    assert table["ratio"].between(0.8, 1.2).all()
    # Without any reference the counts of the week before show it too, and so they do for one that is only nearly flat.
    assert any("past counts" in reason for reason in gate_of(result, "flat").reasons)
    nearly = result.expected["flat"] * np.random.default_rng(1).uniform(0.99, 1.01, result.expected["flat"].shape)
    assert gate_of(replace(result, expected={"nearly": nearly}), "nearly").verdict == "not calibrated"


def test_an_overconfident_map_fails_for_its_contrast(result):
    found = gate_of(result, "bold", reference="truth")
    assert found.verdict == "not calibrated"
    assert any("too contrasted" in reason for reason in found.reasons)
    assert found.sentence.startswith("not calibrated: ")


def test_too_few_origins_or_incidents_say_nothing(result):
    short = replace(
        result, folds=result.folds[:5], observed=result.observed[:5], before=result.before[:5],
        expected={name: values[:5] for name, values in result.expected.items()},
    )  # fmt: skip
    assert gate_of(short, "truth").verdict == "too little to tell"
    quiet = replace(result, observed=np.zeros_like(result.observed))
    assert gate_of(quiet, "truth").verdict == "too little to tell"


def test_numbers_fail_only_where_their_whole_interval_lies_outside():
    fine = pd.DataFrame({"group": [1], "ratio": [1.2], "lower": [1.05], "upper": [1.35]})
    wrong = fine.assign(lower=1.11)
    slope = Estimate(0.85, 0.8, 0.95, 0.03, 12, 0.0)
    assert calibration_gate(fine, fine, slope).verdict == "calibrated"
    assert len(calibration_gate(wrong, wrong, slope).reasons) == 2
    steep = Estimate(1.3, 1.15, 1.45, 0.03, 12, 0.0)
    assert "too flat" in calibration_gate(fine, fine, steep).reasons[0]
