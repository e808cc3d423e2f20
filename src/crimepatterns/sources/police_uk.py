"""Street-level crime of the police forces of England, Wales and Northern Ireland, by data.police.uk's monthly archives.

Data sheet
----------
Publisher : Single Online Home National Digital Team, from what the territorial forces of England and Wales, the British
    Transport Police and the Police Service of Northern Ireland send each month. Open Government Licence v3.0.
Rhythm : monthly, about two months late. Each archive holds the last three years as one CSV file per month and force,
    and later archives revise earlier months: outcomes are added, crimes are removed or change their type. A month that
    was pulled again stands in for the former copy of it. A month that is no longer in the archive stays as it was.
What arrives : ``Crime ID, Month, Reported by, Falls within, Longitude, Latitude, Location, LSOA code, LSOA name, Crime
    type, Last outcome category, Context``. The files of outcomes and of stop and search are left alone.
Time : the month only. Nothing shorter than a month can be counted or forecast (``cleaning.time_precision: month``).
Geocoding and privacy : the place is moved to the nearest of about 750,000 map points, each the middle of a street or a
    public or commercial place with at least eight postal addresses around it, or none. Many incidents share a point;
    cells smaller than the spacing of these points, and distances between incidents, mean nothing.
Known defects : anti-social behaviour and some older rows have no Crime ID; a Crime ID can stand in several rows; equal
    rows are different incidents (``cleaning.drop_duplicates: false``); rows without coordinates; points across the
    border of the force; forces that send nothing for months (Greater Manchester since 2019), or all of a backlog at
    once; Northern Ireland without outcomes; ``Context`` is empty in newer files. What changed each month stands in
    the publisher's changelog.
Documentation cited : data.police.uk/about (columns, anonymisation, data quality), data.police.uk/data/archive,
    data.police.uk/changelog, data.police.uk/docs.
Not run against the live portal : tested against a local server that serves archives of the documented form.
"""

import re
import shutil
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import SourceError
from crimepatterns.sources.archive import checked_members
from crimepatterns.sources.http_redaction import shown_url
from crimepatterns.sources.local_file import LocalFiles, find_files
from crimepatterns.sources.raw_copy import copy_file
from crimepatterns.sources.url_file import discard_downloads, downloads_folder, fetch_url
from crimepatterns.store.raw import RawEntry, RawStore

if TYPE_CHECKING:
    from crimepatterns.sources.http_client import HttpClient

__all__ = ["PoliceUkArchives", "copy_archives", "current_parts", "month_wanted"]

_STREET = re.compile(r"(?:^|/)(\d{4}-(?:0[1-9]|1[0-2]))-([a-z][a-z-]*)-street\.csv$")
_HEADER = b"Crime type"
_VALIDATORS = ("etag", "last_modified")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class PoliceUkArchives:
    """Archives and the part of them that is wanted.

    Parameters
    ----------
    paths : sequence of str
        Archives on this computer; globs are allowed. Later ones go before earlier ones.
    urls : sequence of str
        Archives on the web, such as https://data.police.uk/data/archive/latest.zip; they go before `paths`.
    forces : collection of str
        Such as ``northumbria``, as in the names of the files; empty takes all.
    start, end : str, optional
        Days such as 2024-01-01; the months from that of `start` to the one before that of `end`.
    mapped : mapping of str to str
        Setting to column, for columns that cleaning needs.
    keep_columns, origin, licence
        As for files.
    """

    paths: Sequence[str] = ()
    urls: Sequence[str] = field(default=(), repr=False)
    forces: Collection[str] = ()
    start: str | None = None
    end: str | None = None
    keep_columns: Collection[str] = ()
    mapped: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    licence: str = ""

    def wants(self, month: str, force: str) -> bool:
        """Tell whether the file of a month and force is wanted."""
        return month_wanted(month, self.start, self.end) and (not self.forces or force in self.forces)

    @property
    def scope(self) -> str:
        """Digest of what is wanted: an archive that has not changed is still fetched when this has."""
        parts = [sorted(self.forces), self.start, self.end, sorted(self.keep_columns)]
        return sha256(repr(parts).encode()).hexdigest()[:12]


def copy_archives(
    store: RawStore, wanted: PoliceUkArchives, client: "HttpClient", *, progress: Progress = silent
) -> list[RawEntry]:
    """Copy each wanted month and force that is new or revised, and return the latest copy of each.

    Raises
    ------
    SourceError
        If an archive cannot be had or read, holds no street-level file, or knows none of the forces.
    ConfigError
        If a mapped column looks personal and is not to be kept.
    """
    parts = {name: entry for name, entry in current_parts(store).items() if wanted.wants(*name.split("/"))}
    for path in find_files(wanted.paths) if wanted.paths else ():
        _copy_archive(store, wanted, path, parts, {"archive": path.name}, progress)
    for url in wanted.urls:
        place = shown_url(url)
        fetched = fetch_url(store, url, client, validators=_validators(parts, wanted, place), progress=progress)
        if fetched is None:
            continue
        path, validators = fetched
        mark = {"archive": place, "scope": wanted.scope, **validators}
        _forget_validators(parts, place)
        try:
            _copy_archive(store, wanted, path, parts, mark, progress)
        except SourceError as error:
            raise SourceError(str(error).replace(str(path), place)) from error
        finally:
            discard_downloads(downloads_folder(store, url))
    if not parts:
        raise SourceError(
            f"No month of {wanted.start or 'the beginning'} to {wanted.end or 'the end'} is in the archives."
        )
    return [replace(parts[name], origin=wanted.origin, licence=wanted.licence) for name in sorted(parts)]


def current_parts(store: RawStore) -> dict[str, RawEntry]:
    """Return the copies that count now, by ``month/force``."""
    return {
        entry.cursor["part"]: entry
        for entry in store.entries()
        if entry.current and "part" in entry.cursor and store.path_of(entry).is_file()
    }


def month_wanted(month: str, start: str | None, end: str | None) -> bool:
    """Tell whether a month such as 2024-05 lies from the month of `start` to the one before that of `end`."""
    return (start is None or month >= start[:7]) and (end is None or month < end[:7])


def _validators(parts: Mapping[str, RawEntry], wanted: PoliceUkArchives, place: str) -> dict[str, str]:
    """Return the validators of the archive at `place`, if all that is wanted of it now was taken from it then."""
    for entry in parts.values():
        if entry.cursor.get("archive") == place and entry.cursor.get("scope") == wanted.scope:
            found = {name: entry.cursor[name] for name in _VALIDATORS if name in entry.cursor}
            if found:
                return found
    return {}


def _forget_validators(parts: dict[str, RawEntry], place: str) -> None:
    """Months that a new version of an archive no longer holds must not vouch for the former version."""
    for name, entry in parts.items():
        if entry.cursor.get("archive") == place:
            rest = {key: value for key, value in entry.cursor.items() if key not in _VALIDATORS}
            parts[name] = replace(entry, cursor=rest)


def _copy_archive(
    store: RawStore,
    wanted: PoliceUkArchives,
    path: Path,
    parts: dict[str, RawEntry],
    mark: Mapping[str, str],
    progress: Progress,
) -> None:
    members = _street_files(path)
    forces = {force for _, force, _ in members}
    unknown = sorted(set(wanted.forces) - forces)
    if unknown:
        raise SourceError(f"{path} holds no file of {', '.join(unknown)}; it knows {', '.join(sorted(forces))}.")
    chosen = [member for member in members if wanted.wants(*member[:2])]
    for i, (month, force, info) in enumerate(chosen):
        progress(f"Copying {month} {force}", i, len(chosen))
        name = f"{month}/{force}"
        cursor = {**mark, "part": name, "crc": info.CRC, "size": info.file_size}
        known = parts.get(name)
        if known is not None and _is_same(store, known, cursor, wanted):
            parts[name] = replace(known, cursor=cursor)
            continue
        with _unpacked(store, path, info, f"{month}-{force}-street.csv") as file:
            if _has_rows(file, path):
                entry = copy_file(
                    store, LocalFiles((), "csv"), file, keep_columns=wanted.keep_columns, mapped=wanted.mapped
                )
                parts[name] = replace(entry, cursor=cursor)
            else:
                parts.pop(name, None)


def _street_files(path: Path) -> list[tuple[str, str, zipfile.ZipInfo]]:
    try:
        members = checked_members(path)
    except (zipfile.BadZipFile, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SourceError(f"{path} is a damaged zip archive ({reason}): fetch it again.") from error
    found = [(match[1], match[2], info) for info in members if (match := _STREET.search(info.filename))]
    if not found:
        raise SourceError(
            f"{path} holds no street-level file (YYYY-MM/YYYY-MM-<force>-street.csv): expected an archive of "
            "data.police.uk."
        )
    return sorted(found, key=lambda member: member[:2])


def _is_same(store: RawStore, known: RawEntry, cursor: Mapping[str, Any], wanted: PoliceUkArchives) -> bool:
    """Tell whether a part need not be read again: same checksum and size, and no other columns wanted."""
    same = all(known.cursor.get(name) == cursor[name] for name in ("crc", "size"))
    return same and store.path_of(known).is_file() and not set(known.dropped_columns) & set(wanted.keep_columns)


@contextmanager
def _unpacked(store: RawStore, path: Path, info: zipfile.ZipInfo, name: str) -> Iterator[Path]:
    """Unpack one member under a name of our own, and remove it afterwards."""
    folder = store.folder / "downloads" / "unpacked"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    try:
        with zipfile.ZipFile(path) as archive, archive.open(info) as packed, file.open("wb") as plain:
            shutil.copyfileobj(packed, plain, _CHUNK)
        yield file
    except (zipfile.BadZipFile, EOFError) as error:
        raise SourceError(f"{path} is damaged at {info.filename}: fetch it again.") from error
    finally:
        discard_downloads(folder)


def _has_rows(file: Path, archive: Path) -> bool:
    with file.open("rb") as handle:
        header, row = handle.readline(_CHUNK), handle.readline(_CHUNK)
    if _HEADER not in header:
        raise SourceError(
            f"{archive} ({file.name}) has no column {_HEADER.decode()!r}, it begins with "
            f"{header[:120].decode('utf-8', 'replace').strip()!r}: expected a street-level file of data.police.uk."
        )
    return bool(row.strip())
