"""Keep passwords and tokens out of messages, progress lines and manifests; a password in a URL moves to a header."""

import base64
import re
from collections.abc import Iterable, Mapping
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from crimepatterns.errors import SourceError

__all__ = ["is_secret_name", "secrets_in", "shown_url", "without_password", "without_secrets"]

HIDDEN = "***"
_SECRET_NAME = re.compile(
    r"token|secret|passw|passphrase|pwd|credential|signature|auth|session|cookie|key$|^sig$|[-_.]sig$|^code$",
    re.IGNORECASE,
)
_SHORTEST = 4


def is_secret_name(name: str) -> bool:
    """Tell whether a query parameter or header of this name holds something that must not be shown.

    Examples
    --------
    >>> names = ("$$app_token", "apikey", "sig", "X-Amz-Signature", "$where", "keyword")
    >>> [name for name in names if is_secret_name(name)]
    ['$$app_token', 'apikey', 'sig', 'X-Amz-Signature']
    """
    return _SECRET_NAME.search(name) is not None


def shown_url(url: str) -> str:
    """Return a URL fit to be read by anybody: no user or password, no fragment, tokens replaced by ``***``.

    Examples
    --------
    >>> shown_url("https://ann:pw@data.example.org/a.csv?app_token=abc&year=2024#access_token=x")
    'https://data.example.org/a.csv?app_token=***&year=2024'
    """
    try:
        parts = urlsplit(url)
        host = _host(parts)
    except ValueError:
        return "a URL that cannot be read"
    query = [(name, HIDDEN if is_secret_name(name) else value) for name, value in parse_qsl(parts.query, True)]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(query, safe="*$:,()'/ "), ""))


def secrets_in(url: str, headers: Mapping[str, str]) -> set[str]:
    """Collect the values that must not be shown."""
    parts = urlsplit(url)
    found = {parts.username or "", parts.password or ""}
    found |= {value for name, value in parse_qsl(parts.query) if is_secret_name(name)}
    for name, value in headers.items():
        if is_secret_name(name):
            found |= {value, *value.split()[1:]}
    return {value for value in found if len(value) >= _SHORTEST}


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Replace each secret in a text that came from elsewhere, such as the answer of a server."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def without_password(url: str) -> tuple[str, dict[str, str]]:
    """Move user and password from a URL into an ``Authorization`` header.

    Returns
    -------
    tuple of str and dict
        The URL without them, and the header, empty where there were none.

    Raises
    ------
    SourceError
        If the URL has no host or is not http or https. The message shows no part of it that may be a password.
    """
    try:
        parts = urlsplit(url.strip())
        host = _host(parts)
    except ValueError:
        raise SourceError(
            "A source URL cannot be read: expected https://host/path; a password in it must be percent-encoded."
        ) from None
    if parts.scheme.lower() not in {"http", "https"} or not host:
        scheme = parts.scheme if parts.scheme and "@" not in url else "another kind of address"
        raise SourceError(f"A source URL must begin with https:// or http:// and name a host, found {scheme!r}.")
    if parts.username is None:
        return urlunsplit((*parts[:4], "")), {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    header = "Basic " + base64.b64encode(pair.encode()).decode()
    return urlunsplit((parts.scheme, host, parts.path, parts.query, "")), {"Authorization": header}


def _host(parts: SplitResult) -> str:
    """Return host and port without user and password; a port that is no number raises ValueError."""
    port = parts.port
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"
