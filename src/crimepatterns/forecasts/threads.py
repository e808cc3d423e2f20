"""How many threads a learner may use: spinning threads on a busy machine cost more than they bring."""

from contextlib import AbstractContextManager
from typing import Any

__all__ = ["limited_threads"]


def limited_threads(count: int) -> AbstractContextManager[Any]:
    """Let OpenMP code, such as histogram boosting, use at most `count` threads inside the block."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[Any] = threadpool_limits(limits=count, user_api="openmp")
    return limits
