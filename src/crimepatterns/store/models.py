"""Trained models on disk: written whole, checked before they are read, and never as pickle.

A version folder is trusted as far as its manifest's digests and the list of types below go. The list lives here, in
code: a list inside the file could be changed by whoever changes the file.
"""

import json
import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from crimepatterns.errors import ModelError, UntrustedModelError
from crimepatterns.store.atomic import read_json, replacing, replacing_folder, write_text
from crimepatterns.store.digests import sha256_bytes, sha256_file
from crimepatterns.store.model_stages import check_staged, prune, read_stages

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "ARTEFACTS",
    "TRUSTED_TYPES",
    "StoredModel",
    "checked_files",
    "export_joblib",
    "find_version",
    "load_model",
    "model_names",
    "read_card",
    "remove_versions",
    "save_model",
]

TRUSTED_TYPES: frozenset[str] = frozenset(
    {
        "crimepatterns.forecasts.calibrated_classifier.CalibratedClassifier",
        "crimepatterns.forecasts.calibrated_counts.CalibratedCounts",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
    }
)
"""Types a stored model may hold beside those that skops itself trusts."""

ARTEFACTS: tuple[str, ...] = (
    "trained_model.skops",
    "model_pipeline.skops",
    "model_metrics.json",
    "model_config.yaml",
    "feature_importance.png",
    "partial_dependence.png",
    "model_card.md",
)
"""Files of a version, beside ``manifest.json`` which holds their digests."""

_SERVED_FOLDERS = frozenset({"models", "deployment", "results", "static"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LATEST = "latest.txt"


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A model as it was read and checked.

    Parameters
    ----------
    name, version : str
    trained_model : classifier
        The bare scikit-learn model.
    pipeline : sklearn Pipeline
        From a DataFrame of named features to the calibrated chance.
    config, metrics, manifest : mapping
    """

    name: str
    version: str
    trained_model: Any = field(repr=False)
    pipeline: Any = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)
    metrics: Mapping[str, Any] = field(repr=False)
    manifest: Mapping[str, Any] = field(repr=False)


def save_model(
    models: Path,
    name: str,
    version: str,
    *,
    trained_model: Any,
    pipeline: Any,
    metrics: Mapping[str, Any],
    config: Mapping[str, Any],
    importance: "Figure",
    dependence: "Figure",
    card: str,
    manifest: Mapping[str, Any],
) -> Path:
    """Write one version of a model, whole or not at all, and make it the latest.

    Parameters
    ----------
    models : Path
        The folder of all models.
    name, version : str
        Folder names; letters, digits, dot, dash and underscore.
    trained_model, pipeline : fitted scikit-learn objects
    metrics, config : mapping
        Plain values.
    importance, dependence : matplotlib Figure
    card : str
        Markdown.
    manifest : mapping
        Facts such as data digest, code version, seed, folds and library versions; digests are added here.

    Returns
    -------
    Path
        The version's folder.

    Raises
    ------
    UntrustedModelError
        If the model holds a type that could not be read back.
    """
    from skops import io as skops_io

    folder = models / _checked(name) / _checked(version)
    # Versions of a model are written one at a time, under the city's lock: another half one is left of a run that died.
    for stale in folder.parent.glob(".*.part"):
        shutil.rmtree(stale, ignore_errors=True)
    with replacing_folder(folder) as beside:
        for file, fitted in (("trained_model.skops", trained_model), ("model_pipeline.skops", pipeline)):
            content = skops_io.dumps(fitted)
            _refuse_foreign_types(content, file)
            (beside / file).write_bytes(content)
        (beside / "model_metrics.json").write_text(_json(metrics), encoding="utf-8")
        (beside / "model_config.yaml").write_text(yaml.safe_dump(dict(config), sort_keys=False), encoding="utf-8")
        importance.savefig(beside / "feature_importance.png", metadata={"Software": None})
        dependence.savefig(beside / "partial_dependence.png", metadata={"Software": None})
        (beside / "model_card.md").write_text(card, encoding="utf-8")
        digests = {file: sha256_file(beside / file) for file in ARTEFACTS}
        facts = {**manifest, "name": name, "version": version, "sha256": digests}
        (beside / "manifest.json").write_text(_json(facts), encoding="utf-8")
    write_text(models / name / _LATEST, f"{version}\n")
    return folder


def load_model(folder: Path) -> StoredModel:
    """Read one version after checking it.

    Parameters
    ----------
    folder : Path
        A version's folder, as from `find_version`.

    Raises
    ------
    ModelError
        If the folder is incomplete or not a model.
    UntrustedModelError
        If a file is not as the manifest says, or holds a type that is not trusted.
    """
    manifest, contents = checked_files(folder)
    return StoredModel(
        name=str(manifest["name"]),
        version=str(manifest["version"]),
        trained_model=_from_skops(contents["trained_model.skops"], "trained_model.skops"),
        pipeline=_from_skops(contents["model_pipeline.skops"], "model_pipeline.skops"),
        config=yaml.safe_load(contents["model_config.yaml"]),
        metrics=json.loads(contents["model_metrics.json"]),
        manifest=manifest,
    )


def checked_files(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read the manifest and every file of a version after checking it; see `load_model` for errors."""
    manifest = _read_manifest(folder)
    return manifest, {file: _checked_bytes(folder, file, manifest["sha256"][file]) for file in ARTEFACTS}


def read_card(folder: Path) -> str:
    """Read the card of a version after checking it; see `load_model` for errors."""
    manifest = _read_manifest(folder)
    return _checked_bytes(folder, "model_card.md", manifest["sha256"]["model_card.md"]).decode()


def find_version(models: Path, name: str, version: str | None = None) -> Path:
    """Find the folder of a model's version, by default the champion, or the latest where none was ever promoted.

    Raises
    ------
    ModelError
        If there is none; the message lists what there is.
    UntrustedModelError
        If the log of stages or the champion was altered.
    """
    home = models / _checked(name)
    versions = sorted(path.parent.name for path in home.glob("[!.]*/manifest.json"))
    if not versions:
        raise ModelError(
            f"No model {name!r} in {models}: found {model_names(models)}. Run `crimepatterns train` first."
        )
    if version is None:
        stages = read_stages(home)
        if stages.champion in versions:
            check_staged(home, str(stages.champion), stages)
            return home / str(stages.champion)
        pointer = home / _LATEST
        named = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else ""
        return home / (named if named in versions else versions[-1])
    if version not in versions:
        raise ModelError(f"Model {name!r} has no version {version!r}: found {versions}.")
    return home / version


def model_names(models: Path) -> list[str]:
    """Return the names of all models with a stored version, in alphabetical order."""
    return sorted({path.parent.parent.name for path in models.glob("[!.]*/[!.]*/manifest.json")})


def remove_versions(models: Path, name: str, *, keep: int) -> list[str]:
    """Remove the versions of a model that have no stage, but for the `keep` newest, and return their names.

    Each folder is first moved out of sight, so that a reader finds a version whole or not at all.
    """
    home = models / _checked(name)
    removed = prune(home, keep=keep)
    for version in removed:
        hidden = home / f".{version}.old"
        (home / version).rename(hidden)
        shutil.rmtree(hidden)
    return removed


def export_joblib(folder: Path, target: Path) -> list[Path]:
    """Write a version's model and pipeline as pickle files for other programs; this product never reads them.

    A pickle runs code when it is loaded. A text file beside them says so.

    Parameters
    ----------
    folder : Path
        A version's folder.
    target : Path
        Where to write; never inside a folder that is served or read by the product.

    Returns
    -------
    list of Path
        ``trained_model.pkl``, ``model_pipeline.pkl`` and ``WARNING.txt``.

    Raises
    ------
    ModelError
        If the target lies in a served folder; see also `load_model`.
    """
    served = _SERVED_FOLDERS & {part.lower() for part in target.resolve().parts}
    if served or folder.resolve() in [target.resolve(), *target.resolve().parents]:
        raise ModelError(
            f"Pickle files must not lie in a served folder ({', '.join(sorted(served)) or folder}): "
            "choose another folder with --to."
        )
    import joblib

    stored = load_model(folder)
    written = []
    for file, fitted in (("trained_model.pkl", stored.trained_model), ("model_pipeline.pkl", stored.pipeline)):
        with replacing(target / file) as beside:
            joblib.dump(fitted, beside)
        written.append(target / file)
    warning = (
        f"These pickle files of {stored.name} {stored.version} run code when they are loaded.\n"
        "Load them only if you made them yourself, with the same versions of scikit-learn and crimepatterns.\n"
        f"Written with {', '.join(f'{k} {v}' for k, v in stored.manifest.get('libraries', {}).items())}.\n"
    )
    write_text(target / "WARNING.txt", warning)
    return [*written, target / "WARNING.txt"]


# -- checks ----------------------------------------------------------------------------------------------------------


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ModelError(f"Model names and versions hold letters, digits, dot, dash and underscore only, got {name!r}.")
    return name


def _read_manifest(folder: Path) -> dict[str, Any]:
    if not (folder / "manifest.json").is_file():
        raise ModelError(f"{folder} is not a stored model: it has no manifest.json. Run `crimepatterns train` first.")
    manifest = read_json(folder / "manifest.json")
    digests = manifest.get("sha256") if isinstance(manifest, dict) else None
    if not isinstance(digests, dict) or set(digests) != set(ARTEFACTS) or not {"name", "version"} <= set(manifest):
        raise ModelError(f"{folder}/manifest.json does not describe a model of this product: train it again.")
    return dict(manifest)


def _checked_bytes(folder: Path, file: str, digest: str) -> bytes:
    try:
        content = (folder / file).read_bytes()
    except OSError as error:
        raise ModelError(f"{folder / file} is missing or cannot be read: train the model again.") from error
    # The bytes that were checked are the bytes that are loaded.
    if sha256_bytes(content) != digest:
        raise UntrustedModelError(f"{folder / file} is not the file that was saved: train the model again.")
    return content


def _refuse_foreign_types(content: bytes, file: str) -> list[str]:
    from skops import io as skops_io

    foreign = set(skops_io.get_untrusted_types(data=content))
    if not foreign <= TRUSTED_TYPES:
        raise UntrustedModelError(
            f"{file} holds types that this product does not trust: {sorted(foreign - TRUSTED_TYPES)}. "
            "Only models trained by this product can be used."
        )
    return sorted(foreign)


def _from_skops(content: bytes, file: str) -> Any:
    from zipfile import BadZipFile

    from skops import io as skops_io

    try:
        return skops_io.loads(content, trusted=_refuse_foreign_types(content, file))
    except (BadZipFile, KeyError, ValueError, TypeError, AttributeError, ImportError) as error:
        raise ModelError(f"{file} cannot be read as a model ({error}): train the model again.") from error


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(_without_nan(value), indent=2, sort_keys=True, default=str, ensure_ascii=False) + "\n"


def _without_nan(value: Any) -> Any:
    """Put null where a score is not defined: JSON knows no nan."""
    if isinstance(value, Mapping):
        return {str(key): _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
