"""The feeds of a city: opened from its settings, pulled into its raw store, compared with what is published."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crimepatterns.cleaning.schema import ColumnMap
from crimepatterns.config import Settings
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import ArtefactError, ConfigError, SourceError
from crimepatterns.sources.arcgis import ArcgisFeed
from crimepatterns.sources.arcgis_rest import ArcgisServer, find_layers
from crimepatterns.sources.feed import DescribedFeed
from crimepatterns.sources.feed_copy import FeedCopy, pull_feed
from crimepatterns.sources.feed_reconcile import Reconciled, reconcile_feeds
from crimepatterns.sources.http_client import HttpClient, HttpPolicy
from crimepatterns.sources.socrata import SocrataFeed
from crimepatterns.sources.sql_database import SqlDatabase
from crimepatterns.store.atomic import read_json, write_json
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawEntry, RawStore

__all__ = ["FEED_KINDS", "FeedIngest", "OpenedFeed", "feed_client", "ingest_feeds", "open_feeds", "reconcile"]

FEED_KINDS = ("socrata", "arcgis", "sql")
"""Kinds of sources that are pulled page by page."""


@dataclass(frozen=True)
class OpenedFeed:
    """A feed of the city, with the digest of what makes its content, and columns that change without the record."""

    feed: DescribedFeed
    key: str
    volatile: tuple[str, ...] = ()


@dataclass
class FeedIngest:
    """What an ingest of feeds did.

    Parameters
    ----------
    entries : list of RawEntry
        All copies that count now, in order of arrival.
    received, fresh, withdrawn : int
        Records that came, those of them that were new or changed, and those that the publishers withdrew.
    notes : list of str
        What an analyst should know.
    """

    entries: list[RawEntry]
    received: int = 0
    fresh: int = 0
    withdrawn: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def told(self) -> dict[str, Any]:
        """Say it for the stage's summary, in figures and in a sentence."""
        gone = f", {self.withdrawn:,} withdrawn" if self.withdrawn else ""
        notes = "".join(f" {note}" for note in self.notes)
        return {
            "received": self.received,
            "new_or_changed": self.fresh,
            "withdrawn": self.withdrawn,
            "notes": self.notes,
            "sentence": f"{self.received:,} records came, {self.fresh:,} of them new or changed{gone}.{notes}",
        }


def ingest_feeds(settings: Settings, store: RawStore, *, progress: Progress = silent) -> FeedIngest:
    """Pull what is new from every feed of the city, and from time to time look for withdrawn records.

    Raises
    ------
    SourceError
        If a feed cannot be read; the next call goes on from its last page.
    SchemaError
        If a mapped column is missing.
    ConfigError
        If a setting is wrong, or a mapped column looks personal.
    """
    with feed_client(settings) as client:
        copies = _copies(settings, open_feeds(settings, client))
        done = FeedIngest(_counting(store, copies))
        first = not done.entries
        for copy in copies:
            pulled = pull_feed(store, copy, client, entries=done.entries, progress=progress)
            done.entries, done.notes = pulled.entries, [*done.notes, *pulled.notes]
            done.received += pulled.received
            done.fresh += pulled.fresh
        done.notes += _gone(copies, done.entries)
        if _due(settings, store, first=first):
            try:
                found = _reconciled(settings, store, copies, client, done.entries, progress=progress)
                done.entries, done.withdrawn = found.entries, found.withdrawn
            except SourceError as error:
                # The pull itself is sound; a listing that failed is tried again next time.
                done.notes.append(f"Withdrawn records were not looked for: {error}")
    return done


def reconcile(settings: Settings, *, accept: bool = False, progress: Progress = silent) -> Reconciled:
    """Look for withdrawn records now.

    Parameters
    ----------
    settings : Settings
    accept : bool
        Believe the publishers' lists whatever they lack.
    progress : Progress

    Raises
    ------
    ConfigError
        If the city has no feeds.
    SourceError
        If a feed cannot be read, lists too few records to be believed, or was never pulled.
    """
    store = RawStore(Layout(settings.root, settings.city).raw)
    with feed_client(settings) as client:
        copies = _copies(settings, open_feeds(settings, client))
        entries = _counting(store, copies)
        if not entries:
            raise SourceError(f"Nothing of {settings.title} was pulled yet: run `crimepatterns ingest` first.")
        return _reconciled(settings, store, copies, client, entries, progress=progress, accept=accept)


def feed_client(settings: Settings) -> HttpClient:
    """Make a client that asks as the settings say."""
    feed = settings.source.feed
    return HttpClient(
        HttpPolicy(
            allow_private=feed.allow_private,
            requests_per_second=feed.requests_per_second,
            timeout_s=feed.timeout_s,
            retries=feed.retries,
        )
    )


def open_feeds(settings: Settings, client: HttpClient) -> list[OpenedFeed]:
    """Open the feeds that the settings name; layers of a service are looked up by name.

    Raises
    ------
    ConfigError
        If the city has no feeds, or a setting is wrong.
    SourceError
        If an ArcGIS server cannot be asked about its layers.
    """
    kind = settings.source.kind
    openers = {"socrata": _socrata, "arcgis": _arcgis, "sql": _sql}
    if kind not in openers:
        raise ConfigError(f"{settings.title} has no feeds: source.kind is {kind}, expected one of {list(FEED_KINDS)}.")
    return openers[kind](settings, client)


# -- opening ----------------------------------------------------------------------------------------------------------


def _socrata(settings: Settings, _: HttpClient) -> list[OpenedFeed]:
    wanted, where = settings.source.feed, _where(settings, "{column} {sign} '{day}T00:00:00.000'")
    options: dict[str, Any] = {
        "id_column": wanted.id_column,
        "update_column": wanted.update_column or ":updated_at",
        "where": where,
        "page_size": wanted.page_size or SocrataFeed.page_size,
        "overlap": timedelta(minutes=wanted.overlap_minutes),
        "token": _token(settings),
    }
    feeds = [SocrataFeed(str(wanted.domain), dataset, **options) for dataset in wanted.datasets]
    return [OpenedFeed(one, _key(settings, wanted.domain, one.dataset, where), one.volatile) for one in feeds]


def _arcgis(settings: Settings, client: HttpClient) -> list[OpenedFeed]:
    wanted, token = settings.source.feed, _token(settings)
    where = _where(settings, "{column} {sign} TIMESTAMP '{utc}'")
    options: dict[str, Any] = {
        "id_column": wanted.id_column,
        "where": where,
        "page_size": wanted.page_size,
        "overlap": timedelta(minutes=wanted.overlap_minutes),
        "token": token,
    }
    opened = []
    for address in wanted.urls:
        url, key = address.rstrip("/"), _key(settings, address.rstrip("/"), where)
        # A layer's number may change; one that is found by name keeps its name and the service's key.
        layers = (
            [(None, url)] if wanted.layers is None else find_layers(ArcgisServer(client, token), url, wanted.layers)
        )
        feeds = [ArcgisFeed.open(client, place, name=name, **options) for name, place in layers]
        opened += [OpenedFeed(one, key, one.volatile) for one in feeds]
    return opened


def _sql(settings: Settings, _: HttpClient) -> list[OpenedFeed]:
    wanted = settings.source.feed
    database = SqlDatabase(
        id_column=str(wanted.id_column),
        table=wanted.table,
        query=wanted.query,
        environment=wanted.database_env,
        address=wanted.database,
        update_column=wanted.update_column,
        time_column=_start_column(settings),
        start=wanted.start,
        end=wanted.end,
        timezone=settings.timezone,
        geometry_column=wanted.geometry_column,
        srid=wanted.srid,
        page_size=wanted.page_size or SqlDatabase.page_size,
        overlap_minutes=wanted.overlap_minutes,
    )
    return [OpenedFeed(database, _key(settings, database.key))]


def _where(settings: Settings, template: str) -> str | None:
    """Join the condition of the settings and the bounds in time, in the portal's language."""
    feed, column = settings.source.feed, _start_column(settings)
    parts = [f"({feed.where})"] if feed.where else []
    for sign, day in ((">=", feed.start), ("<", feed.end)):
        if day is None:
            continue
        if column is None:
            raise ConfigError("source.feed.start and source.feed.end need columns.occurred_from or columns.date.")
        civil = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(settings.timezone))
        utc = civil.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        parts.append(template.format(column=column, sign=sign, day=day, utc=utc))
    return " AND ".join(parts) or None


def _start_column(settings: Settings) -> str | None:
    return settings.columns.occurred_from or settings.columns.date


def _token(settings: Settings) -> str:
    name = settings.source.feed.token_env
    token = os.environ.get(name, "") if name else ""
    if name and not token:
        raise ConfigError(f"source.feed.token_env names {name}, which is not set: set it, or leave it out.")
    return token


def _key(settings: Settings, *made_by: str | None) -> str:
    """Digest what makes the content of a feed: where this changes, everything is pulled anew."""
    source = settings.source
    recipe = [source.kind, *made_by, source.feed.id_column, sorted(source.keep_columns)]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()


# -- pulling and comparing --------------------------------------------------------------------------------------------


def _copies(settings: Settings, opened: Sequence[OpenedFeed]) -> list[FeedCopy]:
    source, columns = settings.source, ColumnMap(**settings.columns.model_dump())
    mapped = {**columns.mapped, **{f"extra ({name})": name for name in columns.extra}}
    return [
        FeedCopy(
            one.feed,
            one.key,
            keep_columns=source.keep_columns,
            mapped=mapped,
            volatile=(*one.volatile, *source.feed.volatile_columns),
            origin=source.origin,
            licence=source.licence,
        )
        for one in opened
    ]


def _counting(store: RawStore, copies: Sequence[FeedCopy]) -> list[RawEntry]:
    """List the copies that these feeds have left so far, with those of layers that are gone, and withdrawals."""
    keys = {copy.key for copy in copies}
    listed = store.entries()
    if not any(entry.source_sha256 in keys for entry in listed):
        return []
    return [entry for entry in listed if entry.withdraws or entry.source_sha256 in keys]


def _gone(copies: Sequence[FeedCopy], entries: Sequence[RawEntry]) -> list[str]:
    names = {copy.feed.name for copy in copies}
    gone = dict.fromkeys(entry.feed for entry in entries if not entry.withdraws and entry.feed not in names)
    return [f"{name} is no longer published; its records are kept." for name in gone]


def _due(settings: Settings, store: RawStore, *, first: bool) -> bool:
    """Tell whether it is time to look for withdrawn records; after the first pull of everything it is not."""
    days = settings.source.feed.reconcile_days
    if days is None:
        return False
    try:
        last = datetime.fromisoformat(read_json(_reconciled_at(store))["at"])
    except (ArtefactError, KeyError, TypeError, ValueError):
        if not first:
            return True
        write_json(_reconciled_at(store), {"at": datetime.now(UTC).isoformat()})
        return False
    return datetime.now(UTC) - last >= timedelta(days=days)


def _reconciled(
    settings: Settings,
    store: RawStore,
    copies: Sequence[FeedCopy],
    client: HttpClient,
    entries: Sequence[RawEntry],
    *,
    progress: Progress,
    accept: bool = False,
) -> Reconciled:
    limit = 1.0 if accept else settings.source.feed.max_withdrawn
    found = reconcile_feeds(store, copies, client, entries=entries, max_withdrawn=limit, progress=progress)
    write_json(_reconciled_at(store), {"at": datetime.now(UTC).isoformat()})
    return found


def _reconciled_at(store: RawStore) -> Any:
    # Hidden, so that a look that found nothing changes nothing that later stages look at.
    return store.folder / ".feeds" / "reconciled.json"
