"""Choosing a learner's settings by cross-validation in time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.protocols import Executor
from crimepatterns.forecasts.learning_task import ChanceTask, LearningTask
from crimepatterns.forecasts.threads import one_thread

__all__ = ["Build", "Tuning", "fold_samples", "time_blocks", "tune", "usable_blocks"]

Build = Callable[..., Any]
"""``build(settings, rows=..., seed=..., jobs=...)`` makes an unfitted model."""


@dataclass(frozen=True, eq=False)
class Tuning:
    """Scores of the settings that were tried.

    Parameters
    ----------
    settings : mapping
        The chosen ones.
    table : DataFrame
        One row per candidate: ``candidate``, the score (mean over folds) and ``fold_0`` ...; empty where nothing was
        tried.
    folds : tuple of tuple of int
        First and one-past-last target period of each validation block; learning used only periods before it.
    score : str
        Name of the score, lower is better: ``log_loss`` or ``poisson_deviance``.
    """

    settings: Mapping[str, Any]
    table: pd.DataFrame = field(repr=False)
    folds: tuple[tuple[int, int], ...] = ()
    score: str = "log_loss"


def tune(
    features: pd.DataFrame,
    counts: NDArray[Any],
    periods: NDArray[np.int64],
    *,
    build: Build,
    candidates: Sequence[Mapping[str, Any]],
    folds: int,
    rng: np.random.Generator,
    task: LearningTask = ChanceTask(),  # noqa: B008  # it has no state
    trial: Mapping[str, Any] = MappingProxyType({}),
    jobs: int = 1,
    max_rows: int = 50_000,
    executor: Executor | None = None,
) -> Tuning:
    """Try settings on rolling folds: learn from earlier periods, score the block that follows.

    Parameters
    ----------
    features : DataFrame, shape (n_rows, n_features)
    counts : ndarray of int, shape (n_rows,)
        Incidents of each row; yes and no will do for chances.
    periods : ndarray of int, shape (n_rows,)
        Target period of each row.
    build : callable
    candidates : sequence of mapping
        Settings to try; with one, or too few periods for a fold, the first is taken untried.
    folds : int
    rng : numpy.random.Generator
    task : LearningTask
        What is learned, and how it is scored.
    trial : mapping
        Settings that replace those of each candidate here, such as fewer trees.
    jobs : int
        Threads of one fit, where the model knows a use for them.
    max_rows : int
        Rows per fold to learn from, and half as many to score, drawn at random.
    executor : Executor, optional
        Runs candidates and folds apart; in this process where it is left out.

    Returns
    -------
    Tuning
        The candidate with the least mean score; the earlier one where two are equal.
    """
    usable = usable_blocks(counts, periods, folds=folds)
    if len(candidates) < 2 or not usable:
        return Tuning(candidates[0], pd.DataFrame({"candidate": [], task.score: []}), score=task.score)
    samples = fold_samples(periods, usable, max_rows=max_rows, rng=rng)
    seed = int(rng.integers(2**31 - 1))
    trials = [_Trial({**settings, **trial}, learn, check) for settings in candidates for learn, check in samples]
    work = partial(_score, features, counts, build, task, seed, jobs)
    found = map(work, trials) if executor is None else executor.map(work, trials)
    scores = np.array(list(found)).reshape(len(candidates), len(usable))
    table = pd.DataFrame(
        {
            "candidate": [dict(settings) for settings in candidates],
            task.score: scores.mean(axis=1),
            **{f"fold_{j}": scores[:, j] for j in range(len(usable))},
        }
    )
    return Tuning(candidates[int(np.argmin(scores.mean(axis=1)))], table, tuple(usable), task.score)


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


def usable_blocks(counts: NDArray[Any], periods: NDArray[np.int64], *, folds: int) -> list[tuple[int, int]]:
    """Return the blocks of `time_blocks` before which there is something to learn and in which there are rows."""
    blocks = time_blocks(int(periods.min()), int(periods.max()) + 1, folds=folds)
    return [block for block in blocks if _both_kinds(counts > 0, periods, block)]


def fold_samples(
    periods: NDArray[np.int64], blocks: Sequence[tuple[int, int]], *, max_rows: int, rng: np.random.Generator
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Draw, for each block, rows before it to learn from and rows in it to score, half as many."""
    return [
        (_draw(periods < start, max_rows, rng), _draw((periods >= start) & (periods < end), max_rows // 2, rng))
        for start, end in blocks
    ]


@dataclass(frozen=True, eq=False)
class _Trial:
    """One candidate on one fold."""

    settings: Mapping[str, Any]
    learn: NDArray[np.int64]
    check: NDArray[np.int64]


def _score(
    features: pd.DataFrame,
    counts: NDArray[Any],
    build: Build,
    task: LearningTask,
    seed: int,
    jobs: int,
    one: _Trial,
) -> float:
    """Learn and return the score."""
    model = build(one.settings, rows=len(one.learn), seed=seed, jobs=jobs)
    with one_thread():
        task.fit(model, features.iloc[one.learn], counts[one.learn])
        if hasattr(model, "n_jobs"):
            # Threads add up trees in whatever order they finish; one thread gives the same bits every time.
            model.n_jobs = 1
        return task.loss(model, features.iloc[one.check], counts[one.check])


def _both_kinds(outcome: NDArray[np.bool_], periods: NDArray[np.int64], block: tuple[int, int]) -> bool:
    """Tell whether there is something to learn before a block and something to score in it."""
    learn, check = outcome[periods < block[0]], (periods >= block[0]) & (periods < block[1])
    return bool(learn.any() and not learn.all() and check.any())


def _draw(keep: NDArray[np.bool_], limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    rows = np.flatnonzero(keep)
    if len(rows) <= limit:
        return rows
    return np.sort(rng.choice(rows, size=limit, replace=False, shuffle=False))
