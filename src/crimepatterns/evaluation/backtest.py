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

__all__ = ["BacktestResult", "backtest", "backtests", "joined_in_time"]

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

    category: str
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
    """Run forecasters over rolling origins for one category; see `backtests`."""
    return backtests(
        archive,
        folds,
        forecasters,
        categories=(category,),
        refit_every=refit_every,
        seed=seed,
        refit_always=refit_always,
        executor=executor,
        progress=progress,
    )[0]


def backtests(
    archive: Archive,
    folds: Sequence[Fold],
    forecasters: Mapping[str, Forecaster],
    *,
    categories: Sequence[str],
    refit_every: int,
    seed: int,
    refit_always: Collection[str] = (),
    executor: Executor | None = None,
    progress: Progress = silent,
) -> list[BacktestResult]:
    """Run forecasters over rolling origins; each sees only ``archive.at(cutoff)``.

    Parameters
    ----------
    archive : Archive
    folds : sequence of Fold
    forecasters : mapping of str to Forecaster
    categories : sequence of str
    refit_every : int
        Learners are fitted anew every so many origins and predict from the latest history in between.
    seed : int
        Each fit has a generator of its own from the seed, the category, the forecaster's name and the origin, so that
        results do not depend on what else runs, nor on the executor.
    refit_always : collection of str
        Cheap forecasters that are fitted at every origin.
    executor : Executor, optional
        Runs categories, learners and blocks of origins apart; in this process where it is left out.
    progress : Progress

    Returns
    -------
    list of BacktestResult
        One per category, in order.

    Raises
    ------
    DomainError
        If there are no folds, forecasters or categories, or refit_every is below 1.
    """
    if not folds or not forecasters or not categories or refit_every < 1:
        raise DomainError(
            f"Back-test needs folds, forecasters, categories and refit_every >= 1, "
            f"got {len(folds)}, {len(forecasters)}, {len(categories)} and {refit_every}."
        )
    jobs = _jobs(tuple(folds), tuple(forecasters), categories, refit_every, frozenset(refit_always))
    work = partial(_run, archive, dict(forecasters), seed, frozenset(refit_always))
    task = f"Back-test of {', '.join(categories)}"
    progress(task, 0, len(jobs))
    outcomes: dict[str, list[_Outcome]] = {category: [] for category in categories}
    for done, outcome in enumerate(map(work, jobs) if executor is None else executor.map(work, jobs), 1):
        outcomes[outcome.job.category].append(outcome)
        progress(task, done, len(jobs))
    return [_joined(archive, tuple(folds), tuple(forecasters), name, found) for name, found in outcomes.items()]


def joined_in_time(earlier: BacktestResult, later: BacktestResult, models: Sequence[str]) -> BacktestResult:
    """Put two back-tests of one category and grid one after the other, for the models that both have.

    Raises
    ------
    DomainError
        If they are of other categories or grids, or the later one begins before the earlier one has ended.
    """
    if earlier.category != later.category or len(earlier.grid) != len(later.grid):
        raise DomainError(f"Cannot join back-tests of {earlier.category} and {later.category} on other cells.")
    if later.folds[0].cutoff < earlier.folds[-1].test.end:
        raise DomainError(f"The later back-test begins {later.folds[0].cutoff}, before the earlier one has ended.")
    return BacktestResult(
        category=later.category,
        grid=later.grid,
        folds=earlier.folds + later.folds,
        expected=MappingProxyType({name: np.vstack([earlier.expected[name], later.expected[name]]) for name in models}),
        quantiles=MappingProxyType({name: earlier.quantiles[name] + later.quantiles[name] for name in models}),
        observed=np.vstack([earlier.observed, later.observed]),
        before=np.vstack([earlier.before, later.before]),
        outside=earlier.outside + later.outside,
    )


def _joined(
    archive: Archive, folds: tuple[Fold, ...], names: tuple[str, ...], category: str, outcomes: Sequence[_Outcome]
) -> BacktestResult:
    """Put the blocks of one category together and set what happened beside them."""
    panels = [archive.outcome(fold.test, categories=(category,)) for fold in folds]
    expected: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    quantiles: dict[str, list[Quantiles]] = {name: [] for name in names}
    before: dict[int, NDArray[np.int64]] = {}
    for outcome in sorted(outcomes, key=lambda one: one.job.first):
        before.update(enumerate(outcome.before, start=outcome.job.first))
        for name in outcome.job.names:
            expected[name] += outcome.expected[name]
            quantiles[name] += outcome.quantiles[name]
    return BacktestResult(
        category=category,
        grid=archive.grid,
        folds=folds,
        expected=MappingProxyType({name: np.vstack(means) for name, means in expected.items()}),
        quantiles=MappingProxyType({name: tuple(found) for name, found in quantiles.items()}),
        observed=np.vstack([panel.of(category).sum(axis=1, dtype=np.int64) for panel in panels]),
        before=np.vstack([before[i] for i in range(len(folds))]),
        outside=tuple(panel.outside for panel in panels),
    )


def _jobs(
    folds: tuple[Fold, ...],
    names: tuple[str, ...],
    categories: Sequence[str],
    refit_every: int,
    always: frozenset[str],
) -> list[_Job]:
    """Learners one by one and first, since they take longest; cheap forecasters together, sharing histories."""
    learners = [(name,) for name in names if name not in always]
    cheap = tuple(name for name in names if name in always)
    starts = range(0, len(folds), refit_every)
    return [
        _Job(category, start, folds[start : start + refit_every], group)
        for group in ([*learners, cheap] if cheap else learners)
        for start in starts
        for category in categories
    ]


def _run(
    archive: Archive,
    forecasters: dict[str, Forecaster],
    seed: int,
    always: frozenset[str],
    job: _Job,
) -> _Outcome:
    fitted: dict[str, FittedForecaster] = {}
    category = job.category
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
