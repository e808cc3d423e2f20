"""``random_forest``: many trees that vote on whether a cell will see an incident."""

from collections.abc import Mapping
from typing import Any

from crimepatterns.forecasts.learned_forecaster import LearnedForecaster

__all__ = ["RANDOM_FOREST_CANDIDATES", "build_random_forest", "capped", "random_forest"]

_SIZE = {"n_estimators": 100, "max_samples": 20_000}
_TRIAL = {"n_estimators": 40, "max_samples": 10_000}
"""Fewer and smaller trees while settings are compared, to save time; the chosen ones are fitted in full size."""

RANDOM_FOREST_CANDIDATES: tuple[Mapping[str, Any], ...] = tuple(
    {**_SIZE, **settings}
    for settings in (
        {"min_samples_leaf": 50, "max_features": 0.3},
        {"min_samples_leaf": 20, "max_features": 0.3},
        {"min_samples_leaf": 100, "max_features": 0.6},
        {"min_samples_leaf": 50, "max_features": "sqrt"},
    )
)
"""Settings that tuning tries, for chances and for counts; the first one is the default."""


def random_forest(**options: Any) -> LearnedForecaster:
    """Make the random forest forecaster; options as in `LearnedForecaster`.

    The chance of at least one incident in the next period is the mean of the trees' leaf shares, then calibrated; the
    expected count is -log(1 - p). Breiman 2001, https://doi.org/10.1023/A:1010933404324; for crime Wheeler &
    Steenbeek 2021, https://doi.org/10.1007/s10940-020-09457-7.
    """
    return LearnedForecaster(
        name="random_forest", build=build_random_forest, candidates=RANDOM_FOREST_CANDIDATES, trial=_TRIAL, **options
    )


def build_random_forest(settings: Mapping[str, Any], *, rows: int, seed: int, jobs: int) -> Any:
    """Make the unfitted classifier; each tree sees at most ``max_samples`` rows."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(random_state=seed, n_jobs=jobs, **capped(settings, rows))


def capped(settings: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """Return the settings with no more samples per tree than there are rows."""
    return {**settings, "max_samples": min(int(settings["max_samples"]), rows)}
