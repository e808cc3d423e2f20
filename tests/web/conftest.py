"""A real server on a free port of this machine for every set of results that a test asks about."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
import uvicorn

from crimepatterns.config import Settings
from crimepatterns.serving.web import create_app
from crimepatterns.store.layout import Layout

ClientOf = Callable[[Settings], httpx.Client]


@pytest.fixture(scope="session")
def client_of() -> Iterator[ClientOf]:
    """Start a server for some settings, and return a client whose addresses begin at it."""
    with contextlib.ExitStack() as open_servers:
        yield lambda settings: open_servers.enter_context(_served(settings))


@pytest.fixture(scope="session")
def client(client_of: ClientOf, small_city_run: Settings) -> httpx.Client:
    """Client of the small city's server."""
    return client_of(small_city_run)


@pytest.fixture(scope="session")
def layout(small_city_run: Settings) -> Layout:
    """Where the small city's files lie."""
    return Layout(small_city_run.root, small_city_run.city)


@contextlib.contextmanager
def _served(settings: Settings) -> Iterator[httpx.Client]:
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_level="warning", server_header=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("The test's own server did not start within 20 seconds.")
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as made:
            yield made
    finally:
        server.should_exit = True
        thread.join(timeout=20)
