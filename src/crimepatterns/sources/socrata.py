"""Socrata portals: any dataset of any domain that speaks the SODA 2.1 API.

Data sheet
----------
Publisher : cities and agencies on the platform of Tyler Technologies (formerly Socrata). What is known of single
    datasets stands in `crimepatterns.sources.feed_presets`.
Rhythm : the dataset's own, mostly daily. The portal stamps each row (``:updated_at``) when it changes; some publishers
    replace the whole dataset each time, which gives every row a new stamp and, where the dataset has no row
    identifier of the publisher's own, a new ``:id``.
Geocoding and privacy : the publisher's. Columns that look personal are dropped before anything is stored, the
    portal's computed region columns (``:@computed_region_...``) too, since they say what the boundary file says.
What arrives : all columns as text; floating timestamps are the city's civil time; a point becomes two columns,
    ``<name>_longitude`` and ``<name>_latitude``; other nested values become JSON text.
Known defects : records are stamped late (hence ``source.feed.overlap_minutes``); a row that is deleted leaves no trace
    (hence `present_ids`); ``:id`` orders by an internal number, not by its letters, so that a position in the listing
    is only ever the last ``:id`` seen; answers of 202 mean that the portal is still at work.
Documentation cited : dev.socrata.com/docs: queries, paging (``$order=:id``), system-fields, response-codes, app-tokens,
    datatypes; github.com/socrata/dev.socrata.com issue 641 (what the system fields mean after a replacement).
Not run against the live portal : tested against a local server that speaks this part of the protocol.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crimepatterns.errors import ConfigError, SourceError
from crimepatterns.sources.feed import FeedColumn, FeedDescription, Page, file_safe, text_batch

if TYPE_CHECKING:
    from crimepatterns.sources.http_client import HttpClient

__all__ = ["SocrataFeed"]

_SYSTEM = (":id", ":created_at", ":updated_at")
_POINTS = {"point", "location"}
_ATTEMPTS = 4
NO_STAMP = "none"


@dataclass(frozen=True, eq=False)
class SocrataFeed:
    """One dataset of a Socrata portal.

    Parameters
    ----------
    domain : str
        Such as ``data.cityofchicago.org``; with ``http://`` in front for a server of your own.
    dataset : str
        Such as ``ijzp-q8t2``.
    id_column : str
        The publisher's lasting id of a record; ``:id`` is the portal's row, which a replaced dataset loses.
    update_column : str
        Stamp that changes with the record; ``none`` fetches everything each time.
    where : str, optional
        A SoQL condition that every record must meet.
    page_size : int
        Rows per request.
    overlap : timedelta
        Asked again before the last stamp.
    token : str
        The portal's application token.

    Raises
    ------
    ConfigError
        If domain or dataset are not what they should be.
    """

    domain: str
    dataset: str
    id_column: str = ":id"
    update_column: str = ":updated_at"
    where: str | None = None
    page_size: int = 10_000
    overlap: timedelta = timedelta(hours=1)
    token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]{4}-[a-z0-9]{4}", self.dataset):
            raise ConfigError(f"source.feed.datasets needs ids such as ijzp-q8t2, got {self.dataset!r}.")
        if not re.fullmatch(r"(https?://)?[A-Za-z0-9.-]+(:\d+)?/?", self.domain):
            raise ConfigError(f"source.feed.domain needs a host such as data.cityofchicago.org, got {self.domain!r}.")
        for setting, column in (("id_column", self.id_column), ("update_column", self.update_column)):
            if not re.fullmatch(r":?[A-Za-z0-9_]+", column):
                raise ConfigError(f"source.feed.{setting} needs a field name of the API, got {column!r}.")

    @property
    def name(self) -> str:
        """The dataset's id."""
        return file_safe(self.dataset)

    @property
    def volatile(self) -> tuple[str, ...]:
        """Columns that change although the record does not."""
        return tuple(name for name in _SYSTEM if name != self.id_column)

    @cached_property
    def root(self) -> str:
        """Where the portal is."""
        return (self.domain if "://" in self.domain else f"https://{self.domain}").rstrip("/")

    # -- the feed -----------------------------------------------------------------------------------------------------

    def pull(self, client: "HttpClient", cursor: Mapping[str, Any]) -> Iterator[Page]:
        """Yield pages in the order of ``:id``; see `Feed.pull`.

        The stamp that the next pull starts from is read before the first page, so that what changes while the pages
        come is fetched then.

        Raises
        ------
        SourceError
            If the portal refuses, or gives no rows although it counts some.
        """
        state = dict(cursor)
        if "after" not in state:
            stamp = self._latest_stamp(client)
            recent = None if stamp is None else self._recent(client, stamp)
            if stamp is not None and (stamp, recent) == (state.get("since"), state.get("recent")):
                yield Page(self._batch([], self._metadata_columns(client)), cursor, 0)
                return
            state = {"since": state.get("since"), "stamp": stamp, "recent": recent, "after": ""}
        columns = self._metadata_columns(client)
        listing = self._listing(client, self._since(state["since"]), state["after"])
        total = 0
        for rows, total in listing:
            state = {**state, "after": rows[-1][":id"]}
            yield Page(self._batch(rows, columns), state, total)
        # The columns once more, so that one that went while the pages came is noticed.
        done = {"since": state["stamp"] or state["since"], "recent": state["recent"]}
        yield Page(self._batch([], self._metadata_columns(client)), done, total)

    def present_ids(self, client: "HttpClient") -> Iterator[pa.Array]:
        """List the ids of all records that are published now; see `Feed.present_ids`.

        Raises
        ------
        SourceError
            If fewer come than the portal counts.
        """
        before, listed = self._count(client, None, ""), 0
        select = ":id" if self.id_column == ":id" else f":id,{self.id_column}"
        for rows, _ in self._listing(client, None, "", select=select, to_the_end=True):
            listed += len(rows)
            yield text_batch(rows, [self.id_column]).column(0)
        expected = min(before, self._count(client, None, ""))
        if listed < expected:
            raise SourceError(f"{self.name} counts {expected:,} records but lists {listed:,}: try again later.")

    def describe(self, client: "HttpClient") -> FeedDescription:
        """Ask the portal what the dataset is and which columns it has."""
        facts = self._metadata(client)
        listed = {column.get("id"): column.get("fieldName") for column in facts["columns"]}
        licence = facts.get("license") or {}
        return FeedDescription(
            title=str(facts.get("name", "")),
            publisher=str(facts.get("attribution") or ""),
            licence=str(licence.get("name") or ""),
            columns=tuple(self._columns_of(facts)),
            rows=self._count(client, None, ""),
            id_column=listed.get(facts.get("rowIdentifierColumnId")) or ":id",
            update_column=":updated_at",
        )

    def sample(self, client: "HttpClient", rows: int) -> pa.RecordBatch:
        """Fetch the first records."""
        found = self._rows(client, None, after="", limit=rows)
        return self._batch(found, self._metadata_columns(client))

    def _listing(
        self, client: "HttpClient", since: str | None, after: str, *, select: str = ":*,*", to_the_end: bool = False
    ) -> Iterator[tuple[list[dict[str, Any]], int]]:
        """Yield rows in the order of ``:id``, with the number expected in all; never empty, never the same page twice.

        A short page is not the end before the portal says that nothing follows. As many rows are asked for as there
        were at the beginning: those that are added meanwhile stand behind them, and come with the next pull. Only
        `to_the_end` follows them, for lists from which nothing may be missing.
        """
        left, yielded, stalled, ends = self._count(client, since, after), 0, 0, {after}
        while left > 0:
            rows = self._rows(client, since, after=after, select=select)
            if not rows or rows[-1][":id"] in ends:
                stalled += 1
                if stalled >= _ATTEMPTS:
                    what = "no rows" if not rows else "the same rows again"
                    raise SourceError(f"{self.name} counts {left:,} more rows but gives {what}: try again later.")
                left = self._count(client, since, after)
                continue
            stalled, after, yielded, left = 0, rows[-1][":id"], yielded + len(rows), left - len(rows)
            ends.add(after)
            yield rows, yielded + max(left, 0)
            if to_the_end and left <= 0:
                left = self._count(client, since, after)
            elif len(rows) < self.page_size and left > 0:
                left = min(left, self._count(client, since, after))

    # -- asking -------------------------------------------------------------------------------------------------------

    def _ask(self, client: "HttpClient", **query: object) -> Any:
        params = {f"${name}": value for name, value in query.items() if value not in (None, "")}
        headers = {"X-App-Token": self.token} if self.token else None
        found = client.get_json(f"{self.root}/resource/{self.dataset}.json", params=params, headers=headers)
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise SourceError(f"{self.name} must answer with a list of records, got {str(found)[:200]!r}.")
        return found

    def _rows(
        self, client: "HttpClient", since: str | None, *, after: str, select: str = ":*,*", limit: int | None = None
    ) -> list[dict[str, Any]]:
        where = self._condition(since, after)
        rows: list[dict[str, Any]] = self._ask(
            client, select=select, where=where, order=":id", limit=limit or self.page_size
        )
        if rows and not all(isinstance(row.get(":id"), str) for row in rows):
            raise SourceError(f"{self.name} gives rows without :id: it does not speak SODA 2.1.")
        return rows

    def _count(self, client: "HttpClient", since: str | None, after: str) -> int:
        found = self._ask(client, select="count(*) as n", where=self._condition(since, after))
        try:
            return int(found[0]["n"]) if found else 0
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(f"{self.name} must answer with a count, got {str(found)[:200]!r}.") from error

    def _recent(self, client: "HttpClient", stamp: str) -> int:
        """Count the rows that the overlap would fetch again: while it stays the same, nothing was stamped late."""
        return self._count(client, self._since(stamp), "")

    def _latest_stamp(self, client: "HttpClient") -> str | None:
        if self.update_column == NO_STAMP:
            return None
        found = self._ask(client, select=f"max({self.update_column}) as latest", where=self.where)
        latest = found[0].get("latest") if found else None
        return None if latest is None else str(latest)

    def _condition(self, since: str | None, after: str) -> str:
        parts = [f"({self.where})"] if self.where else []
        parts += [f"{self.update_column} >= '{since}'"] if since is not None else []
        parts += [":id > '" + after.replace("'", "''") + "'"] if after else []
        return " AND ".join(parts)

    def _since(self, stamp: str | None) -> str | None:
        if stamp is None:
            return None
        try:
            moment = datetime.fromisoformat(stamp) - self.overlap
        except ValueError as error:
            raise SourceError(f"{self.name}: {self.update_column} must hold moments, got {stamp!r}.") from error
        text = moment.replace(tzinfo=None).isoformat(timespec="milliseconds")
        return text + ("Z" if moment.tzinfo is not None else "")

    # -- reading ------------------------------------------------------------------------------------------------------

    def _metadata(self, client: "HttpClient") -> dict[str, Any]:
        headers = {"X-App-Token": self.token} if self.token else None
        facts = client.get_json(f"{self.root}/api/views/{self.dataset}.json", headers=headers)
        if not isinstance(facts, dict) or not isinstance(facts.get("columns"), list):
            raise SourceError(f"{self.name} has no description with columns at {self.root}: is the dataset's id right?")
        return facts

    def _metadata_columns(self, client: "HttpClient") -> list[FeedColumn]:
        return self._columns_of(self._metadata(client))

    def _columns_of(self, facts: Mapping[str, Any]) -> list[FeedColumn]:
        columns = [FeedColumn(name, name, "system") for name in _SYSTEM]
        for listed in facts["columns"]:
            name, kind = str(listed.get("fieldName", "")), str(listed.get("dataTypeName", ""))
            if not name or name.startswith(":"):
                continue
            label = str(listed.get("name") or name)
            parts = [f"{name}_longitude", f"{name}_latitude"] if kind in _POINTS else [name]
            columns += [FeedColumn(part, label, kind) for part in parts]
        return columns

    def _batch(self, rows: Sequence[dict[str, Any]], columns: Sequence[FeedColumn]) -> pa.RecordBatch:
        """Write rows as text; a field that the description does not know becomes a further column."""
        names = dict.fromkeys(column.name for column in columns)
        flat = [_flat(row) for row in rows]
        for row in flat:
            names.update(dict.fromkeys(name for name in row if not name.startswith(":")))
        return text_batch(flat, list(names))


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name.startswith(":@"):
            continue
        place = _place(value)
        if place is None:
            flat[name] = value
        else:
            flat[f"{name}_longitude"], flat[f"{name}_latitude"] = place
    return flat


def _place(value: Any) -> tuple[Any, Any] | None:
    """Return longitude and latitude of a point or of an older location value; None for anything else."""
    if not isinstance(value, dict):
        return None
    pair = value.get("coordinates")
    if value.get("type") == "Point" and isinstance(pair, list) and len(pair) >= 2:
        return pair[0], pair[1]
    if "human_address" in value or {"latitude", "longitude"} <= value.keys():
        return value.get("longitude"), value.get("latitude")
    return None
