"""Reading ahead gives the same items, errors included, and ends when it is left."""

import threading
import time
from collections.abc import Iterator

import pytest

from crimepatterns.cleaning.read_ahead import ReadAhead


def threads() -> int:
    return sum(thread.name == "read ahead" for thread in threading.enumerate())


@pytest.mark.parametrize("depth", [1, 3])
def test_all_items_come_in_order(depth: int) -> None:
    with ReadAhead(iter(range(1_000)), depth) as items:
        assert list(items) == list(range(1_000))
    assert threads() == 0


def test_an_error_comes_after_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield from (1, 2)
        raise ValueError("third")

    with ReadAhead(failing(), 1) as items:
        first = iter(items)
        assert [next(first), next(first)] == [1, 2]
        with pytest.raises(ValueError, match="third"):
            next(first)
    assert threads() == 0


def test_it_ends_when_it_is_left_with_items_to_come() -> None:
    taken = []

    def endless() -> Iterator[int]:
        while True:
            taken.append(1)
            yield 1

    with ReadAhead(endless(), 2) as items:
        assert next(iter(items)) == 1
        time.sleep(0.1)
    assert threads() == 0
    assert len(taken) <= 6
