"""``random_forest_regressor``: many trees that tell how many incidents to expect, on a logarithmic scale."""

from collections.abc import Mapping
from typing import Any

from crimepatterns.forecasts.learned_forecaster import LearnedForecaster
from crimepatterns.forecasts.learning_task import CountTask
from crimepatterns.forecasts.random_forest import RANDOM_FOREST_CANDIDATES, capped

__all__ = ["build_random_forest_regressor", "random_forest_regressor"]

_TRIAL = {"n_estimators": 30, "max_samples": 10_000}
"""Fewer and smaller trees while settings are compared, to save time; the chosen ones are fitted in full size."""


def random_forest_regressor(**options: Any) -> LearnedForecaster:
    """Make the random forest of counts; options as in `LearnedForecaster`.

    The trees fit log(1 + count), as the winners of the NIJ challenge of 2017 did (Mohler & Porter 2018,
    https://doi.org/10.1002/sam.11389). exp of their mean less 1 is too small on the scale of counts; a line fitted to
    log counts of later periods sets level and spread right.
    """
    return LearnedForecaster(
        name="random_forest_regressor",
        build=build_random_forest_regressor,
        candidates=RANDOM_FOREST_CANDIDATES,
        trial=_TRIAL,
        task=CountTask("log"),
        **options,
    )


def build_random_forest_regressor(settings: Mapping[str, Any], *, rows: int, seed: int, jobs: int) -> Any:
    """Make the unfitted regressor; each tree sees at most ``max_samples`` rows."""
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(random_state=seed, n_jobs=jobs, **capped(settings, rows))
