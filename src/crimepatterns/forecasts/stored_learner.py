"""What must be kept beside a learner's pipeline to forecast with it again."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crimepatterns.errors import ForecastError
from crimepatterns.forecasts.learned_forecaster import FittedLearner

__all__ = ["learner_config", "restore_learner"]


def learner_config(fitted: FittedLearner) -> dict[str, Any]:
    """Describe a fitted learner by plain values; `restore_learner` reads them back."""
    calibrated = fitted.pipeline[-1]
    return {
        "forecaster": fitted.name,
        "category": fitted.target,
        "trained_until": fitted.trained_until.isoformat(),
        "timezone": str(fitted.trained_until.tz),
        "predictors": list(fitted.predictors),
        "features": [str(name) for name in fitted.pipeline[0].feature_names_in_],
        "calibration": {"intercept": float(calibrated.intercept), "slope": float(calibrated.slope)},
        "facts": dict(fitted.facts),
    }


def restore_learner(pipeline: Any, config: Mapping[str, Any]) -> FittedLearner:
    """Join a stored pipeline and its config to a forecaster.

    Raises
    ------
    ForecastError
        If the config lacks what is needed.
    """
    try:
        return FittedLearner(
            name=config["forecaster"],
            pipeline=pipeline,
            predictors=tuple(config["predictors"]),
            target=config["category"],
            trained_until=pd.Timestamp(config["trained_until"]).tz_convert(config["timezone"]),
            facts=dict(config["facts"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ForecastError(f"Model config lacks what a forecast needs ({error}): train the model again.") from error
