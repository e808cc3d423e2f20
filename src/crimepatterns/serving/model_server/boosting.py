"""Boosted trees that answer for a few rows at once: all take a step together, where scikit-learn asks one by one."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["PlainBoosting"]

_FEW_ROWS = 16


class PlainBoosting:
    """The trees of fitted histogram boosting in one table; the same bits as its own answer.

    Parameters
    ----------
    boosting : HistGradientBoostingClassifier or HistGradientBoostingRegressor
        Fitted on numbers, with one output or two classes.
    """

    def __init__(self, boosting: Any) -> None:
        self._boosting = boosting
        self._loss, self._start = boosting._loss, boosting._baseline_prediction  # noqa: SLF001  # told nowhere else
        trees = [rounds[0].nodes for rounds in boosting._predictors]  # noqa: SLF001
        self._roots = np.concatenate([[0], np.cumsum([len(nodes) for nodes in trees])[:-1]]).astype(np.int64)
        nodes = np.concatenate(trees)
        first = np.repeat(self._roots, [len(one) for one in trees])
        self._steps = int(nodes["depth"].max())
        self._feature, self._limit = nodes["feature_idx"], nodes["num_threshold"]
        self._unknown_left, self._value = nodes["missing_go_to_left"].astype(bool), nodes["value"]
        # A leaf leads to itself.
        leaf, here = nodes["is_leaf"].astype(bool), np.arange(len(nodes))
        self._left = np.where(leaf, here, first + nodes["left"])
        self._right = np.where(leaf, here, first + nodes["right"])

    @staticmethod
    def suits(boosting: Any) -> bool:
        """Tell whether it splits numbers only, and has one output or two classes."""
        rounds = boosting._predictors  # noqa: SLF001
        return bool(rounds) and all(len(one) == 1 and not one[0].nodes["is_categorical"].any() for one in rounds)

    def predict_proba(self, features: "pd.DataFrame") -> "NDArray[np.float64]":
        """Chance of each class, shape (n_rows, 2)."""
        raw = self._raw(features)
        told = self._boosting.predict_proba(features) if raw is None else self._loss.predict_proba(raw)
        return np.asarray(told)

    def predict(self, features: "pd.DataFrame") -> "NDArray[np.float64]":
        """Value of a regression, shape (n_rows,)."""
        raw = self._raw(features)
        told = self._boosting.predict(features) if raw is None else self._loss.link.inverse(raw.ravel())
        return np.asarray(told)

    def _raw(self, features: "pd.DataFrame") -> "NDArray[np.float64] | None":
        """Sum over the trees, shape (n_rows, 1); None where rows are many."""
        rows = features.to_numpy(dtype=np.float64)
        if len(rows) > _FEW_ROWS:
            return None
        at = np.tile(self._roots, (len(rows), 1))
        each = np.arange(len(rows))[:, None]
        for _ in range(self._steps):
            value = rows[each, self._feature[at]]
            left = np.where(np.isnan(value), self._unknown_left[at], value <= self._limit[at])
            at = np.where(left, self._left[at], self._right[at])
        # Added up in the order of the trees, as scikit-learn does.
        start = np.broadcast_to(self._start, (len(rows), 1))
        total: NDArray[np.float64] = np.cumsum(np.hstack([start, self._value[at]]), axis=1)[:, -1:]
        return total
