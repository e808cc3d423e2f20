"""How good the chances of at least one incident are: the scores that stand in a model's metrics file."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["log_loss", "probability_scores"]

_CLIP = 1e-6


def probability_scores(chance: ArrayLike, outcome: ArrayLike, *, threshold: float = 0.5) -> dict[str, float]:
    """Score chances of at least one incident.

    Parameters
    ----------
    chance : array_like of float, shape (n_rows,)
    outcome : array_like of bool, shape (n_rows,)
        Whether there was at least one.
    threshold : float
        A chance of at least this says yes, for accuracy, precision, recall and F1.

    Returns
    -------
    dict of str to float
        ``log_loss`` (nats) and ``brier``, lower is better; ``roc_auc``, ``accuracy`` beside ``majority_accuracy`` of
        always saying what is more frequent, ``precision``, ``recall``, ``f1``, higher is better; ``share_positive``,
        ``expected_over_observed`` (1 is right) and ``rows``. nan where a score is not defined.
    """
    says, happened = np.asarray(chance, dtype=float), np.asarray(outcome, dtype=bool)
    yes = says >= threshold
    hits, claims, events = float((yes & happened).sum()), float(yes.sum()), float(happened.sum())
    share = events / len(happened)
    return {
        "log_loss": log_loss(says, happened),
        "brier": float(np.mean((says - happened) ** 2)),
        "roc_auc": _roc_auc(says, happened),
        "accuracy": float(np.mean(yes == happened)),
        "majority_accuracy": max(share, 1.0 - share),
        "precision": _ratio(hits, claims),
        "recall": _ratio(hits, events),
        "f1": _ratio(2.0 * hits, claims + events),
        "threshold": threshold,
        "share_positive": share,
        "expected_over_observed": _ratio(float(says.sum()), events),
        "rows": float(len(happened)),
    }


def log_loss(chance: NDArray[np.float64], outcome: NDArray[np.bool_]) -> float:
    """Mean negative log of the chance given to what happened, nats; chances are kept 1e-6 away from 0 and 1."""
    clipped = np.clip(chance, _CLIP, 1.0 - _CLIP)
    return float(-np.mean(np.where(outcome, np.log(clipped), np.log1p(-clipped))))


def _roc_auc(chance: NDArray[np.float64], outcome: NDArray[np.bool_]) -> float:
    if outcome.all() or not outcome.any():
        return float("nan")
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(outcome, chance))


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else float("nan")
