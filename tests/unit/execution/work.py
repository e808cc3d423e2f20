"""What the tests let worker processes do; a module of its own, which the workers import."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from crimepatterns.errors import SourceError


def square(number: int) -> int:
    return number * number


def echo(thing: Any) -> Any:
    return thing


def slower_first(number: int) -> int:
    time.sleep(0.2 if number == 0 else 0.0)
    return number


def process(_: int) -> int:
    time.sleep(0.05)
    return os.getpid()


def refuse_three(number: int) -> int:
    if number == 3:
        raise SourceError("three is refused")
    return number


def leave_a_mark(folder: Path, number: int) -> int:
    (folder / f"{number}").touch()
    time.sleep(0.02)
    return number


def die_once(folder: Path, number: int) -> int:
    """End this process as the system would for want of memory, but only the first time."""
    mark = folder / "died"
    if number == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die_at_two(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


class Counted:
    """Carries much, and writes down each time it is packed for a journey."""

    def __init__(self, log: Path, load: bytes) -> None:
        self.log, self.load = log, load

    def __reduce__(self) -> tuple[Any, ...]:
        with self.log.open("a") as handle:
            handle.write("packed\n")
        return (Counted, (self.log, self.load))

    def __call__(self, number: int) -> int:
        return number + len(self.load)
