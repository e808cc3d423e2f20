"""ArcGIS servers: any layer of a FeatureServer or MapServer that can be queried.

Data sheet
----------
Publisher : cities and agencies on ArcGIS Online or their own ArcGIS Server. What is known of single services stands in
    `crimepatterns.sources.feed_presets`.
Rhythm : the layer's own. Where editing is tracked (``editFieldsInfo``), only rows edited since are fetched; where only
    the layer's last edit is known (``editingInfo``), a layer that was not edited is left alone; elsewhere all rows come
    each time and are compared.
Geocoding and privacy : the publisher's. Columns that look personal are dropped before anything is stored.
What arrives : all fields as text; dates, which the API gives in milliseconds since 1970, as ISO 8601 in UTC (without a
    zone where the service says that it does not know its zone); codes of a domain as the words they stand for; a point
    as ``geometry_longitude`` and ``geometry_latitude`` in WGS84 (``outSR=4326``).
Known defects : errors come with a status of 200; a server gives at most ``maxRecordCount`` rows whatever is asked;
    object ids are new after a layer was published anew, so a publisher's own id is better; ids of layers within a
    service change with the years, so layers are better found by name; some servers do not order rows (then ranges of
    object ids are asked for).
Documentation cited : developers.arcgis.com/rest/services-reference: Query (Feature Service/Layer), Query (Map
    Service/Layer), Layer (editFieldsInfo, editingInfo, datesInUnknownTimezone), HTTP authorization headers.
Not run against the live portal : tested against a local server that speaks this part of the protocol.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crimepatterns.errors import SourceError
from crimepatterns.sources.arcgis_rest import ArcgisServer, Layer
from crimepatterns.sources.feed import FeedColumn, FeedDescription, Page, file_safe, text_batch

if TYPE_CHECKING:
    from crimepatterns.sources.http_client import HttpClient

__all__ = ["ArcgisFeed"]

_ATTEMPTS = 4
_IDS = 100_000


@dataclass(frozen=True, eq=False)
class ArcgisFeed:
    """One layer.

    Parameters
    ----------
    url : str
        Such as ``https://host/arcgis/rest/services/Crime/FeatureServer/0``.
    name : str
        Stands in file names; for layers found by name, made of it.
    id_column : str
        The publisher's lasting id of a record.
    where : str, optional
        An SQL condition that every record must meet.
    page_size : int, optional
        Rows per request; at most, and by default, what the server gives.
    overlap : timedelta
        Asked again before the last edit.
    token : str
    volatile : tuple of str
        Columns that change although the record does not.
    """

    url: str
    name: str
    id_column: str
    where: str | None = None
    page_size: int | None = None
    overlap: timedelta = timedelta(hours=1)
    token: str = field(default="", repr=False)
    volatile: tuple[str, ...] = ()

    @classmethod
    def open(
        cls,
        client: "HttpClient",
        url: str,
        *,
        name: str | None = None,
        id_column: str | None = None,
        token: str = "",
        **options: Any,
    ) -> "ArcgisFeed":
        """Ask a layer for its name and object ids where they are not given.

        Raises
        ------
        SourceError
            If it is no layer.
        """
        layer = Layer.open(ArcgisServer(client, token), url)
        chosen = id_column or layer.object_id
        volatile = tuple(one for one in (layer.object_id, *layer.tracking) if one != chosen)
        named = file_safe(name or f"{layer.name}-{url.rsplit('/', 1)[-1]}")
        return cls(url, named, chosen, token=token, volatile=volatile, **options)

    # -- the feed -----------------------------------------------------------------------------------------------------

    def pull(self, client: "HttpClient", cursor: Mapping[str, Any]) -> Iterator[Page]:
        """Yield pages in the order of object ids; see `Feed.pull`.

        Raises
        ------
        SourceError
            If the server refuses, or gives no rows although it counts some.
        """
        server = ArcgisServer(client, self.token)
        layer = Layer.open(server, self.url)
        state = dict(cursor)
        if "after" not in state:
            rows, edited = self._count(server, layer, None, None), layer.last_edit
            if edited is not None and (edited, rows) == (state.get("edited"), state.get("rows")):
                yield Page(self._batch(layer, []), cursor, 0)
                return
            stamp = self._latest_edit(server, layer)
            state = {"since": state.get("since"), "stamp": stamp, "edited": edited, "rows": rows, "after": None}
        total = 0
        for features, total in self._listing(server, layer, self._since(layer, state["since"]), state["after"]):
            state = {**state, "after": features[-1]["attributes"][layer.object_id]}
            yield Page(self._batch(layer, features), state, total)
        done = {
            "since": state["stamp"] if state["stamp"] is not None else state["since"],
            "edited": state["edited"],
            "rows": state["rows"],
        }
        yield Page(self._batch(Layer.open(server, self.url), []), done, total)

    def present_ids(self, client: "HttpClient") -> Iterator[pa.Array]:
        """List the ids of all records that are published now; see `Feed.present_ids`.

        Raises
        ------
        SourceError
            If fewer come than the server counts.
        """
        server = ArcgisServer(client, self.token)
        layer = Layer.open(server, self.url)
        if self.id_column == layer.object_id:
            ids = self._object_ids(server, layer, None, None)
            for i in range(0, len(ids), _IDS):
                yield pa.array([str(one) for one in ids[i : i + _IDS]], pa.string())
            return
        before, listed = self._count(server, layer, None, None), 0
        fields = f"{layer.object_id},{self.id_column}"
        for features, _ in self._listing(server, layer, None, None, fields=fields, to_the_end=True):
            listed += len(features)
            yield text_batch([layer.values_of(one) for one in features], [self.id_column]).column(0)
        expected = min(before, self._count(server, layer, None, None))
        if listed < expected:
            raise SourceError(f"{self.name} counts {expected:,} records but lists {listed:,}: try again later.")

    def describe(self, client: "HttpClient") -> FeedDescription:
        """Ask the server what the layer is and which fields it has."""
        server = ArcgisServer(client, self.token)
        layer = Layer.open(server, self.url)
        return FeedDescription(
            title=layer.name,
            publisher=str(layer.facts.get("copyrightText") or ""),
            licence="",
            columns=tuple(_columns(layer)),
            rows=self._count(server, layer, None, None),
            id_column=layer.object_id,
            update_column=layer.edit_stamp,
        )

    def sample(self, client: "HttpClient", rows: int) -> pa.RecordBatch:
        """Fetch the first records."""
        server = ArcgisServer(client, self.token)
        layer = Layer.open(server, self.url)
        answer = server.ask(f"{self.url}/query", **self._query(layer, None, None), resultRecordCount=rows)
        return self._batch(layer, (answer.get("features") or [])[:rows])

    # -- asking -------------------------------------------------------------------------------------------------------

    def _listing(
        self,
        server: ArcgisServer,
        layer: Layer,
        since: str | None,
        after: int | None,
        *,
        fields: str = "*",
        to_the_end: bool = False,
    ) -> Iterator[tuple[list[dict[str, Any]], int]]:
        """Yield rows in the order of object ids, with the number expected in all; never empty.

        A short page is not the end before the server says that nothing follows. As many rows are asked for as there
        were at the beginning: those that are added meanwhile stand behind them, and come with the next pull. Only
        `to_the_end` follows them, for lists from which nothing may be missing.
        """
        if not layer.sorts:
            yield from self._ranges(server, layer, since, after, fields=fields)
            return
        left, yielded, stalled = self._count(server, layer, since, after), 0, 0
        size = min(self.page_size or layer.page_size, layer.page_size)
        paging = {"orderByFields": f"{layer.object_id} ASC", "resultRecordCount": size}
        while left > 0:
            answer = server.ask(f"{self.url}/query", **self._query(layer, since, after, fields=fields), **paging)
            features = self._in_order(layer, answer)
            if not features:
                stalled += 1
                if stalled >= _ATTEMPTS:
                    raise SourceError(f"{self.name} counts {left:,} more rows but gives none: try again later.")
                left = self._count(server, layer, since, after)
                continue
            if features != answer["features"]:
                raise SourceError(f"{self.name} does not order its rows although it says that it can.")
            after = features[-1]["attributes"][layer.object_id]
            stalled, yielded, left = 0, yielded + len(features), left - len(features)
            yield features, yielded + max(left, 0)
            if to_the_end and left <= 0:
                left = self._count(server, layer, since, after)
            elif len(features) < size and left > 0:
                left = min(left, self._count(server, layer, since, after))

    def _ranges(
        self, server: ArcgisServer, layer: Layer, since: str | None, after: int | None, *, fields: str
    ) -> Iterator[tuple[list[dict[str, Any]], int]]:
        """Do the same on a server that does not order: list all object ids, then fetch one range of them at a time."""
        ids, yielded = self._object_ids(server, layer, since, after), 0
        size = min(self.page_size or layer.page_size, layer.page_size)
        for i in range(0, len(ids), size):
            last = ids[min(i + size, len(ids)) - 1]
            query = self._query(layer, since, after, fields=fields)
            query["where"] += f" AND {layer.object_id} <= {last}"
            answer = server.ask(f"{self.url}/query", **query)
            if answer.get("exceededTransferLimit"):
                raise SourceError(f"{self.name} gives fewer rows than asked for: set source.feed.page_size lower.")
            features, after = self._in_order(layer, answer), last
            yielded += len(features)
            if features:
                yield features, max(len(ids), yielded)

    def _in_order(self, layer: Layer, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
        features: list[dict[str, Any]] = answer.get("features") or []
        ids = [(one.get("attributes") or {}).get(layer.object_id) for one in features]
        if not all(isinstance(one, int) for one in ids):
            raise SourceError(f"{self.name} gives rows without {layer.object_id}.")
        return sorted(features, key=lambda one: int(one["attributes"][layer.object_id]))

    def _query(self, layer: Layer, since: str | None, after: int | None, *, fields: str = "*") -> dict[str, Any]:
        points = layer.has_points and fields == "*"
        return {
            "where": self._condition(layer, since, after),
            "outFields": fields,
            "returnGeometry": "true" if points else "false",
            "outSR": "4326" if points else None,
        }

    def _condition(self, layer: Layer, since: str | None, after: int | None) -> str:
        parts = [f"({self.where})"] if self.where else []
        parts += [f"{layer.edit_stamp} >= TIMESTAMP '{since}'"] if since is not None else []
        parts += [f"{layer.object_id} > {int(after)}"] if after is not None else []
        return " AND ".join(parts) or "1=1"

    def _count(self, server: ArcgisServer, layer: Layer, since: str | None, after: int | None) -> int:
        where = self._condition(layer, since, after)
        answer = server.ask(f"{self.url}/query", where=where, returnCountOnly="true")
        try:
            return int(answer["count"])
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(f"{self.name} must answer with a count, got {str(answer)[:200]!r}.") from error

    def _object_ids(self, server: ArcgisServer, layer: Layer, since: str | None, after: int | None) -> list[int]:
        where = self._condition(layer, since, after)
        answer = server.ask(f"{self.url}/query", where=where, returnIdsOnly="true")
        return sorted(int(one) for one in answer.get("objectIds") or ())

    def _latest_edit(self, server: ArcgisServer, layer: Layer) -> int | None:
        if layer.edit_stamp is None or not layer.sorts:
            return None
        query = {"where": self.where or "1=1", "outFields": layer.edit_stamp, "returnGeometry": "false"}
        order = f"{layer.edit_stamp} DESC"
        answer = server.ask(f"{self.url}/query", **query, orderByFields=order, resultRecordCount=1)
        found = [one["attributes"].get(layer.edit_stamp) for one in answer.get("features") or ()]
        return int(found[0]) if found and found[0] is not None else None

    def _since(self, layer: Layer, stamp: int | None) -> str | None:
        if stamp is None or layer.edit_stamp is None:
            return None
        moment = datetime.fromtimestamp(stamp / 1000, UTC) - self.overlap
        return moment.strftime("%Y-%m-%d %H:%M:%S")

    def _batch(self, layer: Layer, features: list[dict[str, Any]]) -> pa.RecordBatch:
        rows = [layer.values_of(one) for one in features]
        names = dict.fromkeys(column.name for column in _columns(layer))
        for row in rows:
            names.update(dict.fromkeys(row))
        return text_batch(rows, list(names))


def _columns(layer: Layer) -> list[FeedColumn]:
    columns = [
        FeedColumn(str(one["name"]), str(one.get("alias") or one["name"]), str(one.get("type", "")))
        for one in layer.fields
    ]
    points = [FeedColumn(f"geometry_{axis}", axis.title(), "degrees") for axis in ("longitude", "latitude")]
    return columns + (points if layer.has_points else [])
