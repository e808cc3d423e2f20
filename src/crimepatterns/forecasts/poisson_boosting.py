"""``poisson_boosting``: small trees that correct the shrunk count, cell by cell and week by week."""

from collections.abc import Mapping
from typing import Any

from crimepatterns.forecasts.learned_forecaster import LearnedForecaster
from crimepatterns.forecasts.learning_task import CountTask

__all__ = ["POISSON_BOOSTING_CANDIDATES", "build_poisson_boosting", "poisson_boosting"]

_MORE = {"l2_regularization": 20.0, "max_features": 0.5}
_BINS = 63
"""Bins of a feature; with weights on the rows scikit-learn takes most of the time to find the borders of 255."""

POISSON_BOOSTING_CANDIDATES: tuple[Mapping[str, Any], ...] = tuple(
    {**settings, **_MORE}
    for settings in (
        {"max_iter": 100, "learning_rate": 0.05, "max_leaf_nodes": 6, "min_samples_leaf": 200},
        {"max_iter": 50, "learning_rate": 0.05, "max_leaf_nodes": 4, "min_samples_leaf": 400},
        {"max_iter": 200, "learning_rate": 0.04, "max_leaf_nodes": 4, "min_samples_leaf": 200},
        {"max_iter": 150, "learning_rate": 0.05, "max_leaf_nodes": 12, "min_samples_leaf": 400},
    )
)
"""Settings that tuning tries; the first one is the default."""


def poisson_boosting(**options: Any) -> LearnedForecaster:
    """Make the Poisson boosting forecaster; options as in `LearnedForecaster`.

    With m the shrunk count (``count_eb``) of a cell at its time, the expected count is m exp(f(x)): f is a sum of small
    trees with Poisson loss. The trees are fitted to count / m with weight m, which is the same as log m as offset. So
    they begin at the plain count and learn only where it errs; without anything to learn they leave it as it is.
    Friedman 2001, https://doi.org/10.1214/aos/1013203451.
    """
    return LearnedForecaster(
        name="poisson_boosting",
        build=build_poisson_boosting,
        candidates=POISSON_BOOSTING_CANDIDATES,
        task=CountTask("count", offset="shrunk_count"),
        **options,
    )


def build_poisson_boosting(settings: Mapping[str, Any], *, rows: int, seed: int, jobs: int) -> Any:  # noqa: ARG001
    """Make the unfitted regressor; early stopping is off, since it would split rows at random, not in time."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    chosen = {"max_bins": _BINS, **settings}
    return HistGradientBoostingRegressor(loss="poisson", early_stopping=False, random_state=seed, **chosen)
