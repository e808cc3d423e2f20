"""NIBRS state extracts in three layouts: the documented files and columns, invented values."""

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

__all__ = ["LAYOUTS", "PERSON", "archive", "since_2021", "until_2015", "until_2020"]

PERSON = "Zsazsa-Qx-34"
INCIDENTS = [
    {"incident_id": "501", "agency_id": "11", "day": (2019, 3, 4), "incident_hour": "17", "report_date_flag": "f"},
    {"incident_id": "502", "agency_id": "11", "day": (2019, 3, 5), "incident_hour": "", "report_date_flag": "f"},
    {"incident_id": "503", "agency_id": "12", "day": (2019, 12, 31), "incident_hour": "0", "report_date_flag": "t"},
]
OFFENSES = [
    dict(zip(("offense_id", "incident_id", "offense_code", "location_id", "attempt_complete_flag"), row, strict=True))
    for row in (
        ("9002", "501", "13A", "20", "C"),
        ("9001", "501", "120", "20", "C"),
        ("9003", "502", "220", "13", "A"),
        ("9010", "503", "23H", "", "C"),
    )
]
TYPES = [
    ("120", "Robbery", "Property", "6"),
    ("13A", "Aggravated Assault", "Person", "27"),
    ("220", "Burglary/Breaking & Entering", "Property", "49"),
    ("23H", "All Other Larceny", "Property", "7"),
]
TYPE_ID = {code: number for code, _, _, number in TYPES}
LOCATIONS = [("13", "13", "Highway/Road/Alley/Street/Sidewalk"), ("20", "20", "Residence/Home")]
AGENCIES = [
    ("11", "XX0010100", "Exampleton Police", "EXAMPLE"),
    ("12", "XX0020000", "Peña County Sheriff", "PEÑA; EXAMPLE"),
]


def text(rows: list[dict[str, Any]], *, quoted: bool = False, upper: bool = False) -> str:
    out = io.StringIO()
    names = list(rows[0])
    writer = csv.writer(out, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerow([name.upper() if upper else name for name in names])
    writer.writerows([[row[name] for name in names] for row in rows])
    return out.getvalue()


def people(upper: bool) -> dict[str, str]:
    victim = text([{"victim_id": "1", "incident_id": "501", "age_num": PERSON, "sex_code": "F"}], upper=upper)
    return dict.fromkeys(("victim", "offender", "arrestee", "victim_offense", "victim_offender_rel"), victim)


def until_2015() -> dict[str, str]:
    """Lower case, quoted, moments at midnight, numbers for offences, cde_agencies."""
    incident = [
        {
            "agency_id": one["agency_id"], "incident_id": one["incident_id"], "nibrs_month_id": "77",
            "incident_number": PERSON, "cargo_theft_flag": "", "submission_date": "",
            "incident_date": "{:04d}-{:02d}-{:02d} 00:00:00".format(*one["day"]),
            "report_date_flag": "R" if one["report_date_flag"] == "t" else "", "incident_hour": one["incident_hour"],
            "cleared_except_id": "6", "cleared_except_date": "", "incident_status": "0", "data_home": "C",
            "ddocname": "", "orig_format": "F", "ff_line_number": "1", "did": "5",
        }
        for one in INCIDENTS
    ]  # fmt: skip
    offense = [
        {
            "offense_id": one["offense_id"], "incident_id": one["incident_id"],
            "offense_type_id": TYPE_ID[one["offense_code"]], "attempt_complete_flag": one["attempt_complete_flag"],
            "location_id": one["location_id"], "num_premises_entered": "", "method_entry_code": "",
            "ff_line_number": "1",
        }
        for one in OFFENSES
    ]  # fmt: skip
    types = [
        {"offense_type_id": number, "offense_code": code, "offense_name": name, "crime_against": against,
         "ct_flag": "n", "hc_flag": "y", "hc_code": "", "offense_category_name": name}
        for code, name, against, number in TYPES
    ]  # fmt: skip
    agencies = [
        {"agency_id": number, "ori": ori, "legacy_ori": ori, "agency_name": name, "short_name": name,
         "agency_type_id": "1", "agency_type_name": "City", "state_abbr": "XX", "primary_county": county,
         "icpsr_lat": "40.1", "icpsr_lng": "-80.2"}
        for number, ori, name, county in AGENCIES
    ]  # fmt: skip
    files = {
        "nibrs_incident": incident,
        "nibrs_offense": offense,
        "nibrs_offense_type": types,
        "cde_agencies": agencies,
    }
    made = {f"{name}.csv": text(rows, quoted=True) for name, rows in files.items()}
    return made | {"nibrs_location_type.csv": locations(quoted=True)} | named(people(upper=False), "nibrs_{}.csv")


def until_2020() -> dict[str, str]:
    """Upper case, dates of the style 04-MAR-19, agencies, a folder inside the archive."""
    months = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
    incident = [
        {
            "data_year": "2019", "agency_id": one["agency_id"], "incident_id": one["incident_id"],
            "nibrs_month_id": "77", "cargo_theft_flag": "N", "submission_date": "01-FEB-20",
            "incident_date": f"{one['day'][2]:02d}-{months[one['day'][1] - 1]}-{one['day'][0] % 100:02d}",
            "report_date_flag": one["report_date_flag"], "incident_hour": one["incident_hour"],
            "cleared_except_id": "6", "cleared_except_date": "", "incident_status": "ACCEPTED", "data_home": "C",
            "orig_format": "F", "did": "5",
        }
        for one in INCIDENTS
    ]  # fmt: skip
    offense = [
        {
            "data_year": "2019", "offense_id": one["offense_id"], "incident_id": one["incident_id"],
            "offense_type_id": TYPE_ID[one["offense_code"]], "attempt_complete_flag": one["attempt_complete_flag"],
            "location_id": one["location_id"], "num_premises_entered": "", "method_entry_code": "",
        }
        for one in OFFENSES
    ]  # fmt: skip
    types = [
        {"offense_type_id": number, "offense_code": code, "offense_name": name, "crime_against": against,
         "ct_flag": "n", "hc_flag": "y", "hc_code": "", "offense_category_name": name, "offense_group": "A"}
        for code, name, against, number in TYPES
    ]  # fmt: skip
    files = {"NIBRS_incident": incident, "NIBRS_OFFENSE": offense, "NIBRS_OFFENSE_TYPE": types}
    made = {f"XX/{name}.csv": text(rows, upper=True) for name, rows in files.items()}
    made |= {"XX/NIBRS_LOCATION_TYPE.csv": locations(upper=True), "XX/agencies.csv": agencies(upper=True)}
    return made | named(people(upper=True), "XX/NIBRS_{}.csv")


def since_2021() -> dict[str, str]:
    """Lower case, ISO dates, the code of the offence itself, a byte order mark."""
    made = until_2020()
    incident = [
        {
            "data_year": "2019", "agency_id": one["agency_id"], "incident_id": one["incident_id"],
            "nibrs_month_id": "77", "cargo_theft_flag": "f", "submission_date": "2020-02-01",
            "incident_date": "{:04d}-{:02d}-{:02d}".format(*one["day"]), "report_date_flag": one["report_date_flag"],
            "incident_hour": one["incident_hour"], "cleared_except_id": "6", "cleared_except_date": "",
            "incident_status": "0", "data_home": "C", "orig_format": "F", "did": "5",
        }
        for one in INCIDENTS
    ]  # fmt: skip
    offense = [{"data_year": "2019", **one, "num_premises_entered": "", "method_entry_code": ""} for one in OFFENSES]
    types = [
        {"offense_code": code, "offense_name": name, "crime_against": against, "ct_flag": "f", "hc_flag": "t",
         "hc_code": "", "offense_category_name": name, "offense_group": "A"}
        for code, name, against, _ in TYPES
    ]  # fmt: skip
    made |= {"XX/NIBRS_incident.csv": "\ufeff" + text(incident), "XX/NIBRS_OFFENSE.csv": text(offense)}
    return made | {"XX/NIBRS_OFFENSE_TYPE.csv": text(types), "XX/agencies.csv": agencies(upper=False)}


def locations(**style: bool) -> str:
    rows = [{"location_id": number, "location_code": code, "location_name": name} for number, code, name in LOCATIONS]
    return text(rows, **style)


def agencies(*, upper: bool) -> str:
    rows = [
        {"yearly_agency_id": number + "2019", "agency_id": number, "data_year": "2019", "ori": ori, "legacy_ori": ori,
         "ucr_agency_name": name, "ncic_agency_name": "", "pub_agency_name": "" if number == "12" else name,
         "state_name": "Example", "state_abbr": "XX", "state_postal_abbr": "XX", "agency_type_name": "City",
         "population": "1000", "male_officer": "3", "county_name": county, "nibrs_participated": "Y"}
        for number, ori, name, county in AGENCIES
    ]  # fmt: skip
    return text(rows, upper=upper)


def named(tables: dict[str, str], pattern: str) -> dict[str, str]:
    return {pattern.format(name.upper() if "NIBRS" in pattern else name): content for name, content in tables.items()}


LAYOUTS = {"until 2015": until_2015, "until 2020": until_2020, "since 2021": since_2021}


def archive(path: Path, members: dict[str, str]) -> Path:
    """Write the archive, and spoil the content of every table about people: whoever reads one fails."""
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content.encode("latin-1" if "agencies" in name else "utf-8"))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"age_num", b"spoiled").replace(b"AGE_NUM", b"SPOILED"))
    with zipfile.ZipFile(path) as packed:
        spoiled = [name for name in packed.namelist() if "victim" in name.lower()]
        assert spoiled
        for name in spoiled:
            with pytest.raises(zipfile.BadZipFile):
                packed.read(name)
    return path
