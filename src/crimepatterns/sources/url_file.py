"""Incident files on the web: CSV, GeoJSON, Parquet, Excel or zip, fetched when they have changed.

Data sheet
----------
Publisher : whoever puts a file at an address: exports of portals, a department's own site, an object store's link.
Rhythm : the publisher's. The server is asked whether the file is still the same (``ETag``, ``Last-Modified``); where it
    cannot say so, the file is fetched and compared. A file is a whole: a new version stands in for the former one.
Geocoding and privacy : the publisher's. Columns that look personal are left out before anything is stored; the
    downloaded file is removed once it is copied.
What arrives : what `crimepatterns.sources.local_file` reads. The kind is told by the ending of the address, else
    by the first bytes.
Known defects : some portals answer an error with a web page and a status of success (recognised and refused), build the
    export on request without any size or date (always fetched anew), or cut it off without a sign (a CSV file cannot
    tell; compare the number of rows with what the portal says).
Documentation cited : RFC 9110 (HTTP semantics: conditional requests, ranges, Retry-After).
Tested against local servers with faults; any address is reached through `crimepatterns.sources.http_client`.
"""

import re
import shutil
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import SourceError
from crimepatterns.sources.http_redaction import shown_url
from crimepatterns.sources.local_file import LocalFiles
from crimepatterns.sources.raw_copy import columns_to_drop, copy_file
from crimepatterns.store.raw import RawEntry, RawStore

if TYPE_CHECKING:
    from crimepatterns.sources.http_client import HttpClient

__all__ = ["UrlFiles", "copy_urls", "discard_downloads", "downloads_folder", "fetch_url"]

_ENDINGS = re.compile(
    r"\.(csv|tsv|txt|zip|parquet|pq|geoparquet|xlsx|xlsm|xls|geojson|json|gpkg|fgb|(csv|tsv|txt)\.gz)$", re.IGNORECASE
)
_VALIDATORS = ("etag", "last_modified")
_SAMPLE = 1 << 12


@dataclass(frozen=True)
class UrlFiles:
    """Files on the web and how they are read.

    Parameters
    ----------
    urls : sequence of str
        Each with whatever secrets it needs; these appear nowhere else.
    reading : LocalFiles
        Format, delimiter, encoding and sheet; its paths are not used.
    keep_columns : collection of str
        Columns that may stay although they look personal.
    mapped : mapping of str to str
        Setting to column, for columns that cleaning needs.
    origin, licence : str
        Written into the manifest; the address stands in for an empty origin.
    """

    urls: Sequence[str] = field(repr=False)
    reading: LocalFiles
    keep_columns: Collection[str] = ()
    mapped: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    licence: str = ""


def copy_urls(
    store: RawStore, wanted: UrlFiles, client: "HttpClient", *, progress: Progress = silent
) -> list[RawEntry]:
    """Fetch what has changed, and copy it into the raw store.

    Returns
    -------
    list of RawEntry
        One for each URL; an earlier one where the file is the same.

    Raises
    ------
    SourceError
        If a file cannot be had or read; what had come of it is kept for the next run.
    ConfigError
        If a mapped column looks personal and is not to be kept.
    """
    return [_copy_url(store, wanted, url, client, progress) for url in wanted.urls]


def fetch_url(
    store: RawStore, url: str, client: "HttpClient", *, validators: Mapping[str, str], progress: Progress = silent
) -> tuple[Path, dict[str, str]] | None:
    """Download one file to where a broken download of it goes on; return its path and validators, or None if unchanged.

    Raises
    ------
    SourceError
        If it cannot be had, or is a web page.
    """
    folder = downloads_folder(store, url)
    name = unquote(urlsplit(url).path).replace("\\", "/").rpartition("/")[2]
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".")[-80:] or "file"
    done = client.download(url, folder / plain, validators=validators, progress=progress)
    if done is None:
        return None
    return _named(folder / plain, shown_url(url)), dict(done.validators)


def downloads_folder(store: RawStore, url: str) -> Path:
    """Return where the file of a URL is downloaded to; secrets in the URL make no difference."""
    return store.folder / "downloads" / sha256(shown_url(url).encode()).hexdigest()[:12]


def discard_downloads(folder: Path) -> None:
    """Remove a folder of downloads, and the folder of all downloads with the last of them."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _copy_url(store: RawStore, wanted: UrlFiles, url: str, client: "HttpClient", progress: Progress) -> RawEntry:
    place = shown_url(url)
    known = _known(store, wanted, place)
    validators = {name: known.cursor[name] for name in _VALIDATORS if name in known.cursor} if known else {}
    origin = wanted.origin or place
    fetched = fetch_url(store, url, client, validators=validators, progress=progress)
    if fetched is None:
        if known is None:
            raise SourceError(f"{place} says that nothing has changed since a copy that is not there: ask again later.")
        return replace(known, origin=origin, licence=wanted.licence)
    path, fresh = fetched
    with _called(path, place), _removed_afterwards(path.parent):
        entry = copy_file(
            store,
            wanted.reading,
            path,
            keep_columns=wanted.keep_columns,
            mapped=wanted.mapped,
            origin=origin,
            licence=wanted.licence,
        )
    return replace(entry, cursor={"url": place, **fresh})


def _known(store: RawStore, wanted: UrlFiles, place: str) -> RawEntry | None:
    """Return the latest copy of an address that was read in the same way and lacks nothing that is wanted now."""
    source = wanted.reading
    reading = {"delimiter": source.delimiter, "encoding": source.encoding, "sheet": source.sheet}
    for entry in reversed(store.entries()):
        if entry.cursor.get("url") != place or not store.path_of(entry).is_file():
            continue
        same = dict(entry.reading) == reading and source.format in {None, entry.format}
        names = (*entry.columns, *entry.dropped_columns)
        dropped = columns_to_drop(names, keep_columns=wanted.keep_columns, mapped=wanted.mapped)
        return entry if same and set(dropped) == set(entry.dropped_columns) else None
    return None


def _named(path: Path, place: str) -> Path:
    """Give a downloaded file the ending by which its kind is told, and refuse what is no data at all."""
    with path.open("rb") as handle:
        sample = handle.read(_SAMPLE)
    begins = sample.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begins.startswith((b"<!doctype html", b"<html")):
        path.unlink()
        raise SourceError(f"{place} is a web page, not data: take the address of the file behind its download button.")
    if _ENDINGS.search(path.name):
        return path
    ending = ".csv"
    if sample.startswith(b"PAR1"):
        ending = ".parquet"
    elif sample.startswith(b"PK"):
        ending = ".xlsx" if _is_workbook(path) else ".zip"
    elif sample.startswith(b"\x1f\x8b"):
        ending = ".csv.gz"
    elif begins.startswith(b"{"):
        ending = ".geojson"
    return path.rename(path.with_name(f"{path.name}{ending}"))


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile:
        return False


@contextmanager
def _called(path: Path, place: str) -> Iterator[None]:
    """Name the address in errors instead of the file that was downloaded from it."""
    try:
        yield
    except SourceError as error:
        raise SourceError(str(error).replace(str(path), place)) from error


@contextmanager
def _removed_afterwards(folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        discard_downloads(folder)
