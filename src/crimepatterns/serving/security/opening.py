"""Before a server opens: it is not reachable from elsewhere unless somebody decided who may see what."""

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.middleware.trustedhost import TrustedHostMiddleware

from crimepatterns.config import Settings
from crimepatterns.errors import ConfigError
from crimepatterns.serving.security.bodies import BodyLimit
from crimepatterns.serving.security.callers import is_loopback
from crimepatterns.serving.security.gate import Gate, in_root
from crimepatterns.serving.security.roles import AccessTable
from crimepatterns.store.access_keys import read_keys

__all__ = ["LOOPBACK_NAMES", "access_is_set_up", "check_binding", "guard"]

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1", "[::1]")


def access_is_set_up(settings: Settings) -> bool:
    """Whether keys, a proxy or a role for everybody were set up.

    Raises
    ------
    ConfigError, ArtefactError
        If the file of keys cannot be used.
    """
    wanted = settings.security
    return bool(
        wanted.proxy.addresses or wanted.anonymous is not None or read_keys(in_root(settings, wanted.keys_file))
    )


def check_binding(settings: Settings) -> None:
    """Refuse to listen on an address that others reach while no access is set up.

    Raises
    ------
    ConfigError
        If it would; the message names the three ways out.
    """
    host = settings.serving.host
    if is_loopback(host) or access_is_set_up(settings):
        return
    raise ConfigError(
        f"serving.host is {host}, which others may reach, and nobody has decided who may see what: make a key with "
        "`crimepatterns keys create --role administrator --name NAME`, or name your reverse proxy in security.proxy, "
        "or open it on purpose with security.anonymous: analyst. See docs/security.md."
    )


def guard(
    app: Starlette, settings: Settings, access: AccessTable, bodies: Mapping[str, BodyLimit] | None = None
) -> None:
    """Put the gate in front of an application, and before it the check of the name by which it is called."""
    app.add_middleware(Gate, settings=settings, access=access, bodies=bodies)
    names = settings.security.hosts or (LOOPBACK_NAMES if is_loopback(settings.serving.host) else ())
    if names:
        # A page elsewhere must not reach this server under a name of its own (DNS rebinding).
        own = LOOPBACK_NAMES if is_loopback(settings.serving.host) else ()
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*dict.fromkeys([*names, *own])], www_redirect=False)
