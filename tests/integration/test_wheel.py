"""The wheel carries everything the product needs: it serves a page outside any checkout."""

import os
import site
import subprocess
import sys
import time
import urllib.request
import venv
from pathlib import Path

import pytest

from free_port import free_port

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment that holds the built wheel, beside the dependencies but not the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
        PROJECT,
    ]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True, capture_output=True)
    (packages,) = (folder / "env").glob("lib/python*/site-packages")
    # A path line adds the folder itself; the editable install inside it is not followed.
    (packages / "dependencies.pth").write_text(f"{site.getsitepackages()[0]}\n")
    return python


def test_the_wheel_serves_a_page(bare_python: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    where = [bare_python, "-c", "import crimepatterns; print(crimepatterns.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert str(PROJECT) not in found
    port = free_port()
    server = subprocess.Popen(
        [bare_python, "-m", "crimepatterns", "serve", "--set", f"serving.port={port}"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        page = _fetch(f"http://127.0.0.1:{port}/", server)
        assert "Lindenfeld" in page
        for asset in ("/static/styles.css",):
            assert _fetch(f"http://127.0.0.1:{port}{asset}", server)
    finally:
        server.terminate()
        server.communicate(timeout=20)


def _fetch(address: str, server: "subprocess.Popen[str]") -> str:
    for _ in range(100):
        assert server.poll() is None, server.stderr.read() if server.stderr else ""
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310  # loopback only
                return str(answer.read().decode())
        except (ConnectionError, urllib.error.URLError):
            time.sleep(0.2)
    raise AssertionError(f"{address} did not answer")
