"""Connect to public addresses only: a configured URL, or a redirect, must not reach into the network of this machine.

A name is resolved once, every address it has is checked, and the connection goes to the very address that was checked,
so that a second answer of the name server cannot lead elsewhere. The certificate is still checked against the name.
"""

import ipaddress
import socket
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from crimepatterns.errors import SourceError

if TYPE_CHECKING:
    import httpx

__all__ = ["GuardedConnections", "checked_addresses", "is_public"]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[..., list[Any]]


def is_public(address: str) -> bool:
    """Tell whether an address belongs to the public Internet.

    Loopback, private, shared, link-local, multicast, reserved and documentation addresses do not; an IPv6 address
    that stands for an IPv4 address (mapped, 6to4, Teredo, NAT64) is judged by that one too.

    Examples
    --------
    >>> [is_public(text) for text in ("8.8.8.8", "127.0.0.1", "::ffff:10.0.0.1", "169.254.169.254", "64:ff9b::7f00:1")]
    [True, False, False, False, False]
    """
    parsed = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return _is_global(parsed)
    if parsed.ipv4_mapped is not None or parsed in _NAT64:
        return _is_global(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF))
    tunnelled = [*(parsed.teredo or ()), *([parsed.sixtofour] if parsed.sixtofour else [])]
    return _is_global(parsed) and all(_is_global(one) for one in tunnelled)


def checked_addresses(
    host: str, port: int, *, allow_private: Collection[str] = (), resolver: Resolver = socket.getaddrinfo
) -> list[str]:
    """Resolve a name and return its addresses, all of them checked.

    Parameters
    ----------
    host : str
        Name or literal address; odd spellings such as ``127.1`` are judged by what they resolve to.
    port : int
    allow_private : collection of str
        ``host`` or ``host:port`` that may have any address.
    resolver : callable
        As `socket.getaddrinfo`.

    Raises
    ------
    SourceError
        If any address is not public and the host is not allowed, or the name does not exist.
    OSError
        If the name server does not answer; worth trying again.
    """
    try:
        answers = resolver(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            raise SourceError(f"Host {host} does not exist: check the URL.") from error
        raise
    except UnicodeError as error:
        raise SourceError(f"Host {host[:80]!r} is not a valid name: check the URL.") from error
    addresses = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    if not _is_allowed(host, port, allow_private):
        for address in addresses:
            if not is_public(address):
                raise SourceError(
                    f"{host} has the address {address}, which is not on the public Internet: refused. If it is a "
                    f"server of your own, add {host}:{port} to source.feed.allow_private."
                )
    return addresses


class GuardedConnections:
    """Open connections, kept per host, each to a checked address.

    Proxies and passwords of the environment are not used: a proxy would resolve names by itself.

    Parameters
    ----------
    allow_private : collection of str
    timeout_s : float
    resolver : callable
    """

    def __init__(
        self, allow_private: Collection[str], *, timeout_s: float, resolver: Resolver = socket.getaddrinfo
    ) -> None:
        self._allow_private = frozenset(allow_private)
        self._timeout_s = timeout_s
        self._resolver = resolver
        self._pools: dict[tuple[str, str, int], httpx.HTTPTransport] = {}
        self._context: Any = None

    def send(self, request: "httpx.Request") -> "httpx.Response":
        """Send a request to the first of the host's addresses that can be reached; the body is not read yet.

        Raises
        ------
        SourceError
            If the host is refused.
        httpx.HTTPError, OSError
            If the connection fails.
        """
        import httpx

        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        host = url.raw_host.decode("ascii")
        addresses = checked_addresses(host, port, allow_private=self._allow_private, resolver=self._resolver)
        pool = self._pool(url.scheme, host, port)
        extensions = {**request.extensions, "timeout": httpx.Timeout(self._timeout_s).as_dict()}
        if url.scheme == "https":
            extensions["sni_hostname"] = host
        for i, address in enumerate(addresses):
            # The Host header was made from the name and stays.
            direct = httpx.Request(
                request.method, url.copy_with(host=address), headers=request.headers, extensions=extensions
            )
            try:
                return pool.handle_request(direct)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if i == len(addresses) - 1:
                    raise
        raise SourceError(f"Host {host} has no address.")

    def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    def _pool(self, scheme: str, host: str, port: int) -> "httpx.HTTPTransport":
        """One pool per host: a connection whose certificate was checked for one name never serves another."""
        import httpx

        key = (scheme, host, port)
        if key not in self._pools:
            if self._context is None:
                self._context = httpx.create_ssl_context()
            self._pools[key] = httpx.HTTPTransport(verify=self._context)
        return self._pools[key]


def _is_global(address: Address) -> bool:
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or getattr(address, "is_site_local", False)
    )


def _is_allowed(host: str, port: int, allow_private: Collection[str]) -> bool:
    plain = host.lower().rstrip(".")
    forms = {plain, f"{plain}:{port}", f"[{plain}]", f"[{plain}]:{port}"}
    return any(entry.lower().rstrip(".") in forms for entry in allow_private)
