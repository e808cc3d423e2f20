"""How fast a pull goes and how long it will take, in words."""

import time
from collections.abc import Callable

__all__ = ["Speed"]

_WINDOW_S = 60.0


class Speed:
    """Rate of the last minute and remaining time.

    Parameters
    ----------
    already : int
        Rows that were there before.
    clock : callable
        Seconds that never go back.

    Examples
    --------
    >>> moments = iter([0.0, 10.0])
    >>> Speed(5_000, clock=lambda: next(moments)).label("Pulling x", 10_000, 100_000)
    'Pulling x · 10,000 of 100,000 rows, 500 rows/s, 3 min left'
    """

    def __init__(self, already: int = 0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks: list[tuple[float, int]] = [(clock(), already)]

    def label(self, task: str, done: int, total: int | None) -> str:
        """Name a task together with its progress.

        Parameters
        ----------
        task : str
        done, total : int
            Rows so far, and expected in all.
        """
        now = self._clock()
        while len(self._marks) > 1 and self._marks[1][0] < now - _WINDOW_S:
            self._marks.pop(0)
        since, before = self._marks[0]
        self._marks.append((now, done))
        rate = (done - before) / (now - since) if now > since else 0.0
        rows = f"{done:,} rows" if total is None else f"{done:,} of {total:,} rows"
        if rate <= 0:
            return f"{task} · {rows}"
        left = f", {_duration((total - done) / rate)} left" if total is not None and total > done else ""
        return f"{task} · {rows}, {rate:,.0f} rows/s{left}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"
