"""A threaded HTTP/1.1 server with files, routes and faults."""

import gzip
import hashlib
import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np


@dataclass(frozen=True)
class Received:
    """A request as it arrived; names of headers in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False

    @classmethod
    def json(cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> "Reply":
        body = json.dumps(value).encode()
        return cls(status, body, {"Content-Type": "application/json", **(headers or {})})


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request; see the package's docstring."""

    status: int | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    drip_bytes: int | None = None
    drip_s: float = 0.05
    wait_s: float = 0.0
    hang_up: bool = False


Route = Callable[[Received], Reply]


class FaultServer:
    """Listens on 127.0.0.1 on a free port from ``__enter__`` to ``__exit__``; `context` adds TLS."""

    def __init__(self, *, tls: Any = None) -> None:
        self.requests: list[Received] = []
        self.faults: deque[Fault | None] = deque()
        self.fault_for: Callable[[Received], Fault | None] | None = None
        self._routes: dict[str, Route] = {}
        self._lock = threading.Lock()
        self.stopped = threading.Event()
        self._tls = tls

    def __enter__(self) -> "FaultServer":
        kit = self

        class Handler(_Handler):
            server_kit = kit

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"{'http' if self._tls is None else 'https'}://{self.host}{path}"

    def add(self, path: str, route: Route | Reply) -> None:
        self._routes[path] = route if callable(route) else lambda _: route

    def put(self, path: str, content: bytes, **changes: Any) -> None:
        """Serve bytes as a file with validators; see `served_file`. A second call changes its content."""
        self.add(path, served_file(content, **changes))

    def reply(self, request: Received) -> tuple[Reply, Fault | None]:
        with self._lock:
            self.requests.append(request)
            fault = self.faults.popleft() if self.faults else None
            if fault is None and self.fault_for is not None:
                fault = self.fault_for(request)
        if fault is not None and (fault.status is not None or fault.body is not None):
            return Reply(fault.status or 200, fault.body or b"", fault.headers), fault
        route = self._routes.get(request.path)
        if route is None:
            below = [prefix for prefix in self._routes if prefix.endswith("*") and request.path.startswith(prefix[:-1])]
            route = self._routes[max(below, key=len)] if below else lambda _: Reply(404, b"no such page")
        return route(request), fault


class RandomFaults:
    """Some share of all requests fails in a random way; a callable for `FaultServer.fault_for`."""

    def __init__(self, rng: np.random.Generator, *, share: float = 0.3) -> None:
        self._rng, self._share, self._lock = rng, share, threading.Lock()

    def __call__(self, _: Received) -> Fault | None:
        with self._lock:
            if self._rng.random() >= self._share:
                return None
            kinds = (
                Fault(status=429, headers={"Retry-After": "0"}),
                Fault(status=500, body=b"internal error"),
                Fault(status=503),
                Fault(cut_after=int(self._rng.integers(0, 2_000))),
                Fault(hang_up=True),
                Fault(body=b'[{"cut": '),
            )
            return kinds[self._rng.integers(len(kinds))]


def served_file(
    content: bytes,
    *,
    etag: str | None = "",
    last_modified: float | None = None,
    ranges: bool = True,
    trusts_ranges: bool = False,
    encoding: str = "",
    headers: Mapping[str, str] | None = None,
) -> Route:
    """Answer as a static file server does.

    `etag` "" makes one from the content, None sends none; `ranges` False ignores Range; `trusts_ranges` True answers
    a Range without looking at If-Range, as careless servers do; `encoding` is sent as Content-Encoding.
    """
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"' if etag == "" else etag
    date = None if last_modified is None else formatdate(last_modified, usegmt=True)
    common = {"Accept-Ranges": "bytes" if ranges else "none", **(headers or {})}
    common |= ({"ETag": tag} if tag else {}) | ({"Last-Modified": date} if date else {})
    common |= {"Content-Encoding": encoding} if encoding else {}

    def route(request: Received) -> Reply:
        asked = request.headers
        if tag and asked.get("if-none-match") == tag:
            return Reply(304, headers=common)
        if "if-none-match" not in asked and date and asked.get("if-modified-since") == date:
            return Reply(304, headers=common)
        unit, _, span = asked.get("range", "").partition("=")
        unchanged = trusts_ranges or asked.get("if-range", tag) in {tag, date}
        if not (ranges and unit == "bytes" and unchanged):
            return Reply(200, content, common)
        first = int(span.partition("-")[0])
        if first >= len(content):
            return Reply(416, headers={**common, "Content-Range": f"bytes */{len(content)}"})
        extent = f"bytes {first}-{len(content) - 1}/{len(content)}"
        return Reply(206, content[first:], {**common, "Content-Range": extent})

    return route


def gzip_bomb(size: int) -> bytes:
    """Return about a thousandth of `size` bytes that unpack to a JSON list of `size` bytes."""
    return gzip.compress(b"[" + b" " * (size - 2) + b"]", compresslevel=9)


class _Server(ThreadingHTTPServer):
    """Says nothing about clients that go away, as killed ones do."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every answer waits 40 ms for an acknowledgement
    server_kit: FaultServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        reply, fault = self.server_kit.reply(Received(self.command, parts.path, query, headers, body))
        try:
            self._answer(reply, fault or Fault())
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def do_POST(self) -> None:
        self.do_GET()

    def _answer(self, reply: Reply, fault: Fault) -> None:
        if fault.wait_s and self.server_kit.stopped.wait(fault.wait_s):
            fault = Fault(hang_up=True)
        if fault.hang_up:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif reply.status != 304:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        sent = reply.body if fault.cut_after is None else reply.body[: fault.cut_after]
        for piece in self._pieces(sent, fault):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if reply.chunked else piece)
            self.wfile.flush()
        if len(sent) < len(reply.body):
            self.close_connection = True
        elif reply.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _pieces(self, body: bytes, fault: Fault) -> Any:
        size = fault.drip_bytes or 1 << 16
        for i in range(0, len(body), size):
            if fault.drip_bytes and self.server_kit.stopped.wait(fault.drip_s):
                return
            yield body[i : i + size]

    def log_message(self, *_: Any) -> None:
        """Stay silent; `FaultServer.requests` is the log."""
