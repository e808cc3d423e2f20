"""NIBRS state extracts of the FBI: one row per offence of an incident, with its agency and county.

Data sheet
----------
Publisher : Federal Bureau of Investigation, Crime Data Explorer, https://cde.ucr.cjis.gov (Documents & Downloads, NIBRS
    incident-based data by state): one zip archive per state and year, with CSV files as of a relational database.
Rhythm : once a year per state, republished when agencies amend earlier months; a new archive replaces the whole year.
Place : none. The finest place is the agency (``ori``) and its county. Without coordinates the product counts by area;
    a file with one point per agency (``ori, longitude, latitude``) puts all incidents of an agency on that point,
    which only makes sense with polygons such as counties as cells, never for density or clusters.
Time : a date and, where known, an hour; nothing finer. Where ``report_date_flag`` is set (``R`` in the submission
    format, ``t`` in the extracts) the date of the incident is not known and the date is that of the report: it is kept
    as ``report_date`` and as the flag.
Privacy : only the five tables about incidents, offences, agencies, locations and codes are opened. The tables about
    victims, offenders, arrestees and their relations are never read, not even to count them. Incident numbers of the
    agencies (in extracts up to 2015) are not taken.
Known defects : agencies join, leave, or report only some months (``nibrs_month``), so that a change of volume is first
    a change of coverage. One incident may hold up to ten offences and is one row for each: count ``incident_id`` where
    incidents are meant. Look at hour 0 before trusting it. A county may be a list of several.
Layouts read : up to 2015 (lower-case columns, ``cde_agencies.csv``), 2016 to 2020 (upper-case columns, dates such as
    ``01-JAN-16``, ``OFFENSE_TYPE_ID``), since 2021 (lower-case columns, ``offense_code``); told by the columns.
Documentation : README and table definitions in each archive; FBI, *NIBRS Technical Specification* and *NIBRS User
    Manual*, data elements 3 (incident date, hour, report date indicator), 6 (offence code), 9 (location type).
Not run against a live download: tested with invented archives in the three layouts.
"""

import hashlib
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from crimepatterns.domain.protocols import Progress, RawTable, silent
from crimepatterns.errors import SourceError
from crimepatterns.sources.local_file import find_files, read_file
from crimepatterns.sources.nibrs_tables import TABLES, Extract, find_extracts, table_stream
from crimepatterns.sources.raw_copy import copy_table
from crimepatterns.store.raw import RawEntry, RawStore, file_digest

__all__ = ["NIBRS_COLUMNS", "NibrsExtracts", "copy_extracts"]

NIBRS_COLUMNS = (
    "offense_id", "incident_id", "occurred_from", "incident_date", "incident_hour", "report_date_flag", "report_date",
    "offense_code", "offense_name", "offense_category", "crime_against", "offense_group", "attempt_complete",
    "location_type", "ori", "agency_name", "agency_type", "county", "state",
)  # fmt: skip
"""What arrives, all as text; ``longitude`` and ``latitude`` are added where points of agencies are given."""

_BATCH_ROWS = 65_536
_MEMORY = "512MB"
_LAYOUT = "nibrs-1"
_FORMATS = "['%Y-%m-%d %H:%M:%S', '%Y-%m-%d', '%d-%b-%y', '%d-%b-%Y', '%m/%d/%Y']"
_READ_ERRORS = (pa.ArrowInvalid, OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError)

_DATED = """
    SELECT incident_id, agency_id, incident_date AS given, incident_hour,
           try_strptime(trim(incident_date), {formats})::DATE AS day,
           CASE WHEN try_cast(incident_hour AS INTEGER) BETWEEN 0 AND 23
                THEN lpad(try_cast(incident_hour AS INTEGER)::VARCHAR, 2, '0') END AS hour,
           lower(trim(coalesce(report_date_flag, ''))) IN ('r', 't', 'y', '1', 'true') AS is_report
    FROM incident
"""
_ONE_AGENCY = """
    SELECT * FROM agency QUALIFY row_number() OVER (PARTITION BY agency_id ORDER BY data_year DESC, ori) = 1
"""
_ONE_TYPE = "SELECT * FROM offense_type QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY offense_name) = 1"
_ONE_LOCATION = """
    SELECT * FROM location_type QUALIFY row_number() OVER (PARTITION BY location_id ORDER BY location_type) = 1
"""
_JOIN = """
    SELECT o.offense_id, o.incident_id,
           coalesce(strftime(day, '%Y-%m-%d ') || hour || ':00', strftime(day, '%Y-%m-%d'), given) AS occurred_from,
           coalesce(strftime(day, '%Y-%m-%d'), given) AS incident_date, i.incident_hour,
           CASE WHEN is_report THEN 'R' END AS report_date_flag,
           CASE WHEN is_report THEN strftime(day, '%Y-%m-%d') END AS report_date,
           coalesce(t.offense_code, o.offense_key) AS offense_code, t.offense_name, t.offense_category, t.crime_against,
           t.offense_group, o.attempt_complete, l.location_type, a.ori,
           coalesce(nullif(trim(a.agency_name), ''), a.agency_name_2) AS agency_name, a.agency_type, a.county, a.state
           {more}
    FROM offense o
    LEFT JOIN ({dated}) i ON i.incident_id = o.incident_id
    LEFT JOIN ({types}) t ON t.{key} = o.offense_key
    LEFT JOIN ({locations}) l ON l.location_id = o.location_id
    LEFT JOIN ({agencies}) a ON a.agency_id = i.agency_id
    {further}
    ORDER BY try_cast(o.offense_id AS BIGINT), o.offense_id
"""


@dataclass(frozen=True)
class NibrsExtracts:
    """State extracts as the Crime Data Explorer gives them, read one after another as one table.

    Parameters
    ----------
    paths : sequence of str
        Zip archives, globs of them, or folders with the unpacked files.
    agency_places : str, optional
        A file with the columns ``ori``, ``longitude`` and ``latitude`` (degrees), in any format of incident files.
    """

    paths: Sequence[str]
    agency_places: str | None = None
    name: str = "nibrs"

    @property
    def columns(self) -> tuple[str, ...]:
        """What arrives."""
        return NIBRS_COLUMNS if self.agency_places is None else (*NIBRS_COLUMNS, "longitude", "latitude")

    def archives(self) -> list[Path]:
        """List archives and folders, globs resolved, each once; see `find_files` for the errors."""
        found: dict[Path, None] = {}
        for text in self.paths:
            found.update(dict.fromkeys([Path(text)] if Path(text).is_dir() else find_files([text])))
        return list(found)

    def read(self, path: Path) -> RawTable:
        """Read one archive, in the order of its offence numbers, in bounded memory.

        Raises
        ------
        SourceError
            If it is no state extract, a table or column is missing, or it is damaged. Damage far inside is raised
            while the batches are read.
        """
        places = None if self.agency_places is None else _agency_points(Path(self.agency_places))
        with _explained(path), find_extracts(path) as extracts:
            for extract in extracts:
                for name in TABLES:
                    table_stream(extract, name)
        return RawTable(self.columns, _rows(path, places, self.columns))

    def fetch(self, window: tuple[pd.Timestamp, pd.Timestamp] | None = None) -> RawTable:  # noqa: ARG002  # the protocol's
        """Read all archives as one table; an archive has no window, its whole year comes."""
        tables = [self.read(path) for path in self.archives()]
        return RawTable(self.columns, (batch for table in tables for batch in table.batches))

    def digest(self, path: Path) -> str:
        """Digest what makes the rows of an archive: its content, the points of agencies, and how it is read."""
        total = hashlib.sha256(_LAYOUT.encode())
        files = [path]
        if path.is_dir():
            names = {f"{name}.csv" for table in TABLES.values() for name in table.files}
            files = sorted(file for file in path.rglob("*") if file.name.lower() in names)
        for file in [*files, *([Path(self.agency_places)] if self.agency_places else [])]:
            total.update(file_digest(file).encode())
        return total.hexdigest()


def copy_extracts(
    store: RawStore, source: NibrsExtracts, *, origin: str, licence: str, progress: Progress = silent
) -> list[RawEntry]:
    """Copy the offences of each archive into the raw store; an archive that was copied before is not read again."""
    entries, archives = [], source.archives()
    for i, path in enumerate(archives):
        progress("Joining NIBRS extracts", i, len(archives))
        key = source.digest(path)
        known = store.find(key, (), {})
        entries.append(
            known or copy_table(store, source.read(path), key=key, name=path.name, origin=origin, licence=licence)
        )
    progress("Joining NIBRS extracts", len(archives), len(archives))
    return entries


def _rows(path: Path, places: pa.Table | None, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    with _explained(path), find_extracts(path) as extracts:
        for extract in extracts:
            yield from _joined(extract, places, columns)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    import duckdb

    try:
        yield
    except (duckdb.Error, *_READ_ERRORS) as error:
        reason = " ".join(str(error).split())[:200]
        raise SourceError(f"{path} cannot be read as a NIBRS extract ({reason}): is it damaged or cut off?") from error


def _joined(extract: Extract, places: pa.Table | None, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    import duckdb

    schema = pa.schema([(name, pa.string()) for name in columns])
    with tempfile.TemporaryDirectory(prefix="crimepatterns-nibrs-") as spill:
        settings: dict[str, Any] = {"memory_limit": _MEMORY, "threads": 2, "temp_directory": spill}
        with duckdb.connect(":memory:", config=settings) as connection:
            found = {}
            for name in TABLES:
                found[name], stream = table_stream(extract, name)
                connection.register(name, stream)
            if places is not None:
                connection.register("places", places)
            statement = _statement(_key(found, extract.label), with_places=places is not None)
            reader: pa.RecordBatchReader = connection.sql(statement).to_arrow_reader(_BATCH_ROWS)
            for batch in reader:
                yield pa.record_batch([batch.column(name).cast(pa.string()) for name in columns], schema=schema)


def _key(found: Mapping[str, frozenset[str]], label: str) -> str:
    """Tell by which column offences and their types belong together."""
    key = "offense_code" if "offense_code" in found["offense"] else "offense_type_id"
    if key not in found["offense_type"]:
        raise SourceError(f"nibrs_offense_type.csv of {label} lacks the column {key}, by which its offences are named.")
    return key


def _statement(key: str, *, with_places: bool) -> str:
    return _JOIN.format(
        dated=_DATED.format(formats=_FORMATS),
        types=_ONE_TYPE.format(key=key),
        key=key,
        locations=_ONE_LOCATION,
        agencies=_ONE_AGENCY,
        more=", p.longitude, p.latitude" if with_places else "",
        further="LEFT JOIN places p ON p.ori = a.ori" if with_places else "",
    )


def _agency_points(path: Path) -> pa.Table:
    """Read one point per agency; a later row of the same agency is ignored."""
    table = read_file(path)
    found = {name.strip().lower(): name for name in table.columns}
    missing = [name for name in ("ori", "longitude", "latitude") if name not in found]
    if missing:
        raise SourceError(
            f"{path} must hold one point per agency in the columns ori, longitude and latitude; it lacks "
            f"{', '.join(missing)} and has {', '.join(table.columns)}."
        )
    names = [found[name] for name in ("ori", "longitude", "latitude")]
    batches = [batch.select(names) for batch in table.batches]
    points = pa.Table.from_batches(batches).to_pandas().astype("string") if batches else pd.DataFrame(columns=names)
    points.columns = pd.Index(["ori", "longitude", "latitude"])
    fields = pa.schema([(name, pa.string()) for name in points.columns])
    return pa.Table.from_pandas(points.drop_duplicates("ori"), fields, preserve_index=False)
