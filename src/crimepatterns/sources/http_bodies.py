"""Read the bodies of answers within limits: compressed bombs, endless drips and JSON bombs end in a clear error."""

import json
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from crimepatterns.errors import SourceError

__all__ = ["BrokenBodyError", "decoded", "parse_json", "timely", "unpack_file"]

MAX_JSON_DEPTH = 64
MAX_JSON_VALUES = 20_000_000
MAX_JSON_CONTAINERS = 4_000_000
_LEAST_BYTES_PER_S = 100
_CHUNK = 1 << 18


class BrokenBodyError(Exception):
    """A body is cut off, damaged, or trickles in so slowly that it would never end; worth asking again."""


def timely(chunks: Iterable[bytes], *, window_s: float, clock: Callable[[], float] = time.monotonic) -> Iterator[bytes]:
    """Pass chunks on, as long as every window of time brings at least 100 bytes per second of it.

    Raises
    ------
    BrokenBodyError
        If one does not.
    """
    begun, received = clock(), 0
    for chunk in chunks:
        received += len(chunk)
        passed = clock() - begun
        if passed > window_s:
            if received < _LEAST_BYTES_PER_S * passed:
                raise BrokenBodyError(f"only {received} bytes in {passed:.0f} s")
            begun, received = clock(), 0
        yield chunk


def decoded(chunks: Iterable[bytes], *, encoding: str, max_bytes: int, what: str) -> Iterator[bytes]:
    """Undo a content encoding piece by piece, never holding more than a piece.

    Parameters
    ----------
    chunks : iterable of bytes
    encoding : str
        Value of ``Content-Encoding``; gzip, deflate or nothing.
    max_bytes : int
        Of the decoded body.
    what : str
        What the error calls it.

    Raises
    ------
    SourceError
        If it is larger, or of another encoding.
    BrokenBodyError
        If it is damaged or cut off.
    """
    total = 0
    for piece in _plain(chunks, encoding.strip().lower(), what):
        total += len(piece)
        if total > max_bytes:
            raise SourceError(f"{what} is larger than {_size(max_bytes)} (after decompression): refused.")
        yield piece


def unpack_file(source: Path, target: Path, *, encoding: str, max_bytes: int, what: str) -> int:
    """Undo the content encoding of a downloaded file; return the number of bytes."""
    with source.open("rb") as packed, target.open("wb") as plain:
        chunks = iter(lambda: packed.read(_CHUNK), b"")
        return sum(plain.write(piece) for piece in decoded(chunks, encoding=encoding, max_bytes=max_bytes, what=what))


def parse_json(content: bytes, *, what: str) -> Any:
    """Parse JSON of a bounded number and depth of values.

    Raises
    ------
    SourceError
        If it is nested deeper than 64 levels or holds too many values to fit into memory.
    json.JSONDecodeError
        If it is not JSON or is cut off; worth asking again.
    """
    import orjson

    if content.count(b"[") + content.count(b"{") > MAX_JSON_CONTAINERS or content.count(b",") > MAX_JSON_VALUES:
        raise SourceError(
            f"{what} holds more than {MAX_JSON_VALUES:,} values or {MAX_JSON_CONTAINERS:,} lists and objects: refused. "
            "Ask for smaller pages (source.feed.page_size)."
        )
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if "ecursion" in str(error):
            raise SourceError(_too_deep(what)) from error
        raise json.JSONDecodeError(error.msg, "", 0) from error
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [child for parent in level for child in _children(parent) if isinstance(child, dict | list)]
        if not level:
            return value
    raise SourceError(_too_deep(what))


def _plain(chunks: Iterable[bytes], encoding: str, what: str) -> Iterator[bytes]:
    if encoding in {"", "identity"}:
        yield from chunks
        return
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise SourceError(f"{what} came with the content encoding {encoding[:40]!r}: expected gzip, deflate or none.")
    try:
        yield from _inflated(chunks, 15 if encoding == "deflate" else 47)
    except zlib.error as error:
        raise BrokenBodyError(f"not valid {encoding} ({error})") from error


def _inflated(chunks: Iterable[bytes], wbits: int) -> Iterator[bytes]:
    inflate, begun = zlib.decompressobj(wbits), False
    for chunk in chunks:
        rest = chunk
        while rest:
            if inflate.eof:
                # A stream may have several members.
                inflate = zlib.decompressobj(wbits)
            begun = True
            yield inflate.decompress(rest, _CHUNK)
            rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
    # What is still inside after a full piece.
    while begun and not inflate.eof:
        piece = inflate.decompress(b"", _CHUNK)
        if not piece:
            raise BrokenBodyError("ends within its compressed stream")
        yield piece


def _children(parent: Any) -> Iterable[Any]:
    return parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ()


def _too_deep(what: str) -> str:
    return f"{what} is nested deeper than {MAX_JSON_DEPTH} levels: no feed of incidents is, refused."


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
