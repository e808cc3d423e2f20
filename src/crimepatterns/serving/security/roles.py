"""Four roles, each may what the one before it may; and which role each address of a server needs."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Any

from starlette.routing import compile_path

from crimepatterns.errors import ConfigError

__all__ = ["WEB_ACCESS", "AccessTable", "Role", "role_named"]


class Role(IntEnum):
    """What a caller may do; a higher role may all that a lower one may."""

    PUBLIC = 0
    ANALYST = 1
    PLANNER = 2
    ADMINISTRATOR = 3

    @property
    def label(self) -> str:
        """Its name in settings, keys and headers."""
        return self.name.lower()


def role_named(name: str) -> Role | None:
    """Return the role of that name, or None."""
    return next((role for role in Role if role.label == name), None)


@dataclass(frozen=True)
class AccessTable:
    """Which role each route needs; an address that is no route needs an administrator.

    Parameters
    ----------
    roles : mapping of str to Role
        From a route's path, such as ``/api/forecast/{category}``.
    """

    roles: Mapping[str, Role]

    def __post_init__(self) -> None:
        fixed = {path: role for path, role in self.roles.items() if "{" not in path}
        patterns = [(compile_path(path)[0], path, role) for path, role in self.roles.items() if "{" in path]
        object.__setattr__(self, "_fixed", MappingProxyType(fixed))
        object.__setattr__(self, "_patterns", tuple(patterns))

    def needed(self, path: str) -> tuple[str | None, Role]:
        """Return the route that a request's path leads to, None where there is none, and the role it needs."""
        fixed: Mapping[str, Role] = self._fixed  # type: ignore[attr-defined]
        if path in fixed:
            return path, fixed[path]
        patterns: tuple[tuple[re.Pattern[str], str, Role], ...] = self._patterns  # type: ignore[attr-defined]
        found = next(((route, role) for pattern, route, role in patterns if pattern.match(path)), None)
        return found or (None, Role.ADMINISTRATOR)

    def check(self, routes: Iterable[Any]) -> None:
        """Refuse routes that nobody has decided about.

        Raises
        ------
        ConfigError
            If a route has no role here.
        """
        bare = sorted({route.path for route in routes} - set(self.roles))
        if bare:
            raise ConfigError(f"Routes without a role: {bare}. Each needs a line in the server's access table.")


WEB_ACCESS = AccessTable(
    {
        "/health": Role.PUBLIC,
        "/ready": Role.PUBLIC,
        "/favicon.ico": Role.PUBLIC,
        "/static/{name:path}": Role.PUBLIC,
        "/api/openapi.json": Role.PUBLIC,
        "/api/cities": Role.PUBLIC,
        "/api/areas": Role.PUBLIC,
        "/api/scoreboard": Role.PUBLIC,
        # What these answer differs by role: the public gets what domain/disclosure.py leaves.
        "/explore": Role.PUBLIC,
        "/api/explore/download.{kind}": Role.PUBLIC,
        "/ogc": Role.PUBLIC,
        "/ogc/conformance": Role.PUBLIC,
        "/ogc/collections": Role.PUBLIC,
        "/ogc/collections/{name}": Role.PUBLIC,
        "/ogc/collections/{name}/items": Role.PUBLIC,
        "/ogc/collections/{name}/items/{feature}": Role.PUBLIC,
        "/api/explore/facts": Role.PUBLIC,
        "/api/explore/cells": Role.PUBLIC,
        "/api/explore/counts": Role.PUBLIC,
        "/api/explore/incidents": Role.PUBLIC,
        "/api/explore/search": Role.PUBLIC,
        "/api/explore/tiles/{z}/{x}/{y}": Role.PUBLIC,
        "/data": Role.PUBLIC,
        "/developers": Role.PUBLIC,
        "/": Role.ANALYST,
        "/forecast": Role.ANALYST,
        "/patterns": Role.ANALYST,
        "/compare": Role.ANALYST,
        "/patterns/cards/{card}": Role.ANALYST,
        "/patterns/cards/{card}/bulletin.pdf": Role.ANALYST,
        "/patterns/decisions": Role.ANALYST,
        "/api/views": Role.ANALYST,
        "/api/views/{view}": Role.ANALYST,
        "/metrics": Role.ANALYST,
        "/monitoring": Role.ANALYST,
        "/api/monitoring": Role.ANALYST,
        "/api/status": Role.ANALYST,
        "/api/categories": Role.ANALYST,
        "/api/cleaning": Role.ANALYST,
        "/api/grids/{digest}": Role.ANALYST,
        "/api/layers/{category}/{layer}": Role.ANALYST,
        "/api/forecast/{category}": Role.ANALYST,
        "/api/explain/{category}": Role.ANALYST,
        "/api/explore/streets": Role.ANALYST,
        "/api/explore/streets/counts": Role.ANALYST,
        "/api/charts/trend": Role.ANALYST,
        "/api/charts/rhythm": Role.ANALYST,
        "/reports/cleaning": Role.ANALYST,
        "/reports/honesty/": Role.ANALYST,
        "/reports/honesty/{picture}": Role.ANALYST,
        "/models/{home}/card": Role.ANALYST,
        "/upload": Role.ANALYST,
        "/upload/close": Role.ANALYST,
        "/upload/{upload}/open": Role.ANALYST,
        "/api/uploads": Role.ANALYST,
        "/api/uploads/{upload}": Role.ANALYST,
        "/api/uploads/{upload}/preview": Role.ANALYST,
        "/api/uploads/{upload}/city": Role.ANALYST,
        "/api/uploads/{upload}/cancel": Role.ANALYST,
        "/neighbourhoods": Role.PLANNER,
        "/neighbourhood/{name}": Role.PLANNER,
        "/status": Role.ADMINISTRATOR,
        "/status/jobs": Role.ADMINISTRATOR,
        "/status/jobs/cancel": Role.ADMINISTRATOR,
        "/api/jobs": Role.ADMINISTRATOR,
        "/api/jobs/{job}": Role.ADMINISTRATOR,
        "/api/jobs/{job}/cancel": Role.ADMINISTRATOR,
        "/api/plan": Role.PLANNER,
        "/reports/plan": Role.PLANNER,
        "/reports/plan.csv": Role.PLANNER,
    }
)
"""The web server's routes. How well the models do is everybody's business; where patrols will be is the planner's."""
