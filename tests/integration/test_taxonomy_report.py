"""Labels and codes through a whole cleaning: every row is placed, and what is unknown is said with a suggestion."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from crimepatterns.city import City
from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.operations.pipeline import run_stage
from crimepatterns.operations.sentences import sentence_of

ROWS = [
    ("THEFT", "0820"),
    ("THEFT", "0910"),
    ("OTHER OFFENSE", "2825"),
    ("CRIMINAL TRESPASS", "26"),
    ("NARCOTICS", "1811"),
    ("NARCOTICS", None),
    ("BURGLERY", None),
    ("BURGLERY", ""),
    ("XYZZY", "99999"),
]


@pytest.fixture
def make(tmp_path: Path) -> Any:
    boundary = tmp_path / "boundary.geojson"
    gpd.GeoDataFrame({"name": ["All"]}, geometry=[shapely.box(-87.7, 41.8, -87.6, 41.9)], crs="EPSG:4326").to_file(
        boundary
    )
    table = pd.DataFrame(ROWS, columns=["what", "iucr"])
    table["when"] = [f"2024-03-01 12:{i:02d}:00" for i in range(len(table))]
    table["lon"], table["lat"] = -87.65, 41.85
    path = tmp_path / "rows.csv"
    table.to_csv(path, index=False)

    def settings(**taxonomy: Any) -> Settings:
        return load_settings(
            overrides={
                "city": "test",
                "root": str(tmp_path / "root"),
                "timezone": "America/Chicago",
                "source": {"kind": "file", "paths": [str(path)]},
                "columns": {
                    "occurred_from": "when",
                    "category": "what",
                    "offence": "iucr",
                    "longitude": "lon",
                    "latitude": "lat",
                },
                "study_area": {"boundary": str(boundary)},
                "taxonomy": taxonomy,
            }
        )  # fmt: skip

    return settings


def test_labels_and_codes_through_a_cleaning(make: Any, tmp_path: Path) -> None:
    settings = make(crosswalk="chicago_iucr", mapping={"NARCOTICS": "narcotics"})
    ingest(settings)
    summary = clean(settings)
    table = City(settings).incidents.table.sort_values("occurred_from")
    assert table["category"].astype(str).tolist() == [
        "theft", "vehicle theft", "threats", "trespass", "narcotics", "narcotics", "burglery", "burglery", "xyzzy",
    ]  # fmt: skip
    police = (table["discovery"] == "police-initiated").tolist()
    assert police == [False, False, False, True, True, True, False, False, False]
    assert table["offence"].astype(str).tolist()[:2] == ["0820", "0910"], "the code is kept as it is"
    assert summary["unmapped_rows"] == 3
    like = {row["label"]: (row["rows"], row["suggestion"], row["suggested_category"]) for row in summary["unmapped"]}
    assert like == {"BURGLERY": (2, "BURGLARY", "burglary"), "XYZZY": (1, None, None)}
    sentence = sentence_of("clean", summary)
    assert (
        "3 rows carry labels that neither mapping nor crosswalk knows: BURGLERY (like BURGLARY: burglary?)" in sentence
    )
    folder = tmp_path / "root" / "data" / "processed" / "test"
    page = (folder / "cleaning_report.html").read_text(encoding="utf-8")
    assert "no (like BURGLARY: burglary?)" in page
    assert "crosswalk, by code" in page
    report = json.loads((folder / "cleaning_report.json").read_text(encoding="utf-8"))
    assert sum(row["rows"] for row in report["labels"]) == len(ROWS), "no label is dropped in silence"
    reported = City(settings).reported_categories
    assert set(reported) == {"burglery", "theft", "threats", "vehicle theft", "xyzzy"}


def test_police_initiated_in_the_settings_replaces_the_tables(make: Any) -> None:
    settings = make(crosswalk="chicago_iucr", police_initiated=["theft"])
    ingest(settings)
    clean(settings)
    table = City(settings).incidents.table
    assert set(table.loc[table["discovery"] == "police-initiated", "category"].astype(str)) == {"theft"}


def test_rejecting_what_is_unknown_counts_it(make: Any) -> None:
    settings = make(crosswalk="chicago_iucr", unmapped="reject")
    ingest(settings)
    summary = clean(settings)
    assert summary["rejected"] == {"category is not in taxonomy.mapping": 3}
    assert summary["kept"] == len(ROWS) - 3


def test_cleaning_runs_again_when_the_users_own_table_changes(make: Any, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    header = "kind,value,nibrs,category,discovery\n"
    mine.write_text(f"{header}label,THEFT,23H,,\n", encoding="utf-8")
    settings = make(crosswalk=str(mine))
    run_stage(settings, "ingest")
    assert run_stage(settings, "clean").summary["unmapped_rows"] == 7
    assert run_stage(settings, "clean").skipped
    mine.write_text(f"{header}label,THEFT,23H,,\nlabel,NARCOTICS,35A,,\n", encoding="utf-8")
    again = run_stage(settings, "clean")
    assert not again.skipped
    assert again.summary["unmapped_rows"] == 5
