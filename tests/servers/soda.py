"""A Socrata portal in small: datasets behind the part of SODA 2.1 that the documentation describes.

``/resource/<id>.json`` takes ``$select`` (``*``, ``:*``, columns, ``count(*) as n``, ``max(c) as n``), ``$where``
(comparisons joined by AND, in parentheses where wished), ``$order=:id``, ``$limit`` (1000 unless told) and ``$offset``.
Rows carry ``:id`` (letters that do not sort like the internal number), ``:created_at``, ``:updated_at``, ``:version``.
``/api/views/<id>.json`` describes a dataset. Errors are those of the portal: 400 with ``errorCode``, 403, 404.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from servers.fault_server import FaultServer, Received, Reply

__all__ = ["SodaDataset"]

_TERM = re.compile(r"\s*([:@A-Za-z0-9_]+)\s*(>=|<=|!=|=|>|<)\s*('(?:[^']|'')*'|[0-9.]+)\s*")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


class SodaError(Exception):
    """An error as the portal words it."""


class SodaDataset:
    """A dataset whose rows can be inserted, changed, deleted and replaced, each change stamped by its own clock."""

    def __init__(
        self, server: FaultServer, dataset: str, kinds: Mapping[str, str], *, row_id: str | None = None
    ) -> None:
        self.kinds = dict(kinds)
        self.row_id = row_id
        self.clock = datetime(2026, 1, 10, 12, tzinfo=UTC)
        self.rows: dict[int, dict[str, Any]] = {}
        self.page_cap: int | None = None
        self.token: str | None = None
        self.between: Callable[[int], None] = lambda _: None
        self.pages = 0
        self._numbers: dict[str, int] = {}
        self._next = 1
        self._id = dataset
        server.add(f"/resource/{dataset}.json", self._resource)
        server.add(f"/api/views/{dataset}.json", self._view)

    # -- what a publisher does --

    def insert(self, records: Iterable[Mapping[str, Any]]) -> None:
        for record in records:
            name = self._row_name(self._next)
            self._numbers[name] = self._next
            stamps = {":id": name, ":created_at": self._now(), ":updated_at": self._now(), ":version": f"rv-{name[4:]}"}
            self.rows[self._next] = {**record, **stamps}
            self._next += 1

    def change(self, column: str, value: str, **changes: Any) -> None:
        for row in self.rows.values():
            if row.get(column) == value:
                row.update(changes, **{":updated_at": self._now()})

    def delete(self, column: str, values: Iterable[str]) -> None:
        wanted = set(values)
        self.rows = {number: row for number, row in self.rows.items() if row.get(column) not in wanted}

    def replace(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Upload everything anew: every row gets another ``:id`` and stamp."""
        self.rows = {}
        self.insert(records)

    def later(self, **time: float) -> None:
        self.clock += timedelta(**time)

    @property
    def records(self) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name in self.kinds} for row in self.rows.values()]

    # -- what the portal answers --

    def _resource(self, request: Received) -> Reply:
        if self.token is not None and request.headers.get("x-app-token") != self.token:
            return self._error(403, "permission_denied", "Invalid app_token specified")
        query = {name.removeprefix("$"): value for name, value in request.query.items()}
        if query.get("order", ":id") != ":id":
            return self._error(400, "query.soql.unsupported", "this server orders by :id only")
        try:
            terms = self._terms(query.get("where", ""))
            rows = [row for _, row in sorted(self.rows.items()) if all(self._holds(row, term) for term in terms)]
            return self._selected(rows, query)
        except SodaError as error:
            return self._error(400, "query.soql.no-such-column", str(error))

    def _selected(self, rows: list[dict[str, Any]], query: Mapping[str, str]) -> Reply:
        select = query.get("select", "*")
        totals = re.findall(r"(count|max)\(([^)]+)\) as (\w+)", select)
        if totals:
            found = {alias: self._total(rows, kind, column) for kind, column, alias in totals}
            return Reply.json([{alias: value for alias, value in found.items() if value is not None}])
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 1000))
        page = rows[offset : offset + min(limit, self.page_cap or limit)]
        names = [name for part in select.split(",") for name in self._names(part.strip())]
        reply = Reply.json([{name: row[name] for name in names if row.get(name) is not None} for row in page])
        self.pages += 1
        self.between(self.pages)
        return reply

    def _names(self, part: str) -> list[str]:
        if part == "*":
            return list(self.kinds)
        if part == ":*":
            return [":id", ":created_at", ":updated_at", ":version"]
        self._known(part)
        return [part]

    def _total(self, rows: list[dict[str, Any]], kind: str, column: str) -> str | None:
        if kind == "count":
            return str(len(rows))
        self._known(column)
        values = [row[column] for row in rows if row.get(column) is not None]
        return max(values) if values else None

    def _terms(self, where: str) -> list[tuple[str, str, Any]]:
        """Read a condition: comparisons that all must hold."""
        text, terms = re.sub(r"^[\s()]*", "", where), []
        while text:
            term = _TERM.match(text)
            if term is None:
                raise SodaError(f"Could not parse SoQL query at {text!r}")
            column, sign, literal = term.groups()
            self._known(column)
            wanted: Any = literal[1:-1].replace("''", "'") if literal.startswith("'") else literal
            if column == ":id" and wanted not in self._numbers:
                raise SodaError(f"{wanted!r} is not a row identifier")
            terms.append((column, sign, self._comparable(column, wanted)))
            text = re.sub(r"^[\s)]*(AND|and)?[\s()]*", "", text[term.end() :])
        return terms

    def _comparable(self, column: str, value: Any) -> Any:
        if value is None or column == ":id":
            return self._numbers.get(value)
        if column.startswith(":") or self.kinds.get(column) in {"calendar_date", "floating_timestamp"}:
            return _moment(value)
        return float(value) if self.kinds.get(column) == "number" else value

    def _holds(self, row: Mapping[str, Any], term: tuple[str, str, Any]) -> bool:
        column, sign, wanted = term
        value = self._comparable(column, row.get(column))
        return value is not None and _COMPARE[sign](value, wanted)

    def _known(self, column: str) -> None:
        if column not in self.kinds and column not in {":id", ":created_at", ":updated_at", ":version"}:
            raise SodaError(f"No such column: {column}")

    def _view(self, _: Received) -> Reply:
        columns = [
            {"id": i, "fieldName": name, "name": name.replace("_", " ").title(), "dataTypeName": kind}
            for i, (name, kind) in enumerate(self.kinds.items(), start=100)
        ]
        declared = next((column["id"] for column in columns if column["fieldName"] == self.row_id), None)
        facts = {"id": self._id, "name": "Invented crimes", "attribution": "Lindenfeld Police", "columns": columns}
        return Reply.json(
            {**facts, "license": {"name": "Public Domain"}, **({"rowIdentifierColumnId": declared} if declared else {})}
        )

    def _error(self, status: int, code: str, message: str) -> Reply:
        return Reply.json({"message": message, "errorCode": code, "data": {"dataset": self._id}}, status=status)

    def _now(self) -> str:
        return self.clock.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.clock.microsecond // 1000:03d}Z"

    def _row_name(self, number: int) -> str:
        """Name a row so that names do not sort like numbers."""
        mixed = number * 2_654_435_761 % 2**40
        letters = "".join("23456789abcdefghijkmnpqrstuvwxyz"[mixed >> shift & 31] for shift in range(0, 40, 5))
        return f"row-{letters[:4]}.{letters[4:]}"


@lru_cache(maxsize=10_000)
def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
