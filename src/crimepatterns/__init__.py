"""From incident records to hot spots, forecasts of places and times, patrol plans and honest scorecards.

The names below read like the pipeline in a notebook; each is imported when it is first used.
"""

from importlib import import_module
from typing import Any

from crimepatterns.version import __version__

_HOMES = {
    "City": "crimepatterns.city",
    "Forecast": "crimepatterns.domain.forecast",
    "Grid": "crimepatterns.domain.grid",
    "History": "crimepatterns.domain.history",
    "Incidents": "crimepatterns.domain.incidents",
    "Panel": "crimepatterns.domain.panel",
    "Periods": "crimepatterns.domain.periods",
    "Scorecard": "crimepatterns.domain.scorecard",
    "StudyArea": "crimepatterns.domain.area",
    "Surface": "crimepatterns.domain.surface",
    "build_features": "crimepatterns.feature_engineering",
    "clean": "crimepatterns.data_processing",
    "evaluate": "crimepatterns.model_evaluation",
    "find_clusters": "crimepatterns.pattern_analysis",
    "forecast": "crimepatterns.forecasting",
    "hot_spots": "crimepatterns.pattern_analysis",
    "ingest": "crimepatterns.data_processing",
    "load_settings": "crimepatterns.config",
    "make_forecaster": "crimepatterns.forecasts.registry",
    "plan": "crimepatterns.planning",
    "rolling": "crimepatterns.domain.folds",
    "run_all": "crimepatterns.operations.pipeline",
    "run_stage": "crimepatterns.operations.pipeline",
    "train": "crimepatterns.model_training",
}

__all__ = ["__version__", *sorted(_HOMES)]  # noqa: PLE0604  # built from one table, pinned by a test


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``import crimepatterns`` stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'crimepatterns' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
