"""Asks ArcGIS servers: errors that come with a status of 200, layers of a service, fields and what they hold."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from crimepatterns.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from crimepatterns.sources.http_client import HttpClient

__all__ = ["ArcgisServer", "Layer", "find_layers"]

_AGAIN = {408, 429, *range(500, 600)}
_MAX_WAIT_S = 120.0
_NO_VALUES = {"esriFieldTypeGeometry", "esriFieldTypeBlob", "esriFieldTypeRaster"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class ArcgisServer:
    """How a server is asked.

    Parameters
    ----------
    client : HttpClient
    token : str
        Sent as the documentation advises, in a header and never in the address.
    sleep : callable
    """

    client: "HttpClient"
    token: str = field(default="", repr=False)
    sleep: Callable[[float], None] = time.sleep

    def ask(self, url: str, **query: object) -> dict[str, Any]:
        """Fetch JSON; an ``error`` in it is raised, after further attempts where it may pass.

        Raises
        ------
        SourceError
            If the server refuses or stays in trouble.
        """
        params = {"f": "json", **{name: value for name, value in query.items() if value is not None}}
        headers = {"X-Esri-Authorization": f"Bearer {self.token}"} if self.token else None
        retries, wait_s = self.client.policy.retries, self.client.policy.back_off_s
        for attempt in range(retries + 1):
            answer = self.client.get_json(url, params=params, headers=headers)
            if not isinstance(answer, dict):
                raise SourceError(f"{url} must answer with a JSON object, got {str(answer)[:100]!r}: is it a layer?")
            error = answer.get("error")
            if error is None:
                return answer
            code = error.get("code") if isinstance(error, dict) else None
            if code not in _AGAIN or attempt == retries:
                raise SourceError(f"{url} refuses: {_said(error)}.{_advice(code)}")
            self.sleep(min(wait_s * 2**attempt, _MAX_WAIT_S))
        raise AssertionError("unreachable")


@dataclass(frozen=True, eq=False)
class Layer:
    """What a layer says about itself.

    Parameters
    ----------
    url : str
    facts : mapping
        The layer's own description.
    """

    url: str
    facts: Mapping[str, Any] = field(repr=False)

    @classmethod
    def open(cls, server: ArcgisServer, url: str) -> "Layer":
        """Ask a layer for its description.

        Raises
        ------
        SourceError
            If it has no rows that could be asked for.
        """
        facts = server.ask(url)
        if not facts.get("fields"):
            raise SourceError(f"{url} has no fields: expected a layer such as .../FeatureServer/0.")
        return cls(url, facts)

    @property
    def name(self) -> str:
        """Name of the layer."""
        return str(self.facts.get("name") or self.url.rsplit("/", 1)[-1])

    @property
    def fields(self) -> list[dict[str, Any]]:
        """Descriptions of the fields that hold values."""
        return [one for one in self.facts["fields"] if one.get("type") not in _NO_VALUES]

    @property
    def object_id(self) -> str:
        """The field by which the server numbers its rows."""
        named = self.facts.get("objectIdField")
        found = [str(one["name"]) for one in self.fields if one.get("type") == "esriFieldTypeOID"]
        if not named and not found:
            raise SourceError(f"{self.name} has no object ids: its rows cannot be listed in order.")
        return str(named or found[0])

    @property
    def edit_stamp(self) -> str | None:
        """The field that holds when a row was last edited; None where editing is not tracked."""
        tracked = self.facts.get("editFieldsInfo") or {}
        return tracked.get("editDateField") or None

    @property
    def tracking(self) -> tuple[str, ...]:
        """Fields that say who edited a row and when."""
        return tuple(
            str(name) for name in (self.facts.get("editFieldsInfo") or {}).values() if name and isinstance(name, str)
        )

    @property
    def last_edit(self) -> int | None:
        """When any row was last edited, milliseconds since 1970; None where the server does not say."""
        told = self.facts.get("editingInfo") or {}
        moment = told.get("dataLastEditDate") or told.get("lastEditDate")
        return None if moment is None else int(moment)

    @property
    def page_size(self) -> int:
        """Rows that the server gives at once."""
        return int(self.facts.get("maxRecordCount") or 1000)

    @property
    def sorts(self) -> bool:
        """Whether the server can order rows."""
        able = self.facts.get("advancedQueryCapabilities") or {}
        return bool(able.get("supportsOrderBy", self.facts.get("supportsAdvancedQueries", True)))

    @property
    def has_points(self) -> bool:
        """Whether rows have a point."""
        return self.facts.get("geometryType") == "esriGeometryPoint"

    def values_of(self, feature: Mapping[str, Any]) -> dict[str, Any]:
        """Give a row's values: moments as ISO 8601, codes as the words they stand for, the point as two values."""
        attributes = feature.get("attributes") or {}
        row = {name: self._value(name, value) for name, value in attributes.items()}
        if self.has_points:
            point = feature.get("geometry") or {}
            row["geometry_longitude"], row["geometry_latitude"] = point.get("x"), point.get("y")
        return row

    def _value(self, name: str, value: Any) -> Any:
        told = self._by_name.get(name)
        if told is None or value is None:
            return value
        if told.get("type") == "esriFieldTypeDate" and isinstance(value, int | float):
            moment = (_EPOCH + timedelta(milliseconds=value)).replace(tzinfo=None)
            # Where a service does not know its zone, the numbers are civil time.
            return moment.isoformat(timespec="milliseconds") + ("" if self._civil else "Z")
        domain = told.get("domain") or {}
        if domain.get("type") == "codedValue":
            return next((one["name"] for one in domain.get("codedValues", ()) if one.get("code") == value), value)
        return value

    @property
    def _by_name(self) -> dict[str, dict[str, Any]]:
        return {str(one["name"]): one for one in self.fields}

    @property
    def _civil(self) -> bool:
        return bool(self.facts.get("datesInUnknownTimezone", False))


def find_layers(server: ArcgisServer, url: str, pattern: str) -> list[tuple[str, str]]:
    """List the layers and tables of a service whose whole name fits a pattern, as name and address.

    Raises
    ------
    ConfigError
        If the pattern is not a regular expression.
    SourceError
        If none fits; the message lists what there is.
    """
    try:
        fits = re.compile(pattern, re.IGNORECASE).fullmatch
    except re.error as error:
        raise ConfigError(f"source.feed.layers must be a regular expression, got {pattern!r} ({error}).") from error
    facts = server.ask(url)
    listed = [one for kind in ("layers", "tables") for one in facts.get(kind) or ()]
    found = [(str(one["name"]), f"{url}/{one['id']}") for one in listed if fits(str(one.get("name", "")).strip())]
    if not found:
        names = ", ".join(str(one.get("name")) for one in listed[:30])
        raise SourceError(f"{url} has no layer whose name fits {pattern!r}. It has: {names or 'none'}.")
    return sorted(found)


def _said(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)[:200]
    details = [str(one) for one in error.get("details") or () if one]
    return " ".join([str(error.get("message") or f"error {error.get('code')}"), *details])[:300].rstrip(".")


def _advice(code: Any) -> str:
    if code in {401, 403, 498, 499}:
        return " Name the environment variable that holds a token in source.feed.token_env."
    return " Check source.feed.where and the layer's address." if code == 400 else ""
