"""A real PostgreSQL server of Debian's on 127.0.0.1, run by an ordinary user even where the tests run as root.

How to use it
-------------
The fixture `postgres` (tests/conftest.py) is a running server for the whole session; `database()` makes a new database
on it, `url()` is its address with the password. A test that stops or kills its server starts one of its own::

    with PostgresServer() as server:
        name = server.database("CREATE TABLE ...")
        server.crash()          # every connection is lost, as in a power failure
        server.start()          # recovers
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg

from free_port import free_port

__all__ = ["PASSWORD", "USER", "PostgresServer", "postgres_programs"]

USER, PASSWORD = "analyst", "s3cret p@ss/word:%"
_SECONDS = 30


def postgres_programs() -> Path | None:
    """Return the folder of ``initdb`` and ``postgres``, the newest version first; None where there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    found = shutil.which("initdb")
    folders = [*debian, *([Path(found).resolve().parent] if found else [])]
    return next((path for path in folders if (path / "initdb").exists() and (path / "postgres").exists()), None)


class PostgresServer:
    """One server with its data in a temporary folder of its own."""

    def __init__(self) -> None:
        programs = postgres_programs()
        if programs is None:
            raise FileNotFoundError("initdb and postgres are not installed")
        self._programs = programs
        # Not below a folder that only root may enter, and short enough for a socket's name.
        place = "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108
        self._folder = Path(tempfile.mkdtemp(prefix="crimepatterns-postgres-", dir=place))
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            nobody = pwd.getpwnam("nobody")
            self._identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
        self.port = free_port()

    def __enter__(self) -> Self:
        try:
            self._make()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # At once: nothing of it is kept.
        self._end(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def user(self) -> int:
        """The user id that the server runs under."""
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}").stat().st_uid

    def database(self, *statements: str) -> str:
        """Make a new database and run statements in it; return its name."""
        name = f"records_{next(self._numbers)}"
        with psycopg.connect(**self._parameters("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        self.run(name, *statements)
        return name

    def url(self, database: str) -> str:
        """Return the address of a database, with user and password."""
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def run(self, database: str, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements; return the rows of the last."""
        with psycopg.connect(**self._parameters(database), autocommit=True) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement.encode())
            return cursor.fetchall() if cursor.description is not None else []

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        command = [self._programs / "postgres", "-D", self._folder / "data", "-k", self._folder, "-p", str(self.port)]
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=30"]
        options += ["-c", "full_page_writes=off", "-c", "wal_level=minimal", "-c", "max_wal_senders=0"]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                **self._identity,
            )
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                psycopg.connect(**self._parameters("postgres")).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self._folder / "server.log").read_text(errors="replace")[-2000:]) from None
                time.sleep(0.05)
            else:
                return

    def crash(self) -> None:
        """End the server at once; nothing is told to its clients."""
        self._end(signal.SIGQUIT)

    def _make(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        secret.chmod(0o644)
        command = [self._programs / "initdb", "-D", self._folder / "data", "-U", USER, "--pwfile", secret]
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run([*command, *options], check=True, capture_output=True, cwd=self._folder, **self._identity)

    def _parameters(self, database: str) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.port, "user": USER, "password": PASSWORD, "dbname": database}

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how)
        try:
            self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
