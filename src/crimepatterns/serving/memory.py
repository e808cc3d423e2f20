"""A server that runs for months does not keep what it no longer needs: freed memory goes back to the system.

The allocator of glibc gives each thread an arena of its own and keeps what was freed in it; Arrow's pool keeps what its
tables left. Both look like a leak when many ask at once. Elsewhere than on glibc nothing is done.
"""

import ctypes
import sys
import threading
import time

__all__ = ["give_back", "keep_small"]

_EVERY_S = 60.0
_ARENA_MAX, _ARENAS = -8, 2  # M_ARENA_MAX of malloc.h; threads that wait for Python's lock need no arena each


def keep_small() -> None:
    """Limit the arenas from now on, and give freed memory back every minute."""
    if (libc := _glibc()) is not None:
        libc.mallopt(_ARENA_MAX, _ARENAS)
        threading.Thread(target=_keep_giving_back, daemon=True, name="memory").start()


def give_back() -> None:
    """Give back what was freed, as after work that needed much for a moment."""
    if arrow := sys.modules.get("pyarrow"):
        arrow.default_memory_pool().release_unused()
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _keep_giving_back() -> None:
    while True:
        time.sleep(_EVERY_S)
        give_back()


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
