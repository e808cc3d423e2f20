"""No URL, redirect or answer of a name server leads to an address that is not public."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crimepatterns.errors import SourceError
from crimepatterns.sources.http_client import HttpClient, HttpPolicy
from crimepatterns.sources.http_guard import GuardedConnections, checked_addresses, is_public
from servers import Fault, FaultServer, Reply


def client_for(*allowed: str, headers: dict[str, str] | None = None, **changes: Any) -> HttpClient:
    settings = {"requests_per_second": 100_000, "back_off_s": 0.001, "timeout_s": 3, "retries": 1, **changes}
    policy = HttpPolicy(allow_private=allowed, **settings)
    return HttpClient(policy, headers=headers, sleep=lambda _: None, rng=np.random.default_rng(1))


def answering(*addresses: str) -> Callable[..., list[Any]]:
    """A name server that gives its addresses one after another, the last for ever, as a rebinding one does."""
    left = list(addresses)
    asked: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        address = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in address.split("+")]

    resolve.asked = asked  # type: ignore[attr-defined]
    return resolve


PRIVATE = [
    "127.0.0.1", "127.1.2.3", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1", "198.18.0.1", "::1", "::",  # noqa: S104
    "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "fec0::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::10.0.0.1", "2002:7f00:1::1", "2002:0a00:0001::1",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(SourceError, match="not on the public Internet"):
        checked_addresses("data.example.org", 443, resolver=answering(address))
    assert checked_addresses("data.example.org", 443, allow_private=("DATA.example.org.",), resolver=answering(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_a_public_address_is_fine(address: str) -> None:
    assert checked_addresses("data.example.org", 443, resolver=answering(address)) == [address]


def test_one_private_address_among_public_ones_is_enough() -> None:
    with pytest.raises(SourceError, match=r"10\.0\.0\.1"):
        checked_addresses("data.example.org", 443, resolver=answering("8.8.8.8+10.0.0.1"))


@pytest.mark.parametrize(
    ("entry", "port", "fine"),
    [("data.example.org", 1, True), ("data.example.org:80", 80, True), ("data.example.org:80", 81, False),
     ("example.org", 80, False), ("", 80, False)],
)  # fmt: skip
def test_the_allow_list_means_what_it_says(entry: str, port: int, fine: bool) -> None:
    refusal = nullcontext() if fine else pytest.raises(SourceError, match=f"add data.example.org:{port} to source")
    with refusal:
        checked_addresses("data.example.org", port, allow_private=(entry,), resolver=answering("10.0.0.1"))


def test_a_name_that_does_not_exist() -> None:
    def missing(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(SourceError, match="does not exist"):
        checked_addresses("data.example.org", 443, resolver=missing)


def test_a_name_server_that_fails_for_a_while_is_asked_again(fault_server: FaultServer) -> None:
    fault_server.add("/a", Reply(200, b"fine"))
    left = [socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")] * 2

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        if left:
            raise left.pop()
        return answering("127.0.0.1")(host, port)

    url = f"http://good.example.org:{fault_server.port}/a"
    with client_for("good.example.org", retries=2) as client:
        client._connections._resolver = resolve
        assert client.get(url).content == b"fine"
        left += [socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")] * 3
        with pytest.raises(SourceError, match="the name cannot be resolved"):
            client.get(url)
        client._connections._resolver = lambda *_, **__: []
        with pytest.raises(SourceError, match="has no address"):
            client.get(url)
    with pytest.raises(SourceError, match="not a valid name"):
        checked_addresses("a" * 70 + ".example.org", 80)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "[::1]",
                                  "[::ffff:127.0.0.1]", "0.0.0.0", "localhost."])  # fmt: skip  # noqa: S104
def test_however_this_machine_is_spelt_nothing_is_asked(fault_server: FaultServer, host: str, tmp_path: Path) -> None:
    fault_server.add("/a", Reply(200, b"secret"))
    with client_for() as client:
        for ask in (client.get, client.get_json, lambda url: client.download(url, tmp_path / "a")):
            with pytest.raises(SourceError, match=r"not on the public Internet|not a valid URL|does not exist"):
                ask(f"http://{host}:{fault_server.port}/a")
    assert not fault_server.requests


def test_a_name_that_changes_its_address_leads_nowhere_else(fault_server: FaultServer) -> None:
    fault_server.add("/a", Reply(200, b"fine"))
    with client_for("good.example.org", timeout_s=0.5, retries=0) as client:
        client._connections._resolver = resolver = answering("127.0.0.1", "8.8.8.8")
        assert client.get(f"http://good.example.org:{fault_server.port}/a").content == b"fine"
        assert resolver.asked == ["good.example.org"], "resolved once, and connected to what was checked"
        assert fault_server.requests[0].headers["host"] == f"good.example.org:{fault_server.port}"
    with client_for(retries=0) as client:
        client._connections._resolver = answering("127.0.0.1", "127.0.0.1")
        with pytest.raises(SourceError, match="not on the public"):
            client.get(f"http://rebinding.example.org:{fault_server.port}/a")
    assert len(fault_server.requests) == 1


def test_the_next_address_is_tried(fault_server: FaultServer) -> None:
    fault_server.add("/a", Reply(200, b"fine"))
    with client_for("two.example.org", retries=0) as client:
        client._connections._resolver = answering("127.0.0.2+127.0.0.1")
        assert client.get(f"http://two.example.org:{fault_server.port}/a").content == b"fine"


def test_redirects_are_followed_and_checked(fault_server: FaultServer, tmp_path: Path) -> None:
    fault_server.add("/end", Reply(200, b"[7]"))
    fault_server.add("/start", Reply(302, headers={"Location": "/middle?x=1"}))
    fault_server.add("/middle", Reply(308, headers={"Location": fault_server.url("/end")}))
    fault_server.add("/loop", Reply(301, headers={"Location": "/loop"}))
    with client_for(fault_server.host) as client:
        assert client.get_json(fault_server.url("/start")) == [7]
        assert client.download(fault_server.url("/start"), tmp_path / "a").bytes == 3
        with pytest.raises(SourceError, match="more than 5 times"):
            client.get(fault_server.url("/loop"))
        assert sum(request.path == "/loop" for request in fault_server.requests) == 6
        for target in ("file:///etc/passwd", "ftp://example.org/", "gopher://x"):
            fault_server.add("/away", Reply(302, headers={"Location": target}))
            with pytest.raises(SourceError, match="refused"):
                client.get(fault_server.url("/away"))


def test_a_redirect_into_the_private_network_is_refused(fault_server: FaultServer) -> None:
    with FaultServer() as inner, client_for(fault_server.host) as client:
        inner.add("/latest/meta-data", Reply(200, b"keys"))
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            target = f"http://{host}:{inner.port}/latest/meta-data"
            fault_server.add("/away", Reply(302, headers={"Location": target}))
            with pytest.raises(SourceError, match="not on the public Internet"):
                client.get(fault_server.url("/away"))
        fault_server.add("/away", Reply(302, headers={"Location": "http://169.254.169.254/latest/meta-data"}))
        with pytest.raises(SourceError, match=r"169\.254\.169\.254"):
            client.get(fault_server.url("/away"))
        assert not inner.requests


def test_what_is_secret_stays_with_its_host(fault_server: FaultServer) -> None:
    with FaultServer() as other:
        other.add("/b", Reply(200, b"fine"))
        fault_server.add("/b", Reply(200, b"fine"))
        with client_for(fault_server.host, other.host, headers={"X-App-Token": "tok"}) as client:
            for server, kept in ((other, False), (fault_server, True)):
                fault_server.add("/a", Reply(302, headers={"Location": server.url("/b").replace("//", "//eve:pw@")}))
                url = fault_server.url("/a").replace("//", "//ann:pw@")
                assert client.get(url, headers={"X-Other": "1"}).content == b"fine"
                sent = server.requests[-1].headers
                assert [name in sent for name in ("authorization", "x-app-token", "x-other")] == [kept] * 3
                assert sent["user-agent"].startswith("crimepatterns/")


# -- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for ``good.example.org``, signed by itself, with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is missing")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    done = subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=good.example.org",
         "-addext", "subjectAltName=DNS:good.example.org", "-keyout", path.with_suffix(".key"), "-out", path],
        capture_output=True, check=True,
    )  # fmt: skip
    assert done.returncode == 0
    return path


@pytest.fixture
def secure_server(certificate: Path) -> Iterator[FaultServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    with FaultServer(tls=context) as server:
        server.add("/a", Reply(200, b"fine"))
        yield server


def test_certificates_are_checked_against_the_name(
    secure_server: FaultServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with client_for("good.example.org", "evil.example.org") as client:
        client._connections._resolver = answering("127.0.0.1")
        assert client.get(f"https://good.example.org:{secure_server.port}/a").content == b"fine"
        # The same address and port, but another name: the open connection of the first must not serve it.
        with pytest.raises(SourceError, match="certificate"):
            client.get(f"https://evil.example.org:{secure_server.port}/a")
        secure_server.faults.append(Fault(status=302, headers={"Location": "http://good.example.org/a"}))
        with pytest.raises(SourceError, match="without encryption"):
            client.get(f"https://good.example.org:{secure_server.port}/a")
    assert len(secure_server.requests) == 2


def test_an_unknown_certificate_is_refused_at_once(secure_server: FaultServer) -> None:
    waits: list[float] = []
    with client_for("good.example.org") as client:
        client._sleep = waits.append
        client._connections._resolver = answering("127.0.0.1")
        with pytest.raises(SourceError, match="certificate that is not trusted"):
            client.get(f"https://good.example.org:{secure_server.port}/a")
    assert not waits


def test_connections_are_kept_and_closed(fault_server: FaultServer) -> None:
    connections = GuardedConnections((fault_server.host,), timeout_s=1)
    connections.close()
    assert not connections._pools
