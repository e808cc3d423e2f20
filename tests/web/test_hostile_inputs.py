"""Hostile requests to a running server: refused with a sentence, and everybody else is still answered."""

import contextlib
import socket
from urllib.parse import urlsplit

import httpx
import pytest

CORNERS = ";".join(f"{-92.9 + number * 1e-6:.6f},{40.8 + number * 1e-6:.6f}" for number in range(501))


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("offence", "theft' OR 1=1;--", 404),
        ("area", "old_town'); DROP TABLE exact;--", 404),
        ("hours", "0);DROP TABLE exact;--", 422),
        ("from", "2025-01-01' --", 422),
        ("polygon", "1,2;3,4;(SELECT 1),2", 422),
        ("polygon", CORNERS, 422),
        ("polygon", "-93,40;-92,41;-93,41;-92,40", 422),
        ("near", "-92.9,40.8,1e308", 422),
    ],
)
@pytest.mark.parametrize("path", ["counts", "incidents", "streets/counts", "download.csv", "tiles/12/990/1537"])
def test_odd_filters_are_refused(client: httpx.Client, path: str, name: str, value: str, status: int) -> None:
    before = client.get("/api/explore/counts").json()["total"]
    got = client.get(f"/api/explore/{path}", params={name: value})
    assert got.status_code == status, got.text
    assert set(got.json()) == {"error", "detail"}
    assert client.get("/api/explore/counts").json()["total"] == before


@pytest.mark.parametrize(
    "path", ["/static/..%2f..%2fpyproject.toml", "/static/%2e%2e/main.py", "/api/grids/..%2f..%2fx"]
)
def test_no_path_leads_out(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_query_of_ten_megabytes_and_slow_clients_hold_nobody_up(client: httpx.Client) -> None:
    at = urlsplit(str(client.base_url))
    address = (str(at.hostname), int(at.port or 0))
    with contextlib.ExitStack() as open_ones:
        for _ in range(100):
            slow = open_ones.enter_context(socket.create_connection(address))
            slow.sendall(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ")
        with socket.create_connection(address) as long:
            long.settimeout(30)
            answer = b""
            with contextlib.suppress(OSError):  # refused while it is still being sent
                long.sendall(b"GET /api/explore/counts?x=")
                for _ in range(160):
                    long.sendall(b"a" * 65_536)
                long.sendall(b" HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
                answer = long.recv(200)
        assert not answer.startswith(b"HTTP/1.1 2")
        assert client.get("/health", timeout=30).status_code == 200


@pytest.mark.parametrize("path", ["/patterns/decisions", "/status/jobs", "/status/jobs/cancel", "/upload/up-1/open"])
def test_a_form_of_a_thousand_fields_is_refused(client: httpx.Client, path: str) -> None:
    got = client.post(path, content="&".join(f"a{number}=1" for number in range(1_000)))
    assert got.status_code == 422
    assert "100 fields" in got.json()["detail"]


@pytest.mark.parametrize("path", ["/api/jobs", "/api/uploads/up-1/city", "/api/views"])
def test_a_body_that_is_no_text_is_refused(client: httpx.Client, path: str) -> None:
    got = client.post(path, content=b"\x1a\xff}Q\xbc\x0c", headers={"content-type": "application/json"})
    assert got.status_code == 422
    assert got.json()["detail"] == "The body cannot be read."
