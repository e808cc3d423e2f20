"""One item after the other, in this process."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, TypeVar

__all__ = ["SerialExecutor"]

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SerialExecutor:
    """One item after the other, in this process; the answer that every other executor must give."""

    workers: ClassVar[int] = 1

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        lost: Callable[[Item], Result] | None = None,  # noqa: ARG002  # this process is the only one
    ) -> Iterator[Result]:
        """Yield ``function(item)`` for each item, in order."""
        return map(function, items)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass
