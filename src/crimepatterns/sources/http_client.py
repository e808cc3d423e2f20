"""Fetch from publishers' servers with patience and suspicion.

Patience: requests keep a rate, failures are tried again after growing pauses, downloads go on where they broke off.
Suspicion: addresses, redirects, sizes and depths are limited, and no password or token is ever part of a message.
"""

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import SourceError
from crimepatterns.sources.http_bodies import decoded, parse_json, timely
from crimepatterns.sources.http_download import Arrival, FileLimits, put_in_place, receive
from crimepatterns.sources.http_exchange import Request, TransientError, exchange, make_request
from crimepatterns.sources.http_guard import GuardedConnections
from crimepatterns.sources.http_pacing import Pace, back_off
from crimepatterns.store.partial import PartialFile
from crimepatterns.version import __version__

__all__ = ["Download", "HttpClient", "HttpPolicy", "Response"]

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class HttpPolicy:
    """How servers are asked.

    Parameters
    ----------
    allow_private : tuple of str
        ``host`` or ``host:port`` that may have loopback, private or link-local addresses.
    requests_per_second : float
    timeout_s : float
        Of connecting, and of each wait for more bytes.
    retries : int
        Attempts after the first, for failed connections, timeouts, broken bodies, 429 and 5xx.
    back_off_s : float
        First wait; it doubles, is jittered, follows ``Retry-After`` where there is one, and is at most 120 s.
    max_bytes, max_json_bytes : int
        Largest download and largest document held in memory, after decompression.
    """

    allow_private: tuple[str, ...] = ()
    requests_per_second: float = 5.0
    timeout_s: float = 30.0
    retries: int = 6
    back_off_s: float = 1.0
    max_bytes: int = 20 * 2**30
    max_json_bytes: int = 256 * 2**20


@dataclass(frozen=True)
class Response:
    """A whole answer.

    Parameters
    ----------
    content : bytes
        Decompressed.
    status : int
    headers : mapping of str to str
        Names in lower case.
    """

    content: bytes = field(repr=False)
    status: int
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Download:
    """A file that was fetched.

    Parameters
    ----------
    validators : mapping of str to str
        ``etag`` and ``last_modified`` where the server gave them, for asking next time whether it changed.
    bytes : int
        Size of the file.
    resumed : bool
        Whether a part of it had come in an earlier attempt or run.
    """

    validators: Mapping[str, str]
    bytes: int
    resumed: bool


class HttpClient:
    """A client for publishers' servers; a context manager, for one thread.

    Parameters
    ----------
    policy : HttpPolicy, optional
    headers : mapping of str to str, optional
        Sent with every request, but never to another host that it is redirected to.
    sleep : callable
    rng : numpy.random.Generator, optional
        Jitters the waits.
    """

    def __init__(
        self,
        policy: HttpPolicy | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.policy = policy or HttpPolicy()
        self._headers = {"User-Agent": f"crimepatterns/{__version__}", "Accept": "*/*", **(headers or {})}
        self._sleep = sleep
        self._rng = rng if rng is not None else np.random.default_rng()
        self._pace = Pace(self.policy.requests_per_second, sleep=sleep)
        self._connections = GuardedConnections(self.policy.allow_private, timeout_s=self.policy.timeout_s)

    def __enter__(self) -> "HttpClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._connections.close()

    def get_json(
        self,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (),
    ) -> Any:
        """Fetch and parse a JSON document; None for a status that `accept` names as an answer.

        Raises
        ------
        SourceError
            If it cannot be had, is too large or too deep, or is not JSON after all attempts.
        """
        request = self._request(url, params, {"Accept": "application/json", **(headers or {})})

        def attempt() -> Any:
            answer = self._whole(request, accept)
            if answer.status in accept:
                return None
            try:
                return parse_json(answer.content, what=request.shown)
            except json.JSONDecodeError as error:
                raise TransientError(f"the answer is not whole JSON ({error.msg})") from error

        return self._patiently(request, attempt)

    def get(
        self,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (),
    ) -> Response:
        """Fetch a document of at most ``max_json_bytes``.

        Parameters
        ----------
        url : str
        params : mapping, optional
            Added to the URL's own.
        headers : mapping of str to str, optional
        accept : collection of int
            Status codes, besides 2xx, that are an answer and neither an error nor a reason to ask again.

        Raises
        ------
        SourceError
            If it cannot be had or is too large.
        """
        request = self._request(url, params, headers)
        return self._patiently(request, lambda: self._whole(request, accept))

    def download(
        self,
        url: str,
        target: Path,
        *,
        validators: Mapping[str, str] | None = None,
        progress: Progress = silent,
    ) -> Download | None:
        """Fetch a file, going on where an earlier attempt or run broke off.

        Parameters
        ----------
        url : str
        target : Path
            Replaced when the file is whole; the part lies beside it until then.
        validators : mapping of str to str, optional
            Of the copy that is there already.
        progress : Progress
            Told bytes done and expected.

        Returns
        -------
        Download or None
            None if the file has not changed since `validators`.

        Raises
        ------
        SourceError
            If it cannot be had, is too large, or there is no room for it.
        """
        request = self._request(url, None, {"Accept-Encoding": "identity"})
        limits = FileLimits(self.policy.max_bytes, self.policy.timeout_s)
        part = PartialFile(target)

        def attempt() -> Arrival | None:
            self._pace.wait()
            return receive(
                self._connections, request, part, validators=validators or {}, limits=limits, progress=progress
            )

        try:
            if part.note().get("url") != request.digest:
                part.discard()
            arrival = self._patiently(request, attempt, reached=lambda: part.size)
            if arrival is None:
                return None
            size = put_in_place(request, part, arrival, limits=limits)
        except OSError as error:
            raise SourceError(f"{target} cannot be written ({error.strerror or error}): make room for it.") from error
        return Download(arrival.validators, size, arrival.resumed)

    def _request(self, url: str, params: Mapping[str, Any] | None, headers: Mapping[str, str] | None) -> Request:
        common = {"Accept-Encoding": "gzip, deflate", **self._headers}
        return make_request(url, params=params, headers={**common, **(headers or {})})

    def _whole(self, request: Request, accept: Collection[int]) -> Response:
        self._pace.wait()
        with exchange(self._connections, request, accept=accept) as answer:
            chunks = timely(answer.iter_raw(), window_s=self.policy.timeout_s)
            encoding = answer.headers.get("content-encoding", "")
            limit = self.policy.max_json_bytes
            content = b"".join(decoded(chunks, encoding=encoding, max_bytes=limit, what=request.shown))
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Response(content, answer.status_code, headers)

    def _patiently(
        self, request: Request, attempt: Callable[[], _Result], *, reached: Callable[[], int] = lambda: 0
    ) -> _Result:
        """Try until it works or has failed too often since it last came further."""
        failures, best = 0, reached()
        while True:
            try:
                return attempt()
            except TransientError as error:
                failures = 1 if reached() > best else failures + 1
                best = max(best, reached())
                if failures > self.policy.retries:
                    raise SourceError(
                        f"{request.shown} cannot be fetched: {error}, after {failures} attempts. Try again later; what "
                        "has come is kept."
                    ) from error
                wait = error.wait_s
                if wait is None:
                    wait = back_off(failures - 1, first_s=self.policy.back_off_s, rng=self._rng)
                self._sleep(wait)
