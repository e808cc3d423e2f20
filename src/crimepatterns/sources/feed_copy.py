"""Pull feeds into the raw store: page by page, so that a killed pull goes on; only what changed, once there is a copy.

Each page is on disk with its cursor before the next is asked for. A finished pull becomes one raw copy, listed in one
step together with its cursor. Records that came twice, or that say what is stored already, are left out; where nothing
is left, there is no new copy.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import ArtefactError, SchemaError, SourceError
from crimepatterns.sources.feed import Feed, Page
from crimepatterns.sources.feed_speed import Speed
from crimepatterns.sources.raw_copy import columns_to_drop
from crimepatterns.store.atomic import read_json, write_json
from crimepatterns.store.pending import PendingPages
from crimepatterns.store.raw import RawEntry, RawStore, write_batches
from crimepatterns.store.record_versions import Version, rows_to_keep

if TYPE_CHECKING:
    from crimepatterns.sources.http_client import HttpClient

__all__ = ["FeedCopy", "Pulled", "discard_pending", "moment_after", "pull_feed"]


@dataclass(frozen=True)
class FeedCopy:
    """A feed and how it is copied.

    Parameters
    ----------
    feed : Feed
    key : str
        Digest of what makes its content, such as dataset and condition; another key starts anew.
    keep_columns : collection of str
        Columns that may stay although they look personal.
    mapped : mapping of str to str
        Setting to column, for columns that cleaning needs.
    volatile : tuple of str
        Columns whose change alone makes no new version of a record.
    origin, licence : str
        Written into the manifest.
    """

    feed: Feed
    key: str
    keep_columns: Collection[str] = ()
    mapped: Mapping[str, str] = field(default_factory=dict)
    volatile: tuple[str, ...] = ()
    origin: str = ""
    licence: str = ""

    def owns(self, entry: RawEntry) -> bool:
        """Tell whether a raw copy was pulled from this feed."""
        return entry.feed == self.feed.name and entry.source_sha256 == self.key and not entry.withdraws


@dataclass(frozen=True)
class Pulled:
    """What a pull brought.

    Parameters
    ----------
    entries : list of RawEntry
        All copies that count now, in order of arrival.
    received, fresh : int
        Rows that came, and those of them that were new or changed.
    notes : list of str
        What an analyst should know, such as a column that has disappeared.
    """

    entries: list[RawEntry]
    received: int
    fresh: int
    notes: list[str]


def pull_feed(
    store: RawStore,
    copy: FeedCopy,
    client: "HttpClient",
    *,
    entries: Sequence[RawEntry],
    progress: Progress = silent,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Pulled:
    """Fetch what is new, and record it as one raw copy.

    Parameters
    ----------
    store : RawStore
    copy : FeedCopy
    client : HttpClient
    entries : sequence of RawEntry
        Copies that count so far, of this and of the city's other feeds, in order of arrival.
    progress : Progress
        Told rows done and expected; the task's name carries rate and remaining time.
    now : callable

    Raises
    ------
    SourceError
        If the feed cannot be read; what came so far stays, and the next call goes on from there.
    SchemaError
        If a mapped column is missing.
    ConfigError
        If a mapped column looks personal.
    """
    own = [entry for entry in entries if copy.owns(entry)]
    base = own[-1].file if own else ""
    pending = PendingPages(_folder(store, copy), hashlib.sha256(f"{copy.key}|{base}".encode()).hexdigest())
    resuming = pending.cursor is not None
    received = _fetch(copy, client, pending, pending.cursor or _last_cursor(store, copy, own), progress)
    if resuming:
        # What changed since the pull broke off.
        received = _fetch(copy, client, pending, pending.cursor or {}, progress)
    notes = _schema_notes(copy, own, pending)
    fresh = _record(store, copy, pending, entries, now)
    if fresh is None:
        if not own:
            pending.discard()
            raise SourceError(f"{copy.feed.name} has no records: check source.feed.where and source.feed.start.")
        write_json(_state(store, copy), {"after": base, "cursor": pending.cursor or {}})
    pending.discard()
    counted = [*entries, *([fresh] if fresh is not None else [])]
    return Pulled(counted, received, fresh.rows if fresh is not None else 0, notes)


def discard_pending(store: RawStore) -> None:
    """Throw away what unfinished pulls left."""
    for folder in (store.folder / "pending").glob("*"):
        PendingPages(folder, "").discard()


def moment_after(entries: Sequence[RawEntry], moment: datetime) -> str:
    """Write a moment that sorts after every entry, even if the clock was set back."""
    latest = max((datetime.fromisoformat(entry.fetched_at) for entry in entries if entry.fetched_at), default=moment)
    later = max(moment, latest + timedelta(microseconds=1)) if entries else moment
    return later.isoformat(timespec="microseconds")


# -- pages ------------------------------------------------------------------------------------------------------------


def _folder(store: RawStore, copy: FeedCopy) -> Path:
    return store.folder / "pending" / copy.feed.name


def _state(store: RawStore, copy: FeedCopy) -> Path:
    # Hidden, so that a pull that found nothing new changes nothing that later stages look at.
    return store.folder / ".feeds" / f"{copy.feed.name}.json"


def _last_cursor(store: RawStore, copy: FeedCopy, own: Sequence[RawEntry]) -> Mapping[str, Any]:
    """Return where the last finished pull ended; a later one that found nothing new may have gone further."""
    if not own:
        return {}
    try:
        state = read_json(_state(store, copy))
        if state["after"] == own[-1].file:
            cursor: Mapping[str, Any] = state["cursor"]
            return cursor
    except (ArtefactError, KeyError, TypeError):
        pass
    return own[-1].cursor


def _fetch(
    copy: FeedCopy, client: "HttpClient", pending: PendingPages, cursor: Mapping[str, Any], progress: Progress
) -> int:
    """Store page after page; return the rows of all pages."""
    task, already = f"Pulling {copy.feed.name}", pending.rows
    received, speed = already, Speed(already)
    progress(task, already, None)
    for page in copy.feed.pull(client, cursor):
        _add(pending, copy, page)
        received += page.batch.num_rows
        total = None if page.total is None else already + page.total
        progress(speed.label(task, received, total), received, total)
    return received


def _add(pending: PendingPages, copy: FeedCopy, page: Page) -> None:
    """Store a page without what looks personal; make sure that cleaning will find its columns."""
    names = page.batch.schema.names
    for setting, column in {"id": copy.feed.id_column, **copy.mapped}.items():
        if column not in names:
            pending.discard()
            listed = ", ".join(names[:30]) + (" and more" if len(names) > 30 else "")
            raise SchemaError(
                f"{copy.feed.name} no longer has the column {column!r} that columns.{setting} names: the publisher "
                f"has changed the dataset. Found: {listed}. Map another column and run ingest again."
            )
    dropped = columns_to_drop(names, keep_columns=copy.keep_columns, mapped=copy.mapped)
    pending.add(page.batch.select([name for name in names if name not in dropped]), page.cursor, dropped=dropped)


def _schema_notes(copy: FeedCopy, own: Sequence[RawEntry], pending: PendingPages) -> list[str]:
    """Say which columns came or went since the last copy, or while the pull was going on."""
    seen = [set(own[-1].columns)] if own else []
    seen += [set(names) for names in pending.columns]
    name, notes = copy.feed.name, list[str]()
    for before, now in pairwise(seen):
        notes += [f"{name} no longer has the column {gone!r}; it is empty in newer records." for gone in before - now]
        notes += [f"{name} has a new column {new!r}; it is empty in older records." for new in now - before]
    return sorted(set(notes))


# -- the copy ---------------------------------------------------------------------------------------------------------


def _record(
    store: RawStore,
    copy: FeedCopy,
    pending: PendingPages,
    entries: Sequence[RawEntry],
    now: Callable[[], datetime],
) -> RawEntry | None:
    """Turn the pages into one raw copy, list it with its cursor; None where they say nothing new."""
    paths = pending.paths
    own = [entry for entry in entries if copy.owns(entry) or entry.withdraws]
    versions = [Version(store.path_of(entry), withdraws=entry.withdraws) for entry in own]
    keep = rows_to_keep(paths, versions, id_column=copy.feed.id_column, volatile=copy.volatile)
    ids = [pq.read_table(path, columns=[copy.feed.id_column], partitioning=None).column(0) for path in paths]
    keep = [mask & ~store.forgotten.among(page) for mask, page in zip(keep, ids, strict=True)]
    rows = int(sum(mask.sum() for mask in keep))
    if not rows:
        store.record(entries)
        return None
    columns = list(dict.fromkeys(name for names in pending.columns for name in names))
    file = f"{pending.base[:12]}-{copy.feed.name}.parquet"
    digest = store.write(file, lambda target: write_batches(target, _kept(paths, keep, columns)))
    entry = RawEntry(
        file=file,
        source_name=copy.feed.name,
        source_sha256=copy.key,
        sha256=digest,
        rows=rows,
        columns=tuple(columns),
        dropped_columns=pending.dropped,
        format="parquet",
        origin=copy.origin,
        licence=copy.licence,
        fetched_at=moment_after(entries, now()),
        replaces=bool(entries),
        feed=copy.feed.name,
        cursor=pending.cursor or {},
    )
    store.record([*entries, entry])
    return entry


def _kept(paths: Sequence[Path], keep: Sequence[NDArray[np.bool_]], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    schema = pa.schema([(name, pa.string()) for name in columns])
    for path, mask in zip(paths, keep, strict=True):
        if not mask.any():
            continue
        table = pq.read_table(path, partitioning=None).filter(pa.array(mask)).combine_chunks()
        arrays = [
            table[name].combine_chunks() if name in table.schema.names else pa.nulls(table.num_rows, pa.string())
            for name in columns
        ]
        yield pa.record_batch(arrays, schema=schema)
