"""Searching settings: the best is found, time is respected, and a broken-off search goes on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from crimepatterns.errors import ForecastError
from crimepatterns.forecasts import optuna_search
from crimepatterns.forecasts.learning_task import ChanceTask
from crimepatterns.forecasts.optuna_search import OptunaSearch, Range
from crimepatterns.forecasts.tuning import Tuning
from crimepatterns.store.studies import open_studies, read_tuned, write_tuned

PERIODS = np.repeat(np.arange(3, 33), 40)
OUTCOME = (np.random.default_rng(4).random(len(PERIODS)) < 0.3).astype(np.int64)
SPACE = {"toy": {"bias": Range(-0.25, 0.4), "kind": ("mean", "half")}}
DEFAULT = {"bias": 0.3, "kind": "mean"}


class Toy:
    """Says the mean of what it saw plus a bias; right where the bias is 0 and the mean is not halved."""

    fits = 0
    latest: tuple[int, ...] = ()

    def __init__(self, bias: float, kind: str) -> None:
        self.bias, self.factor = bias, 0.5 if kind == "half" else 1.0

    def fit(self, features: pd.DataFrame, outcome: np.ndarray) -> None:
        Toy.fits += 1
        Toy.latest = (*Toy.latest, int(features["period"].max()))
        self.mean = float(outcome.mean())

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        assert int(features["period"].min()) > Toy.latest[-1], "scored on what it learned from"
        chance = np.full(len(features), np.clip(self.factor * self.mean + self.bias, 0.01, 0.99))
        return np.column_stack([1 - chance, chance])


def build(settings: Mapping[str, Any], *, rows: int, seed: int, jobs: int) -> Toy:
    assert rows > 0
    assert jobs == 1
    assert seed >= 0
    return Toy(**settings)


def search(**options: Any) -> Tuning:
    made = OptunaSearch(SPACE, **{"trials": 30, "seed": 3, **options})
    Toy.fits = 0
    return made.tune(
        pd.DataFrame({"period": PERIODS}), OUTCOME, PERIODS,
        name="toy", target="theft", build=build, task=ChanceTask(), candidates=[DEFAULT], folds=3,
        rng=np.random.default_rng(1), max_rows=5_000,
    )  # fmt: skip


def test_it_finds_better_settings_than_the_default_and_breaks_off_hopeless_ones() -> None:
    found = search()
    assert abs(0.3 * (1.0 if found.settings["kind"] == "mean" else 0.5) + found.settings["bias"] - 0.3) < 0.06
    assert dict(found.table["candidate"].iloc[0]) == DEFAULT
    assert len(found.table) == 30
    assert not found.table["finished"].all(), "none was broken off"
    assert Toy.fits < 3 * 30
    finished = found.table[found.table["finished"]]
    assert found.settings == finished.loc[finished["log_loss"].idxmin(), "candidate"]
    assert found.table.loc[~found.table["finished"], "fold_2"].isna().all()


def test_the_same_seed_and_number_of_trials_give_the_same_answer() -> None:
    pd.testing.assert_frame_equal(search(trials=12).table, search(trials=12).table)


def test_a_search_that_was_broken_off_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = search(trials=6, storage=open_studies(tmp_path))
    study = optuna.load_study(study_name=None, storage=open_studies(tmp_path))
    study.ask()  # A killed run leaves a trial open.
    more = search(trials=10, storage=open_studies(tmp_path))
    pd.testing.assert_frame_equal(more.table.iloc[:6], first.table)
    assert len(more.table) == 10
    assert Toy.fits <= 3 * 4
    again = search(trials=10, storage=open_studies(tmp_path))
    assert Toy.fits == 0
    assert again.settings == more.settings
    assert {path.name for path in tmp_path.iterdir()} == {"studies.sqlite"}


def test_a_spent_budget_gives_the_default() -> None:
    found = search(minutes=1e-9)
    assert len(found.table) <= 1
    assert found.settings == DEFAULT


def test_too_few_periods_leave_the_default_untried() -> None:
    made = OptunaSearch(SPACE, trials=3)
    found = made.tune(
        pd.DataFrame({"period": [1.0, 1.0]}), np.array([0, 1]), np.array([1, 1]),
        name="toy", target="theft", build=build, task=ChanceTask(), candidates=[DEFAULT], folds=2,
        rng=np.random.default_rng(1), max_rows=10,
    )  # fmt: skip
    assert found.settings == DEFAULT
    assert found.table.empty


def test_without_optuna_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    for name in [one for one in sys.modules if one.partition(".")[0] == "optuna"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ForecastError, match=r"crimepatterns\[tuning\]"):
        optuna_search._optuna()
    with pytest.raises(ForecastError, match=r"crimepatterns\[tuning\]"):
        open_studies(tmp_path)


def test_settings_that_were_found_are_read_for_the_same_span_only(tmp_path: Path) -> None:
    assert read_tuned(tmp_path, fit_end="2020") == {}
    write_tuned(tmp_path, {"toy": {"theft": DEFAULT}}, facts={"fit_end": "2020"})
    assert read_tuned(tmp_path, fit_end="2020") == {"toy": {"theft": DEFAULT}}
    assert read_tuned(tmp_path, fit_end="2021") == {}
