"""Street-level crime of an area from the interface of data.police.uk, month by month.

Data sheet
----------
As for the archives, see `crimepatterns.sources.police_uk`, and besides:

What arrives : ``Crime ID`` (the interface's ``persistent_id``), ``Month, Longitude, Latitude, Location, Street ID``,
    ``Crime type`` (names such as ``anti-social-behaviour``), ``Last outcome category, Location type, Location subtype,
    Context``. The interface's own ``id`` may change from one answer to the next and is not kept.
How it is asked : ``crimes-street-dates`` tells the months, ``crime-last-updated`` whether anything is new, and
    ``crimes-street/all-crime?date=YYYY-MM&poly=lat,lng:lat,lng:...`` gives the crimes of a box. A box with more than
    10,000 crimes is answered with status 503 and is asked for in four parts. At most 15 requests per second are
    allowed.
Known defects : crimes without a place are not in the answers; the status 503 is also that of an overloaded server,
    which is told by boxes becoming small without an answer.
Documentation cited : data.police.uk/docs/method/crime-street, .../crimes-street-dates, .../crime-last-updated,
    data.police.uk/docs/api-call-limits.
Not run against the live portal : tested against a local server that speaks this protocol.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from crimepatterns.domain.protocols import Progress, RawTable, silent
from crimepatterns.errors import SourceError
from crimepatterns.sources.http_redaction import shown_url
from crimepatterns.sources.police_uk import current_parts, month_wanted
from crimepatterns.sources.raw_copy import copy_table
from crimepatterns.sources.url_file import discard_downloads
from crimepatterns.store.atomic import replacing
from crimepatterns.store.raw import RawEntry, RawStore

if TYPE_CHECKING:
    from crimepatterns.sources.http_client import HttpClient

__all__ = ["PoliceUkArea", "copy_area"]

_COLUMNS = (
    "Crime ID", "Month", "Longitude", "Latitude", "Location", "Street ID", "Crime type", "Last outcome category",
    "Location type", "Location subtype", "Context",
)  # fmt: skip
_SMALLEST_DEG = 0.004
_MARGIN_DEG = 1e-6
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class PoliceUkArea:
    """An area and the months that are wanted of it.

    Parameters
    ----------
    box : tuple of float
        West, south, east, north, degrees.
    domain : str
        With ``http://`` in front for a server of your own.
    start, end : str, optional
        Days such as 2024-01-01; the months from that of `start` to the one before that of `end`.
    origin, licence : str
        Written into the manifest.
    """

    box: Box
    domain: str = "data.police.uk"
    start: str | None = None
    end: str | None = None
    origin: str = ""
    licence: str = ""

    @property
    def name(self) -> str:
        """Tells areas apart; safe as part of a file name."""
        return f"area-{sha256(repr((self.domain, self.box)).encode()).hexdigest()[:8]}"

    @property
    def shown(self) -> str:
        """The interface's address, fit to be read by anybody."""
        return shown_url(self.url(""))

    def url(self, method: str) -> str:
        """Return the address of one of the interface's methods."""
        scheme = "" if "://" in self.domain else "https://"
        return f"{scheme}{self.domain.rstrip('/')}/api/{method}"


def copy_area(
    store: RawStore, wanted: PoliceUkArea, client: "HttpClient", *, progress: Progress = silent
) -> list[RawEntry]:
    """Fetch each wanted month unless the publisher has updated nothing since, and return the latest copy of each.

    A month that is no longer published stays as it was. A pull that breaks off goes on with the next month.

    Raises
    ------
    SourceError
        If the interface does not answer as documented, or has none of the months.
    """
    updated = _text(client.get_json(wanted.url("crime-last-updated")), "date")
    published = client.get_json(wanted.url("crimes-street-dates"))
    if not isinstance(published, list):
        raise SourceError(f"{wanted.shown}crimes-street-dates answered without a list of months.")
    months = sorted({_text(one, "date") for one in published})
    months = [month for month in months if month_wanted(month, wanted.start, wanted.end)]
    parts = _parts(store, wanted)
    folder = store.folder / "downloads" / f"{wanted.name}-{updated}"
    for i, month in enumerate(months):
        progress(f"Asking for {month}", i, len(months))
        known = parts.get(month)
        if known is not None and known.cursor.get("updated") == updated:
            continue
        path = folder / f"{month}.parquet"
        if not path.exists():
            _fetch_month(wanted, client, month, path)
    for month in months:
        path = folder / f"{month}.parquet"
        if path.exists():
            parts[month] = _copy_month(store, wanted, month, path, updated)
    discard_downloads(folder)
    if not any(entry.rows for entry in parts.values()):
        raise SourceError(
            f"{wanted.shown} has no crime in the box {wanted.box} from {wanted.start or 'the beginning'} to "
            f"{wanted.end or 'the end'}: check source.feed.area (west, south, east, north) and the days."
        )
    return [replace(parts[month], origin=wanted.origin, licence=wanted.licence) for month in sorted(parts)]


def _parts(store: RawStore, wanted: PoliceUkArea) -> dict[str, RawEntry]:
    found = {}
    for name, entry in current_parts(store).items():
        month, _, area = name.partition("/")
        if area == wanted.name and month_wanted(month, wanted.start, wanted.end):
            found[month] = entry
    return found


def _fetch_month(wanted: PoliceUkArea, client: "HttpClient", month: str, path: Path) -> None:
    records: dict[Any, tuple[str | None, ...]] = {}
    boxes = [wanted.box]
    while boxes:
        box = boxes.pop()
        found = _ask(wanted, client, month, box)
        if found is None:
            boxes += _quarters(wanted, box)
            continue
        for record in found:
            # Boxes overlap by a hair, so that none falls between them.
            records[record.get("id", len(records))] = _row(record)
    rows = sorted(records.values(), key=lambda row: tuple(value or "" for value in row))
    columns = zip(*rows, strict=True) if rows else [()] * len(_COLUMNS)
    table = pa.table([pa.array(list(values), pa.string()) for values in columns], names=list(_COLUMNS))
    with replacing(path) as beside:
        pq.write_table(table, beside, compression="zstd")


def _ask(wanted: PoliceUkArea, client: "HttpClient", month: str, box: Box) -> list[Mapping[str, Any]] | None:
    """Return the crimes of a box; None where there are too many for one answer."""
    west, south, east, north = (box[0] - _MARGIN_DEG, box[1] - _MARGIN_DEG, box[2] + _MARGIN_DEG, box[3] + _MARGIN_DEG)
    corners = ((south, west), (south, east), (north, east), (north, west))
    poly = ":".join(f"{latitude:.6f},{longitude:.6f}" for latitude, longitude in corners)
    url = wanted.url("crimes-street/all-crime")
    found = client.get_json(url, params={"date": month, "poly": poly}, accept=(503,))
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise SourceError(f"{wanted.shown} answered without a list of crimes for {month}.")
    return found


def _quarters(wanted: PoliceUkArea, box: Box) -> list[Box]:
    west, south, east, north = box
    if max(east - west, north - south) < _SMALLEST_DEG:
        raise SourceError(
            f"{wanted.shown} answers with status 503 even for a few streets: it is overloaded. Try again later; the "
            "months that have come are kept."
        )
    x, y = (west + east) / 2, (south + north) / 2
    return [(west, south, x, y), (x, south, east, y), (west, y, x, north), (x, y, east, north)]


def _row(record: Mapping[str, Any]) -> tuple[str | None, ...]:
    place = record.get("location") or {}
    street = place.get("street") or {}
    outcome = record.get("outcome_status") or {}
    values = (
        record.get("persistent_id"), record.get("month"), place.get("longitude"), place.get("latitude"),
        street.get("name"), street.get("id"), record.get("category"), outcome.get("category"),
        record.get("location_type"), record.get("location_subtype"), record.get("context"),
    )  # fmt: skip
    return tuple(str(value) if value not in {None, ""} else None for value in values)


def _copy_month(store: RawStore, wanted: PoliceUkArea, month: str, path: Path, updated: str) -> RawEntry:
    table = pq.read_table(path)
    content = repr((wanted.name, month, table.to_pylist()))
    key = sha256(content.encode()).hexdigest()
    entry = store.find(key, (), {}) or copy_table(
        store,
        RawTable(_COLUMNS, table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)], table.num_rows),
        key=key,
        name=f"{month}-{wanted.name}",
        origin=wanted.origin,
        licence=wanted.licence,
    )
    return replace(entry, cursor={"part": f"{month}/{wanted.name}", "updated": updated})


def _text(answer: Any, name: str) -> str:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, str):
        raise SourceError(f"The police interface answered without {name!r}: found {str(answer)[:100]}.")
    return value
