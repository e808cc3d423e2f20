"""An ArcGIS server in small: a service with layers behind the part of the REST API that the documentation describes.

A layer's ``/query`` takes ``where`` (comparisons joined by AND), ``outFields``, ``orderByFields``,
``resultRecordCount``, ``returnGeometry``, ``outSR`` (4326, or the layer's own 3857), ``returnCountOnly`` and
``returnIdsOnly``. It gives at most ``max_records`` rows and says ``exceededTransferLimit``. Errors come with a status
of 200, as they do there.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from servers.fault_server import FaultServer, Received, Reply

__all__ = ["ArcgisLayer", "ArcgisService"]

_TERM = re.compile(r"\s*(\w+)\s*(>=|<=|<>|=|>|<)\s*(?:TIMESTAMP\s*)?('(?:[^']|'')*'|-?[0-9.]+)\s*")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


class ArcgisError(Exception):
    """An error as the server words it: code, message, details."""


class ArcgisService:
    """A FeatureServer whose layers have names and numbers."""

    def __init__(self, server: FaultServer, path: str = "/arcgis/rest/services/Crime/FeatureServer") -> None:
        self.server, self.path = server, path
        self.layers: dict[int, ArcgisLayer] = {}
        self.token: str | None = None
        server.add(path, self._root)
        server.add(f"{path}/*", self._below)

    def add(self, number: int, name: str, kinds: Mapping[str, str], **options: Any) -> "ArcgisLayer":
        self.layers[number] = ArcgisLayer(name, kinds, **options)
        return self.layers[number]

    def url(self, number: int | None = None) -> str:
        return self.server.url(self.path + ("" if number is None else f"/{number}"))

    def _root(self, _: Received) -> Reply:
        listed = [{"id": number, "name": layer.name} for number, layer in self.layers.items()]
        return Reply.json({"currentVersion": 11.1, "layers": listed, "tables": []})

    def _below(self, request: Received) -> Reply:
        if self.token is not None and request.headers.get("x-esri-authorization") != f"Bearer {self.token}":
            return _error(499, "Token Required")
        if request.query.get("f") != "json":
            return Reply(200, b"<html>", {"Content-Type": "text/html"})
        number, _, operation = request.path.removeprefix(f"{self.path}/").partition("/")
        layer = self.layers.get(int(number)) if number.isdigit() else None
        if layer is None:
            return _error(400, "Invalid URL")
        try:
            return Reply.json(layer.query(request.query) if operation == "query" else layer.facts)
        except ArcgisError as error:
            return _error(*error.args)


class ArcgisLayer:
    """A layer of points whose rows can be inserted, changed, deleted and published anew."""

    def __init__(
        self,
        name: str,
        kinds: Mapping[str, str],
        *,
        max_records: int = 100,
        tracks_edits: bool = False,
        tells_edit: bool = False,
        sorts: bool = True,
        domains: Mapping[str, Mapping[str, str]] | None = None,
        civil: bool = False,
    ) -> None:
        self.name, self.kinds, self.max_records, self.sorts = name, dict(kinds), max_records, sorts
        self.tracks_edits, self.tells_edit, self.civil = tracks_edits, tells_edit, civil
        self.domains = domains or {}
        self.clock = datetime(2026, 1, 10, 12, tzinfo=UTC)
        self.last_edit = self.clock
        self.rows: dict[int, dict[str, Any]] = {}
        self.between: Callable[[int], None] = lambda _: None
        self.pages = 0
        self._next = 1

    # -- what a publisher does --

    def insert(self, records: Iterable[Mapping[str, Any]]) -> None:
        for record in records:
            self.rows[self._next] = {**record, "OBJECTID": self._next, "EditDate": _millis(self.clock)}
            self._next += 1
        self.last_edit = self.clock

    def change(self, field: str, value: Any, **changes: Any) -> None:
        for row in self.rows.values():
            if row.get(field) == value:
                row.update(changes, EditDate=_millis(self.clock))
        self.last_edit = self.clock

    def delete(self, field: str, values: Iterable[Any]) -> None:
        wanted = set(values)
        self.rows = {number: row for number, row in self.rows.items() if row.get(field) not in wanted}
        self.last_edit = self.clock

    def later(self, **time: float) -> None:
        self.clock += timedelta(**time)

    # -- what the server answers --

    @property
    def fields(self) -> list[dict[str, Any]]:
        kinds = {"OBJECTID": "OID", **self.kinds, **({"EditDate": "Date"} if self.tracks_edits else {})}
        return [
            {"name": name, "type": f"esriFieldType{kind}", "alias": name.title(), "domain": self._domain(name)}
            for name, kind in kinds.items()
        ]

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "name": self.name,
            "type": "Feature Layer",
            "geometryType": "esriGeometryPoint",
            "copyrightText": "Lindenfeld Police",
            "maxRecordCount": self.max_records,
            "fields": [*self.fields, {"name": "Shape", "type": "esriFieldTypeGeometry"}],
            "advancedQueryCapabilities": {"supportsOrderBy": self.sorts, "supportsPagination": self.sorts},
            "datesInUnknownTimezone": self.civil,
        }
        if self.tracks_edits:
            facts["editFieldsInfo"] = {"editDateField": "EditDate", "creationDateField": ""}
        if self.tells_edit:
            facts["editingInfo"] = {"lastEditDate": _millis(self.last_edit)}
        return facts

    def query(self, query: Mapping[str, str]) -> dict[str, Any]:
        rows = [row for _, row in sorted(self.rows.items()) if self._meets(row, query.get("where", ""))]
        if query.get("returnCountOnly") == "true":
            return {"count": len(rows)}
        if query.get("returnIdsOnly") == "true":
            return {"objectIdFieldName": "OBJECTID", "objectIds": [row["OBJECTID"] for row in rows] or None}
        rows = self._ordered(rows, query.get("orderByFields", ""))
        wanted = min(int(query.get("resultRecordCount", self.max_records)), self.max_records)
        answer = {
            "objectIdFieldName": "OBJECTID",
            "fields": self.fields,
            "features": [self._feature(row, query) for row in rows[:wanted]],
        }
        if len(rows) > wanted:
            answer["exceededTransferLimit"] = True
        self.pages += 1
        self.between(self.pages)
        return answer

    def _ordered(self, rows: list[dict[str, Any]], order: str) -> list[dict[str, Any]]:
        if not order:
            return rows if self.sorts else rows[::-1]
        if not self.sorts:
            raise ArcgisError(400, "Unable to complete operation.", ["Order by is not supported."])
        field, _, direction = order.partition(" ")
        self._known(field)
        return sorted(rows, key=lambda row: row.get(field) or 0, reverse=direction == "DESC")

    def _feature(self, row: Mapping[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
        names = [one["name"] for one in self.fields]
        if query.get("outFields", "") != "*":
            asked = query.get("outFields", "OBJECTID").split(",")
            for name in asked:
                self._known(name)
            names = [name for name in names if name in asked]
        feature: dict[str, Any] = {"attributes": {name: row.get(name) for name in names}}
        if query.get("returnGeometry") == "true" and row.get("point") is not None:
            x, y = row["point"]
            if query.get("outSR") != "4326":
                x = x * 20_037_508.34 / 180
                y = math.log(math.tan((90 + y) * math.pi / 360)) / math.pi * 20_037_508.34
            feature["geometry"] = {"x": x, "y": y}
        return feature

    def _meets(self, row: Mapping[str, Any], where: str) -> bool:
        text = re.sub(r"^[\s()]*", "", where)
        if not text:
            raise ArcgisError(
                400, "Cannot perform query. Invalid query parameters.", ["'where' parameter not specified"]
            )
        while text:
            if text.startswith("1=1"):
                text = text[3:]
            else:
                term = _TERM.match(text)
                if term is None:
                    raise ArcgisError(400, "Cannot perform query. Invalid query parameters.", [f"near {text!r}"])
                field, sign, literal = term.groups()
                self._known(field)
                if not self._holds(row.get(field), sign, literal, field):
                    return False
                text = text[term.end() :]
            text = re.sub(r"^[\s)]*(AND)?[\s()]*", "", text)
        return True

    def _holds(self, value: Any, sign: str, literal: str, field: str) -> bool:
        wanted: Any = literal[1:-1].replace("''", "'") if literal.startswith("'") else float(literal)
        if isinstance(wanted, str) and ({"EditDate": "Date", **self.kinds}.get(field) == "Date"):
            wanted = _millis(datetime.fromisoformat(wanted).replace(tzinfo=UTC))
        return value is not None and _COMPARE[sign](value, wanted)

    def _known(self, field: str) -> None:
        if field not in {one["name"] for one in self.fields}:
            raise ArcgisError(400, "Cannot perform query. Invalid query parameters.", [f"'Invalid field: {field}'"])

    def _domain(self, name: str) -> dict[str, Any] | None:
        codes = self.domains.get(name)
        if codes is None:
            return None
        return {"type": "codedValue", "codedValues": [{"code": code, "name": word} for code, word in codes.items()]}


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _error(code: int, message: str, details: list[str] | None = None) -> Reply:
    return Reply.json({"error": {"code": code, "message": message, "details": details or []}})
