"""Forecast every past origin with only what was known then, and set the outcome beside it."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.folds import Fold
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive
from crimepatterns.domain.protocols import Executor, FittedForecaster, Forecaster, Progress, silent
from crimepatterns.errors import DomainError

__all__ = ["BacktestResult", "backtest"]

Quantiles = Mapping[float, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """Forecasts of several models and what happened, origin by origin.

    Parameters
    ----------
    category : str
    grid : Grid
    folds : tuple of Fold
    expected : mapping of str to ndarray of float, shape (n_folds, n_cells)
        Expected incidents over the whole test window, by model.
    quantiles : mapping of str to tuple of mapping of float to ndarray, shape (n_cells,)
        One mapping per fold; empty where a model gives none or the test window has several periods.
    observed : ndarray of int, shape (n_folds, n_cells)
    before : ndarray of int, shape (n_folds, n_cells)
        Incidents of the equally long window just before each cutoff, as known then.
    outside : tuple of int
        Incidents of each test window that lie in no cell.
    """

    category: str
    grid: Grid
    folds: tuple[Fold, ...]
    expected: Mapping[str, NDArray[np.float64]] = field(repr=False)
    quantiles: Mapping[str, tuple[Quantiles, ...]] = field(repr=False)
    observed: NDArray[np.int64] = field(repr=False)
    before: NDArray[np.int64] = field(repr=False)
    outside: tuple[int, ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """Names in the order in which they were given."""
        return tuple(self.expected)

    @property
    def cutoffs(self) -> tuple[pd.Timestamp, ...]:
        """The moment of each forecast."""
        return tuple(fold.cutoff for fold in self.folds)

    def forecast(self, model: str, fold: int) -> Forecast:
        """Return one forecast as the domain knows it, summed over its test window."""
        test = self.folds[fold].test
        window = type(test)(test.edges[[0, -1]])
        return Forecast(
            self.grid,
            window,
            self.category,
            model,
            self.folds[fold].cutoff,
            self.expected[model][fold][:, None],
            MappingProxyType({level: q[:, None] for level, q in self.quantiles[model][fold].items()}),
        )


@dataclass(frozen=True, eq=False)
class _Job:
    """A run of origins for some forecasters that share the histories."""

    first: int
    folds: tuple[Fold, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Outcome:
    job: _Job
    expected: dict[str, list[NDArray[np.float64]]]
    quantiles: dict[str, list[dict[float, NDArray[np.float64]]]]
    before: list[NDArray[np.int64]]


def backtest(
    archive: Archive,
    folds: Sequence[Fold],
    forecasters: Mapping[str, Forecaster],
    *,
    category: str,
    refit_every: int,
    seed: int,
    refit_always: Collection[str] = (),
    executor: Executor | None = None,
    progress: Progress = silent,
) -> BacktestResult:
    """Run forecasters over rolling origins; each sees only ``archive.at(cutoff)``.

    Parameters
    ----------
    archive : Archive
    folds : sequence of Fold
    forecasters : mapping of str to Forecaster
    category : str
    refit_every : int
        Learners are fitted anew every so many origins and predict from the latest history in between.
    seed : int
        Each fit has a generator of its own from the seed, the forecaster's name and the origin, so that results do
        not depend on which other models run, nor on the executor.
    refit_always : collection of str
        Cheap forecasters that are fitted at every origin.
    executor : Executor, optional
        Runs blocks of origins; in this process where it is left out.
    progress : Progress

    Raises
    ------
    DomainError
        If there are no folds or forecasters, or refit_every is below 1.
    """
    if not folds or not forecasters or refit_every < 1:
        raise DomainError(
            f"Back-test needs folds, forecasters and refit_every >= 1, "
            f"got {len(folds)}, {len(forecasters)} and {refit_every}."
        )
    jobs = _jobs(tuple(folds), tuple(forecasters), refit_every, frozenset(refit_always))
    work = partial(_run, archive, dict(forecasters), category, seed, frozenset(refit_always))
    outcomes = []
    for outcome in map(work, jobs) if executor is None else executor.map(work, jobs):
        outcomes.append(outcome)
        progress(f"Back-test of {category}", len(outcomes), len(jobs))
    panels = [archive.outcome(fold.test, categories=(category,)) for fold in folds]
    expected: dict[str, list[NDArray[np.float64]]] = {name: [] for name in forecasters}
    quantiles: dict[str, list[Quantiles]] = {name: [] for name in forecasters}
    before: dict[int, NDArray[np.int64]] = {}
    for outcome in sorted(outcomes, key=lambda one: one.job.first):
        before.update(enumerate(outcome.before, start=outcome.job.first))
        for name in outcome.job.names:
            expected[name] += outcome.expected[name]
            quantiles[name] += outcome.quantiles[name]
    return BacktestResult(
        category=category,
        grid=archive.grid,
        folds=tuple(folds),
        expected=MappingProxyType({name: np.vstack(means) for name, means in expected.items()}),
        quantiles=MappingProxyType({name: tuple(found) for name, found in quantiles.items()}),
        observed=np.vstack([panel.of(category).sum(axis=1, dtype=np.int64) for panel in panels]),
        before=np.vstack([before[i] for i in range(len(folds))]),
        outside=tuple(panel.outside for panel in panels),
    )


def _jobs(folds: tuple[Fold, ...], names: tuple[str, ...], refit_every: int, always: frozenset[str]) -> list[_Job]:
    """Learners one by one, the largest work first; cheap forecasters together, so that they share histories."""
    learners = [(name,) for name in names if name not in always]
    cheap = tuple(name for name in names if name in always)
    groups = [*learners, cheap] if cheap else learners
    starts = range(0, len(folds), refit_every)
    return [_Job(start, folds[start : start + refit_every], group) for start in starts for group in groups]


def _run(
    archive: Archive,
    forecasters: dict[str, Forecaster],
    category: str,
    seed: int,
    always: frozenset[str],
    job: _Job,
) -> _Outcome:
    fitted: dict[str, FittedForecaster] = {}
    outcome = _Outcome(job, {name: [] for name in job.names}, {name: [] for name in job.names}, [])
    for step, fold in enumerate(job.folds):
        history = archive.at(fold.cutoff, target=category)
        outcome.before.append(history.counts[:, -len(fold.test) :].sum(axis=1, dtype=np.int64))
        for name in job.names:
            if step == 0 or name in always:
                rng = np.random.default_rng([seed, zlib.crc32(f"{category}/{name}".encode()), job.first + step])
                fitted[name] = forecasters[name].fit(history, rng=rng)
            forecast = fitted[name].predict(history, fold.test)
            outcome.expected[name].append(forecast.mean.sum(axis=1))
            single = len(fold.test) == 1
            outcome.quantiles[name].append({q: v[:, 0] for q, v in forecast.quantiles.items()} if single else {})
    return outcome
