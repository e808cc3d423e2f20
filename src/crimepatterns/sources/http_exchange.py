"""One request and its answer: redirects followed with care, status codes told apart, failures in words."""

import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from crimepatterns.errors import SourceError
from crimepatterns.sources.http_bodies import BrokenBodyError
from crimepatterns.sources.http_guard import GuardedConnections
from crimepatterns.sources.http_pacing import retry_after
from crimepatterns.sources.http_redaction import secrets_in, shown_url, without_password, without_secrets

if TYPE_CHECKING:
    import httpx

__all__ = ["Request", "TransientError", "exchange", "make_request"]

_AGAIN = {408, 425, 429, *range(500, 600)} - {501, 505}
_REDIRECTS = {301, 302, 303, 307, 308}
_MAX_REDIRECTS = 5
_ANY_HOST = {"accept", "accept-encoding", "if-modified-since", "if-none-match", "if-range", "range", "user-agent"}
_EXCERPT = 2_000
_HINTS = {
    401: "a token is needed: name the environment variable that holds it in source.feed.token_env",
    403: "access is refused: check the URL and the token (source.feed.token_env)",
    404: "there is no such page: check the URL or the data set's id",
    410: "it is gone: look for its successor on the publisher's site",
}


class TransientError(Exception):
    """A failure that may be gone at the next attempt; `wait_s` where the server said when."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Parameters
    ----------
    url : httpx.URL
        Without user and password.
    headers : mapping of str to str
    shown : str
        The URL as it may be shown.
    secrets : set of str
    digest : str
        Tells requests apart, whatever their secrets.
    """

    url: "httpx.URL" = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    shown: str
    secrets: set[str] = field(repr=False)
    digest: str

    def words(self, text: str) -> str:
        """Return a text from elsewhere in one line and without this request's secrets."""
        return without_secrets(" ".join(text.split())[:300], self.secrets)


def make_request(url: str, *, params: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Request:
    """Put a request together; a password in the URL moves into a header.

    Raises
    ------
    SourceError
        If the URL or a header is malformed; nothing that may be secret is shown.
    """
    import httpx

    plain, login = without_password(url)
    secrets = secrets_in(url, headers)
    try:
        parsed = httpx.URL(plain)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise SourceError(f"{shown_url(plain)} is not a valid URL: expected https://host/path.") from None
    if params:
        parsed = parsed.copy_merge_params({name: str(value) for name, value in params.items()})
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise SourceError(f"The value for the header {name} holds characters that cannot be sent: check it.")
    full = str(parsed)
    secrets |= secrets_in(full, login)
    shown = shown_url(full)
    return Request(parsed, {**headers, **login}, shown, secrets, sha256(shown.encode()).hexdigest())


@contextmanager
def exchange(
    connections: GuardedConnections,
    request: Request,
    *,
    headers: Mapping[str, str] | None = None,
    accept: Collection[int] = (),
) -> Iterator["httpx.Response"]:
    """Send a request, follow at most five redirects, and yield the answer, its body unread, if its status is good.

    Raises
    ------
    SourceError
        If the host is refused, there is no such page, or the like: asking again would not help.
    TransientError
        If it might; also for failures while the body is read inside the context.
    """
    import httpx

    url, sent = request.url, {**request.headers, **(headers or {})}
    try:
        for _ in range(_MAX_REDIRECTS + 1):
            answer = connections.send(httpx.Request("GET", url, headers=sent))
            try:
                if answer.status_code not in _REDIRECTS or "location" not in answer.headers:
                    _check_status(request, answer, accept)
                    yield answer
                    return
                url, sent = _redirected(request, url, answer.headers["location"], sent)
            finally:
                answer.close()
    except (httpx.LocalProtocolError, httpx.UnsupportedProtocol):
        raise SourceError(f"{request.shown} cannot be asked for: check the URL and the token.") from None
    except (httpx.HTTPError, socket.gaierror, BrokenBodyError) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise SourceError(f"{request.shown} has a certificate that is not trusted: refused.") from error
        raise TransientError(request.words(_in_words(error))) from error
    raise SourceError(f"{request.shown} redirects more than {_MAX_REDIRECTS} times: check the URL.")


def _redirected(
    request: Request, url: "httpx.URL", location: str, sent: Mapping[str, str]
) -> tuple["httpx.URL", dict[str, str]]:
    """Return where a redirect leads and what may be sent there: nothing secret to another host."""
    import httpx

    try:
        target = httpx.URL(without_password(str(url.join(location)))[0])
    except (httpx.InvalidURL, ValueError, SourceError):
        raise SourceError(f"{request.shown} redirects to an address that is not http or https: refused.") from None
    if url.scheme == "https" and target.scheme == "http":
        raise SourceError(f"{request.shown} redirects to {target.host} without encryption: refused.")
    upgraded = (url.scheme, target.scheme) == ("http", "https") and url.port is None and target.port is None
    if url.host == target.host and (upgraded or (url.scheme, url.port) == (target.scheme, target.port)):
        return target, dict(sent)
    return target, {name: value for name, value in sent.items() if name.lower() in _ANY_HOST}


def _check_status(request: Request, answer: "httpx.Response", accept: Collection[int]) -> None:
    status = answer.status_code
    if 200 <= status < 300 or status in accept:
        return
    said = _excerpt(request, answer)
    if status in _AGAIN:
        raise TransientError(f"status {status}{said}", retry_after(answer.headers.get("retry-after")))
    hint = _HINTS.get(status, "check the URL and the query")
    raise SourceError(f"{request.shown} answered with status {status}{said}: {hint}.")


def _excerpt(request: Request, answer: "httpx.Response") -> str:
    """Return what the server says about its refusal, if it says it in a few plain words."""
    if "text/html" in answer.headers.get("content-type", "") or "content-encoding" in answer.headers:
        return ""
    body = b""
    for chunk in answer.iter_raw():
        body += chunk
        if len(body) >= _EXCERPT:
            break
    text = request.words(body[:_EXCERPT].decode("utf-8", "replace"))
    return f" ({text})" if text and text.isprintable() else ""


def _in_words(error: Exception) -> str:
    import httpx

    if isinstance(error, httpx.ConnectTimeout):
        return "connecting takes too long"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return f"the name cannot be resolved ({error.strerror})"
    return str(error).rstrip(".") or type(error).__name__
