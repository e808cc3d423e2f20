"""Choosing a learner's settings by cross-validation in time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.forecasts.probability_scores import log_loss
from crimepatterns.forecasts.threads import limited_threads

__all__ = ["Tuning", "time_blocks", "tune"]

Build = Callable[..., Any]
"""``build(settings, rows=..., seed=..., jobs=...)`` makes an unfitted classifier."""


@dataclass(frozen=True, eq=False)
class Tuning:
    """Scores of the settings that were tried.

    Parameters
    ----------
    settings : mapping
        The chosen ones.
    table : DataFrame
        One row per candidate: ``candidate``, ``log_loss`` (mean over folds) and ``fold_0`` ...; empty where nothing
        was tried.
    folds : tuple of tuple of int
        First and one-past-last target period of each validation block; learning used only periods before it.
    """

    settings: Mapping[str, Any]
    table: pd.DataFrame = field(repr=False)
    folds: tuple[tuple[int, int], ...] = ()


def tune(
    features: pd.DataFrame,
    outcome: NDArray[np.bool_],
    periods: NDArray[np.int64],
    *,
    build: Build,
    candidates: Sequence[Mapping[str, Any]],
    folds: int,
    rng: np.random.Generator,
    trial: Mapping[str, Any] = MappingProxyType({}),
    jobs: int = 1,
    max_rows: int = 50_000,
) -> Tuning:
    """Try settings on rolling folds: learn from earlier periods, score the log loss on the block that follows.

    Parameters
    ----------
    features : DataFrame, shape (n_rows, n_features)
    outcome : ndarray of bool, shape (n_rows,)
        Whether there was at least one incident.
    periods : ndarray of int, shape (n_rows,)
        Target period of each row.
    build : callable
    candidates : sequence of mapping
        Settings to try; with one, or too few periods for a fold, the first is taken untried.
    folds : int
    rng : numpy.random.Generator
    trial : mapping
        Settings that replace those of each candidate here, such as fewer trees.
    jobs : int
        Threads.
    max_rows : int
        Rows per fold to learn from, and half as many to score, drawn at random.

    Returns
    -------
    Tuning
        The candidate with the least mean log loss; the earlier one where two are equal.
    """
    blocks = time_blocks(int(periods.min()), int(periods.max()) + 1, folds=folds)
    usable = [block for block in blocks if _both_kinds(outcome, periods, block)]
    if len(candidates) < 2 or not usable:
        return Tuning(candidates[0], pd.DataFrame({"candidate": [], "log_loss": []}))
    samples = [
        (_draw(periods < start, max_rows, rng), _draw((periods >= start) & (periods < end), max_rows // 2, rng))
        for start, end in usable
    ]
    seed = int(rng.integers(2**31 - 1))
    scores = np.empty((len(candidates), len(usable)))
    for i, settings in enumerate(candidates):
        for j, (learn, check) in enumerate(samples):
            model = build({**settings, **trial}, rows=len(learn), seed=seed, jobs=jobs)
            with limited_threads(jobs):
                model.fit(features.iloc[learn], outcome[learn])
                scores[i, j] = log_loss(model.predict_proba(features.iloc[check])[:, 1], outcome[check])
    table = pd.DataFrame(
        {
            "candidate": [dict(settings) for settings in candidates],
            "log_loss": scores.mean(axis=1),
            **{f"fold_{j}": scores[:, j] for j in range(len(usable))},
        }
    )
    return Tuning(candidates[int(np.argmin(scores.mean(axis=1)))], table, tuple(usable))


def time_blocks(first: int, last: int, *, folds: int) -> list[tuple[int, int]]:
    """Cut the end of target periods ``first`` to ``last - 1`` into blocks to score, in time order.

    At least half of the periods lie before the first block. With fewer periods than that needs there are fewer
    blocks, or none.

    Examples
    --------
    >>> time_blocks(10, 22, folds=3)
    [(16, 18), (18, 20), (20, 22)]
    """
    length = (last - first) // (2 * folds)
    if length >= 1:
        return [(last - length * (folds - i), last - length * (folds - i - 1)) for i in range(folds)]
    return [(last - 1, last)] if last - first >= 2 else []


def _both_kinds(outcome: NDArray[np.bool_], periods: NDArray[np.int64], block: tuple[int, int]) -> bool:
    """Tell whether there is something to learn before a block and something to score in it."""
    learn, check = outcome[periods < block[0]], (periods >= block[0]) & (periods < block[1])
    return bool(learn.any() and not learn.all() and check.any())


def _draw(keep: NDArray[np.bool_], limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    rows = np.flatnonzero(keep)
    if len(rows) <= limit:
        return rows
    return np.sort(rng.choice(rows, size=limit, replace=False, shuffle=False))
