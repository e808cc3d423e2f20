"""From incident records to hot spots, forecasts of places and times, patrol plans and honest scorecards.

The names below read like the pipeline in a notebook; each is imported when it is first used.
"""

from importlib import import_module
from typing import Any

from crimepatterns.version import __version__

_HOMES = {
    "City": "crimepatterns.city",
    "CylinderLimits": "crimepatterns.patterns.scan",
    "Forecast": "crimepatterns.domain.forecast",
    "Grid": "crimepatterns.domain.grid",
    "History": "crimepatterns.domain.history",
    "Incidents": "crimepatterns.domain.incidents",
    "Panel": "crimepatterns.domain.panel",
    "Periods": "crimepatterns.domain.periods",
    "Scorecard": "crimepatterns.domain.scorecard",
    "Segments": "crimepatterns.domain.segments",
    "ShiftCalendar": "crimepatterns.patterns.shifts",
    "SpaceTimeBands": "crimepatterns.patterns.space_time_pairs",
    "StudyArea": "crimepatterns.domain.area",
    "Surface": "crimepatterns.domain.surface",
    "adaptive_density": "crimepatterns.patterns.density_adaptive",
    "against_usual": "crimepatterns.patterns.usual_counts",
    "build_features": "crimepatterns.feature_engineering",
    "by_domestic": "crimepatterns.patterns.filters",
    "by_premise": "crimepatterns.patterns.filters",
    "change_between": "crimepatterns.patterns.change",
    "change_table": "crimepatterns.patterns.change",
    "choose_bandwidth": "crimepatterns.patterns.bandwidth",
    "clean": "crimepatterns.data_processing",
    "concentration": "crimepatterns.patterns.concentration",
    "dbscan": "crimepatterns.patterns.clusters",
    "density_ratio": "crimepatterns.patterns.density_ratio",
    "emerging_hot_spots": "crimepatterns.patterns.emerging",
    "evaluate": "crimepatterns.model_evaluation",
    "expect": "crimepatterns.forecast_outputs.expectation",
    "find_cards": "crimepatterns.patterns.cards",
    "find_clusters": "crimepatterns.pattern_analysis",
    "find_patterns": "crimepatterns.pattern_analysis",
    "forecast": "crimepatterns.forecasting",
    "gi_star": "crimepatterns.patterns.autocorrelation",
    "hdbscan": "crimepatterns.patterns.clusters",
    "hot_spot_persistence": "crimepatterns.patterns.persistence",
    "hot_spots": "crimepatterns.pattern_analysis",
    "hour_of_week": "crimepatterns.domain.aoristic",
    "hour_weights": "crimepatterns.patterns.hour_weights",
    "ingest": "crimepatterns.data_processing",
    "kernel_density": "crimepatterns.patterns.density",
    "knox": "crimepatterns.patterns.knox",
    "labelled_ratio": "crimepatterns.patterns.density_labelling",
    "load_settings": "crimepatterns.config",
    "local_moran": "crimepatterns.patterns.local_moran",
    "local_moran_given": "crimepatterns.patterns.local_moran_given",
    "make_forecaster": "crimepatterns.forecasts.registry",
    "mass_by_shift": "crimepatterns.patterns.shifts",
    "near_repeat_chains": "crimepatterns.patterns.near_repeat",
    "network_density": "crimepatterns.patterns.network",
    "network_gi_star": "crimepatterns.patterns.network",
    "network_rates": "crimepatterns.patterns.network",
    "optimised_hot_spots": "crimepatterns.patterns.optimised",
    "permutation_scan": "crimepatterns.patterns.scan",
    "plan": "crimepatterns.planning",
    "poisson_scan": "crimepatterns.patterns.scan",
    "repeat_decay": "crimepatterns.patterns.near_repeat",
    "repeat_places": "crimepatterns.patterns.repeat_places",
    "risky_facilities": "crimepatterns.patterns.repeat_places",
    "rolling": "crimepatterns.domain.folds",
    "run_all": "crimepatterns.operations.pipeline",
    "run_stage": "crimepatterns.operations.pipeline",
    "s_index": "crimepatterns.patterns.similarity",
    "season_trend": "crimepatterns.patterns.seasonality",
    "self_exciting": "crimepatterns.patterns.self_exciting",
    "smoothed_rates": "crimepatterns.patterns.smoothed_rates",
    "st_dbscan": "crimepatterns.patterns.clusters",
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
