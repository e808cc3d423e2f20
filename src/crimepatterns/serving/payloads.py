"""Answers made once per version of their files: serialised, compressed and tagged, then sent as bytes."""

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson
from fastapi import Request
from fastapi.responses import Response

__all__ = ["Payload", "PayloadCache", "json_payload", "respond", "version_of"]

T = TypeVar("T")

_JSON = "application/json"
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_SMALL = 1024


@dataclass(frozen=True)
class Payload:
    """The bytes of one answer.

    Parameters
    ----------
    body : bytes
    packed : bytes or None
        The same, compressed with gzip; None where that would not pay.
    tag : str
        Strong entity tag without quotes, from the body; a map's tile has its question in it too.
    media_type : str
    """

    body: bytes
    packed: bytes | None
    tag: str
    media_type: str

    @classmethod
    def of(cls, body: bytes, media_type: str) -> "Payload":
        """Compress and tag a body."""
        compressible = media_type.startswith("text/") or "json" in media_type or "javascript" in media_type
        packed = gzip.compress(body, 6, mtime=0) if compressible and len(body) > _SMALL else None
        return cls(body, packed, hashlib.sha256(body).hexdigest()[:24], media_type)


def json_payload(value: Any) -> Payload:
    """Serialise a value; numpy arrays are allowed, and not-a-number becomes null."""
    return Payload.of(orjson.dumps(value, option=_OPTIONS), _JSON)


def version_of(paths: Iterable[Path]) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when any of the files is replaced; absent files count too."""
    found = []
    for path in paths:
        try:
            facts = path.stat()
        except OSError:
            found.append((path.name, -1, -1))
        else:
            found.append((path.name, facts.st_mtime_ns, facts.st_size))
    return tuple(found)


class PayloadCache:
    """Values kept until one of the files they came from is replaced.

    Parameters
    ----------
    limit : int
        So many values are kept, the most recently used.
    """

    def __init__(self, limit: int = 96) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, tuple[Hashable, Any]] = OrderedDict()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, key: Hashable, sources: Iterable[Path], make: Callable[[], T]) -> T:
        """Return the value of `key`, made anew where a source has changed; one thread makes it, others wait."""
        version = version_of(sources)
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            with self._guard:
                known = self._kept.get(key)
                if known is not None and known[0] == version:
                    self._kept.move_to_end(key)
                    value: T = known[1]
                    return value
            made = make()
            with self._guard:
                self._kept[key] = (version, made)
                self._kept.move_to_end(key)
                while len(self._kept) > self._limit:
                    dropped, _ = self._kept.popitem(last=False)
                    self._locks.pop(dropped, None)
            return made


def respond(request: Request, payload: Payload, *, cache_control: str = "no-cache") -> Response:
    """Send a payload, compressed where the client takes it, or 304 where the client has it."""
    packed = payload.packed is not None and _takes_gzip(request.headers.get("accept-encoding", ""))
    tag = f'"{payload.tag}-gz"' if packed else f'"{payload.tag}"'
    headers = {"etag": tag, "vary": "Accept-Encoding", "cache-control": cache_control}
    if _has_it(request.headers.get("if-none-match", ""), payload.tag):
        return Response(status_code=304, headers=headers)
    if packed:
        headers["content-encoding"] = "gzip"
    body = payload.packed if packed and payload.packed is not None else payload.body
    return Response(body, media_type=payload.media_type, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        coding, _, quality = part.partition(";")
        if coding.strip() in {"gzip", "*"}:
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _has_it(wanted: str, tag: str) -> bool:
    tags = {part.strip().removeprefix("W/").strip('"').removesuffix("-gz") for part in wanted.split(",")}
    return "*" in tags or tag in tags
