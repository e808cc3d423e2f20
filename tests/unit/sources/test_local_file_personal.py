"""Columns about people are recognised by name; columns about places and offences are not."""

import pytest

from crimepatterns.sources.personal import personal_columns

PERSONAL = [
    "Name",
    "VictimName",
    "victim_age",
    "VIC_SEX",
    "SUSPECT RACE",
    "perp_age_group",
    "First Name",
    "last_name",
    "surname",
    "DOB",
    "Date of Birth",
    "birth_date",
    "Phone",
    "Home Phone No",
    "e-mail",
    "EMail Address",
    "Licence Plate",
    "license_number",
    "VIN",
    "SSN",
    "Passport No",
    "Narrative",
    "Free Text",
    "Officer Notes",
    "comments",
    "OfficerID",
    "Complainant",
    "Reporting Person",
    "Home Address",
    "age",
    "Race",
    "witness_statement",
    "arrestee",
]
HARMLESS = [
    "Date",
    "Primary Type",
    "Description",
    "Location Description",
    "Location Name",
    "Street Name",
    "BORO_NM",
    "neighbourhood",
    "Beat",
    "Case Number",
    "id",
    "Arrest",
    "Domestic",
    "Block",
    "Latitude",
    "Longitude",
    "premise",
    "victim_count",
    "number of victims",
    "officer_initiated",
    "station",
    "Community Area",
    "lsoa_code",
    "Offense",
    "FBI Code",
    "Usage",
    "Stage",
    "Advice",
    "plateau",
    "Service",
    "Renamed",
    "Year",
    "Updated On",
    "Sector",
    "Precinct",
]


@pytest.mark.parametrize("name", PERSONAL)
def test_personal(name: str) -> None:
    assert name in personal_columns([name])


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless(name: str) -> None:
    assert not personal_columns([name])
