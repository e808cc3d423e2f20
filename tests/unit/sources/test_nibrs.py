"""NIBRS state extracts become one row per offence, whatever their layout; nothing about people is read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from crimepatterns.errors import SourceError
from crimepatterns.sources.nibrs import NIBRS_COLUMNS, NibrsExtracts, copy_extracts
from crimepatterns.sources.personal import personal_columns
from crimepatterns.store.raw import RawStore
from nibrs_extract import LAYOUTS, PERSON, archive, since_2021, until_2015, until_2020

EXPECTED = [
    # offence, incident, from, flag, code, agency, county
    ("9001", "501", "2019-03-04 17:00", None, "120", "XX0010100", "EXAMPLE"),
    ("9002", "501", "2019-03-04 17:00", None, "13A", "XX0010100", "EXAMPLE"),
    ("9003", "502", "2019-03-05", None, "220", "XX0010100", "EXAMPLE"),
    ("9010", "503", "2019-12-31 00:00", "R", "23H", "XX0020000", "PEÑA; EXAMPLE"),
]


def rows_of(path: Path, **options: Any) -> pd.DataFrame:
    table = NibrsExtracts([str(path)], **options).read(path)
    return pa.Table.from_batches(list(table.batches)).to_pandas()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_rows(tmp_path: Path, layout: str) -> None:
    found = rows_of(archive(tmp_path / "XX-2019.zip", LAYOUTS[layout]()))
    assert tuple(found.columns) == NIBRS_COLUMNS
    chosen = ["offense_id", "incident_id", "occurred_from", "report_date_flag", "offense_code", "ori", "county"]
    rows = [tuple(None if pd.isna(value) else value for value in row) for row in found[chosen].itertuples(index=False)]
    assert rows == EXPECTED
    by_id = found.set_index("offense_id")
    assert by_id.loc["9003", "offense_name"] == "Burglary/Breaking & Entering"
    assert by_id.loc["9003", "location_type"] == "Highway/Road/Alley/Street/Sidewalk"
    assert pd.isna(by_id.loc["9010", "location_type"])
    assert by_id.loc["9010", "agency_name"] == "Peña County Sheriff"
    assert by_id.loc["9010", "report_date"] == "2019-12-31"
    assert pd.isna(by_id.loc["9001", "report_date"])
    assert not (found == PERSON).to_numpy().any()


def test_what_arrives_looks_personal_to_nobody() -> None:
    assert not personal_columns(NIBRS_COLUMNS)


def test_a_folder_of_unpacked_files_is_read_like_its_archive(tmp_path: Path) -> None:
    packed = archive(tmp_path / "XX-2019.zip", since_2021())
    for name, content in since_2021().items():
        path = tmp_path / "unpacked" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="latin-1" if "agencies" in name else "utf-8")
    pd.testing.assert_frame_equal(rows_of(tmp_path / "unpacked"), rows_of(packed))


def test_years_are_read_one_after_another_and_globs_resolve(tmp_path: Path) -> None:
    archive(tmp_path / "XX-2014.zip", until_2015())
    archive(tmp_path / "XX-2021.zip", since_2021())
    table = NibrsExtracts([str(tmp_path / "XX-*.zip")]).fetch()
    assert sum(batch.num_rows for batch in table.batches) == 2 * len(EXPECTED)


def test_several_states_in_one_archive_are_each_joined_on_their_own(tmp_path: Path) -> None:
    other = {name.replace("XX/", "YY/"): content for name, content in since_2021().items()}
    found = rows_of(archive(tmp_path / "both.zip", since_2021() | other))
    assert sorted(found["offense_id"]) == sorted(2 * [row[0] for row in EXPECTED])


def test_points_of_agencies_are_joined_by_ori(tmp_path: Path) -> None:
    places = tmp_path / "places.csv"
    places.write_text("ORI,Longitude,Latitude\nXX0010100,-80.25,40.5\nXX0010100,0,0\n", encoding="utf-8")
    found = rows_of(archive(tmp_path / "a.zip", until_2020()), agency_places=str(places)).set_index("offense_id")
    assert found.loc["9001", ["longitude", "latitude"]].tolist() == ["-80.25", "40.5"]
    assert found.loc["9010", ["longitude", "latitude"]].isna().all()


def test_offences_whose_incident_or_code_is_unknown_are_kept_for_cleaning_to_count(tmp_path: Path) -> None:
    members = since_2021()
    members["XX/NIBRS_OFFENSE.csv"] += "2019,9999,777,13A,C,20,,\n2019,9998,501,99Z,C,20,,\n"
    members["XX/NIBRS_incident.csv"] = members["XX/NIBRS_incident.csv"].replace("2019-03-05", "soon")
    found = rows_of(archive(tmp_path / "a.zip", members)).set_index("offense_id")
    assert pd.isna(found.loc["9999", "occurred_from"])
    assert found.loc["9998", "offense_code"] == "99Z"
    assert pd.isna(found.loc["9998", "offense_name"])
    assert found.loc["9003", "occurred_from"] == "soon"


def test_an_archive_is_copied_once_and_a_new_edition_again(tmp_path: Path) -> None:
    path, store = archive(tmp_path / "XX-2019.zip", since_2021()), RawStore(tmp_path / "raw")
    source = NibrsExtracts([str(path)])
    first = copy_extracts(store, source, origin="FBI", licence="public domain")
    store.record(first)
    assert [(entry.rows, entry.source_name, entry.columns) for entry in first] == [(4, "XX-2019.zip", NIBRS_COLUMNS)]
    assert copy_extracts(store, source, origin="FBI", licence="public domain") == store.entries()
    assert PERSON.encode() not in store.path_of(first[0]).read_bytes()
    members = since_2021()
    members["XX/NIBRS_OFFENSE.csv"] += "2019,9004,502,13A,C,20,,\n"
    archive(path, members)
    assert [entry.rows for entry in copy_extracts(store, source, origin="FBI", licence="")] == [5]


def broken_members() -> Iterator[tuple[str, dict[str, str], str]]:
    whole = since_2021()
    yield "a table is missing", {k: v for k, v in whole.items() if "LOCATION" not in k}, "lacks nibrs_location_type.csv"
    yield "no extract", {"readme.txt": "x", "victim.csv": whole["XX/NIBRS_VICTIM.csv"]}, "is no NIBRS state extract"
    header = whole["XX/NIBRS_OFFENSE.csv"].replace("offense_code", "code")
    yield (
        "a column is missing",
        whole | {"XX/NIBRS_OFFENSE.csv": header},
        "lacks the column offense_code or offense_type_id",
    )
    types = whole["XX/NIBRS_OFFENSE_TYPE.csv"].replace("offense_code", "offence_code")
    yield "codes without name", whole | {"XX/NIBRS_OFFENSE_TYPE.csv": types}, "lacks the column offense_code"
    yield "an empty table", whole | {"XX/agencies.csv": ""}, "agencies.csv of a.zip is empty"
    cut = whole["XX/NIBRS_incident.csv"][:-60]
    yield "cut off", whole | {"XX/NIBRS_incident.csv": cut}, "damaged or cut off"


@pytest.mark.parametrize(("members", "message"), [pytest.param(m, t, id=i) for i, m, t in broken_members()])
def test_what_is_wrong_is_said(tmp_path: Path, members: dict[str, str], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        rows_of(archive(tmp_path / "a.zip", members))


def test_damage_inside_an_archive_is_found(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", since_2021())
    path.write_bytes(path.read_bytes().replace(b"2019-03-04", b"2019-03-09"))
    with pytest.raises(SourceError, match=r"a\.zip cannot be read as a NIBRS extract"):
        rows_of(path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(SourceError, match="no readable zip archive"):
        rows_of(path)


def test_a_file_of_places_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "places.csv").write_text("agency,lon,lat\n1,2,3\n", encoding="utf-8")
    with pytest.raises(SourceError, match="lacks ori, longitude, latitude"):
        rows_of(archive(tmp_path / "a.zip", since_2021()), agency_places=str(tmp_path / "places.csv"))


def test_a_hostile_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="path out of the archive: refused"):
        rows_of(archive(tmp_path / "a.zip", since_2021() | {"../agencies.csv": "x"}))
