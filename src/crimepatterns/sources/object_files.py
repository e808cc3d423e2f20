"""Incident files in object stores and other file systems: ``s3://``, ``gs://``, ``az://``, ``memory://``, ``zip://``.

Data sheet
----------
Publisher : whoever keeps files in a store that fsspec can read; the extra ``objects`` brings fsspec, the store's own
    driver (s3fs, gcsfs, adlfs and others) comes on top.
Rhythm : the publisher's. A path may be a glob. An object is fetched again only where its etag, checksum or generation,
    or else its size and time of change, differ from those of the last copy.
What arrives : what `crimepatterns.sources.local_file` reads, told by the ending. A copy is streamed to disk beside the
    raw store, read, stripped of columns that look personal, and removed.
Privacy : credentials come from the driver's own places (environment variables such as ``AWS_ACCESS_KEY_ID``, profiles,
    roles) or from variables ``FSSPEC_<PROTOCOL>_<OPTION>`` such as ``FSSPEC_S3_ANON=true``; a path with a password is
    refused. So are ``http://`` and ``https://``: kind ``url`` guards those.
Known defects : a Shapefile is several files and cannot come this way: pack it as GeoPackage. A broken copy starts anew.
Documentation cited : fsspec (url_to_fs, URL chaining, configuration), the documentation of each driver.
Tested with fsspec's local, memory and zip file systems; not run against a cloud's store.
"""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import ConfigError, SourceError
from crimepatterns.sources.local_file import LocalFiles
from crimepatterns.sources.raw_copy import columns_to_drop, copy_file
from crimepatterns.store.raw import RawEntry, RawStore

__all__ = ["ObjectFiles", "copy_objects", "is_object_path"]

_CHUNK = 4 << 20
_GUARDED = {"http", "https"}
_EXACT = ("etag", "etags", "md5hash", "content_md5", "crc32c", "crc", "generation", "version_id", "versionid")
_ROUGH = ("size", "mtime", "lastmodified", "last_modified", "updated", "modified", "created", "date_time")


@dataclass(frozen=True)
class ObjectFiles:
    """Files behind paths with a scheme, and how they are read.

    Parameters
    ----------
    paths : sequence of str
        Such as ``s3://bucket/incidents/*.csv.gz`` or ``zip://2024/*.csv::s3://bucket/all.zip``.
    reading : LocalFiles
        Format, delimiter, encoding and sheet; its paths are not used.
    keep_columns : collection of str
        Columns that may stay although they look personal.
    mapped : mapping of str to str
        Setting to column, for columns that cleaning needs.
    origin, licence : str
        Written into the manifest.
    """

    paths: Sequence[str]
    reading: LocalFiles
    keep_columns: Collection[str] = ()
    mapped: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    licence: str = ""


@dataclass(frozen=True, eq=False)
class _Found:
    """One object: its file system, its path there, and what people call it."""

    system: Any
    path: str
    place: str

    def facts(self) -> dict[str, str]:
        """Return what tells one version of the object from another; empty where the store says too little."""
        self.system.invalidate_cache()
        given = self.system.info(self.path)
        told = (
            {str(name).lower(): str(value) for name, value in given.items() if value not in {None, ""}} if given else {}
        )
        exact = {name: told[name] for name in _EXACT if name in told}
        rough = {name: told[name] for name in _ROUGH if name in told}
        return exact or (rough if len(rough) > 1 else {})


def is_object_path(path: str) -> bool:
    """Tell whether a path names a file system of its own.

    Examples
    --------
    >>> [is_object_path(path) for path in ("s3://bucket/a.csv", "zip://a.csv::b.zip", "data/a.csv", "C:/a.csv")]
    [True, True, False, False]
    """
    return "://" in path


def copy_objects(store: RawStore, wanted: ObjectFiles, *, progress: Progress = silent) -> list[RawEntry]:
    """Fetch what has changed, and copy it into the raw store.

    Returns
    -------
    list of RawEntry
        One for each object, in the order of the paths; an earlier one where the object is the same.

    Raises
    ------
    SourceError
        If there is no such object, or it cannot be had or read.
    ConfigError
        If fsspec or a driver is missing, a path is refused, or a mapped column looks personal.
    """
    found = [one for path in wanted.paths for one in _listed(path)]
    entries = []
    for i, one in enumerate(found):
        progress("Fetching objects", i, len(found))
        with _explained(one.place):
            facts = one.facts()
        known = _known(store, wanted, one.place, facts)
        if known is not None:
            entries.append(replace(known, origin=wanted.origin or one.place, licence=wanted.licence))
        else:
            entries.append(_copied(store, wanted, one, facts))
    if found:
        progress("Fetching objects", len(found), len(found))
    return entries


# -- finding ----------------------------------------------------------------------------------------------------------


def _listed(path: str) -> list[_Found]:
    """Resolve one path or glob to objects, in the order of their names."""
    system, inner = _opened(path)
    with _explained(path):
        system.invalidate_cache()
        names = sorted(system.glob(inner)) if any(mark in inner for mark in "*?[") else [inner]
        files = [name for name in names if system.isfile(name)]
        if not files and any(system.isdir(name) for name in names):
            raise SourceError(f"{path} is a folder: source.paths needs files, such as {path.rstrip('/')}/*.csv.")
    if not files:
        raise SourceError(f"{path} names no object: check source.paths, and whether these credentials may list it.")
    scheme, _, rest = path.partition("://")
    behind = "::" + rest.partition("::")[2] if "::" in rest else ""
    found = [_Found(system, name, f"{scheme}://{name.lstrip('/')}{behind}") for name in files]
    shapes = next((one.place for one in found if one.path.lower().endswith(".shp")), None)
    if shapes is not None:
        raise SourceError(f"{shapes} is only a part of a Shapefile: pack it as GeoPackage or read it from a disk.")
    return found


def _opened(path: str) -> tuple[Any, str]:
    for link in path.split("::"):
        scheme = link.partition("://")[0].lower()
        if scheme in _GUARDED and "://" in link:
            raise ConfigError(
                f"source.paths holds {scheme}://: set source.kind to url and name it in source.feed.urls."
            )
        if "://" in link and urlsplit(link).password:
            raise ConfigError(
                f"source.paths holds a password in {scheme}://: give it to the driver by the environment, such as "
                f"FSSPEC_{scheme.upper()}_PASSWORD."
            )
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise ConfigError(f"{path} needs the package fsspec: pip install 'crimepatterns[objects]'.") from error
    try:
        system, inner = fsspec.core.url_to_fs(path)
    except ImportError as error:
        raise ConfigError(f"{path} needs a driver that is not installed ({_one_line(error)}).") from error
    except ValueError as error:
        raise ConfigError(f"{path} is in no file system that fsspec knows ({_one_line(error)}).") from error
    except Exception as error:  # a chained file system opens what lies behind it
        raise SourceError(f"{path} cannot be opened ({_one_line(error)}).") from error
    return system, str(inner)


def _known(store: RawStore, wanted: ObjectFiles, place: str, facts: Mapping[str, str]) -> RawEntry | None:
    """Return the latest copy of an object that is the same, was read in the same way and lacks nothing wanted now."""
    source = wanted.reading
    reading = {"delimiter": source.delimiter, "encoding": source.encoding, "sheet": source.sheet}
    for entry in reversed(store.entries()):
        if entry.cursor.get("object") != place or not store.path_of(entry).is_file():
            continue
        same = bool(facts) and entry.cursor.get("facts") == facts and dict(entry.reading) == reading
        names = (*entry.columns, *entry.dropped_columns)
        dropped = columns_to_drop(names, keep_columns=wanted.keep_columns, mapped=wanted.mapped)
        agrees = source.format in {None, entry.format} and set(dropped) == set(entry.dropped_columns)
        return entry if same and agrees else None
    return None


# -- copying ----------------------------------------------------------------------------------------------------------


def _copied(store: RawStore, wanted: ObjectFiles, one: _Found, facts: Mapping[str, str]) -> RawEntry:
    folder = store.folder / "downloads" / sha256(one.place.encode()).hexdigest()[:12]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        path = folder / PurePosixPath(one.path).name
        with _explained(one.place):
            with one.system.open(one.path, "rb") as coming, path.open("wb") as here:
                shutil.copyfileobj(coming, here, _CHUNK)
            if one.facts() != facts:
                raise SourceError(f"{one.place} was changed while it was read: run ingest again.")
        with _called(path, one.place):
            entry = copy_file(
                store,
                wanted.reading,
                path,
                keep_columns=wanted.keep_columns,
                mapped=wanted.mapped,
                origin=wanted.origin or one.place,
                licence=wanted.licence,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.parent.is_dir() and not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    return replace(entry, cursor={"object": one.place, "facts": dict(facts)})


@contextmanager
def _explained(place: str) -> Iterator[None]:
    try:
        yield
    except SourceError:
        raise
    except FileNotFoundError as error:
        raise SourceError(f"{place} names no object: check source.paths.") from error
    except Exception as error:  # drivers of foreign stores fail in countless ways
        raise SourceError(f"{place} cannot be read ({type(error).__name__}: {_one_line(error)}).") from error


@contextmanager
def _called(path: Path, place: str) -> Iterator[None]:
    """Name the object in errors instead of the file that was copied from it."""
    try:
        yield
    except SourceError as error:
        raise SourceError(str(error).replace(str(path), place)) from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
