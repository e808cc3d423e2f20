"""A line of JSON per request, with an id and nothing personal."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import event_loop
from crimepatterns.config import load_settings
from crimepatterns.serving.request_log import log_as_json
from crimepatterns.serving.web import create_app


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Standard error while everything is logged as JSON; logging is as before afterwards."""
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    access = logging.getLogger("uvicorn.access").disabled
    caught = io.StringIO()
    monkeypatch.setattr(sys, "stderr", caught)
    log_as_json(requests=True)
    yield caught
    root.handlers[:], root.level = kept
    logging.getLogger("uvicorn.access").disabled = access
    for name in ("crimepatterns", "crimepatterns.requests"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def ask(root: Path, path: str, headers: dict[str, str]) -> httpx.Response:
    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(load_settings(overrides={"root": str(root)})))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path, headers=headers)

    return event_loop.run(once())


def test_each_request_has_a_line_that_names_its_route_and_not_its_query(tmp_path: Path, lines: io.StringIO) -> None:
    got = ask(tmp_path, "/api/layers/Jane%20Doe/density?who=Jane", {"x-request-id": "abc-1"})
    assert got.headers["x-request-id"] == "abc-1"
    told = json.loads(lines.getvalue())
    assert told["request"] == "abc-1"
    assert told["route"] == "/api/layers/{category}/{layer}"
    assert (told["status"], told["caller"], told["role"]) == (404, "this machine", "administrator")
    assert told["bytes"] == len(got.content)
    assert told["ms"] > 0
    assert "Jane" not in lines.getvalue()
    assert "127.0.0.1" not in lines.getvalue()


@pytest.mark.parametrize("brought", ['x"\n{"at": 1}', "a" * 65, "", "<script>"])
def test_an_id_that_is_not_short_and_plain_is_replaced(tmp_path: Path, brought: str) -> None:
    got = ask(tmp_path, "/health", {"x-request-id": brought.replace("\n", " ")})
    assert len(got.headers["x-request-id"]) == 32


def test_an_error_has_its_traceback_on_the_same_line(lines: io.StringIO) -> None:
    try:
        raise ValueError("several\nlines")  # noqa: TRY301
    except ValueError:
        logging.getLogger("crimepatterns.anything").exception("it failed")
    told = json.loads(lines.getvalue())
    assert (told["level"], told["event"]) == ("error", "it failed")
    assert "ValueError: several" in told["traceback"]
