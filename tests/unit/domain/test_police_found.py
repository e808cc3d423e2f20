"""Categories that come to light because the police look are told apart, by any of three kinds of evidence."""

from pathlib import Path

import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.police_found import found_by_arrest, found_by_police, marked_as_found, police_warning
from crimepatterns.errors import ConfigError


def table(rows: list[tuple[str, str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["category", "discovery", "Arrest"])


ROWS = [
    *[("drugs", "police-initiated", "Y")] * 9,
    *[("drugs", "reported", "N")] * 1,
    *[("weapons", "reported", "yes")] * 6,
    *[("weapons", "reported", "no")] * 4,
    *[("theft", "reported", "N")] * 19,
    *[("theft", "police-initiated", "Y")] * 1,
]


def test_each_kind_of_evidence_gives_its_reason() -> None:
    rows = table(ROWS)
    assert found_by_police(rows) == {"drugs": "90 % of its records were found by police activity"}
    arrests = found_by_arrest(rows, column="Arrest")
    assert arrests == {"drugs": 0.9, "weapons": 0.6}
    found = found_by_police(rows, named=("theft",), arrests=arrests)
    assert found["theft"] == "as taxonomy.police_initiated says"
    assert found["weapons"] == "60 % of its records ended in an arrest"
    text = police_warning("weapons", found["weapons"])
    assert text.startswith("Warning: weapons comes to light mostly because the police look (60 % of its records ended")


@pytest.mark.parametrize(
    ("values", "share"), [(["True", "False"], 0.5), ([True, False], 0.5), (["1", "0"], 0.5), (["Y", None], 1.0)]
)
def test_yes_and_no_in_the_words_of_the_publisher(values: list[object], share: float) -> None:
    """What is neither is left out, and half is enough."""
    rows = table([("drugs", "reported", value) for value in values])
    assert found_by_arrest(rows, column="Arrest") == {"drugs": share}


def test_a_column_that_is_not_there_or_says_nothing_is_told() -> None:
    with pytest.raises(ConfigError, match=r"'Custody', which the cleaned incidents lack: add it to columns\.extra"):
        found_by_arrest(table(ROWS), column="Custody")
    with pytest.raises(ConfigError, match="says neither yes nor no anywhere"):
        found_by_arrest(table([("theft", "reported", "perhaps")]), column="Arrest")


def test_marked_incidents_are_no_reports_any_more() -> None:
    area = StudyArea("Test", shapely.box(0, 0, 1, 1), "EPSG:32616", "UTC", empty_neighbourhoods("EPSG:32616"))
    day = pd.Timestamp("2024-01-01", tz="UTC").as_unit("us")
    rows = table(ROWS)
    rows = rows.assign(
        id=rows.index.astype(str), occurred_from=day, occurred_until=day, known_at=day, time_precision="minute",
        offence="x", source="test", x=0.5, y=0.5,
    )  # fmt: skip
    incidents = Incidents(rows, area)
    marked = marked_as_found(incidents, ["weapons"])
    assert set(marked.table.loc[rows["category"] == "weapons", "discovery"]) == {"police-initiated"}
    kept = rows["category"] != "weapons"
    assert (marked.table.loc[kept, "discovery"].astype(str) == rows.loc[kept, "discovery"]).all()
    assert (incidents.table["discovery"] == rows["discovery"]).all(), "the caller's table is as it was"
    assert marked_as_found(incidents, []) is incidents


@pytest.mark.shared
def test_chicagos_arrests_find_what_is_known_to_be_found_by_police(shared_data: Path) -> None:
    """Shares of 2018 as in the literature's example: narcotics and prostitution 1.00, weapons 0.72, theft 0.10."""
    raw = pd.read_parquet(shared_data / "chicago" / "chi_2018_h1_all_types.parquet")
    rows = pd.DataFrame({"category": raw["PrimaryType"], "discovery": "reported", "Arrest": raw["Arrest"]})
    found = found_by_arrest(rows, column="Arrest")
    assert found["NARCOTICS"] > 0.99
    assert found["PROSTITUTION"] > 0.99
    assert found["WEAPONS VIOLATION"] == pytest.approx(0.72, abs=0.02)
    assert not {"BATTERY", "THEFT", "ROBBERY", "BURGLARY", "ASSAULT"} & set(found)
