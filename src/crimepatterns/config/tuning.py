"""How the settings of learners are found."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from crimepatterns.config.values import Model, Positive, PositiveInt

__all__ = ["DEFAULT_SPACE", "TuningSettings"]

DEFAULT_SPACE: Mapping[str, Mapping[str, Any]] = {
    "random_forest": {
        "min_samples_leaf": {"low": 10, "high": 200, "log": True, "whole": True},
        "max_features": [0.15, 0.3, 0.6, "sqrt"],
    },
    "random_forest_regressor": {
        "min_samples_leaf": {"low": 10, "high": 200, "log": True, "whole": True},
        "max_features": [0.15, 0.3, 0.6, "sqrt"],
    },
    "gradient_boosting": {
        "max_iter": {"low": 40, "high": 300, "log": True, "whole": True},
        "learning_rate": {"low": 0.02, "high": 0.15, "log": True},
        "max_leaf_nodes": {"low": 3, "high": 24, "log": True, "whole": True},
        "min_samples_leaf": {"low": 50, "high": 1000, "log": True, "whole": True},
        "l2_regularization": {"low": 0.1, "high": 100, "log": True},
    },
    "poisson_boosting": {
        "max_iter": {"low": 20, "high": 300, "log": True, "whole": True},
        "learning_rate": {"low": 0.02, "high": 0.15, "log": True},
        "max_leaf_nodes": {"low": 3, "high": 24, "log": True, "whole": True},
        "min_samples_leaf": {"low": 50, "high": 2000, "log": True, "whole": True},
        "l2_regularization": {"low": 0.1, "high": 100, "log": True},
    },
}
"""What each setting of a learner is drawn from: a range of numbers, or a list of choices."""

_RANGE = {"low", "high", "log", "whole"}


class TuningSettings(Model):
    """How the learners' settings are found by `train`."""

    method: Literal["candidates", "optuna"] = "candidates"
    minutes: Positive = 20.0
    trials: PositiveInt = 40
    space: dict[str, dict[str, Any]] = Field(
        default_factory=lambda: {name: dict(space) for name, space in DEFAULT_SPACE.items()}
    )

    @field_validator("space")
    @classmethod
    def _ranges_and_choices(cls, space: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for learner, settings in space.items():
            for name, drawn in settings.items():
                where = f"{learner}.{name}"
                if isinstance(drawn, dict):
                    if not {"low", "high"} <= set(drawn) <= _RANGE:
                        raise ValueError(f"{where} needs low and high, and may have log and whole; got {sorted(drawn)}")
                    low, high = float(drawn["low"]), float(drawn["high"])
                    if not low < high or (drawn.get("log") and low <= 0):
                        raise ValueError(f"{where} needs low < high, and low > 0 with log; got {low:g} and {high:g}")
                elif not isinstance(drawn, list | tuple) or not drawn:
                    raise ValueError(f"{where} must be a range such as {{low: 3, high: 24}} or a list of choices")
        return space
