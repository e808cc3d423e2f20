"""Seconds of a piece of work."""

import resource
import time

__all__ = ["Watch"]


class Watch:
    """Wall and CPU seconds since it was made, children included."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.monotonic(), self._cpu()

    def stop(self) -> tuple[float, float]:
        """Return seconds since the start."""
        return time.monotonic() - self.wall, self._cpu() - self.cpu

    @staticmethod
    def _cpu() -> float:
        uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(use.ru_utime + use.ru_stime for use in uses)
