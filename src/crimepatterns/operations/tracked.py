"""Tell an MLflow server what a stage made, where the settings name one; the stage's own result never hangs on it."""

from collections.abc import Sequence
from pathlib import Path

from crimepatterns.config import Settings
from crimepatterns.errors import TrackingError
from crimepatterns.operations.backup import city_models
from crimepatterns.store.layout import Layout
from crimepatterns.tracking.mlflow_rest import MlflowServer
from crimepatterns.tracking.told_runs import ToldRun, evaluation_run, model_run, point_at_stages, tell

__all__ = ["track_all", "tracked"]

_SPANS = {"evaluate": "select", "judge": "judge"}


def tracked(settings: Settings, stage: str) -> str:
    """Tell the server of the settings what is new after a stage; one sentence, empty where there is nothing to tell.

    A server that is down is told in the sentence, and nothing is lost: `track_all` tells it later.
    """
    if settings.tracking.mlflow is None or stage not in {"train", "gate", *_SPANS}:
        return ""
    try:
        return track_all(settings)
    except TrackingError as error:
        return f"Not told to MLflow: {error} Run `crimepatterns model track` when it is mended."


def track_all(settings: Settings) -> str:
    """Tell the server every stored version and evaluation that it does not know, and which versions have a stage.

    Raises
    ------
    TrackingError
        If the settings name no server, or it cannot be reached or refuses.
    ModelError
        If a version is incomplete or altered.
    """
    address = settings.tracking.mlflow
    if address is None:
        raise TrackingError("No MLflow server is named: set tracking.mlflow, such as http://127.0.0.1:5000.")
    layout = Layout(settings.root, settings.city)
    homes = city_models(layout)
    versions = [path.parent for home in homes for path in sorted(home.glob("[!.]*/manifest.json"))]
    spans = [layout.evaluation / span for span in _SPANS.values()]
    with MlflowServer(address) as server:
        new = tell(server, settings.tracking.experiment or settings.city, _runs(settings, versions, spans))
        for home in homes:
            point_at_stages(server, home)
    return f"{new} new run{'' if new == 1 else 's'} told to MLflow at {address}."


def _runs(settings: Settings, versions: Sequence[Path], spans: Sequence[Path]) -> list[ToldRun]:
    wanted = {**settings.evaluation.model_dump(mode="json"), "models": settings.forecast.models}
    evaluations = [
        evaluation_run(folder, city=settings.city, settings=wanted)
        for folder in spans
        if (folder / "scorecard.json").is_file()
    ]
    return [*(model_run(folder) for folder in versions), *evaluations]
