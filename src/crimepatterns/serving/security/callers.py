"""Who asks: somebody with a key, a user of a trusted proxy, anyone, or whoever sits at this machine."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.requests import Request
from starlette.types import Scope

from crimepatterns.config import SecuritySettings
from crimepatterns.serving.security.rates import bucket_of_address
from crimepatterns.serving.security.roles import Role, role_named

__all__ = [
    "Caller",
    "ProxyError",
    "caller_of",
    "client_of",
    "is_loopback",
    "key_of",
    "proxy_role",
    "reaches_loopback_only",
]

_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via")


class ProxyError(Exception):
    """A trusted proxy's role header cannot be understood."""


@dataclass(frozen=True)
class Caller:
    """Who asks, as far as anybody needs to know.

    Parameters
    ----------
    role : Role
    name : str
        For the logs: ``key:1a2b3c4d``, ``proxy``, ``anonymous`` or ``this machine``.
    bucket : str
        Whose rate is counted.
    """

    role: Role
    name: str
    bucket: str


def caller_of(request: Request) -> Caller:
    """Return who asks, as the gate has found it."""
    caller: Caller = request.state.caller
    return caller


def key_of(scope: Scope) -> str | None:
    """Return the key that a request brings as a bearer token or as the password of a browser's sign-in."""
    given = _header(scope, b"authorization")
    scheme, _, value = given.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return given or None
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return value


def client_of(scope: Scope, settings: SecuritySettings) -> str:
    """Return the bucket of the address that asks; through a trusted proxy the last one that is not itself trusted."""
    peer = scope["client"][0] if scope.get("client") else ""
    if not _within(peer, settings.proxy.addresses):
        return bucket_of_address(peer)
    hops = [hop.strip() for hop in _header(scope, b"x-forwarded-for").split(",") if hop.strip()]
    outside = (hop for hop in reversed(hops) if not _within(hop, settings.proxy.addresses))
    return bucket_of_address(next(outside, peer))


def proxy_role(scope: Scope, settings: SecuritySettings) -> Role | None:
    """Return the role that a trusted proxy tells; None where it tells none, or the request comes from elsewhere.

    Raises
    ------
    ProxyError
        If the header holds no role, or stands there twice: then a client may have brought one of them.
    """
    peer = scope["client"][0] if scope.get("client") else ""
    if not _within(peer, settings.proxy.addresses):
        return None
    wanted = settings.proxy.role_header.lower().encode()
    told = [value.decode("latin-1").strip() for name, value in scope["headers"] if name == wanted]
    if not told:
        return None
    role = role_named(told[0].lower()) if len(told) == 1 else None
    if role is None:
        raise ProxyError(
            f"The proxy must set {settings.proxy.role_header} once, to public, analyst, planner or administrator."
        )
    return role


def is_loopback(address: str) -> bool:
    """Whether an address or name is this machine's own."""
    if address == "localhost":
        return True
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool(parsed.is_loopback or (mapped is not None and mapped.is_loopback))


def reaches_loopback_only(scope: Scope) -> bool:
    """Whether a request stayed on this machine: both ends are its own, and no proxy passed it on."""
    ends = [end[0] for end in (scope.get("client"), scope.get("server")) if end]
    passed_on = any(name in _FORWARDED for name, _ in scope["headers"])
    return len(ends) == 2 and all(is_loopback(str(end)) for end in ends) and not passed_on


def _within(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    if not networks:
        return False
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)


def _header(scope: Scope, name: bytes) -> str:
    found = [value for key, value in scope["headers"] if key == name]
    return b",".join(found).decode("latin-1")
