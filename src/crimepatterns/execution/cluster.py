"""Worker processes of a Dask cluster, on this machine or on many."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Self, TypeVar

from crimepatterns.errors import ExecutionError
from crimepatterns.execution.connecting import TlsFiles, check_workers, connect, start_cluster
from crimepatterns.version import __version__

__all__ = ["DaskExecutor"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 3
"""Items handed out per thread: one runs, the others wait at hand or are done and wait for their turn."""
_LOOK_EVERY_S = 5.0
"""How often to see whether there still are workers while waiting for a result."""
_IN_COMPANY, _ALONE = 2, 2
"""How often workers may die over an item while others run beside it, and then while it runs alone."""


class DaskExecutor:
    """Worker processes of a Dask cluster; opened by ``with``, or by the first `map`.

    The function is sent once to each worker, whatever it carries (``functools.partial`` of an archive), and an item by
    itself. When a worker dies its items are run again elsewhere; since functions are deterministic, the results are
    the same. Only a few items per thread are in flight, so that neither items nor results pile up.

    Parameters
    ----------
    scheduler : str, optional
        Address of a running scheduler. Without it a scheduler and `workers` processes are started on this machine, on
        127.0.0.1 and with certificates of their own, and ended on closing.
    tls : TlsFiles, optional
        For a scheduler whose address begins with ``tls://``.
    workers, threads_per_worker : int
        Of a cluster on this machine.
    memory_limit : str, optional
        Per worker of a cluster on this machine, such as ``4GiB``.
    dashboard_port : int, optional
        Of Dask's status page on 127.0.0.1; there is none without it.
    timeout_s : float
        How long to wait for the scheduler and a first worker.
    patience_s : float
        How long to wait, in mid-run, for a worker when all are gone.
    """

    def __init__(
        self,
        *,
        scheduler: str | None = None,
        tls: TlsFiles | None = None,
        workers: int = 2,
        threads_per_worker: int = 1,
        memory_limit: str | None = None,
        dashboard_port: int | None = None,
        timeout_s: float = 30.0,
        patience_s: float = 300.0,
    ) -> None:
        self._scheduler, self._tls = scheduler, tls
        self._timeout_s, self._patience_s = timeout_s, patience_s
        self._start = partial(
            start_cluster,
            workers=workers,
            threads_per_worker=threads_per_worker,
            memory_limit=memory_limit,
            dashboard_port=dashboard_port,
        )
        self._open = ExitStack()
        self._client: Any = None
        self._threads = 0

    @property
    def workers(self) -> int:
        """How many items run at the same time; opens the cluster to ask it."""
        self._connected()
        return self._threads

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        lost: Callable[[Item], Result] | None = None,
    ) -> Iterator[Result]:
        """Yield ``function(item)`` for each item, in order.

        Leaving the iteration early withdraws what has not begun.

        Raises
        ------
        ExecutionError
            If workers died again and again over one item and `lost` is not given, or scheduler or workers are gone.
        """
        client = self._connected()
        # Workers may have come since the last call.
        self._threads = max(sum(client.nthreads().values()), 1)
        run = _Run(client, function, lost, ahead=_AHEAD * self._threads, patience_s=self._patience_s)
        try:
            yield from run.results(items)
        finally:
            run.withdraw()

    def close(self) -> None:
        """Disconnect, and end a cluster that was started here."""
        self._client = None
        self._open.close()

    def __enter__(self) -> Self:
        self._connected()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _connected(self) -> Any:
        if self._client is None:
            with ExitStack() as opening:
                if self._scheduler is None:
                    cluster = opening.enter_context(self._start())
                    client = opening.enter_context(cluster.get_client())
                else:
                    client = opening.enter_context(connect(self._scheduler, tls=self._tls, timeout_s=self._timeout_s))
                self._threads = check_workers(client, timeout_s=self._timeout_s)
                self._client, self._open = client, opening.pop_all()
        return self._client


@dataclass(frozen=True, eq=False)
class _Parcel:
    """One value on its way to a worker; Dask would look into bare lists and mappings for work of its own."""

    content: Any


@dataclass(eq=False)
class _Handed(Generic[Item]):
    """An item that was handed out."""

    item: Item
    future: Any
    failures: int = 0


class _Run(Generic[Item, Result]):
    """One call of `DaskExecutor.map`."""

    def __init__(
        self,
        client: Any,
        function: Callable[[Item], Result],
        lost: Callable[[Item], Result] | None,
        *,
        ahead: int,
        patience_s: float,
    ) -> None:
        self._client, self._function, self._lost = client, function, lost
        self._ahead, self._patience_s = ahead, patience_s
        self._shared = self._share()
        self._waiting: deque[_Handed[Item]] = deque()

    def results(self, items: Sequence[Item]) -> Iterator[Result]:
        upcoming = iter(items)
        while True:
            while len(self._waiting) < self._ahead:
                try:
                    item = next(upcoming)
                except StopIteration:
                    break
                self._waiting.append(_Handed(item, self._submit(item)))
            if not self._waiting:
                return
            yield self._first()

    def withdraw(self) -> None:
        for handed in self._waiting:
            handed.future.cancel()
        self._waiting.clear()

    def _first(self) -> Result:
        """Wait for the result of the earliest item."""
        from distributed import CancelledError, KilledWorker

        handed = self._waiting[0]
        while True:
            try:
                result = self._result(handed.future)
                break
            except (CancelledError, KilledWorker) as error:
                if self._client.status != "running":
                    raise _scheduler_gone(error) from error
                alone = handed.failures >= _IN_COMPANY
                if handed.failures >= _IN_COMPANY + _ALONE or (alone and isinstance(error, KilledWorker)):
                    result = self._given_up(handed.item, error)
                    break
                handed.failures = max(handed.failures + 1, _IN_COMPANY if isinstance(error, KilledWorker) else 0)
                if handed.failures >= _IN_COMPANY:
                    # Which of several items ended the workers shows only when one runs alone.
                    self._settle()
                    self._hand_out_again(handed)
                else:
                    self._revive()
        self._waiting.popleft()
        self._revive()
        return result

    def _revive(self) -> None:
        for handed in self._waiting:
            if handed.future.status == "cancelled":
                self._hand_out_again(handed)

    def _given_up(self, item: Item, error: Exception) -> Result:
        if self._lost is not None:
            return self._lost(item)
        raise ExecutionError(
            "Worker processes died again and again while they ran one and the same piece of work, perhaps for want of "
            "memory: set execution.memory_limit higher or execution.workers lower, or give the cluster larger workers."
        ) from error

    def _settle(self) -> None:
        """Wait until no other item is running."""
        for other in list(self._waiting)[1:]:
            other.future.exception()

    def _hand_out_again(self, handed: _Handed[Item]) -> None:
        """Send an item once more, and the function too where the workers that held it are gone."""
        if self._shared.status != "finished":
            self._shared = self._share()
        handed.future = self._submit(handed.item)

    def _share(self) -> Any:
        """Send the function to every worker; those that die meanwhile do without."""
        end = time.monotonic() + self._patience_s
        while True:
            try:
                self._client.wait_for_workers(1, timeout=max(end - time.monotonic(), 1.0))
                return self._client.scatter([_Parcel(self._function)], broadcast=True, hash=False)[0]
            except OSError as error:  # Also the TimeoutError of waiting.
                if self._client.status != "running":
                    raise _scheduler_gone(error) from error
                if time.monotonic() > end:
                    raise _workers_gone(self._patience_s) from error
                time.sleep(0.2)

    def _result(self, future: Any) -> Result:
        """Wait for a result, but not for workers that do not come back."""
        last_seen = time.monotonic()
        while True:
            try:
                found: Result = future.result(timeout=_LOOK_EVERY_S)
            except TimeoutError:
                # Not the wait but the work failed, perhaps with a TimeoutError of its own. A result that got lost with
                # its worker, or came just now, is asked for again.
                if future.status == "error":
                    raise future.exception() from None
            else:
                return found
            if self._client.nthreads():
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > self._patience_s:
                raise _workers_gone(self._patience_s)

    def _submit(self, item: Item) -> Any:
        return self._client.submit(_apply, self._shared, _Parcel(item), __version__, pure=False)


def _apply(function: _Parcel, item: _Parcel, release: str) -> Any:
    """Run on a worker; one that joined late may be of another release than those that were asked."""
    if release != __version__:
        raise ExecutionError(
            f"A worker has crimepatterns {__version__}, the process that sends it work {release}: install the same "
            "release on every machine."
        )
    return function.content(item.content)


def _scheduler_gone(error: BaseException) -> ExecutionError:
    return ExecutionError(
        f"The connection to the scheduler broke ({error}): see whether it still runs, and start the command again; "
        "finished stages are kept."
    )


def _workers_gone(patience_s: float) -> ExecutionError:
    return ExecutionError(
        f"All workers are gone, and none has come back for {patience_s:g} s: start some with `dask worker`, then start "
        "the command again; finished stages are kept."
    )
