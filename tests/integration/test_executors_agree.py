"""Back-tests, tuning, training and counts are bit for bit the same in this process, on all cores and on a cluster."""

import os
import signal
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
import psutil
import pytest
from tests.unit.evaluation.conftest import make_archive

from crimepatterns.city import City
from crimepatterns.config import load_settings
from crimepatterns.context_processing import build_context
from crimepatterns.data_processing import clean, ingest
from crimepatterns.domain.folds import rolling
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.evaluation.backtest import BacktestResult, backtests
from crimepatterns.execution import DaskExecutor, JoblibExecutor, SerialExecutor
from crimepatterns.features.design import Design
from crimepatterns.features.rows import Rows
from crimepatterns.forecasts.random_forest import RANDOM_FOREST_CANDIDATES, build_random_forest
from crimepatterns.forecasts.registry import BASELINES, make_forecaster
from crimepatterns.forecasts.stored_learner import restore_learner
from crimepatterns.forecasts.tuning import tune
from crimepatterns.model_training import train
from crimepatterns.store.cell_counts import count_cells
from crimepatterns.store.models import load_model

pytestmark = pytest.mark.slow
CATEGORIES = ("burglary", "theft")


@pytest.fixture(scope="module")
def cluster() -> Iterator[DaskExecutor]:
    with DaskExecutor(workers=2) as executor:
        yield executor


@pytest.fixture(scope="module")
def archive() -> Archive:
    town = make_archive(weeks=44, per_week=300)
    return Archive(town.incidents, Grid.square(town.incidents.area, cell_size_m=100), 7)


def replay(archive, executor, *, progress=lambda *_: None) -> list[BacktestResult]:
    """Replay six origins by two baselines and two learners that are fitted twice and tuned each time."""
    folds = rolling(archive.start, archive.end, horizon_days=7, origins=6)
    names = ("count_eb", "kde", "random_forest", "gradient_boosting")
    options = {"max_rows": 8_000, "train_periods": 20, "tuning_candidates": 2, "tuning_folds": 1}
    return backtests(
        archive,
        folds,
        {name: make_forecaster(name, **options) for name in names},
        categories=CATEGORIES,
        refit_every=3,
        seed=11,
        refit_always=BASELINES,
        executor=executor,
        progress=progress,
    )


@pytest.fixture(scope="module")
def expected(archive):
    return replay(archive, SerialExecutor())


def assert_identical(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.category == other.category
        for name in other.models:
            assert np.array_equal(one.expected[name], other.expected[name]), name
            for left, right in zip(one.quantiles[name], other.quantiles[name], strict=True):
                assert sorted(left) == sorted(right)
                assert all(np.array_equal(left[level], right[level], equal_nan=True) for level in right)
        assert np.array_equal(one.observed, other.observed)
        assert np.array_equal(one.before, other.before)


def test_a_back_test_on_all_cores(archive, expected):
    assert expected[0].expected["random_forest"].std() > 0
    assert_identical(replay(archive, JoblibExecutor(2)), expected)


def test_a_back_test_on_a_cluster_whose_worker_is_killed_in_mid_run(archive, expected, cluster):
    pids = list(cluster.map(_pid_after_a_while, range(8)))
    assert len(set(pids)) == 2
    told, killed = [], []

    def kill_one(_task, done, total):
        told.append((done, total))
        if done == 2:
            os.kill(pids[0], signal.SIGKILL)
            killed.append(pids[0])

    found = replay(archive, cluster, progress=kill_one)
    assert killed
    assert not psutil.pid_exists(pids[0]) or psutil.Process(pids[0]).status() == psutil.STATUS_ZOMBIE
    assert told[-1] == (12, 12)
    assert_identical(found, expected)
    assert pids[0] not in set(cluster.map(_pid_after_a_while, range(8)))


def test_tuning(archive, cluster):
    history = archive.at(archive.end, target="theft")
    design = Design(history.panel, "theft")
    rows = Rows.sample(len(history.grid), 10, 40, limit=20_000, rng=np.random.default_rng(1))
    features, outcome = design.rows(rows), design.outcomes(rows) > 0
    options = {"build": build_random_forest, "candidates": RANDOM_FOREST_CANDIDATES[:3], "folds": 2, "max_rows": 4_000}
    options["trial"] = {"n_estimators": 10, "max_samples": 4_000}
    tables = [
        tune(features, outcome, rows.periods, rng=np.random.default_rng(3), executor=executor, **options)
        for executor in (None, SerialExecutor(), JoblibExecutor(2), cluster)
    ]
    assert tables[0].table["log_loss"].nunique() == 3
    for other in tables[1:]:
        pd.testing.assert_frame_equal(other.table, tables[0].table, check_exact=True)
        assert other.settings == tables[0].settings


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory):
    """A small city, cleaned."""
    changes = {
        "root": str(tmp_path_factory.mktemp("city")),
        "source": {"incidents": 4_000, "years": 1},
        "grid": {"cell_size_m": 500},
        "forecast": {"categories": ["theft"], "tuning_candidates": 2, "tuning_folds": 1, "max_rows": 6_000},
        "evaluation": {"select_origins": 6, "judge_origins": 6},
    }
    settings = load_settings(overrides=changes)
    ingest(settings)
    clean(settings)
    build_context(settings)
    return changes


def test_training(cleaned):
    stored = {}
    for kind in ("serial", "joblib", "dask"):
        # On the cluster one model is trained at a time, and its tuning is what is spread.
        models = ["gradient_boosting"] if kind == "dask" else ["random_forest", "gradient_boosting"]
        settings = load_settings(
            overrides={**cleaned, "forecast": {**cleaned["forecast"], "models": models}, "execution": {"kind": kind}}
        )
        summary = train(settings)
        for name, facts in summary["models"].items():
            folder = settings.root / "models" / name / facts["version"]
            model = load_model(folder)
            archive = City(settings).archive
            fitted = restore_learner(model.pipeline, model.config)
            chance = fitted.chance(fitted.features(archive.at(archive.end, target="theft")))
            found = (facts, (folder / "model_metrics.json").read_bytes(), chance.tobytes())
            assert stored.setdefault(name, found) == found, (kind, name)
    assert len(stored) == 2


@pytest.mark.parametrize("known", ["everything", "as of an earlier day"])
def test_panels_counted_from_disk(cleaned, cluster, known):
    city = City(load_settings(overrides=cleaned))
    end = city.incidents.table["occurred_from"].max().normalize()
    periods = Periods.ending_at(end, days=1, count=200)
    categories = tuple(sorted(city.incidents.categories))
    as_of = None if known == "everything" else end - pd.Timedelta(days=40)
    expected = Panel.count(city.incidents, city.grid, periods, categories=categories, as_of=as_of)
    assert expected.counts.sum() > 500
    for executor in (None, SerialExecutor(), JoblibExecutor(2), cluster):
        found = count_cells(
            city.layout.incidents, city.grid, periods, categories=categories, as_of=as_of, executor=executor
        )
        assert np.array_equal(found.counts, expected.counts)
        assert (found.outside, found.as_of) == (expected.outside, expected.as_of)


def _pid_after_a_while(_: int) -> int:
    time.sleep(0.1)
    return os.getpid()
