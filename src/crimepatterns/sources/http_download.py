"""One attempt at a file: the whole, the rest of it, or the news that it has not changed."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crimepatterns.domain.protocols import Progress
from crimepatterns.errors import SourceError
from crimepatterns.sources.http_bodies import BrokenBodyError, timely, unpack_file
from crimepatterns.sources.http_exchange import Request, TransientError, exchange
from crimepatterns.sources.http_guard import GuardedConnections
from crimepatterns.store.partial import PartialFile

if TYPE_CHECKING:
    import httpx

__all__ = ["Arrival", "FileLimits", "put_in_place", "receive"]


@dataclass(frozen=True)
class FileLimits:
    """Largest file, and the time in which something must come."""

    max_bytes: int
    window_s: float


@dataclass(frozen=True)
class Arrival:
    """A file that has come whole, still packed where `encoding` says so."""

    validators: Mapping[str, str]
    encoding: str
    resumed: bool


def receive(
    connections: GuardedConnections,
    request: Request,
    part: PartialFile,
    *,
    validators: Mapping[str, str],
    limits: FileLimits,
    progress: Progress,
) -> Arrival | None:
    """Ask for a file, or for what is missing of it, and add what comes to the part.

    The rest is asked for under the condition that the file is still the same (``If-Range``); where the server cannot
    say so, the file is fetched from its beginning.

    Returns
    -------
    Arrival or None
        None if the file has not changed since `validators`.

    Raises
    ------
    SourceError
        If it is refused or too large.
    TransientError
        If it broke off or changed meanwhile; the next attempt goes on with what is there.
    """
    note, have = part.note(), part.size
    condition = _condition(note) if have else ""
    asked = {"Range": f"bytes={have}-", "If-Range": condition} if condition else _unless_same(validators)
    with exchange(connections, request, headers=asked, accept=(416,) if condition else (304,)) as answer:
        if answer.status_code == 304 and asked:
            return None
        fresh = _note(request, answer)
        if answer.status_code == 200:
            have = 0
            part.restart(fresh)
        elif answer.status_code != 206 or not condition or not _continues(note, fresh, answer, have):
            part.discard()
            raise TransientError("the file has changed in the middle of its download")
        total = int(fresh["total"]) if fresh["total"] else None
        _check_room(request, part, have, total, limits)
        chunks = timely(answer.iter_raw(), window_s=limits.window_s)
        part.append(_measured(request, chunks, have, total, limits, progress))
        if total is not None and part.size != total:
            raise TransientError(f"the file ended after {part.size:,} of {total:,} bytes")
        kept = {name: fresh[name] for name in ("etag", "last_modified") if fresh[name]}
        return Arrival(kept, fresh["encoding"], have > 0)


def put_in_place(request: Request, part: PartialFile, arrival: Arrival, *, limits: FileLimits) -> int:
    """Move a whole file to its place, unpacked where the server packed it for the way; return its bytes.

    Raises
    ------
    SourceError
        If it unpacks to more than the limit or is damaged; the part is removed then.
    """
    if arrival.encoding in {"", "identity"}:
        size = part.size
        part.finish()
        return size
    plain = part.path.with_name(f"{part.path.name}.plain")
    try:
        size = unpack_file(part.path, plain, encoding=arrival.encoding, max_bytes=limits.max_bytes, what=request.shown)
        part.finish(plain)
    except BrokenBodyError as error:
        part.discard()
        raise SourceError(f"{request.shown} arrived damaged ({error}): run it again.") from error
    except SourceError:
        part.discard()
        raise
    finally:
        plain.unlink(missing_ok=True)
    return size


def _condition(note: Mapping[str, str]) -> str:
    """Return what proves that the file is still the same: a strong tag, else its date."""
    tag = note.get("etag", "")
    return tag if tag and not tag.startswith("W/") else note.get("last_modified", "")


def _unless_same(validators: Mapping[str, str]) -> dict[str, str]:
    pairs = {"If-None-Match": validators.get("etag"), "If-Modified-Since": validators.get("last_modified")}
    return {name: value for name, value in pairs.items() if value}


def _note(request: Request, answer: "httpx.Response") -> dict[str, str]:
    if answer.status_code == 206:
        total = answer.headers.get("content-range", "").rpartition("/")[2]
    else:
        total = answer.headers.get("content-length", "")
    return {
        "url": request.digest,
        "etag": answer.headers.get("etag", ""),
        "last_modified": answer.headers.get("last-modified", ""),
        "encoding": answer.headers.get("content-encoding", "").strip().lower(),
        "total": total if total.isdigit() else "",
    }


def _continues(note: Mapping[str, str], fresh: Mapping[str, str], answer: "httpx.Response", have: int) -> bool:
    """Tell whether a partial answer goes on exactly where the part ends, with the same file."""
    begins = answer.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
    # What the server leaves out cannot differ; a size has to be named.
    same = all(note.get(name, "") == value for name, value in fresh.items() if value and note.get(name, ""))
    return begins == str(have) and bool(fresh["total"]) and same


def _check_room(request: Request, part: PartialFile, have: int, total: int | None, limits: FileLimits) -> None:
    if total is None:
        return
    if total > limits.max_bytes:
        part.discard()
        raise SourceError(_too_large(request, limits))
    free = shutil.disk_usage(part.path.parent).free
    if total - have > free:
        raise SourceError(
            f"{request.shown} needs {(total - have) / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB are free: make room."
        )


def _measured(
    request: Request,
    chunks: Iterator[bytes],
    have: int,
    total: int | None,
    limits: FileLimits,
    progress: Progress,
) -> Iterator[bytes]:
    task = f"Downloading {request.url.path.rpartition('/')[2] or request.url.host}"[:60]
    done = have
    for chunk in chunks:
        done += len(chunk)
        if done > limits.max_bytes:
            raise SourceError(_too_large(request, limits))
        progress(task, done, total)
        yield chunk


def _too_large(request: Request, limits: FileLimits) -> str:
    return f"{request.shown} is larger than {limits.max_bytes / 2**20:,.1f} MiB: refused."
