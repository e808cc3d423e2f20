"""The client against a real server that fails in every way a publisher's server does."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from crimepatterns.errors import SourceError
from crimepatterns.sources import http_bodies
from crimepatterns.sources.http_client import HttpClient, HttpPolicy
from servers import Fault, FaultServer, RandomFaults, Received, Reply, gzip_bomb

QUICK = HttpPolicy(requests_per_second=100_000, back_off_s=0.001, timeout_s=3, retries=3)


@pytest.fixture
def client_of(fault_server: FaultServer) -> Callable[..., HttpClient]:
    """A client that may talk to the server; `waits` collects instead of sleeping."""

    def make(waits: list[float] | None = None, headers: dict[str, str] | None = None, **changes: Any) -> HttpClient:
        policy = replace(QUICK, **{"allow_private": (fault_server.host,), **changes})
        sleep = (lambda _: None) if waits is None else waits.append
        return HttpClient(policy, headers=headers, sleep=sleep, rng=np.random.default_rng(1))

    return make


Make = Callable[..., HttpClient]


def test_json_arrives_and_says_who_asks(fault_server: FaultServer, client_of: Make) -> None:
    fault_server.add("/a.json", lambda request: Reply.json({"rows": [1, 2], "asked": dict(request.query)}))
    with client_of() as client:
        value = client.get_json(fault_server.url("/a.json?x=1"), params={"$where": "a > 'b c'", "$limit": 5})
    assert value == {"rows": [1, 2], "asked": {"x": "1", "$where": "a > 'b c'", "$limit": "5"}}
    assert fault_server.requests[0].headers["user-agent"].startswith("crimepatterns/")
    assert fault_server.requests[0].headers["host"] == fault_server.host


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429),
        Fault(status=500, body=b"oops"),
        Fault(status=503),
        Fault(cut_after=5),
        Fault(cut_after=0),
        Fault(hang_up=True),
        Fault(body=b'{"rows": [1, '),
        Fault(body=b""),
        Fault(body=b"\x1f\x8b\x08\x00abc", headers={"Content-Encoding": "gzip"}),
    ],
    ids=str,
)
def test_a_fault_that_passes_is_survived(fault_server: FaultServer, client_of: Make, fault: Fault) -> None:
    fault_server.add("/a.json", Reply.json({"rows": list(range(50))}))
    fault_server.faults += [fault, fault]
    with client_of() as client:
        assert client.get_json(fault_server.url("/a.json")) == {"rows": list(range(50))}
    assert len(fault_server.requests) == 3


def test_a_fault_that_stays_gives_one_helpful_line(fault_server: FaultServer, client_of: Make) -> None:
    fault_server.fault_for = lambda _: Fault(status=503, body=b"come back\nlater")
    with client_of() as client, pytest.raises(SourceError, match=r"status 503 \(come back later\), after 4") as caught:
        client.get_json(fault_server.url("/a.json"))
    assert "\n" not in str(caught.value)
    assert len(fault_server.requests) == 4


@pytest.mark.parametrize(("status", "says"), [(400, "the query"), (401, "token"), (403, "refused"), (404, "no such")])
def test_a_refusal_is_not_asked_again(fault_server: FaultServer, client_of: Make, status: int, says: str) -> None:
    fault_server.add("/a.json", Reply.json({"message": "no-such-column"}, status=status))
    with client_of() as client, pytest.raises(SourceError, match=says) as caught:
        client.get_json(fault_server.url("/a.json"))
    assert "no-such-column" in str(caught.value)
    assert len(fault_server.requests) == 1


def test_an_accepted_status_is_an_answer(fault_server: FaultServer, client_of: Make) -> None:
    fault_server.add("/a", Reply(503, b"too many"))
    with client_of() as client:
        answer = client.get(fault_server.url("/a"), accept=(503,))
    assert (answer.status, answer.content, answer.headers["content-length"]) == (503, b"too many", "8")


def test_waits_double_are_jittered_and_follow_the_server(fault_server: FaultServer, client_of: Make) -> None:
    waits: list[float] = []
    fault_server.fault_for = lambda _: Fault(status=500)
    with client_of(waits, retries=9, back_off_s=2.0) as client, pytest.raises(SourceError):
        client.get(fault_server.url("/a"))
    for k, wait in enumerate(waits):
        full = min(2.0 * 2**k, 120.0)
        assert full / 2 <= wait <= full
    assert len(set(waits)) == 9
    for header, low, high in (("7", 7, 7), ("86400", 120, 120), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0)):
        waits.clear()
        fault_server.fault_for = None
        fault_server.add("/a", Reply(200, b"fine"))
        fault_server.faults.append(Fault(status=429, headers={"Retry-After": header}))
        with client_of(waits) as client:
            assert client.get(fault_server.url("/a")).content == b"fine"
        assert low <= waits[0] <= high


def test_requests_keep_their_rate(fault_server: FaultServer, client_of: Make) -> None:
    waits: list[float] = []
    fault_server.add("/a", Reply(200, b"fine"))
    with client_of(waits, requests_per_second=2.0) as client:
        for _ in range(4):
            client.get(fault_server.url("/a"))
    assert len(waits) == 3
    # The clock hardly moves while nothing sleeps: each request is due half a second after the one before.
    assert waits == pytest.approx([0.5, 1.0, 1.5], abs=0.3)


def test_silence_and_drips_end(fault_server: FaultServer, client_of: Make) -> None:
    fault_server.add("/a", Reply(200, b"x" * 400))
    for fault, says in (
        (Fault(wait_s=5), "no answer in time"),
        (Fault(drip_bytes=1, drip_s=0.05), "only .* bytes"),
    ):
        fault_server.fault_for = lambda _, fault=fault: fault
        with client_of(timeout_s=0.3, retries=0) as client, pytest.raises(SourceError, match=says):
            client.get(fault_server.url("/a"))


def test_a_slow_but_steady_body_arrives(fault_server: FaultServer, client_of: Make) -> None:
    fault_server.add("/a", Reply(200, b"x" * 3_000))
    fault_server.faults.append(Fault(drip_bytes=300, drip_s=0.1))
    with client_of(timeout_s=0.3, retries=0) as client:
        assert len(client.get(fault_server.url("/a")).content) == 3_000


def test_bombs_are_refused(fault_server: FaultServer, client_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip_bomb(64 << 20)
    assert len(bomb) < 100_000
    fault_server.add("/bomb", Reply(200, bomb, {"Content-Encoding": "gzip"}))
    fault_server.add("/deep", Reply(200, b"[" * 80 + b"]" * 80))
    fault_server.add("/deepest", Reply(200, b"[" * 100_000 + b"]" * 100_000))
    fault_server.add("/many", Reply(200, b"[" + b"[]," * 3_000 + b"[]]"))
    fault_server.add("/commas", Reply(200, b"[" + b"0," * 9_000 + b"0]"))
    fault_server.add("/large", Reply(200, b"x" * (2 << 20)))
    fault_server.add("/br", Reply(200, b"x", {"Content-Encoding": "br"}))
    monkeypatch.setattr(http_bodies, "MAX_JSON_CONTAINERS", 2_000)
    monkeypatch.setattr(http_bodies, "MAX_JSON_VALUES", 8_000)
    with client_of(max_json_bytes=1 << 20) as client:
        for path, says in {
            "/bomb": "larger than 1.0 MiB",
            "/large": "larger than 1.0 MiB",
            "/deep": "deeper than 64",
            "/deepest": "nested deeper|lists and objects",
            "/many": "lists and objects",
            "/commas": "values",
            "/br": "content encoding 'br'",
        }.items():
            with pytest.raises(SourceError, match=says):
                client.get_json(fault_server.url(path))
        fault_server.add("/fine", Reply(200, b"[" * 60 + b"]" * 60))
        assert client.get_json(fault_server.url("/fine"))
    assert len(fault_server.requests) == 8, "nothing was asked for twice"


def test_packed_answers_are_unpacked(fault_server: FaultServer, client_of: Make) -> None:
    import gzip
    import zlib

    plain = b'{"a": [' + b"1," * 300_000 + b"2]}"
    halves = gzip.compress(plain[:1000]) + gzip.compress(plain[1000:])
    for path, packed, encoding in (
        ("/one", gzip.compress(plain), "gzip"),
        ("/two", halves, "gzip"),
        ("/three", zlib.compress(plain), "deflate"),
    ):
        fault_server.add(path, Reply(200, packed, {"Content-Encoding": encoding}))
        with client_of() as client:
            assert client.get(fault_server.url(path)).content == plain
            assert len(client.get_json(fault_server.url(path))["a"]) == 300_001


def test_nothing_secret_is_ever_shown(
    fault_server: FaultServer, client_of: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = ("hunter2", "tok-in-query", "tok-in-header", "s3cr3tsig")

    def echo(request: Received) -> Reply:
        return Reply(400, f"bad {request.query} {request.headers}".encode())

    fault_server.add("/a", echo)
    fault_server.add("/b", echo)
    url = fault_server.url("/a?$$app_token=tok-in-query&sig=s3cr3tsig&q=1#x").replace("://", "://ann:hunter2@")
    texts = []
    with client_of(headers={"X-App-Token": "tok-in-header"}) as client:
        for asked in (url, url.replace("/a", "/gone"), url.replace("/a", "/b")):
            with pytest.raises(SourceError) as caught:
                client.get(asked, headers={"Authorization": "Bearer tok-in-header"} if "/b" in asked else None)
            texts += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
        fault_server.fault_for = lambda _: Fault(hang_up=True)
        with pytest.raises(SourceError) as caught:
            client.get_json(url)
        texts.append(str(caught.value))
    shown = "\n".join([*texts, caplog.text])
    assert not [secret for secret in secrets if secret in shown]
    assert "q=1" in texts[0]
    sent = fault_server.requests[0].headers
    assert sent["authorization"].startswith("Basic ")
    assert sent["x-app-token"] == "tok-in-header"


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:pa/ssw0rd@example.org/a",
        "http://ann:ssw0rd@exa mple.org/a",
        "http://ann:ssw0rd@:99999/",
        "ftp://ann:ssw0rd@example.org/a",
        "file:///etc/passwd",
        "ssw0rd",
        "http://",
        "http://[::1/ssw0rd",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_web_address_is_refused_without_showing_it(client_of: Make, url: str) -> None:
    with client_of() as client, pytest.raises(SourceError) as caught:
        client.get(url)
    assert "ssw0rd" not in str(caught.value)


def test_a_header_that_cannot_be_sent_is_not_shown(fault_server: FaultServer, client_of: Make) -> None:
    for token in ("sec\nret1", "séc-ret1"):
        with (
            client_of(headers={"X-App-Token": token}) as client,
            pytest.raises(SourceError, match="X-App-Token") as caught,
        ):
            client.get(fault_server.url("/a"))
        assert "ret1" not in str(caught.value)


def test_many_random_faults_are_survived(fault_server: FaultServer, client_of: Make) -> None:
    fault_server.add("/a.json", lambda request: Reply.json({"page": int(request.query["page"]), "fill": "x" * 3_000}))
    fault_server.fault_for = RandomFaults(np.random.default_rng(3), share=0.4)
    with client_of(retries=12) as client:
        pages = [client.get_json(fault_server.url("/a.json"), params={"page": i})["page"] for i in range(60)]
    assert pages == list(range(60))
    assert len(fault_server.requests) > 80
