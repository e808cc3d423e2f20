"""Find records that publishers have withdrawn: those that are stored and no longer listed by any feed of the city."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import SourceError
from crimepatterns.sources.feed_copy import FeedCopy, moment_after
from crimepatterns.store.raw import RawEntry, RawStore, write_batches
from crimepatterns.store.record_versions import Version, unpublished_ids

if TYPE_CHECKING:
    from crimepatterns.sources.http_client import HttpClient

__all__ = ["Reconciled", "reconcile_feeds"]


@dataclass(frozen=True)
class Reconciled:
    """What a comparison with the publishers' lists found.

    Parameters
    ----------
    entries : list of RawEntry
        All copies that count now, in order of arrival.
    known, withdrawn : int
        Records that counted before, and those of them that do no longer.
    unlisted : tuple of str
        Feeds that cannot list their records; nothing of theirs is withdrawn, and nothing of feeds that are gone.
    """

    entries: list[RawEntry]
    known: int
    withdrawn: int
    unlisted: tuple[str, ...]


def reconcile_feeds(
    store: RawStore,
    copies: Sequence[FeedCopy],
    client: "HttpClient",
    *,
    entries: Sequence[RawEntry],
    max_withdrawn: float = 0.2,
    progress: Progress = silent,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Reconciled:
    """Ask every feed which records it publishes, and list those that are gone as withdrawn.

    A record that moved from one feed of the city to another is not gone.

    Parameters
    ----------
    store : RawStore
    copies : sequence of FeedCopy
        All feeds of the city; they share one id column.
    client : HttpClient
    entries : sequence of RawEntry
        Copies that count so far, in order of arrival.
    max_withdrawn : float
        Share of the known records above which a list is not believed.
    progress : Progress
    now : callable

    Raises
    ------
    SourceError
        If a feed cannot be read, or lists too few records to be believed.
    """
    listings = {copy.feed.name: copy.feed.present_ids(client) for copy in copies}
    unlisted = tuple(name for name, listing in listings.items() if listing is None)
    if len(unlisted) == len(copies):
        return Reconciled(list(entries), 0, 0, unlisted)
    # Records of a feed that is gone as a whole, such as the layer of a past year, are kept.
    able = {name for name, listing in listings.items() if listing is not None}
    versions = [
        Version(store.path_of(entry), withdraws=entry.withdraws, kept_out=entry.feed not in able) for entry in entries
    ]
    column = copies[0].feed.id_column
    present = _listed([listing for listing in listings.values() if listing is not None], progress)
    ids, known = unpublished_ids(versions, present, id_column=column, scratch=store.folder)
    if len(ids) > max_withdrawn * known:
        raise SourceError(
            f"The publisher lists {known - len(ids):,} of {known:,} known records: more than "
            f"source.feed.max_withdrawn ({max_withdrawn:g}) would be withdrawn, which looks like a portal in trouble. "
            "If it is true, run `crimepatterns feeds reconcile --accept`."
        )
    if not len(ids):
        return Reconciled(list(entries), known, 0, unlisted)
    entry = _withdrawal(store, ids, column, entries, moment_after(entries, now()))
    store.record([*entries, entry])
    return Reconciled([*entries, entry], known, len(ids), unlisted)


def _listed(listings: Sequence[Iterator[pa.Array]], progress: Progress) -> Iterator[pa.Array]:
    listed = 0
    for listing in listings:
        for ids in listing:
            listed += len(ids)
            progress("Listing what is published", listed, None)
            yield ids


def _withdrawal(store: RawStore, ids: pa.Array, column: str, entries: Sequence[RawEntry], fetched_at: str) -> RawEntry:
    key = hashlib.sha256("|".join(["withdrawn", *(entry.file for entry in entries)]).encode()).hexdigest()
    file = f"{key[:12]}-withdrawn.parquet"
    batch = pa.record_batch([ids], names=[column])
    return RawEntry(
        file=file,
        source_name="withdrawn records",
        source_sha256=key,
        sha256=store.write(file, lambda target: write_batches(target, [batch])),
        rows=len(ids),
        columns=(column,),
        dropped_columns=(),
        format="parquet",
        fetched_at=fetched_at,
        withdraws=True,
        feed="+".join(dict.fromkeys(entry.feed for entry in entries if entry.feed and not entry.withdraws)),
    )
