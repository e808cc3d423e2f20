"""Where a database is, without ever showing the password: read from the environment, redacted in every message."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from crimepatterns.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

__all__ = ["DatabaseAddress", "read_address"]

_SECRET_OPTION = re.compile(r"pass|pwd|secret|token|key|credential", re.IGNORECASE)
_HIDDEN = "***"
_WANTED = "postgresql://user:password@host:5432/records, sqlite:///records.db or duckdb:///records.duckdb"


@dataclass(frozen=True)
class DatabaseAddress:
    """The address of a database.

    Parameters
    ----------
    url : sqlalchemy.engine.URL
    setting : str
        Where it was found, for messages.
    """

    url: "URL" = field(repr=False)
    setting: str

    @property
    def backend(self) -> str:
        """Such as ``postgresql``."""
        return self.url.get_backend_name()

    @property
    def file(self) -> Path | None:
        """The file of SQLite and DuckDB; None for servers."""
        return Path(self.url.database or "") if self.backend in {"sqlite", "duckdb"} else None

    @property
    def label(self) -> str:
        """The address without user, password and options."""
        if self.file is not None:
            return f"{self.backend}:///{self.url.database or ''}"
        port = f":{self.url.port}" if self.url.port else ""
        return f"{self.backend}://{self.url.host or 'local socket'}{port}/{self.url.database or ''}"

    def redact(self, text: str) -> str:
        """Put the text of an error on one line, without anything secret."""
        line = " ".join(text.split())
        for secret in sorted(_secrets(self.url), key=len, reverse=True):
            for written in (secret, quote(secret, safe=""), quote_plus(secret)):
                line = line.replace(written, _HIDDEN)
        return line if len(line) <= 300 else f"{line[:297]}..."


def read_address(*, environment: str | None, address: str | None) -> DatabaseAddress:
    """Read the address of a database.

    Parameters
    ----------
    environment : str, optional
        Name of the environment variable that holds it; the place for an address with a password.
    address : str, optional
        The address itself, for files and for servers that ask for no password.

    Raises
    ------
    ConfigError
        If there is none or it cannot be read, and if a password stands in the settings.
    """
    from sqlalchemy.exc import ArgumentError

    setting, text = _found(environment, address)
    try:
        url = _normal(text)
    except (ArgumentError, ValueError):
        # Not chained: the original error may repeat a part of the address.
        raise ConfigError(f"{setting} does not hold the address of a database: expected {_WANTED}.") from None
    if environment is None and _secrets(url):
        raise ConfigError(
            "source.feed.database holds a password: put the whole address into an environment variable and name it in "
            "source.feed.database_env."
        )
    return DatabaseAddress(url, setting)


def _found(environment: str | None, address: str | None) -> tuple[str, str]:
    if environment is not None:
        text = os.environ.get(environment, "").strip()
        if not text:
            raise ConfigError(
                f"The environment variable {environment}, named in source.feed.database_env, is not set: give it the "
                f"address of the database, such as {_WANTED}."
            )
        return f"The environment variable {environment}", text
    if address is None:
        raise ConfigError(
            "source.feed.database_env must name the environment variable that holds the address of the database, or "
            "source.feed.database must hold the address of one without a password."
        )
    return "source.feed.database", address


def _normal(text: str) -> "URL":
    from sqlalchemy.engine import make_url

    url = make_url(text)
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() in {"sqlite", "duckdb"} and (url.database or ":memory:") == ":memory:":
        raise ValueError("a database in memory holds nothing")
    return url


def _secrets(url: "URL") -> set[str]:
    options: dict[str, Any] = dict(url.query)
    found = {str(url.password)} if url.password else set()
    for name, value in options.items():
        if _SECRET_OPTION.search(name):
            found |= {value} if isinstance(value, str) else set(value)
    return {secret for secret in found if secret}
