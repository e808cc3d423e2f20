"""Look at what an MLflow server was told, with MLflow's own client, and compare it with the files of the project.

Run by tools/test_mlflow.sh in MLflow's environment: probe_mlflow.py ROOT versions=2 evaluations=1 champion=2 previous=1
"""

import hashlib
import json
import sys
from pathlib import Path

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

NAME = "default-theft-gradient_boosting"
ALIASES = ("champion", "candidate", "previous")


def main(root: Path, wanted: dict[str, int]) -> None:
    """Compare, and stop at the first difference."""
    client = MlflowClient()
    experiment = client.get_experiment_by_name("default")
    runs = client.search_runs([experiment.experiment_id])
    by_stage = {
        stage: [run for run in runs if run.data.tags["crimepatterns.stage"] == stage] for stage in ("train", "evaluate")
    }
    must(all(run.info.status == "FINISHED" for run in runs), "a run is not finished")
    must(len(by_stage["train"]) == wanted["versions"], [run.info.run_name for run in by_stage["train"]])
    must(len(by_stage["evaluate"]) == wanted["evaluations"], [run.info.run_name for run in by_stage["evaluate"]])
    for run in by_stage["train"]:
        folder = root / "models" / NAME / run.data.tags["crimepatterns.version"]
        check_training(run, folder, Path(download_artifacts(run_id=run.info.run_id)))
    for run in by_stage["evaluate"]:
        scores = [key for key in run.data.metrics if key.startswith("theft/count_eb/")]
        must(len(scores) >= 4, run.data.metrics)
        pages = {path.name for path in Path(download_artifacts(run_id=run.info.run_id)).iterdir()}
        must({"scoreboard.html", "scorecard.json", "champions.json"} <= pages, pages)
    check_registry(client, root, wanted)


def check_training(run: object, folder: Path, arrived: Path) -> None:
    """Every artefact arrived byte for byte, and every score with its value."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for file, digest in manifest["sha256"].items():
        must(hashlib.sha256((arrived / file).read_bytes()).hexdigest() == digest, file)
    held = json.loads((folder / "model_metrics.json").read_text(encoding="utf-8"))["held_out"]
    for who, prefix in (("model", ""), ("count_eb", "count_eb.")):
        for score, value in held[who].items():
            if isinstance(value, int | float):
                must(abs(run.data.metrics[prefix + score] - value) < 1e-9, score)
    params = run.data.params
    must(params["data_digest"] == manifest["data_digest"], params)
    must(params["forecaster"] == "gradient_boosting", params)
    must("settings.learning_rate" in params, params)


def check_registry(client: MlflowClient, root: Path, wanted: dict[str, int]) -> None:
    """Versions are numbered in the order of training, and aliases mean what the log of stages says."""
    versions = client.search_model_versions(f"name = '{NAME}'")
    must(len(versions) == wanted["versions"], versions)
    aliases = client.get_registered_model(NAME).aliases
    must(aliases == {name: str(wanted[name]) for name in ALIASES if name in wanted}, aliases)
    last = json.loads((root / "models" / NAME / "stages.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    for name in aliases:
        version = client.get_model_version_by_alias(NAME, name)
        must(version.tags["crimepatterns.version"] == last[name], (name, version.tags))
        must((Path(download_artifacts(version.source)) / "trained_model.skops").is_file(), version.source)


def must(holds: bool, told: object) -> None:
    """End with what was found where something does not hold."""
    if not holds:
        sys.exit(f"FAILED: {told}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), {key: int(value) for key, value in (pair.split("=") for pair in sys.argv[2:])})
