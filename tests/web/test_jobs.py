"""Jobs by a real server: started, watched, cancelled, and found again by a server that starts after a crash."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from app_server import started
from crimepatterns.serving.security.keys import create_key
from crimepatterns.serving.security.roles import Role
from crimepatterns.store.audit_log import check_log
from crimepatterns.store.layout import Layout
from held_city import CITY, HeldFile


@contextlib.contextmanager
def serving(config: Path) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    """The server as users start it; it ends by a crash."""
    with (
        started("-c", str(config)) as (address, process),
        httpx.Client(base_url=address, timeout=60, trust_env=False) as client,
    ):
        yield client, process
        process.kill()  # a crash: nothing is put in order


def until(holds: Callable[[], Any], *, seconds: float = 90) -> Any:
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < deadline, "this never came"
        time.sleep(0.05)


def ended(client: httpx.Client, job: str) -> dict[str, Any]:
    """Wait for the end of a job."""
    return until(lambda: (told := client.get(f"/api/jobs/{job}").json())["finished_at"] and told)  # type: ignore[no-any-return]


def process_of(config: Path, job: str) -> int:
    folder = Layout(config.parent, CITY).jobs / job
    return int(json.loads((folder / "process.json").read_text(encoding="utf-8"))["pid"])


def lives(group: int) -> bool:
    """Whether a process of the group runs, asked of another program than the product."""
    listed = subprocess.run(["/bin/ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return any(pgid == str(group) and not stat.startswith("Z") for pgid, stat in map(str.split, listed.splitlines()))


def test_a_job_outlives_its_server_and_is_found_again(config: Path, held: HeldFile) -> None:
    with serving(config) as (client, process):
        started = client.post("/api/jobs", json={"kind": "refresh"})
        assert started.status_code == 202
        job = started.json()["job_id"]
        assert started.headers["location"] == f"/api/jobs/{job}"
        assert held.asked.wait(60)
        again = client.post("/api/jobs", json={"kind": "refresh"})
        other = client.post("/api/jobs", json={"kind": "scan"})
        assert (again.status_code, other.status_code) == (409, 409)
        assert "wait for it, or cancel it" in again.json()["detail"]
        process.send_signal(signal.SIGKILL)
        process.wait()
    with serving(config) as (client, _):
        told = client.get(f"/api/jobs/{job}").json()
        assert (told["state"], told["step"], told["steps"]) == ("running", 1, 3)
        page = client.get("/status").text
        assert "<progress" in page
        assert f'data-job="{job}" data-state="running"' in page
        held.released.set()
        told = ended(client, job)
        assert (told["state"], told["result"]) == ("done", "/data"), told
        assert any("incidents" in line or "rows" in line for line in told["log"])
        assert client.get("/api/explore/facts").status_code == 200
        assert not lives(process_of(config, job))
        assert client.get("/api/status").json()["incidents"] == 400


def test_cancelling_ends_all_processes_and_leaves_nothing_half_done(config: Path, held: HeldFile) -> None:
    layout = Layout(config.parent, CITY)
    with serving(config) as (client, _):
        job = client.post("/api/jobs", json={"kind": "refresh"}).json()["job_id"]
        assert held.asked.wait(60)
        group = process_of(config, job)
        assert lives(group)
        told = client.post(f"/api/jobs/{job}/cancel").json()
        assert told["state"] == "cancelled"
        assert "Cancelled by this machine" in told["sentence"]
        until(lambda: not lives(group))
        assert client.post(f"/api/jobs/{job}/cancel").json()["state"] == "cancelled"
        assert not layout.stages.exists() or not any(layout.stages.iterdir())
        events = [(one["event"], one.get("job")) for one in check_log(config.parent / "ledger" / "access.jsonl").last]
        assert ("job started", job) in events
        assert ("job cancelled", job) in events
        # The lock went with the process: the next one begins at once.
        held.released.set()
        second = client.post("/api/jobs", json={"kind": "refresh"}).json()["job_id"]
        assert ended(client, second)["state"] == "done"
        listed = subprocess.run(
            [sys.executable, "-m", "crimepatterns", "jobs", "list", "-c", str(config), "--json"],
            capture_output=True,
            check=True,
        )
        assert [one["state"] for one in json.loads(listed.stdout)["jobs"]] == ["done", "cancelled"]


def test_a_job_whose_process_died_is_told_as_failed(config: Path, held: HeldFile) -> None:
    with serving(config) as (client, _):
        job = client.post("/api/jobs", json={"kind": "refresh"}).json()["job_id"]
        assert held.asked.wait(60)
        group = process_of(config, job)
        os.killpg(group, signal.SIGKILL)
        until(lambda: not lives(group))  # the last of them holds the city's lock
        told = ended(client, job)
        assert told["state"] == "failed"
        assert "ended without a word" in told["sentence"]
        held.released.set()
        wrong = client.post("/api/jobs", json={"kind": "forecast"}).json()["job_id"]
        told = ended(client, wrong)
        assert told["state"] == "failed"
        assert "run `crimepatterns clean` first" in told["sentence"]


def test_only_administrators_from_our_own_page_start_what_is_on_offer(config: Path) -> None:
    keys = {
        role: create_key(config.parent / "secrets" / "access_keys.json", name=role.label, role=role)[1] for role in Role
    }
    with serving(config) as (client, _):
        for role in (Role.PUBLIC, Role.ANALYST, Role.PLANNER):
            sent = {"authorization": f"Bearer {keys[role]}"}
            assert client.get("/api/jobs", headers=sent).status_code == 403
            assert client.post("/api/jobs", headers=sent, json={"kind": "refresh"}).status_code == 403
            assert client.get("/status/jobs", headers=sent).status_code == 403
        sent = {"authorization": f"Bearer {keys[Role.ADMINISTRATOR]}"}
        foreign = {**sent, "origin": "http://elsewhere.example", "sec-fetch-site": "cross-site"}
        assert client.post("/api/jobs", headers=foreign, json={"kind": "refresh"}).status_code == 403
        form = client.post("/status/jobs", headers=sent, data={"kind": "refresh", "token": "guessed"})
        assert form.status_code == 403
        for body in ({"kind": "upload"}, {"kind": "rm -rf"}, {"kind": "refresh", "arguments": ["--set", "x"]}, []):
            assert client.post("/api/jobs", headers=sent, json=body).status_code == 422
        for name in ("..", "../../secrets", "%2e%2e%2fharbour", "20251129-120000-refresh-0a1b2c", "x" * 400):
            assert client.get(f"/api/jobs/{name}", headers=sent).status_code == 404
            assert client.post(f"/api/jobs/{name}/cancel", headers=sent).status_code in {404, 405}
        assert client.get("/api/jobs", headers=sent).json()["jobs"] == []
