"""Several processes of this machine, through joblib."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self, TypeVar

from crimepatterns.errors import ExecutionError

__all__ = ["JoblibExecutor"]

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class JoblibExecutor:
    """Several processes on this machine.

    joblib keeps the processes for the next call and ends them when they have been idle for five minutes, or with this
    process.

    Parameters
    ----------
    workers : int
        Number of processes.
    """

    workers: int

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        lost: Callable[[Item], Result] | None = None,
    ) -> Iterator[Result]:
        """Yield ``function(item)`` for each item, in order; `function` and items travel to the workers.

        Raises
        ------
        ExecutionError
            If a process died and `lost` is not given. All processes end with it; a cluster goes on.
        """
        from joblib import Parallel, delayed
        from joblib.externals.loky.process_executor import BrokenProcessPool

        done, parent = 0, os.getpid()
        try:
            for result in Parallel(n_jobs=self.workers, return_as="generator")(
                delayed(_run)(function, item, parent) for item in items
            ):
                yield result
                done += 1
        except BrokenProcessPool as error:
            if lost is None:
                raise ExecutionError(
                    f"One of {self.workers} worker processes died, perhaps for want of memory: set execution.workers "
                    "lower, or execution.kind: dask, which starts dead workers again."
                ) from error
            for item in items[done:]:
                yield lost(item)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def _run(function: Callable[[Item], Result], item: Item, parent: int) -> Result:
    _end_with(parent)
    return function(item)


@cache
def _end_with(parent: int) -> None:
    """Let this process end when the one that started it is gone; it would wait for work for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
