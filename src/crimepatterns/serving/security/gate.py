"""The gate before every route: who asks, may they, how often, how much, and from which page."""

import asyncio
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from crimepatterns.config import Settings
from crimepatterns.serving.security.bodies import BodyLimit, limited
from crimepatterns.serving.security.callers import (
    Caller,
    ProxyError,
    client_of,
    key_of,
    proxy_role,
    reaches_loopback_only,
)
from crimepatterns.serving.security.keys import KeyRing
from crimepatterns.serving.security.rates import TokenBuckets
from crimepatterns.serving.security.roles import AccessTable, Role, role_named
from crimepatterns.store.audit_log import append_event

__all__ = ["Gate", "in_root"]

_FAILURES = {"per_second": 1 / 6, "burst": 10}
"""Wrong keys that one address may try: ten, then one in six seconds."""

_REFUSALS_LOGGED = {"per_second": 1.0, "burst": 60}
_LEFT_OPEN = (
    "No access is set up, so only this machine itself is answered: make a key with `crimepatterns keys create`, "
    "or set security.proxy or security.anonymous."
)
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class _RefusedError(Exception):
    """A request that is answered at the gate."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


class Gate:
    """ASGI middleware; ``scope["state"]`` gets the ``caller`` and the ``route``.

    While neither key nor proxy nor ``security.anonymous`` is set up, whoever asks from this machine is administrator
    and nobody else is answered. Once access is set up it stays so until the server starts again.

    Parameters
    ----------
    app : ASGI application
    settings : Settings
    access : AccessTable
    bodies : mapping of str to BodyLimit, optional
        Routes that take other bodies than ``security.max_body_kb`` allows; these stream them to disk.
    """

    def __init__(
        self, app: ASGIApp, *, settings: Settings, access: AccessTable, bodies: Mapping[str, BodyLimit] | None = None
    ) -> None:
        self._app, self._access, self._settings = app, access, settings.security
        self._bodies, self._body = dict(bodies or {}), BodyLimit.of_requests(self._settings.max_body_kb)
        self._keys = KeyRing(in_root(settings, self._settings.keys_file))
        self._log = in_root(settings, self._settings.audit_file)
        self._rates = TokenBuckets(per_second=self._settings.requests_per_second, burst=self._settings.burst)
        self._failures = TokenBuckets(per_second=_FAILURES["per_second"], burst=int(_FAILURES["burst"]))
        self._logged = TokenBuckets(per_second=_REFUSALS_LOGGED["per_second"], burst=int(_REFUSALS_LOGGED["burst"]))
        self._closed = bool(self._settings.proxy.addresses) or self._settings.anonymous is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through to its route, or answer it here."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no route speaks websocket
        state = scope.setdefault("state", {})
        state["route"], needed = self._access.needed(scope["path"])
        caller: Caller | None = None
        try:
            caller = await self._caller(scope)
            state["caller"] = caller
            self._admit(caller, needed, scope)
            passed_on = _measured(scope, receive, self._bodies.get(str(state["route"]), self._body))
        except _RefusedError as refused:
            await self._note("refused", scope, caller, status=refused.status)
            await _answer(send, refused)
            return
        if needed >= Role.PLANNER and state["route"] is not None and self._closed:
            await self._note("used", scope, caller)
        await self._app(scope, passed_on, send)

    @property
    def closed(self) -> bool:
        """Whether access is set up."""
        self._closed = self._closed or self._keys.any
        return self._closed

    async def _caller(self, scope: Scope) -> Caller:
        if not self.closed:
            if not reaches_loopback_only(scope):
                raise _RefusedError(403, _LEFT_OPEN)
            return Caller(Role.ADMINISTRATOR, "this machine", "this machine")
        address = client_of(scope, self._settings)
        try:
            told = proxy_role(scope, self._settings)
        except ProxyError as error:
            raise _RefusedError(403, str(error)) from error
        key = key_of(scope)
        if key is not None and (told is None or key.startswith("cp_")):
            return await self._holder(key, address)
        if told is not None:
            return Caller(told, "proxy", address)
        return Caller(role_named(self._settings.anonymous or "") or Role.PUBLIC, "anonymous", address)

    async def _holder(self, key: str, address: str) -> Caller:
        known = self._keys.remembered(key)
        if known is None:
            if self._failures.empty(address):
                raise _RefusedError(429, "Too many wrong keys from this address: wait a minute.", {"retry-after": "60"})
            known = await asyncio.to_thread(self._keys.recognise, key)
        if known is None:
            self._failures.take(address)
            raise _RefusedError(401, "This key is not known, revoked or expired.", _SIGN_IN)
        return Caller(known.role, f"key:{known.key_id}", f"key:{known.key_id}")

    def _admit(self, caller: Caller, needed: Role, scope: Scope) -> None:
        wait = self._rates.take(caller.bucket) if self._closed else 0.0
        if wait:
            seconds = str(math.ceil(wait))
            raise _RefusedError(429, f"Too many requests: wait {seconds} s, or ask for less.", {"retry-after": seconds})
        if caller.role < needed:
            if caller.name == "anonymous":
                raise _RefusedError(401, f"This needs a key of role {needed.label}.", _SIGN_IN)
            raise _RefusedError(403, f"This needs the role {needed.label}, you are {caller.role.label}.")
        if scope["method"] not in _READING and not _from_own_page(scope):
            raise _RefusedError(403, "Another site's page may not send this.")

    async def _note(self, event: str, scope: Scope, caller: Caller | None, **facts: object) -> None:
        """Log without a word about who the person is; a flood of refusals is logged in part."""
        if event == "refused" and self._logged.take(event):
            return
        state = scope["state"]
        entry = {
            "event": event,
            "caller": caller.name if caller is not None else "unknown",
            "method": scope["method"][:10],
            "route": state["route"] or "unknown address",
            **({"request": state["request_id"]} if "request_id" in state else {}),
            **facts,
        }
        try:
            await asyncio.to_thread(append_event, self._log, entry)
        except OSError as error:
            # Answers go on: a full disk must not close the service; the operator is told instead.
            logging.getLogger("crimepatterns.security").error("The log of access cannot be written: %s", error)  # noqa: TRY400


def in_root(settings: Settings, path: str) -> Path:
    """Return a path of the settings, which counts from the project folder."""
    return settings.root / path


_SIGN_IN = {"www-authenticate": 'Basic realm="crimepatterns", charset="UTF-8"'}


def _measured(scope: Scope, receive: Receive, limit: BodyLimit) -> Receive:
    try:
        return limited(scope, receive, limit)
    except HTTPException as error:
        raise _RefusedError(error.status_code, error.detail) from error


def _from_own_page(scope: Scope) -> bool:
    """Whether a request that is not for reading comes from no page, or from this server's own."""
    headers = dict(scope["headers"])
    told = headers.get(b"sec-fetch-site", b"none")
    if told not in {b"none", b"same-origin"}:
        return False
    origin = headers.get(b"origin")
    if origin == b"null" and told == b"same-origin":
        # A form of ours: pages that send no referrer tell no origin either, and no page can forge the other header.
        return True
    return origin is None or urlsplit(origin.decode("latin-1")).netloc == headers.get(b"host", b"").decode("latin-1")


async def _answer(send: Send, refused: _RefusedError) -> None:
    body = orjson.dumps({"error": "Access", "detail": refused.detail})
    headers = {"content-type": "application/json", "content-length": str(len(body)), **refused.headers}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
