"""Stored models: read back as they were, and refused where they are not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline
from skops import io as skops_io

from crimepatterns.errors import ModelError, UntrustedModelError
from crimepatterns.forecasts.calibrated_classifier import CalibratedClassifier
from crimepatterns.store.models import ARTEFACTS, export_joblib, find_version, load_model, save_model

RNG = np.random.default_rng(0)
FEATURES = pd.DataFrame(RNG.poisson(1, (400, 3)).astype(np.float32), columns=["own", "neighbours", "other"])
OUTCOME = (RNG.random(400) < 0.1 + 0.2 * FEATURES["own"]).astype(int).to_numpy()
MODELS = {
    "forest": RandomForestClassifier(n_estimators=5, random_state=0).fit(FEATURES, OUTCOME),
    "boosting": HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(FEATURES, OUTCOME),
}


class Foreign(CalibratedClassifier):
    """A type that is not on the list."""


def save(folder: Path, kind: str = "forest", *, version: str = "20250101-aaaa", pipeline: Any = None) -> Path:
    model = MODELS[kind]
    joined = Pipeline([("model", CalibratedClassifier(model, 0.1, 0.9))]) if pipeline is None else pipeline
    return save_model(
        folder,
        "city-theft-forest",
        version,
        trained_model=model,
        pipeline=joined,
        metrics={"roc_auc": float("nan"), "log_loss": 0.2},
        config={"features": list(FEATURES.columns)},
        importance=Figure(),
        dependence=Figure(),
        card="# Card\n",
        manifest={"seed": 7, "libraries": {"numpy": np.__version__}},
    )


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_what_is_saved_is_read_back_to_the_bit(tmp_path: Path, kind: str) -> None:
    folder = save(tmp_path, kind)
    stored = load_model(folder)
    np.testing.assert_array_equal(stored.trained_model.predict_proba(FEATURES), MODELS[kind].predict_proba(FEATURES))
    expected = CalibratedClassifier(MODELS[kind], 0.1, 0.9).predict_proba(FEATURES)
    np.testing.assert_array_equal(stored.pipeline.predict_proba(FEATURES), expected)
    assert stored.config == {"features": ["own", "neighbours", "other"]}
    assert stored.metrics == {"roc_auc": None, "log_loss": 0.2}
    assert stored.manifest["seed"] == 7
    assert {path.name for path in folder.iterdir()} == {*ARTEFACTS, "manifest.json"}


@pytest.mark.parametrize("file", ARTEFACTS)
def test_one_flipped_byte_is_refused(tmp_path: Path, file: str) -> None:
    folder = save(tmp_path)
    content = bytearray((folder / file).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / file).write_bytes(bytes(content))
    with pytest.raises(UntrustedModelError, match=file):
        load_model(folder)


def test_a_lost_file_or_manifest_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path)
    (folder / "model_card.md").unlink()
    with pytest.raises(ModelError, match=r"model_card.md is missing"):
        load_model(folder)
    (folder / "manifest.json").write_text(json.dumps({"name": "x", "version": "y", "sha256": {}}), encoding="utf-8")
    with pytest.raises(ModelError, match="does not describe a model"):
        load_model(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ModelError, match=r"no manifest\.json"):
        load_model(folder)


def plant(folder: Path, file: str, content: bytes) -> None:
    """Put a file in and write its digest into the manifest, as somebody who can write there would."""
    from crimepatterns.store.digests import sha256_bytes

    (folder / file).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["sha256"][file] = sha256_bytes(content)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_a_foreign_type_is_refused_even_with_the_right_digest(tmp_path: Path) -> None:
    folder = save(tmp_path)
    plant(folder, "model_pipeline.skops", skops_io.dumps(Pipeline([("model", Foreign(MODELS["forest"]))])))
    with pytest.raises(UntrustedModelError, match="Foreign"):
        load_model(folder)
    with pytest.raises(UntrustedModelError, match="Foreign"):
        save(tmp_path, pipeline=Pipeline([("model", Foreign(MODELS["forest"]))]), version="20250102-bbbb")
    assert not (tmp_path / "city-theft-forest" / "20250102-bbbb").exists()


def test_a_pickle_in_a_models_place_is_never_loaded(tmp_path: Path) -> None:
    import pickle

    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (lambda _: (tmp_path / "exploded").touch(), ("",)) if False else (eval, ("1/0",))

    folder = save(tmp_path)
    plant(folder, "trained_model.skops", pickle.dumps(Bomb()))
    with pytest.raises(ModelError, match="cannot be read as a model"):
        load_model(folder)


def test_the_latest_version_is_the_one_written_last(tmp_path: Path) -> None:
    newer, older = save(tmp_path, version="20250301-aaaa"), save(tmp_path, version="20250101-bbbb")
    assert find_version(tmp_path, "city-theft-forest") == older
    assert find_version(tmp_path, "city-theft-forest", "20250301-aaaa") == newer
    (tmp_path / "city-theft-forest" / "latest.txt").write_text("20240101-gone\n", encoding="utf-8")
    assert find_version(tmp_path, "city-theft-forest") == newer
    with pytest.raises(ModelError, match="no version 'v9'"):
        find_version(tmp_path, "city-theft-forest", "v9")
    with pytest.raises(ModelError, match="city-theft-forest"):
        find_version(tmp_path, "elsewhere")
    with pytest.raises(ModelError, match="letters, digits"):
        find_version(tmp_path, "../elsewhere")


def test_the_same_version_is_replaced_whole(tmp_path: Path) -> None:
    first = save(tmp_path)
    (first / "stray.txt").write_text("x", encoding="utf-8")
    assert save(tmp_path) == first
    assert not (first / "stray.txt").exists()


def test_what_a_killed_run_left_of_another_version_goes(tmp_path: Path) -> None:
    half = save(tmp_path).parent / ".20250102-bbbb.01234567.part"
    half.mkdir()
    (half / "trained_model.skops").write_bytes(b"half")
    folder = save(tmp_path, version="20250103-cccc")
    assert sorted(path.name for path in folder.parent.iterdir() if path.is_dir()) == ["20250101-aaaa", "20250103-cccc"]


@pytest.mark.parametrize("served", ["models/x", "deployment/app/static/x", "results/city", "Models"])
def test_pickle_is_never_written_into_a_served_folder(tmp_path: Path, served: str) -> None:
    folder = save(tmp_path)
    with pytest.raises(ModelError, match="served folder"):
        export_joblib(folder, tmp_path / served)
    with pytest.raises(ModelError, match="served folder"):
        export_joblib(folder, folder / "inside")
    assert not list(tmp_path.rglob("*.pkl"))


def test_export_writes_pickle_with_a_warning(tmp_path: Path) -> None:
    import joblib

    written = export_joblib(save(tmp_path / "stored"), tmp_path / "exported")
    assert [path.name for path in written] == ["trained_model.pkl", "model_pipeline.pkl", "WARNING.txt"]
    again = joblib.load(written[0])
    np.testing.assert_array_equal(again.predict_proba(FEATURES), MODELS["forest"].predict_proba(FEATURES))
    assert "run code when they are loaded" in written[2].read_text(encoding="utf-8")
