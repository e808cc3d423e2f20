"""From a raw incident file to clean incidents: `ingest`, then `clean`; and `forget`, which erases a record."""

import hashlib
import os
from typing import Any

from crimepatterns.cleaning.schema import ColumnMap
from crimepatterns.cleaning_run.account import relative
from crimepatterns.cleaning_run.cleaning import clean
from crimepatterns.cleaning_run.forgetting import forget
from crimepatterns.cleaning_run.opening import boundary_box, synthetic_city
from crimepatterns.config import Settings
from crimepatterns.config.values import expand_variables
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import ConfigError
from crimepatterns.feed_ingest import FEED_KINDS, ingest_feeds
from crimepatterns.sources.http_client import HttpClient, HttpPolicy
from crimepatterns.sources.local_file import LocalFiles
from crimepatterns.sources.nibrs import NibrsExtracts, copy_extracts
from crimepatterns.sources.object_files import ObjectFiles, copy_objects, is_object_path
from crimepatterns.sources.police_uk import PoliceUkArchives, copy_archives
from crimepatterns.sources.police_uk_api import PoliceUkArea, copy_area
from crimepatterns.sources.raw_copy import copy_file, copy_table
from crimepatterns.sources.url_file import UrlFiles, copy_urls
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawEntry, RawStore
from crimepatterns.version import __version__

__all__ = ["clean", "forget", "ingest"]


def ingest(settings: Settings, *, progress: Progress = silent) -> dict[str, Any]:
    """Copy raw records under ``data/raw/<city>``, without columns that look personal, and list them in a manifest.

    A file that was copied before is not copied again; a changed file makes a new copy beside the old one. Files on the
    web are fetched where they have changed; from portals and databases come the records that are new, changed or
    withdrawn.

    Raises
    ------
    SourceError
        If a file cannot be had or read.
    ConfigError
        If a mapped column looks personal and is not named in ``source.keep_columns``.
    """
    layout = Layout(settings.root, settings.city)
    store = RawStore(layout.raw)
    copiers = {
        "nibrs": _ingest_nibrs,
        "police_uk": _ingest_police_uk,
        "synthetic": _ingest_synthetic,
        "url": _ingest_urls,
    }
    told: dict[str, Any] = {}
    if settings.source.kind in FEED_KINDS:
        pulled = ingest_feeds(settings, store, progress=progress)
        entries, told = pulled.entries, pulled.told
    else:
        entries = copiers.get(settings.source.kind, _ingest_files)(settings, store, progress)
    store.record(entries)
    return {
        **told,
        "files": len(entries),
        "rows": sum(entry.rows for entry in entries if not entry.withdraws),
        "columns": sorted({name for entry in entries for name in entry.columns}),
        "dropped_personal_columns": sorted({name for entry in entries for name in entry.dropped_columns}),
        "outputs": [relative(layout, path) for path in (*map(store.path_of, entries), store.manifest)],
    }


def _ingest_files(settings: Settings, store: RawStore, progress: Progress) -> list[RawEntry]:
    wanted = settings.source
    paths = [path for path in wanted.paths if not is_object_path(path)]
    source = LocalFiles(paths, wanted.format, wanted.delimiter, wanted.encoding, wanted.sheet)
    mapped = ColumnMap(**settings.columns.model_dump()).mapped
    elsewhere = ObjectFiles(
        tuple(path for path in wanted.paths if is_object_path(path)),
        source,
        keep_columns=wanted.keep_columns,
        mapped=mapped,
        origin=wanted.origin,
        licence=wanted.licence,
    )
    entries = copy_objects(store, elsewhere, progress=progress)
    files = source.files()
    for i, path in enumerate(files):
        progress("Copying raw records", i, len(files))
        entry = copy_file(
            store,
            source,
            path,
            keep_columns=wanted.keep_columns,
            mapped=mapped,
            origin=wanted.origin,
            licence=wanted.licence,
        )
        entries.append(entry)
    progress("Copying raw records", len(files), len(files))
    return entries


def _ingest_nibrs(settings: Settings, store: RawStore, progress: Progress) -> list[RawEntry]:
    source = settings.source
    extracts = NibrsExtracts(source.paths, source.agency_places)
    return copy_extracts(store, extracts, origin=source.origin, licence=source.licence, progress=progress)


def _ingest_urls(settings: Settings, store: RawStore, progress: Progress) -> list[RawEntry]:
    source = settings.source
    if not source.feed.urls:
        raise ConfigError("source.kind is url, but source.feed.urls names no address.")
    wanted = UrlFiles(
        tuple(_expanded(url) for url in source.feed.urls),
        LocalFiles((), source.format, source.delimiter, source.encoding, source.sheet),
        keep_columns=source.keep_columns,
        mapped=ColumnMap(**settings.columns.model_dump()).mapped,
        origin=source.origin,
        licence=source.licence,
    )
    with _client(settings) as client:
        return copy_urls(store, wanted, client, progress=progress)


def _ingest_police_uk(settings: Settings, store: RawStore, progress: Progress) -> list[RawEntry]:
    source, feed = settings.source, settings.source.feed
    common: dict[str, Any] = {
        "start": feed.start, "end": feed.end, "origin": source.origin, "licence": source.licence
    }  # fmt: skip
    with _client(settings) as client:
        if source.paths or feed.urls:
            archives = PoliceUkArchives(
                source.paths,
                tuple(_expanded(url) for url in feed.urls),
                feed.forces,
                keep_columns=source.keep_columns,
                mapped=ColumnMap(**settings.columns.model_dump()).mapped,
                **common,
            )
            return copy_archives(store, archives, client, progress=progress)
        area = PoliceUkArea(_box(settings), feed.domain or PoliceUkArea.domain, **common)
        return copy_area(store, area, client, progress=progress)


def _box(settings: Settings) -> tuple[float, float, float, float]:
    """Return west, south, east and north of the area to ask about."""
    if settings.source.feed.area is not None:
        return settings.source.feed.area
    if settings.study_area.boundary is None:
        raise ConfigError(
            "source.kind is police_uk: name archives in source.paths or source.feed.urls, or an area to ask the "
            "interface about in source.feed.area (west, south, east, north) or study_area.boundary."
        )
    return boundary_box(settings)


def _client(settings: Settings) -> HttpClient:
    feed = settings.source.feed
    policy = HttpPolicy(
        allow_private=feed.allow_private,
        requests_per_second=feed.requests_per_second,
        timeout_s=feed.timeout_s,
        retries=feed.retries,
    )
    token = os.environ.get(feed.token_env) if feed.token_env else None
    if feed.token_env and not token:
        raise ConfigError(f"source.feed.token_env names {feed.token_env}, which is not set: set it, or leave it out.")
    return HttpClient(policy, headers={"Authorization": f"Bearer {token}"} if token else None)


def _expanded(url: str) -> str:
    try:
        return expand_variables(url)
    except ValueError as error:
        raise ConfigError(f"source.feed.urls: {error}.") from error


def _ingest_synthetic(settings: Settings, store: RawStore, progress: Progress) -> list[RawEntry]:
    source = settings.source
    recipe = f"{source.city_class}|{source.incidents}|{source.years}|{source.seed}|{settings.timezone}|{__version__}"
    key = hashlib.sha256(recipe.encode()).hexdigest()
    known = store.find(key, (), {})
    if known is not None:
        return [known]
    progress("Inventing a city", 0, None)
    table = synthetic_city(settings).fetch()
    origin = "Invented by crimepatterns; nothing in it is real"
    return [copy_table(store, table, key=key, name=f"synthetic-{source.city_class}", origin=origin, licence="MIT")]
