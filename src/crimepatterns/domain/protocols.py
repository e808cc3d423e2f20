"""The few shapes that let new sources, forecasters, metrics and executors be added as one file each."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import pandas as pd
import pyarrow as pa

from crimepatterns.domain.explanation import Explanation
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods

__all__ = [
    "Executor",
    "ExplainingForecaster",
    "FittedForecaster",
    "Forecaster",
    "Metric",
    "Progress",
    "RawTable",
    "Source",
    "silent",
]

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class RawTable:
    """Records as a publisher gave them, streamed.

    Parameters
    ----------
    columns : tuple of str
    batches : iterable of pyarrow.RecordBatch
        Each with exactly `columns`.
    rows : int or None
        Expected number of rows, for progress; None where it is not known.
    """

    columns: tuple[str, ...]
    batches: Iterable[pa.RecordBatch] = field(repr=False)
    rows: int | None = None


class Source(Protocol):
    """A feed or file of incident records."""

    name: str

    def fetch(self, window: tuple[pd.Timestamp, pd.Timestamp] | None = None) -> RawTable:
        """Read the records of a window of time, or all of them."""
        ...


class FittedForecaster(Protocol):
    """A forecaster with its learned parameters; it holds no incidents."""

    def predict(self, history: History, periods: Periods) -> Forecast:
        """Forecast `periods` from what `history` knows; history may be later than the one it was fitted on."""
        ...


@runtime_checkable
class ExplainingForecaster(Protocol):
    """A fitted forecaster that can say what its forecast is made of."""

    def explain(self, history: History, periods: Periods) -> Explanation:
        """Split what `predict` expects into parts that add up to it."""
        ...


class Forecaster(Protocol):
    """A way of forecasting, before it has seen data."""

    @property
    def name(self) -> str:
        """What it is called in settings, tables and file names."""
        ...

    def fit(self, history: History, *, rng: np.random.Generator) -> FittedForecaster:
        """Learn from `history`."""
        ...


class Metric(Protocol):
    """A score of a forecast against what happened."""

    def __call__(self, forecast: Forecast, panel: Panel) -> float:
        """Return the score."""
        ...


class Executor(Protocol):
    """Runs the same function over many items: one after another, on all cores or on a cluster."""

    @property
    def workers(self) -> int:
        """How many items run at the same time."""
        ...

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        lost: Callable[[Item], Result] | None = None,
    ) -> Iterator[Result]:
        """Yield results in the order of the items.

        An error of `function` ends the run. Where an item's worker process dies again and again, ``lost(item)``
        stands in for its result, so that the other items go on; without `lost` that ends the run too.
        """
        ...


class Progress(Protocol):
    """Told how far long work has come; the command line draws a bar from it."""

    def __call__(self, task: str, done: float, total: float | None) -> None:
        """Report that `done` of `total` units of `task` are finished."""
        ...


def silent(task: str, done: float, total: float | None) -> None:
    """Ignore progress."""
