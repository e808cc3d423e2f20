"""Who is let through: every route with every role, keys, proxies, limits, and what may never be open by accident."""

import asyncio
import base64
import json
import socket
import stat
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from starlette.types import Message, Receive, Scope, Send

import event_loop
from crimepatterns.config import Settings, load_settings
from crimepatterns.errors import ConfigError
from crimepatterns.serving.run import serve
from crimepatterns.serving.security.gate import Gate
from crimepatterns.serving.security.keys import KeyRing, create_key, revoke_key, usable
from crimepatterns.serving.security.opening import check_binding
from crimepatterns.serving.security.rates import TokenBuckets, bucket_of_address
from crimepatterns.serving.security.roles import WEB_ACCESS, Role
from crimepatterns.serving.web import create_app
from crimepatterns.store.access_keys import KeyRecord, read_keys
from crimepatterns.store.audit_log import append_event, check_log

OUTSIDE, INSIDE = "203.0.113.9", "127.0.0.1"


def city(root: Path, **security: Any) -> Settings:
    return load_settings(overrides={"root": str(root), "security": {"requests_per_second": 1000, **security}})


def keys_path(settings: Settings) -> Path:
    return settings.root / settings.security.keys_file


def ask(
    settings: Settings,
    *requests: tuple[str, str, Mapping[str, str]],
    peer: str = INSIDE,
    host: str = "127.0.0.1:8000",
) -> list[httpx.Response]:
    """Send requests one after the other to one application, as if from `peer`."""

    async def all_of_them() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(settings), client=(peer, 5000))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return [await client.request(method, path, headers=headers) for method, path, headers in requests]

    return event_loop.run(all_of_them())


def get(settings: Settings, path: str, headers: Mapping[str, str] | None = None, **how: str) -> httpx.Response:
    return ask(settings, ("GET", path, headers or {}), **how)[0]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def example(route: str) -> str:
    return route.replace("{name:path}", "styles.css").replace("{category}", "theft").replace("{layer}", "density")


# -- every route with every role ---------------------------------------------------------------------------------------


def test_every_route_has_a_role_and_every_role_a_route(tmp_path: Path) -> None:
    described = create_app(city(tmp_path)).openapi()["paths"]
    assert set(described) <= set(WEB_ACCESS.roles)
    for route, got in zip(
        WEB_ACCESS.roles,
        ask(city(tmp_path), *(("GET", example(route), {}) for route in WEB_ACCESS.roles)),
        strict=True,
    ):
        assert "No such address" not in got.text, f"{route} is in the table and is no route"


def test_a_route_that_nobody_decided_about_is_refused_at_start() -> None:
    router = APIRouter()
    router.get("/api/new")(lambda: None)
    with pytest.raises(ConfigError, match="/api/new"):
        WEB_ACCESS.check(router.routes)


@pytest.mark.parametrize("role", [None, *Role])
def test_every_route_with_every_role(tmp_path: Path, role: Role | None) -> None:
    settings = city(tmp_path)
    _, key = create_key(keys_path(settings), name="desk", role=Role.PUBLIC if role is None else role)
    headers = {} if role is None else bearer(key)
    routes = [*WEB_ACCESS.roles, "/no/such/address"]
    answers = ask(settings, *(("GET", example(route), headers) for route in routes))
    for route, got in zip(routes, answers, strict=True):
        needed = WEB_ACCESS.needed(example(route))[1]
        if (role or Role.PUBLIC) >= needed:
            assert got.status_code not in {401, 403}, f"{route} as {role}"
        else:
            assert got.status_code == (401 if role is None else 403), f"{route} as {role}"
            assert set(got.json()) == {"error", "detail"}
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["x-request-id"]


def test_writing_methods_are_open_to_nobody(tmp_path: Path) -> None:
    settings = city(tmp_path)
    _, key = create_key(keys_path(settings), name="desk", role=Role.ADMINISTRATOR)
    takes = {"/patterns/decisions", "/status/jobs", "/status/jobs/cancel", "/api/jobs", "/api/jobs/{job}/cancel"}
    takes |= {route for route in WEB_ACCESS.roles if "/upload" in route or "/views" in route}
    paths = [example(route) for route in WEB_ACCESS.roles if route not in takes]
    assert {
        got.status_code
        for got in ask(settings, *((m, path, bearer(key)) for m in ("POST", "PUT", "DELETE") for path in paths))
    } == {405}


def test_the_plan_is_kept_from_analysts_on_the_page_too(tmp_path: Path) -> None:
    settings = city(tmp_path)
    _, analyst = create_key(keys_path(settings), name="desk", role=Role.ANALYST)
    _, planner = create_key(keys_path(settings), name="desk", role=Role.PLANNER)
    assert get(settings, "/", bearer(analyst)).status_code == 200
    assert "open-door" not in get(settings, "/", bearer(planner)).text


# -- before access is set up -------------------------------------------------------------------------------------------


def test_without_keys_this_machine_is_administrator_under_a_banner(tmp_path: Path) -> None:
    page = get(city(tmp_path), "/")
    assert page.status_code == 200
    assert "No access is set up" in page.text
    assert get(city(tmp_path), "/reports/plan.csv").status_code == 404


@pytest.mark.parametrize(
    ("peer", "host", "headers"),
    [
        (OUTSIDE, "127.0.0.1:8000", {}),
        (INSIDE, "10.1.2.3:8000", {}),
        ("::ffff:203.0.113.9", "127.0.0.1:8000", {}),
        (INSIDE, "127.0.0.1:8000", {"x-forwarded-for": "127.0.0.1"}),
        (INSIDE, "127.0.0.1:8000", {"via": "1.1 proxy"}),
    ],
)
def test_without_keys_nobody_else_is_answered(tmp_path: Path, peer: str, host: str, headers: dict[str, str]) -> None:
    # However the server was started: its own idea of where it listens does not count.
    settings = city(tmp_path, hosts=["10.1.2.3"])
    got = get(settings, "/health", headers, peer=peer, host=host)
    assert got.status_code == 403
    assert "crimepatterns keys create" in got.json()["detail"]


def test_a_foreign_name_is_refused_on_loopback_and_own_names_are_not(tmp_path: Path) -> None:
    assert get(city(tmp_path), "/health", host="elsewhere.example").status_code == 400
    settings = city(tmp_path, hosts=["crime.example.org"], anonymous="public")
    assert get(settings, "/health", host="crime.example.org").status_code == 200
    assert get(settings, "/health", host="localhost:8000").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "crime.example.org"])  # noqa: S104
def test_binding_elsewhere_without_access_is_refused_at_start(tmp_path: Path, host: str) -> None:
    settings = load_settings(overrides={"root": str(tmp_path), "serving": {"host": host}})
    with pytest.raises(ConfigError, match="crimepatterns keys create"):
        serve(settings)
    create_key(keys_path(settings), name="desk", role=Role.ANALYST)
    check_binding(settings)


def test_a_key_closes_a_running_server_and_losing_the_file_does_not_open_it(tmp_path: Path) -> None:
    settings = city(tmp_path)

    async def story() -> list[int]:
        transport = httpx.ASGITransport(create_app(settings), client=(INSIDE, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            told = [(await client.get("/api/status")).status_code]
            create_key(keys_path(settings), name="desk", role=Role.ANALYST)
            await asyncio.sleep(1.1)
            told.append((await client.get("/api/status")).status_code)
            keys_path(settings).unlink()
            await asyncio.sleep(1.1)
            return [*told, (await client.get("/api/status")).status_code]

    assert event_loop.run(story()) == [200, 401, 401]


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_key_is_kept_nowhere_and_its_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "keys.json"
    record, key = create_key(path, name="desk", role=Role.ANALYST)
    assert key.rpartition("_")[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert KeyRing(path).recognise(key) is not None
    assert KeyRing(path).remembered(key) is None
    for wrong in (key[:-1], key[:-1] + ("A" if key[-1] != "A" else "B"), key.replace(record.key_id, "00000000"), ""):
        assert KeyRing(path).recognise(wrong) is None


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o620, 0o604])
def test_keys_that_others_can_read_or_change_are_refused(tmp_path: Path, mode: int) -> None:
    settings = city(tmp_path)
    create_key(keys_path(settings), name="desk", role=Role.ANALYST)
    keys_path(settings).chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        create_app(settings).build_middleware_stack()


def test_revoked_and_expired_keys_are_refused(tmp_path: Path) -> None:
    settings = city(tmp_path)
    record, key = create_key(keys_path(settings), name="desk", role=Role.ANALYST, days=2)
    assert get(settings, "/api/status", bearer(key)).status_code == 200
    assert not usable(record, now=datetime.now(UTC) + timedelta(days=3))
    revoke_key(keys_path(settings), record.key_id)
    got = get(settings, "/api/status", bearer(key))
    assert got.status_code == 401
    assert got.headers["www-authenticate"].startswith("Basic")
    # All keys are revoked: the server is closed to everybody, not open to everybody.
    assert get(settings, "/api/status").status_code == 401
    with pytest.raises(ConfigError, match="keys list"):
        revoke_key(keys_path(settings), "ffffffff")


def test_revoking_is_seen_by_a_running_server(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    record, key = create_key(path, name="desk", role=Role.ANALYST)
    ring = KeyRing(path)
    assert ring.recognise(key) is not None
    revoke_key(path, record.key_id)
    time.sleep(1.05)
    assert ring.remembered(key) is None
    assert ring.recognise(key) is None


def test_a_damaged_file_of_keys_lets_nobody_in_and_stops_a_start(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    _, key = create_key(path, name="desk", role=Role.ANALYST)
    ring = KeyRing(path)
    path.write_text("[{")
    time.sleep(1.05)
    assert ring.recognise(key) is None
    with pytest.raises(Exception, match="damaged"):
        KeyRing(path)


def test_browsers_sign_in_with_the_key_as_password(tmp_path: Path) -> None:
    settings = city(tmp_path)
    _, key = create_key(keys_path(settings), name="desk", role=Role.ANALYST)
    basic = base64.b64encode(f"anyone:{key}".encode()).decode()
    assert get(settings, "/", {"authorization": f"Basic {basic}"}).status_code == 200
    for wrong in (
        "Basic ???",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Digest x",
        key,
        "Bearer",
        "Bearer x",
    ):
        assert get(settings, "/health", {"authorization": wrong}).status_code == (401 if wrong != key else 200), wrong


def test_two_processes_make_keys_at_once_and_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"

    async def many() -> None:
        await asyncio.gather(
            *(asyncio.to_thread(create_key, path, name=f"desk {i}", role=Role.PUBLIC) for i in range(8))
        )

    event_loop.run(many())
    assert len({record.key_id for record in read_keys(path)}) == 8
    assert all(isinstance(record, KeyRecord) for record in read_keys(path))


# -- a proxy that knows its users --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("10.0.0.7", {"X-Crimepatterns-Role": "planner"}, 404),
        ("10.0.0.7", {"X-Crimepatterns-Role": "Analyst"}, 403),
        ("10.0.0.7", {"X-Crimepatterns-Role": "chief"}, 403),
        ("10.0.0.7", {"X-Crimepatterns-Role": "planner, public"}, 403),
        ("10.0.0.7", {}, 401),
        ("::ffff:10.0.0.7", {"X-Crimepatterns-Role": "planner"}, 404),
        ("10.0.1.7", {"X-Crimepatterns-Role": "administrator"}, 401),
        (INSIDE, {"X-Crimepatterns-Role": "administrator"}, 401),
    ],
)
def test_a_role_header_is_believed_from_the_proxy_alone(
    tmp_path: Path, peer: str, headers: dict[str, str], status: int
) -> None:
    settings = city(tmp_path, proxy={"addresses": ["10.0.0.0/24"]})
    assert get(settings, "/reports/plan.csv", headers, peer=peer).status_code == status


def test_a_role_header_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    settings = city(tmp_path, proxy={"addresses": ["10.0.0.7"]})
    got, _ = direct(settings, [(b"x-crimepatterns-role", b"administrator"), (b"x-crimepatterns-role", b"public")])
    assert got == 403


def test_a_key_goes_before_the_role_of_the_proxy(tmp_path: Path) -> None:
    settings = city(tmp_path, proxy={"addresses": ["10.0.0.7"]})
    _, key = create_key(keys_path(settings), name="desk", role=Role.PUBLIC)
    headers = {**bearer(key), "X-Crimepatterns-Role": "administrator"}
    assert get(settings, "/reports/plan.csv", headers, peer="10.0.0.7").status_code == 403


# -- how often, how much, from where -----------------------------------------------------------------------------------


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    buckets = TokenBuckets(per_second=2.0, burst=3)
    assert [buckets.take("a", now=0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert buckets.take("b", now=0.0) == 0.0
    assert buckets.take("a", now=0.5) == 0.0
    assert buckets.empty("a", now=0.5)
    assert not buckets.empty("a", now=1.0)
    assert [buckets.take("a", now=99.0) for _ in range(4)].count(0.0) == 3


def test_one_network_of_a_customer_is_one_caller() -> None:
    assert bucket_of_address("2001:db8:1:2::1") == bucket_of_address("2001:db8:1:2:ffff::9")
    assert bucket_of_address("2001:db8:1:2::1") != bucket_of_address("2001:db8:1:3::1")
    assert bucket_of_address("::ffff:192.0.2.1") == bucket_of_address("192.0.2.1")


def test_too_many_requests_are_told_when_to_come_back(tmp_path: Path) -> None:
    settings = city(tmp_path, anonymous="analyst", requests_per_second=0.5, burst=5)
    answers = ask(settings, *[("GET", "/api/status", {})] * 7)
    assert [got.status_code for got in answers] == [200] * 5 + [429] * 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 4


def test_guessing_keys_is_slowed_down_and_those_who_have_one_go_on(tmp_path: Path) -> None:
    settings = city(tmp_path)
    record, key = create_key(keys_path(settings), name="desk", role=Role.ANALYST)
    guess = ("GET", "/api/status", bearer(f"cp_{record.key_id}_{'x' * 43}"))
    good = ("GET", "/api/status", bearer(key))
    answers = ask(settings, good, *[guess] * 12, good)
    assert [got.status_code for got in answers] == [200] + [401] * 10 + [429] * 2 + [200]


def direct(settings: Settings, headers: list[tuple[bytes, bytes]], **more: Any) -> tuple[int, bytes]:
    """Call the gate alone with a raw request whose body comes in pieces of 1 kB."""
    pieces: int = more.pop("pieces", 0)
    scope: dict[str, Any] = {
        "type": "http", "method": "POST", "path": "/health", "headers": headers, "client": ("10.0.0.7", 1),
        "server": ("10.0.0.1", 80), **more,
    }  # fmt: skip
    sent: list[Message] = []

    async def reading(_: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"read"})

    async def receive() -> Message:
        nonlocal pieces
        pieces -= 1
        return {"type": "http.request", "body": b"x" * 1024, "more_body": pieces > 0}

    async def send(message: Message) -> None:
        sent.append(message)

    from starlette.middleware.exceptions import ExceptionMiddleware

    gate = Gate(ExceptionMiddleware(reading), settings=settings, access=WEB_ACCESS)
    event_loop.run(gate(scope, receive, send))
    return sent[0]["status"], sent[-1]["body"]


def test_large_bodies_are_refused_whether_they_say_so_or_not(tmp_path: Path) -> None:
    settings = city(tmp_path, anonymous="public", max_body_kb=8)
    assert direct(settings, [(b"content-length", b"8192")], pieces=8)[0] == 200
    assert direct(settings, [(b"content-length", b"8193")], pieces=1)[0] == 413
    assert direct(settings, [(b"content-length", b"-1")], pieces=1)[0] == 413
    assert direct(settings, [], pieces=8)[0] == 200
    assert direct(settings, [], pieces=9)[0] == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 200),
        ([(b"sec-fetch-site", b"same-origin"), (b"origin", b"http://here"), (b"host", b"here")], 200),
        ([(b"sec-fetch-site", b"same-origin"), (b"origin", b"null"), (b"host", b"here")], 200),
        ([(b"sec-fetch-site", b"cross-site"), (b"origin", b"null"), (b"host", b"here")], 403),
        ([(b"sec-fetch-site", b"cross-site")], 403),
        ([(b"sec-fetch-site", b"same-site")], 403),
        ([(b"origin", b"http://elsewhere"), (b"host", b"here")], 403),
        ([(b"origin", b"null"), (b"host", b"here")], 403),
    ],
)
def test_pages_of_other_sites_cannot_send_anything(
    tmp_path: Path, headers: list[tuple[bytes, bytes]], status: int
) -> None:
    assert direct(city(tmp_path, anonymous="public"), headers)[0] == status


# -- what is logged ----------------------------------------------------------------------------------------------------


def test_refusals_and_uses_of_the_plan_are_logged_without_anything_personal(tmp_path: Path) -> None:
    settings = city(tmp_path)
    record, key = create_key(keys_path(settings), name="Jane Doe", role=Role.PLANNER)
    ask(settings, ("GET", "/api/plan?secret=1", bearer(key)), ("GET", "/api/plan", {}), peer=OUTSIDE)
    found = check_log(settings.root / settings.security.audit_file)
    assert [(entry["event"], entry["caller"], entry["route"]) for entry in found.last] == [
        ("used", f"key:{record.key_id}", "/api/plan"),
        ("refused", "anonymous", "/api/plan"),
    ]
    text = json.dumps(found.last)
    for personal in (OUTSIDE, "Jane", key, "secret"):
        assert personal not in text


def test_a_changed_or_removed_line_of_the_log_is_noticed(tmp_path: Path) -> None:
    log = tmp_path / "ledger" / "access.jsonl"
    for number in range(5):
        append_event(log, {"event": "used", "number": number})
    assert check_log(log).broken_at is None
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join([*lines[:2], lines[2].replace('"number": 2', '"number": 7'), *lines[3:]]))
    assert check_log(log).broken_at == 4  # the line after no longer follows it
    log.write_text("".join([lines[0], *lines[2:]]))
    assert check_log(log).broken_at == 2
    log.write_text("".join(lines)[:-9])  # torn by a crash
    append_event(log, {"event": "later"})
    found = check_log(log)
    assert found.entries == 6
    assert found.broken_at == 5
    assert found.last[-1]["event"] == "later"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_log_that_cannot_be_written_does_not_close_the_service(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = city(tmp_path, audit_file="/proc/nowhere/access.jsonl")
    _, key = create_key(keys_path(settings), name="desk", role=Role.PLANNER)
    assert get(settings, "/api/plan", bearer(key)).status_code == 404
    assert "cannot be written" in caplog.text


def test_a_busy_port_is_still_told(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        settings = load_settings(overrides={"root": str(tmp_path), "serving": {"port": held.getsockname()[1]}})
        with pytest.raises(ConfigError, match=r"serving\.port"):
            serve(settings)
