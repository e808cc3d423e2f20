"""Back-tests see only the past, do not depend on what else runs, and count what happened."""

import numpy as np
import pandas as pd
import pytest

from crimepatterns.domain.folds import rolling
from crimepatterns.domain.history import Archive
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import DomainError
from crimepatterns.evaluation.backtest import backtest
from crimepatterns.execution import JoblibExecutor


@pytest.fixture(scope="module")
def folds(archive):
    return rolling(archive.start, archive.end, horizon_days=7, origins=6)


@pytest.fixture(scope="module")
def result(archive, folds, forecasters):
    return backtest(archive, folds, forecasters, category="theft", refit_every=3, seed=5, refit_always=("count",))


def test_outcomes_are_the_incidents(archive, folds, result):
    table = archive.incidents.of("theft").between(folds[0].test.start, folds[-1].test.end).table
    assert result.observed.sum() + sum(result.outside) == len(table)
    assert result.expected["count"].shape == result.observed.shape == (6, len(archive.grid))


def test_a_change_of_the_future_changes_no_forecast(archive, folds, forecasters, result):
    table = archive.incidents.table
    late = table["occurred_from"] >= folds[3].cutoff
    moved = table.assign(x=table["x"].where(~late, 1900.0), y=table["y"].where(~late, 1900.0))
    other = Archive(Incidents(moved, archive.incidents.area), archive.grid, 7)
    again = backtest(other, folds, forecasters, category="theft", refit_every=3, seed=5, refit_always=("count",))
    for name in forecasters:
        assert np.array_equal(again.expected[name][:4], result.expected[name][:4])
    assert not np.array_equal(again.observed[3], result.observed[3])


def test_result_does_not_depend_on_other_models_nor_on_the_executor(archive, folds, forecasters, result):
    alone = backtest(archive, folds, {"noisy": forecasters["noisy"]}, category="theft", refit_every=3, seed=5)
    assert np.array_equal(alone.expected["noisy"], result.expected["noisy"])
    assert np.array_equal(alone.before, result.before)


@pytest.mark.slow
def test_processes_give_the_same_answer(archive, folds, forecasters, result):
    apart = backtest(
        archive, folds, forecasters, category="theft", refit_every=3, seed=5, refit_always=("count",),
        executor=JoblibExecutor(2),
    )  # fmt: skip
    assert all(np.array_equal(apart.expected[name], result.expected[name]) for name in forecasters)


def test_learners_are_refitted_every_so_many_origins(result):
    # The noise of a fit is drawn once per block: within it the ratio to the unscaled mean is constant.
    ratio = result.expected["noisy"] / result.expected["count_eb"]
    assert ratio[0] == pytest.approx(ratio[2])
    assert not np.allclose(ratio[2], ratio[3])


def test_the_window_before_the_cutoff_is_the_last_one(archive, folds, result):
    week = (folds[2].cutoff - pd.DateOffset(days=7), folds[2].cutoff)
    assert result.before[2].sum() == len(archive.incidents.of("theft").between(*week))


def test_a_forecast_comes_back_as_the_domain_knows_it(result):
    forecast = result.forecast("count_eb", 1)
    assert forecast.mean.shape == (100, 1)
    assert sorted(forecast.quantiles) == [0.05, 0.95]
    assert forecast.issued_at == result.cutoffs[1]


def test_progress_is_told(archive, folds, forecasters):
    told = []

    def tell(task, done, total):
        told.append((task, done, total))

    backtest(archive, folds[:1], forecasters, category="theft", refit_every=1, seed=1, progress=tell)
    assert told[-1] == ("Back-test of theft", 3, 3)


def test_nothing_to_run_is_an_error(archive, folds):
    with pytest.raises(DomainError, match="Back-test needs"):
        backtest(archive, folds, {}, category="theft", refit_every=1, seed=1)
