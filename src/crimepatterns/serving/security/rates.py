"""How often a caller may ask: a bucket of tokens for each, filled at a steady rate."""

import time
from collections import OrderedDict
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

__all__ = ["TokenBuckets", "bucket_of_address"]

_MOST_BUCKETS = 10_000


class TokenBuckets:
    """One bucket per caller; the one that was quiet longest is forgotten where there are too many.

    Parameters
    ----------
    per_second : float
        Tokens that a bucket gains per second.
    burst : int
        Tokens that a full bucket holds.
    """

    def __init__(self, *, per_second: float, burst: int) -> None:
        self._rate, self._burst = per_second, float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, *, now: float | None = None) -> float:
        """Take a token; return 0, or the seconds until there will be one."""
        moment = time.monotonic() if now is None else now
        tokens, then = self._buckets.pop(name, (self._burst, moment))
        tokens = min(self._burst, tokens + (moment - then) * self._rate)
        enough = tokens >= 1.0
        self._buckets[name] = (tokens - 1.0 if enough else tokens, moment)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return 0.0 if enough else (1.0 - tokens) / self._rate

    def empty(self, name: str, *, now: float | None = None) -> bool:
        """Whether there is no token left, without taking one."""
        moment = time.monotonic() if now is None else now
        tokens, then = self._buckets.get(name, (self._burst, moment))
        return tokens + (moment - then) * self._rate < 1.0


@lru_cache(maxsize=4096)
def bucket_of_address(address: str) -> str:
    """Name the bucket of an address; a whole IPv6 network of 64 bits shares one, since it belongs to one customer."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return "address:unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return f"address:{parsed.ipv4_mapped}"
        return f"address:{parsed.exploded[:19]}"
    return f"address:{parsed}"
