"""An application served for real on a free port of this machine, in this process or as users start it."""

import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

import httpx
import uvicorn
from fastapi import FastAPI

from free_port import free_port


@contextlib.contextmanager
def served(app: FastAPI) -> Iterator[httpx.Client]:
    """Run an application on a free port of this machine; the client's addresses begin there."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, server_header=False, proxy_headers=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("The test's own server did not start within a minute.")
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(timeout=30)


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Run ``crimepatterns serve`` with these arguments; yield its address once it answers, and its process."""
    port = free_port()
    command = [sys.executable, "-m", "crimepatterns", "serve", "--set", f"serving.port={port}", *arguments]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _await(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait(timeout=30)


def _await(address: str, process: "subprocess.Popen[bytes]", log: "tempfile._TemporaryFileWrapper[bytes]") -> None:
    deadline = time.monotonic() + 90
    while True:
        if process.poll() is not None:
            log.seek(0)
            raise RuntimeError(f"The server ended: {log.read().decode()[-2000:]}")
        if time.monotonic() > deadline:
            raise RuntimeError("The server did not answer within 90 seconds.")
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(address, trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
