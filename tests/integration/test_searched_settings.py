"""Training that searches settings: kept beside the model, resumed, and taken over by evaluation."""

import json

import numpy as np
import pytest

from crimepatterns.city import City
from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.errors import ConfigError
from crimepatterns.forecasts.registry import make_forecaster
from crimepatterns.model_evaluation import evaluate
from crimepatterns.model_training import train
from crimepatterns.store.models import find_version, load_model
from crimepatterns.store.studies import read_tuned

SPACE = {"poisson_boosting": {"max_leaf_nodes": [3, 6], "max_iter": {"low": 5, "high": 20, "whole": True}}}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    changes = {
        "root": str(tmp_path_factory.mktemp("city")),
        "workers": 1,
        "source": {"incidents": 3_000, "years": 1},
        "grid": {"cell_size_m": 800},
        "context": [],
        "forecast": {
            "categories": ["theft"],
            "models": ["count_eb", "poisson_boosting"],
            "tuning_folds": 2,
            "max_rows": 8_000,
            "tuning": {"method": "optuna", "trials": 6, "space": SPACE},
        },
        "evaluation": {"select_origins": 3, "judge_origins": 3, "simulations": 2},
    }
    made = load_settings(overrides=changes)
    ingest(made)
    clean(made)
    return made


@pytest.mark.slow
def test_a_search_is_kept_resumed_and_used(settings: Settings) -> None:
    summary = train(settings)
    layout = City(settings).layout
    assert (layout.tuning / "studies.sqlite").is_file()
    assert str(layout.tuning.relative_to(settings.root)) in summary["outputs"]
    stored = load_model(find_version(layout.models, f"{settings.city}-theft-poisson_boosting"))
    tried = stored.metrics["time_cross_validation"]
    assert "Poisson deviance" in tried["score"]
    assert len(tried["candidates"]) == 6
    chosen = stored.config["facts"]["settings"]
    assert chosen["max_leaf_nodes"] in {3, 6} or chosen == tried["candidates"][0]["candidate"]
    tuned = read_tuned(layout.tuning, fit_end=summary["fit_end"])
    assert tuned == {"poisson_boosting": {"theft": chosen}}
    # Asked again, the search is finished already and the same model comes out.
    again = load_model(find_version(layout.models, f"{settings.city}-theft-poisson_boosting"))
    train(settings)
    assert again.version == stored.version
    maker = make_forecaster("poisson_boosting", tuned=tuned, max_rows=8_000)
    archive = City(settings).archive
    fitted = maker.fit(archive.at(archive.end, target="theft"), rng=np.random.default_rng(1))
    assert fitted.facts["settings"] == chosen  # type: ignore[attr-defined]
    found = evaluate(settings)
    assert set(found["primary"]["theft"]) >= {"poisson_boosting"}
    json.dumps(found)


@pytest.mark.parametrize(
    ("drawn", "words"),
    [
        ({"low": 5, "high": 3}, "low < high"),
        ({"low": 0, "high": 3, "log": True}, "low > 0"),
        ({"from": 1, "to": 3}, "needs low and high"),
        ([], "list of choices"),
        (4, "list of choices"),
    ],
)
def test_an_impossible_space_is_named(drawn: object, words: str) -> None:
    space = {"poisson_boosting": {"max_iter": drawn}}
    with pytest.raises(ConfigError, match=rf"max_iter.*{words}"):
        load_settings(overrides={"forecast": {"tuning": {"space": space}}})
