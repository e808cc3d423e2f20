"""The tables of a NIBRS state extract that are about incidents, and how three generations of it name their columns.

Tables about people (victims, offenders, arrestees) are not listed here, and what is not listed is never opened.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

import pyarrow as pa
import pyarrow.csv as pacsv

from crimepatterns.errors import SourceError
from crimepatterns.sources.archive import checked_members
from crimepatterns.sources.decoding import decode_column

__all__ = ["TABLES", "Extract", "NibrsTable", "find_extracts", "table_stream"]

_BLOCK = 4 << 20
_MAX_HEADER_BYTES = 1 << 16


@dataclass(frozen=True)
class NibrsTable:
    """One table of the extract.

    Parameters
    ----------
    files : tuple of str
        Names of its file in lower case without ending; the first that is there is taken.
    columns : dict of str to tuple of str
        Our name to the publisher's, the first that is there is taken.
    needed : tuple of str
        Our names without which the extract cannot be read.
    """

    files: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]
    needed: tuple[str, ...]


TABLES: dict[str, NibrsTable] = {
    "incident": NibrsTable(
        ("nibrs_incident",),
        {
            "incident_id": ("incident_id",),
            "agency_id": ("agency_id",),
            "incident_date": ("incident_date",),
            "incident_hour": ("incident_hour",),
            "report_date_flag": ("report_date_flag",),
        },
        ("incident_id", "agency_id", "incident_date"),
    ),
    "offense": NibrsTable(
        ("nibrs_offense",),
        {
            "offense_id": ("offense_id",),
            "incident_id": ("incident_id",),
            # Until 2020 a number that stands for the offence, since 2021 the code itself.
            "offense_key": ("offense_code", "offense_type_id"),
            "attempt_complete": ("attempt_complete_flag",),
            "location_id": ("location_id",),
        },
        ("offense_id", "incident_id", "offense_key"),
    ),
    "offense_type": NibrsTable(
        ("nibrs_offense_type",),
        {
            "offense_type_id": ("offense_type_id",),
            "offense_code": ("offense_code",),
            "offense_name": ("offense_name",),
            "offense_category": ("offense_category_name",),
            "crime_against": ("crime_against",),
            "offense_group": ("offense_group",),
        },
        ("offense_code", "offense_name"),
    ),
    "location_type": NibrsTable(
        ("nibrs_location_type",),
        {"location_id": ("location_id",), "location_type": ("location_name",)},
        ("location_id", "location_type"),
    ),
    "agency": NibrsTable(
        ("agencies", "cde_agencies"),
        {
            "agency_id": ("agency_id",),
            "data_year": ("data_year",),
            "ori": ("ori",),
            "agency_name": ("pub_agency_name", "agency_name"),
            "agency_name_2": ("ucr_agency_name", "ncic_agency_name"),
            "agency_type": ("agency_type_name",),
            "county": ("county_name", "primary_county"),
            "state": ("state_postal_abbr", "state_abbr"),
        },
        ("agency_id", "ori"),
    ),
}


@dataclass(frozen=True, eq=False)
class Extract:
    """The tables of one state and year.

    Parameters
    ----------
    label : str
        What to call it in messages.
    opens : dict of str to callable
        Table, as in `TABLES`, to what opens its file.
    """

    label: str
    opens: dict[str, Callable[[], IO[bytes]]]


@contextmanager
def find_extracts(path: Path) -> Iterator[list[Extract]]:
    """Find the extracts in a zip archive or in a folder with unpacked files; one archive may hold several.

    Raises
    ------
    SourceError
        If there is no extract, or a table of it is missing.
    """
    if path.is_dir():
        yield _extracts(
            path.name, {str(file.relative_to(path)): partial(_open_file, file) for file in _csv_files(path)}
        )
        return
    try:
        members = checked_members(path, nested=True)
    except (zipfile.BadZipFile, OSError) as error:
        raise SourceError(
            f"{path} is no readable zip archive ({error}): expected a state extract of the Crime Data Explorer."
        ) from error
    with zipfile.ZipFile(path) as archive:
        yield _extracts(path.name, {info.filename: partial(archive.open, info) for info in members})


def table_stream(extract: Extract, name: str) -> tuple[frozenset[str], pa.RecordBatchReader]:
    """Read one table as text, its columns by our names; a column that this generation lacks is null.

    Returns
    -------
    columns : frozenset of str
        The publisher's names, in lower case.
    reader : pyarrow.RecordBatchReader
        May be read once.
    """
    table, label = TABLES[name], f"{TABLES[name].files[0]}.csv of {extract.label}"
    with extract.opens[name]() as handle:
        header = _header(handle, label)
    found = {column.strip().lower(): i for i, column in enumerate(header)}
    places = {
        ours: next((found[one] for one in theirs if one in found), None) for ours, theirs in table.columns.items()
    }
    missing = [table.columns[ours] for ours in table.needed if places[ours] is None]
    if missing:
        wanted = ", ".join(" or ".join(names) for names in missing)
        raise SourceError(f"{label} lacks the column {wanted}; it has {', '.join(found)}.")
    schema = pa.schema([(ours, pa.string()) for ours in places])
    batches = _batches(extract.opens[name], len(header), places, schema)
    return frozenset(found), pa.RecordBatchReader.from_batches(schema, batches)


def _csv_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() == ".csv" and file.is_file())


def _open_file(file: Path) -> IO[bytes]:
    return file.open("rb")


def _extracts(label: str, members: Mapping[str, Callable[[], IO[bytes]]]) -> list[Extract]:
    """Group members by folder; a name is only compared, never used as a path."""
    names = {name: table for table, wanted in TABLES.items() for name in wanted.files}
    folders: dict[str, dict[str, Callable[[], IO[bytes]]]] = {}
    for member, opens in members.items():
        place = PurePosixPath(member.replace("\\", "/"))
        table = names.get(place.stem.lower())
        if table is not None and place.suffix.lower() == ".csv":
            folders.setdefault(str(place.parent), {})[table] = opens
    found = []
    for folder, tables in sorted(folders.items()):
        name = label if len(folders) == 1 else f"{label}/{folder}"
        lacking = [f"{TABLES[table].files[0]}.csv" for table in TABLES if table not in tables]
        if lacking:
            raise SourceError(f"{name} is no complete NIBRS state extract: it lacks {', '.join(lacking)}.")
        found.append(Extract(name, tables))
    if not found:
        listed = ", ".join(sorted(members)[:8]) or "nothing"
        raise SourceError(
            f"{label} is no NIBRS state extract: expected nibrs_incident.csv, nibrs_offense.csv and their tables of "
            f"codes, found {listed}."
        )
    return found


def _header(handle: IO[bytes], label: str) -> list[str]:
    line = handle.readline(_MAX_HEADER_BYTES)
    header = next(csv.reader(io.StringIO(line.decode("utf-8-sig", "replace"))), [])
    if not header:
        raise SourceError(f"{label} is empty: expected a header.")
    return header


def _batches(
    opens: Callable[[], IO[bytes]], width: int, places: Mapping[str, int | None], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    names = [str(i) for i in range(width)]
    wanted = [str(place) for place in dict.fromkeys(places.values()) if place is not None]
    with opens() as handle:
        reader = pacsv.open_csv(
            pa.PythonFile(handle, mode="r"),
            read_options=pacsv.ReadOptions(column_names=names, skip_rows_after_names=1, block_size=_BLOCK),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                check_utf8=False,
                include_columns=wanted,
                column_types=dict.fromkeys(names, pa.binary()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        for batch in reader:
            values = {name: decode_column(batch.column(name), "utf-8") for name in wanted}
            absent = pa.nulls(batch.num_rows, pa.string())
            yield pa.record_batch(
                [absent if place is None else values[str(place)] for place in places.values()], schema=schema
            )
