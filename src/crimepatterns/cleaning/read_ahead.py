"""Take items from an iterator on a thread of its own, a few ahead of whoever uses them."""

import threading
from collections.abc import Iterator
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Generic, Self, TypeVar

__all__ = ["ReadAhead"]

_PATIENCE_S = 0.05

Item = TypeVar("Item")


class ReadAhead(Generic[Item]):
    """Iterates over the same items in order; an error of the source is raised where the next item would be.

    Used in a ``with`` block, which ends the thread also where items are left.

    Parameters
    ----------
    items : iterator
    depth : int
        Items that may wait.
    """

    def __init__(self, items: Iterator[Item], depth: int) -> None:
        self._items = items
        self._queue: Queue[tuple[Item] | BaseException | None] = Queue(depth)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._fill, name="read ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        try:
            while True:
                self._queue.get_nowait()
        except Empty:
            self._thread.join()

    def __iter__(self) -> Iterator[Item]:
        while (found := self._queue.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found[0]

    def _fill(self) -> None:
        try:
            for item in self._items:
                self._put((item,))
                if self._left.is_set():
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001  # raised again where the items are used
            self._put(error)

    def _put(self, found: tuple[Item] | BaseException | None) -> None:
        while not self._left.is_set():
            try:
                self._queue.put(found, timeout=_PATIENCE_S)
            except Full:
                continue
            return
