"""Real servers on free ports of this machine, and a real browser for the page."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from app_server import served, started
from crimepatterns.config import Settings
from crimepatterns.serving.web import create_app
from crimepatterns.store.layout import Layout
from held_city import HeldFile, held_city
from servers import FaultServer

ClientOf = Callable[[Settings], httpx.Client]
Opener = Callable[..., Page]

BUNDLE = Path(__file__).resolve().parents[2] / "deployment" / "app" / "static" / "bundle" / "manifest.json"
FLAGS = (
    "--no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --force-color-profile=srgb"
)
IDLE = "html[data-ready=yes] #map[data-state=idle]"


@pytest.fixture(scope="session")
def client_of() -> Iterator[ClientOf]:
    """Start a server for some settings, and return a client whose addresses begin at it."""
    with contextlib.ExitStack() as open_servers:
        yield lambda settings: open_servers.enter_context(served(create_app(settings)))


@pytest.fixture(scope="session")
def client(client_of: ClientOf, small_city_run: Settings) -> httpx.Client:
    """Client of the small city's server."""
    return client_of(small_city_run)


@pytest.fixture(scope="session")
def layout(small_city_run: Settings) -> Layout:
    """Where the small city's files lie."""
    return Layout(small_city_run.root, small_city_run.city)


@pytest.fixture(scope="session")
def server(small_city_run: Settings) -> Iterator[str]:
    """Address of the small city's server, started by the command that users run."""
    with started("--set", f"root={small_city_run.root}") as (address, _):
        yield address


@pytest.fixture(scope="module")
def empty_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Project folder of a server whose city has nothing yet."""
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def empty_server(empty_root: Path) -> Iterator[str]:
    """Address of that server."""
    with started("--set", f"root={empty_root}", "--set", "uploads.max_mb=20") as (address, _):
        yield address


@pytest.fixture
def uploader(empty_server: str) -> Iterator[httpx.Client]:
    """A program that talks to that server."""
    with httpx.Client(base_url=empty_server, timeout=200, trust_env=False) as made:
        yield made


@pytest.fixture
def held(fault_server: FaultServer) -> Iterator[HeldFile]:
    """Records that are held back; let go at the end in any case."""
    file = HeldFile(fault_server)
    yield file
    file.released.set()


@pytest.fixture
def config(tmp_path: Path, held: HeldFile, fault_server: FaultServer) -> Path:  # noqa: ARG001  # the file is there first
    """Configuration of a city whose records they are."""
    return held_city(tmp_path, fault_server)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """Debian's Chromium with software WebGL."""
    if not BUNDLE.exists():
        pytest.skip("the page's scripts are not built (make frontend)")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium, args=FLAGS.split())
        yield made
        made.close()


@pytest.fixture
def opened(browser: Browser, server: str) -> Iterator[Opener]:
    """Open an address of the page and wait until map and charts are drawn; complaints fail the test at its end."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(address: str = "/forecast", *, ready: str = IDLE, **options: Any) -> Page:
        context = browser.new_context(base_url=server, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.extend(_failed(request)))
        page.on("request", lambda request: complaints.extend(_foreign(request.url, server)))
        page.goto(address)
        page.wait_for_selector(ready, state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _failed(request: Request) -> list[str]:
    # The map gives up tiles it does not need any more: that is no failure.
    return [] if request.failure == "net::ERR_ABORTED" else [f"failed: {request.url} {request.failure}"]


def _foreign(url: str, server: str) -> list[str]:
    own = (f"{server}/", f"blob:{server}/", "data:")
    return [] if url.startswith(own) else [f"request to elsewhere: {url}"]
