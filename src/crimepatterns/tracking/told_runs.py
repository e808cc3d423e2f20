"""What an MLflow server is told of a stored model and of an evaluation: figures, settings and artefacts, no record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from crimepatterns.store.atomic import read_json
from crimepatterns.store.digests import sha256_bytes, sha256_file
from crimepatterns.store.model_stages import read_stages
from crimepatterns.store.models import ARTEFACTS, checked_files
from crimepatterns.tracking.mlflow_rest import MlflowServer

__all__ = ["MANIFEST_TAG", "ToldRun", "evaluation_run", "model_run", "point_at_stages", "tell"]

MANIFEST_TAG = "crimepatterns.manifest"
"""Tag with the digest of what a run stands for; a run that is there is not told twice."""

_VERSION_TAG = "crimepatterns.version"
_STAGES = ("champion", "candidate", "previous")
_PAGES = ("scoreboard.html", "scoreboard.txt", "scorecard.json", "champions.json", "choices.json")


@dataclass(frozen=True, eq=False)
class ToldRun:
    """One run as it is told.

    Parameters
    ----------
    name : str
    digest : str
        SHA-256 of what it stands for.
    tags, params, metrics : mapping
    files : mapping of str to bytes
    model : str
        Name in the registry; empty where it is no model.
    version : str
        Version of the model.
    """

    name: str
    digest: str
    tags: Mapping[str, str] = field(repr=False)
    params: Mapping[str, Any] = field(repr=False)
    metrics: Mapping[str, float] = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    model: str = ""
    version: str = ""


def model_run(folder: Path) -> ToldRun:
    """Describe a stored version after checking its files.

    Raises
    ------
    ModelError
        If it is incomplete or altered.
    """
    manifest, files = checked_files(folder)
    config = yaml.safe_load(files["model_config.yaml"])
    held = read_json(folder / "model_metrics.json")["held_out"]
    metrics = {
        (f"{score}" if who == "model" else f"{who}.{score}"): value
        for who in ("model", "count_eb")
        for score, value in held[who].items()
    }
    params = {
        "forecaster": config["forecaster"],
        "category": config["category"],
        "horizon_days": config["horizon_days"],
        "trained_until": config["trained_until"],
        **{f"grid.{key}": value for key, value in config["grid"].items()},
        **{f"training.{key}": value for key, value in config["training"].items()},
        **{f"settings.{key}": value for key, value in config["facts"]["settings"].items()},
        **{key: manifest[key] for key in ("data_digest", "incidents", "cells", "code_version", "seed", "fit_end")},
        **{f"library.{name}": version for name, version in manifest["libraries"].items()},
    }
    name, version = str(manifest["name"]), str(manifest["version"])
    return ToldRun(
        name=f"{name} {version}",
        digest=sha256_file(folder / "manifest.json"),
        tags={_VERSION_TAG: version, "crimepatterns.stage": "train"},
        params=params,
        metrics=_numbers(metrics),
        files={**{file: files[file] for file in ARTEFACTS}, "manifest.json": (folder / "manifest.json").read_bytes()},
        model=name,
        version=version,
    )


def evaluation_run(folder: Path, *, city: str, settings: Mapping[str, Any]) -> ToldRun:
    """Describe an evaluation: the scores of every category and model, the champions and the scoreboard."""
    import pandas as pd

    notes = read_json(folder / "scorecard.json")["notes"]
    summary = pd.read_parquet(folder / "summary.parquet")
    primary = summary.loc[summary["budget"].isin(["", notes["primary"]])]
    metrics = {f"{row['category']}/{row['model']}/{row['metric']}": row["value"] for row in primary.to_dict("records")}
    files = {name: (folder / name).read_bytes() for name in _PAGES if (folder / name).is_file()}
    span = str(read_json(folder / "scorecard.json")["span"])
    keys = ("origins", "first_cutoff", "last_test_end", "primary", "confidence", "as_of", "version")
    return ToldRun(
        name=f"{city} evaluation {span} {notes['first_cutoff'][:10]}",
        digest=sha256_bytes(b"".join(files[name] for name in sorted(files))),
        tags={"crimepatterns.stage": "evaluate", "crimepatterns.span": span},
        params={
            **{key: notes[key] for key in keys if key in notes},
            **{f"champion.{category}": model for category, model in notes["champions"].items()},
            **{f"setting.{key}": value for key, value in settings.items()},
        },
        metrics=_numbers(metrics),
        files=files,
    )


def tell(server: MlflowServer, experiment: str, runs: Sequence[ToldRun]) -> int:
    """Log runs that the server does not have yet, enter models into the registry, and say how many were new."""
    new, number = 0, server.experiment(experiment)
    for run in runs:
        known = server.find_run(number, MANIFEST_TAG, run.digest)
        if known is None:
            known = server.log_run(
                number,
                run.name,
                tags={**run.tags, MANIFEST_TAG: run.digest, "crimepatterns.city": experiment},
                params=run.params,
                metrics=run.metrics,
                files=run.files,
            )
            new += 1
        if run.model and run.digest not in server.registered(run.model, MANIFEST_TAG):
            server.register(run.model, known, tags={MANIFEST_TAG: run.digest, _VERSION_TAG: run.version})
    return new


def point_at_stages(server: MlflowServer, home: Path) -> None:
    """Let the aliases champion, candidate and previous of a registered model mean what the log of stages says."""
    stages, known = read_stages(home), server.registered(home.name, MANIFEST_TAG)
    if not known:
        return
    for alias in _STAGES:
        digest = stages.manifests.get(str(getattr(stages, alias)))
        server.point(home.name, alias, known.get(str(digest)))


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {
        _allowed(key): float(value)
        for key, value in metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _allowed(key: str) -> str:
    """Write a name with the characters that MLflow allows: letters, digits, and ``_-. /``."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-. /") else "_" for letter in key)
