"""Files come whole, go on where they broke off, and are never put together from two versions."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crimepatterns.errors import SourceError
from crimepatterns.sources import http_download
from crimepatterns.sources.http_client import HttpClient, HttpPolicy
from servers import Fault, FaultServer, gzip_bomb

CONTENT = np.random.default_rng(5).bytes(300_000)
OTHER = np.random.default_rng(6).bytes(300_000)


@pytest.fixture
def client(fault_server: FaultServer) -> Iterator[HttpClient]:
    with make_client(fault_server) as client:
        yield client


def make_client(server: FaultServer, **changes: Any) -> HttpClient:
    settings = {"requests_per_second": 100_000, "back_off_s": 0.001, "timeout_s": 3, "retries": 3, **changes}
    policy = HttpPolicy(allow_private=(server.host,), **settings)
    return HttpClient(policy, sleep=lambda _: None, rng=np.random.default_rng(1))


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ".part" in path.name)


def break_off(server: FaultServer, target: Path, *, after: int = 100_000) -> None:
    """A run that gets some bytes and then nothing more, so that a part is left for the next run."""
    left = [Fault(cut_after=after)]
    server.fault_for = lambda _: left.pop() if left else Fault(hang_up=True)
    with make_client(server) as client, pytest.raises(SourceError, match="what has come is kept"):
        client.download(server.url("/a"), target)
    server.fault_for = None
    server.requests.clear()
    assert not target.exists()
    assert target.with_name(target.name + ".part").stat().st_size == after


def test_a_file_arrives_with_its_validators(fault_server: FaultServer, client: HttpClient, tmp_path: Path) -> None:
    fault_server.put("/data/a.csv", CONTENT, last_modified=1.7e9)
    told: list[tuple[str, float, float | None]] = []
    done = client.download(
        fault_server.url("/data/a.csv?token=abcdef"), tmp_path / "x" / "a", progress=lambda *told_: told.append(told_)
    )
    assert done is not None
    assert (tmp_path / "x" / "a").read_bytes() == CONTENT
    assert (done.bytes, done.resumed) == (300_000, False)
    assert done.validators == {"etag": done.validators["etag"], "last_modified": "Tue, 14 Nov 2023 22:13:20 GMT"}
    assert told[-1] == ("Downloading a.csv", 300_000, 300_000)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert not leftovers(tmp_path / "x")
    assert client.download(fault_server.url("/data/a.csv"), tmp_path / "a", validators=done.validators) is None
    fault_server.put("/data/a.csv", OTHER, last_modified=1.7e9)
    again = client.download(fault_server.url("/data/a.csv"), tmp_path / "a", validators=done.validators)
    assert again is not None
    assert (tmp_path / "a").read_bytes() == OTHER


def test_a_server_without_validators_is_fine(fault_server: FaultServer, client: HttpClient, tmp_path: Path) -> None:
    fault_server.put("/a", CONTENT, etag=None, ranges=False)
    fault_server.faults += [Fault(cut_after=1000)]
    done = client.download(fault_server.url("/a"), tmp_path / "a", validators={"etag": '"x"'})
    assert done is not None
    assert (done.validators, done.resumed) == ({}, False)
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_broken_download_goes_on_within_the_run(
    fault_server: FaultServer, client: HttpClient, tmp_path: Path
) -> None:
    fault_server.put("/a", CONTENT)
    # More faults than retries: each brought the download further.
    fault_server.faults += [Fault(cut_after=40_000)] * 6
    done = client.download(fault_server.url("/a"), tmp_path / "a")
    assert done is not None
    assert done.resumed
    assert (tmp_path / "a").read_bytes() == CONTENT
    asked = [request.headers.get("range") for request in fault_server.requests]
    assert asked == [None, *[f"bytes={40_000 * k}-" for k in range(1, 7)]]


def test_the_next_run_goes_on(fault_server: FaultServer, client: HttpClient, tmp_path: Path) -> None:
    fault_server.put("/a", CONTENT)
    break_off(fault_server, tmp_path / "a")
    done = client.download(fault_server.url("/a"), tmp_path / "a", validators={"etag": '"an earlier copy"'})
    assert done is not None
    assert done.resumed
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert fault_server.requests[0].headers["range"] == "bytes=100000-"
    assert fault_server.requests[0].headers["if-range"].startswith('"')
    assert not leftovers(tmp_path)


Change = Callable[[FaultServer], None]


@pytest.mark.parametrize(
    "change",
    [
        lambda server: server.put("/a", OTHER),
        lambda server: server.put("/a", OTHER, trusts_ranges=True),
        lambda server: server.put("/a", OTHER, ranges=False),
        lambda server: server.put("/a", OTHER[:50_000]),
        lambda server: server.put("/a", OTHER[:50_000], trusts_ranges=True),
        lambda server: server.put("/a", OTHER[:200_000], etag=None, trusts_ranges=True),
    ],
    ids=["if-range", "if-range ignored", "no ranges", "shorter", "shorter, ignored", "validators gone"],
)
def test_a_file_that_changed_meanwhile_is_never_mixed(
    fault_server: FaultServer, client: HttpClient, tmp_path: Path, change: Change
) -> None:
    fault_server.put("/a", CONTENT)
    break_off(fault_server, tmp_path / "a")
    change(fault_server)
    done = client.download(fault_server.url("/a"), tmp_path / "a")
    assert done is not None
    got = (tmp_path / "a").read_bytes()
    assert got == OTHER[: len(got)]
    assert len(got) in {300_000, 200_000, 50_000}


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_a_part_without_proof_is_fetched_anew(
    fault_server: FaultServer, client: HttpClient, tmp_path: Path, etag: str | None
) -> None:
    fault_server.put("/a", CONTENT, etag=etag)
    break_off(fault_server, tmp_path / "a")
    fault_server.put("/a", OTHER, etag=etag)
    done = client.download(fault_server.url("/a"), tmp_path / "a")
    assert done is not None
    assert not done.resumed
    assert (tmp_path / "a").read_bytes() == OTHER
    assert "range" not in fault_server.requests[0].headers


def test_a_part_of_another_address_is_no_use(fault_server: FaultServer, client: HttpClient, tmp_path: Path) -> None:
    fault_server.put("/a", CONTENT)
    fault_server.put("/b", OTHER)
    break_off(fault_server, tmp_path / "a")
    client.download(fault_server.url("/b"), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == OTHER


def test_a_damaged_note_starts_anew(fault_server: FaultServer, client: HttpClient, tmp_path: Path) -> None:
    fault_server.put("/a", CONTENT)
    break_off(fault_server, tmp_path / "a")
    (tmp_path / "a.part.json").write_text("{")
    done = client.download(fault_server.url("/a"), tmp_path / "a")
    assert done is not None
    assert not done.resumed
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_file_packed_for_the_way_is_unpacked(fault_server: FaultServer, client: HttpClient, tmp_path: Path) -> None:
    plain = b"when,what\n" * 100_000
    fault_server.put("/a", gzip.compress(plain), encoding="gzip")
    fault_server.faults += [Fault(cut_after=300)]
    done = client.download(fault_server.url("/a"), tmp_path / "a")
    assert done is not None
    assert (done.bytes, done.resumed) == (len(plain), True)
    assert (tmp_path / "a").read_bytes() == plain
    assert not leftovers(tmp_path)
    assert fault_server.requests[0].headers["accept-encoding"] == "identity"


def test_limits_hold_however_the_size_is_told(fault_server: FaultServer, tmp_path: Path) -> None:
    from servers import Reply

    fault_server.put("/long", CONTENT)
    fault_server.add("/chunked", Reply(200, CONTENT, chunked=True))
    fault_server.put("/bomb", gzip_bomb(20 << 20), encoding="gzip")
    with make_client(fault_server, max_bytes=200_000) as client:
        for path in ("/long", "/chunked", "/bomb"):
            with pytest.raises(SourceError, match=r"larger than 0\.2 MiB"):
                client.download(fault_server.url(path), tmp_path / "a")
            assert not (tmp_path / "a").exists()
        assert leftovers(tmp_path) == []


def test_a_full_disk_is_told(
    fault_server: FaultServer, client: HttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.put("/a", CONTENT)
    usage = http_download.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(http_download.shutil, "disk_usage", lambda _: usage._replace(free=1_000))
    with pytest.raises(SourceError, match="make room"):
        client.download(fault_server.url("/a"), tmp_path / "a")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SourceError, match="cannot be written"):
        client.download(fault_server.url("/a"), tmp_path / "file" / "a")


def test_an_earlier_file_stays_until_the_new_one_is_whole(fault_server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"earlier")
    fault_server.put("/a", CONTENT)
    fault_server.faults += [Fault(cut_after=100), Fault(hang_up=True), Fault(hang_up=True)]
    with make_client(fault_server, retries=1) as client, pytest.raises(SourceError, match="cannot be fetched"):
        client.download(fault_server.url("/a"), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"earlier"
