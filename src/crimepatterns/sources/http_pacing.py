"""When to ask again: never faster than the agreed rate, and after a failure as late as the server says."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import numpy as np

__all__ = ["LONGEST_WAIT_S", "Pace", "back_off", "retry_after"]

LONGEST_WAIT_S = 120.0


class Pace:
    """Keeps requests at least a fixed time apart.

    Parameters
    ----------
    per_second : float
    sleep, clock : callable
    """

    def __init__(
        self,
        per_second: float,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gap_s = 1.0 / per_second
        self._sleep, self._clock = sleep, clock
        self._next = float("-inf")

    def wait(self) -> None:
        """Return when the next request may go."""
        now = self._clock()
        if self._next > now:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._gap_s


def back_off(attempt: int, *, first_s: float, rng: np.random.Generator) -> float:
    """Return how long to wait after the failed attempt 0, 1, ...: doubling, jittered by half, at most 120 s."""
    return float(min(first_s * 2**attempt, LONGEST_WAIT_S) * rng.uniform(0.5, 1.0))


def retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Read a ``Retry-After`` header, seconds or a date; None where there is none that can be read; at most 120 s.

    Examples
    --------
    >>> [retry_after(text) for text in ("3", "100000", "soon", None)]
    [3.0, 120.0, None, None]
    >>> retry_after("Wed, 21 Oct 2026 07:28:30 GMT", now=datetime(2026, 10, 21, 7, 28, tzinfo=UTC))
    30.0
    """
    if value is None:
        return None
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*", value):
        seconds = float(value)
    else:
        try:
            until = parsedate_to_datetime(value)
        except (TypeError, ValueError):
            return None
        until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
        seconds = (until - (now or datetime.now(UTC))).total_seconds()
    return float(min(max(seconds, 0.0), LONGEST_WAIT_S))
