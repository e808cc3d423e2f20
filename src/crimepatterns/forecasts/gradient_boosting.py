"""``gradient_boosting``: small trees, each correcting the ones before it.

The histogram form of scikit-learn's GradientBoostingClassifier: it fits 200,000 rows in seconds where the exact form
takes many minutes, with equal accuracy.
"""

from collections.abc import Mapping
from typing import Any

from crimepatterns.forecasts.learned_forecaster import LearnedForecaster

__all__ = ["GRADIENT_BOOSTING_CANDIDATES", "build_gradient_boosting", "gradient_boosting"]

_MORE = {"l2_regularization": 10.0, "max_features": 0.5}

GRADIENT_BOOSTING_CANDIDATES: tuple[Mapping[str, Any], ...] = tuple(
    {**settings, **_MORE}
    for settings in (
        {"max_iter": 150, "learning_rate": 0.05, "max_leaf_nodes": 7, "min_samples_leaf": 100},
        {"max_iter": 80, "learning_rate": 0.08, "max_leaf_nodes": 7, "min_samples_leaf": 200},
        {"max_iter": 150, "learning_rate": 0.05, "max_leaf_nodes": 15, "min_samples_leaf": 200},
        {"max_iter": 200, "learning_rate": 0.05, "max_leaf_nodes": 4, "min_samples_leaf": 200},
    )
)
"""Settings that tuning tries; the first one is the default."""


def gradient_boosting(**options: Any) -> LearnedForecaster:
    """Make the gradient boosting forecaster; options as in `LearnedForecaster`.

    The chance of at least one incident in the next period is a sum of small trees on the log-odds scale, then
    calibrated; the expected count is -log(1 - p). Friedman 2001, https://doi.org/10.1214/aos/1013203451; Ke et al.
    2017 for the histogram form.
    """
    return LearnedForecaster(
        name="gradient_boosting", build=build_gradient_boosting, candidates=GRADIENT_BOOSTING_CANDIDATES, **options
    )


def build_gradient_boosting(settings: Mapping[str, Any], *, rows: int, seed: int, jobs: int) -> Any:  # noqa: ARG001
    """Make the unfitted classifier; early stopping is off, since it would split rows at random, not in time."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(early_stopping=False, random_state=seed, **settings)
