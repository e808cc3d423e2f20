"""What a feed is: a published dataset that is pulled page by page, now everything and later only what changed.

A feed gives its records as text, as published, and after each page a cursor: where to go on. It neither stores nor
interprets anything; `feed_copy` stores, cleaning interprets.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    from crimepatterns.sources.http_client import HttpClient

__all__ = ["DescribedFeed", "Feed", "FeedColumn", "FeedDescription", "Page", "file_safe", "text_batch", "text_of"]

_EXACT = 1e15


@dataclass(frozen=True, eq=False)
class Page:
    """Some records of a feed, and where to go on after them.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        All columns text, as published; nested values flattened to text. May be empty.
    cursor : mapping
        JSON-able; given back to `Feed.pull`, it goes on after this page.
    total : int or None
        Rows that this call of `pull` is expected to yield in all; None where it is not known.
    """

    batch: pa.RecordBatch
    cursor: Mapping[str, Any]
    total: int | None = None


class Feed(Protocol):
    """A published dataset."""

    @property
    def name(self) -> str:
        """Safe as part of a file name; the same from one ingest to the next."""
        ...

    @property
    def id_column(self) -> str:
        """The column with the publisher's lasting id of a record; it is in every page."""
        ...

    def pull(self, client: "HttpClient", cursor: Mapping[str, Any]) -> Iterator[Page]:
        """Yield pages; the cursor of the last one is the state after a finished pull.

        Parameters
        ----------
        client : HttpClient
        cursor : mapping
            Empty for everything. The cursor of a page goes on after it; that of a finished pull fetches what
            changed since.
        """
        ...

    def present_ids(self, client: "HttpClient") -> Iterator[pa.Array] | None:
        """List the ids of all records that are published now; None where the feed cannot tell."""
        ...


@dataclass(frozen=True)
class FeedColumn:
    """A column as the publisher describes it: ``name`` in the data, ``label`` for people, ``kind`` in its own words."""

    name: str
    label: str = ""
    kind: str = ""


@dataclass(frozen=True)
class FeedDescription:
    """What a portal says about a dataset.

    Parameters
    ----------
    title, publisher, licence : str
        Empty where it says nothing.
    columns : tuple of FeedColumn
        As `Feed.pull` will deliver them.
    rows : int or None
    id_column : str or None
        The column that the publisher declares as the record's id.
    update_column : str or None
        The stamp by which changes are found; None where every pull fetches everything.
    """

    title: str
    publisher: str
    licence: str
    columns: tuple[FeedColumn, ...]
    rows: int | None
    id_column: str | None
    update_column: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)


class DescribedFeed(Feed, Protocol):
    """A feed whose portal can be asked about it."""

    def describe(self, client: "HttpClient") -> FeedDescription:
        """Ask the portal what the dataset is and which columns it has."""
        ...

    def sample(self, client: "HttpClient", rows: int) -> pa.RecordBatch:
        """Fetch a few records, as `pull` would deliver them."""
        ...


def text_batch(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pa.RecordBatch:
    """Turn JSON objects into a batch of text columns; what an object lacks is null.

    Examples
    --------
    >>> text_batch([{"id": 7, "arrest": False}, {"id": "8"}], ["id", "arrest"]).to_pydict()
    {'id': ['7', '8'], 'arrest': ['false', None]}
    """
    arrays = [pa.array([text_of(row.get(name)) for row in rows], pa.string()) for name in columns]
    return pa.record_batch(arrays, schema=pa.schema([(name, pa.string()) for name in columns]))


def text_of(value: Any) -> str | None:
    """Write one JSON value as text: whole numbers without a point, nested values as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return str(value) if isinstance(value, int | float) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def file_safe(text: str) -> str:
    """Make a text safe as part of a file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._")[-60:] or "feed"
