"""Settings of who may see what, how much of it, and how coarsely the public sees incidents."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import Field

from crimepatterns.config.values import Model, Positive, PositiveInt

__all__ = ["DisclosureSettings", "ProxySettings", "SecuritySettings"]

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class ProxySettings(Model):
    """A reverse proxy that knows its users and tells their role."""

    addresses: tuple[IPv4Network | IPv6Network, ...] = ()
    role_header: HeaderName = "X-Crimepatterns-Role"


class SecuritySettings(Model):
    """Keys, proxy, limits and the log of access."""

    keys_file: str = "secrets/access_keys.json"
    anonymous: Literal["public", "analyst", "planner"] | None = None
    proxy: ProxySettings = ProxySettings()
    hosts: tuple[str, ...] = ()
    requests_per_second: Positive = 50.0
    burst: PositiveInt = 200
    max_body_kb: PositiveInt = 4096
    audit_file: str = "ledger/access.jsonl"


class DisclosureSettings(Model):
    """What the public may see of incidents."""

    sensitive: tuple[str, ...] = (
        "homicide",
        "rape",
        "sex offences",
        "kidnapping",
        "trafficking",
        "prostitution",
        "obscenity",
        "family offences",
    )
    smallest_count: PositiveInt = 5
    cell_size_m: Annotated[float, Field(ge=100)] = 500
