"""Will anything happen in a cell at all? The usual scores of a classifier, beside the majority class.

The chance of at least one incident is 1 - exp(-expected). Most cells see nothing in a week, so accuracy is high for
a map that never says yes: it is always shown beside the accuracy of the majority class.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

__all__ = ["Confusion", "chance_of_any", "classification_report", "confusion", "rank_pairs"]


@dataclass(frozen=True)
class Confusion:
    """Counts of cells by forecast and outcome; sums over origins give pooled scores.

    Parameters
    ----------
    true_positive, false_positive, false_negative, true_negative : int
    """

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def ratios(self) -> dict[str, tuple[float, float]]:
        """Numerator and denominator of accuracy, majority_accuracy, precision, recall and f1."""
        tp, fp, fn, tn = self.true_positive, self.false_positive, self.false_negative, self.true_negative
        cells = float(tp + fp + fn + tn)
        return {
            "accuracy": (float(tp + tn), cells),
            "majority_accuracy": (float(max(tp + fn, fp + tn)), cells),
            "precision": (float(tp), float(tp + fp)),
            "recall": (float(tp), float(tp + fn)),
            "f1": (2.0 * tp, float(2 * tp + fp + fn)),
        }


def chance_of_any(expected: ArrayLike) -> NDArray[np.float64]:
    """Return the Poisson chance of at least one incident, 1 - exp(-expected)."""
    return -np.expm1(-np.asarray(expected, dtype=float))


def confusion(chance: ArrayLike, observed: ArrayLike, *, threshold: float) -> Confusion:
    """Count right and wrong yes/no forecasts.

    Parameters
    ----------
    chance : array_like of float, shape (n_cells,)
        Chance of at least one incident.
    observed : array_like of int, shape (n_cells,)
        Incidents.
    threshold : float
        A cell is forecast to see an incident where its chance is at least this.
    """
    from sklearn.metrics import confusion_matrix

    happened = np.asarray(observed) > 0
    table = confusion_matrix(happened, np.asarray(chance) >= threshold, labels=[False, True])
    (tn, fp), (fn, tp) = table.tolist()
    return Confusion(tp, fp, fn, tn)


def rank_pairs(chance: ArrayLike, observed: ArrayLike) -> tuple[float, float]:
    """Return correctly ordered pairs and all pairs of a cell with and a cell without incidents.

    Their ratio is the area under the ROC curve; sums over origins pool it. (0, 0) where one kind is missing.
    """
    from sklearn.metrics import roc_auc_score

    happened = np.asarray(observed) > 0
    pairs = float(happened.sum()) * float((~happened).sum())
    if pairs == 0:
        return 0.0, 0.0
    return float(roc_auc_score(happened, np.asarray(chance))) * pairs, pairs


def classification_report(chance: ArrayLike, observed: ArrayLike, *, threshold: float) -> pd.DataFrame:
    """Return scikit-learn's classification report as a table: ``outcome, precision, recall, f1, cells``.

    Parameters as in `confusion`; the rows are the two outcomes and their macro and weighted averages.
    """
    from sklearn.metrics import classification_report as report

    found: dict[str, Any] = report(
        np.asarray(observed) > 0,
        np.asarray(chance) >= threshold,
        labels=[False, True],
        target_names=["none", "at least one"],
        output_dict=True,
        zero_division=0.0,
    )
    rows = [
        (name, found[name]["precision"], found[name]["recall"], found[name]["f1-score"], int(found[name]["support"]))
        for name in ("none", "at least one", "macro avg", "weighted avg")
    ]
    return pd.DataFrame(rows, columns=["outcome", "precision", "recall", "f1", "cells"])
