"""Random forests that answer for one row at once: scikit-learn's own way there takes longer than its trees do."""

from typing import TYPE_CHECKING, Any

import numpy as np

from crimepatterns.serving.model_server.boosting import PlainBoosting

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["PlainForest", "quick"]


class PlainForest:
    """The trees of a fitted forest, asked one after the other; the same bits as the forest's own answer.

    Parameters
    ----------
    forest : RandomForestClassifier or RandomForestRegressor
        Fitted, with one output.
    """

    def __init__(self, forest: Any) -> None:
        self._forest = forest
        self._trees = [one.tree_ for one in forest.estimators_]

    def predict_proba(self, features: "pd.DataFrame") -> "NDArray[np.float64]":
        """Chance of each class, shape (n_rows, n_classes)."""
        mean = self._mean(features)
        told: NDArray[np.float64] = self._forest.predict_proba(features) if mean is None else mean
        return told

    def predict(self, features: "pd.DataFrame") -> "NDArray[np.float64]":
        """Value of a regression, shape (n_rows,)."""
        mean = self._mean(features)
        told: NDArray[np.float64] = self._forest.predict(features) if mean is None else mean[:, 0]
        return told

    def _mean(self, features: "pd.DataFrame") -> "NDArray[np.float64] | None":
        """Mean over the trees; None where a value is not known, which the forest itself must decide about."""
        rows = np.ascontiguousarray(features.to_numpy(), dtype=np.float32)
        if not np.isfinite(rows).all():
            return None
        total = np.zeros_like(self._trees[0].predict(rows))
        for tree in self._trees:
            total += tree.predict(rows)
        mean: NDArray[np.float64] = total / len(self._trees)
        return mean


def quick(calibrated: Any) -> Any:
    """Return a calibrated model that answers single rows quickly: a copy with plain trees, or the model itself."""
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )

    kind = type(calibrated.model)
    plain: PlainForest | PlainBoosting | None = None
    if kind in {RandomForestClassifier, RandomForestRegressor}:
        plain = PlainForest(calibrated.model)
    elif kind in {HistGradientBoostingClassifier, HistGradientBoostingRegressor} and PlainBoosting.suits(
        calibrated.model
    ):
        plain = PlainBoosting(calibrated.model)
    return calibrated if plain is None else type(calibrated)(**{**calibrated.get_params(deep=False), "model": plain})
