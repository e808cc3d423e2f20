"""Run one function over many items, in one process or on all cores; the answer is the same."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from crimepatterns.domain.protocols import Executor

__all__ = ["JoblibExecutor", "SerialExecutor", "choose_executor"]

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SerialExecutor:
    """One item after the other, in this process."""

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield ``function(item)`` for each item, in order."""
        return map(function, items)


@dataclass(frozen=True)
class JoblibExecutor:
    """Several processes on this machine.

    Parameters
    ----------
    workers : int
        Number of processes.
    """

    workers: int

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield ``function(item)`` for each item, in order; `function` and items travel to the workers."""
        from joblib import Parallel, delayed

        results: Iterator[Result] = Parallel(n_jobs=self.workers, return_as="generator")(
            delayed(function)(item) for item in items
        )
        return results


def choose_executor(workers: int) -> Executor:
    """Choose processes where more than one worker is wanted."""
    return SerialExecutor() if workers == 1 else JoblibExecutor(workers)
