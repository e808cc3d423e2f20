"""OpenMP threads wait for one another by spinning: on a busy machine two of them take many times as long as one."""

from contextlib import AbstractContextManager
from typing import Any

__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager[Any]:
    """Let OpenMP code, such as histogram boosting, use one thread inside the block.

    Cores are used by running several fits at the same time, see `crimepatterns.execution`.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="openmp")
    return limits
