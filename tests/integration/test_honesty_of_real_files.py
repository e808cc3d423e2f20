"""The honesty report on real files says what their data sheets say."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.quality_check import check

pytestmark = pytest.mark.shared

PROJECT = Path(__file__).resolve().parents[2]
CITIES = PROJECT / "config" / "cities"


def honesty_of(settings: Settings) -> dict[str, Any]:
    ingest(settings)
    clean(settings)
    check(settings)
    report: dict[str, Any] = json.loads(
        (settings.root / "results" / settings.city / "quality" / "honesty.json").read_text()
    )
    report["by_check"] = {one["check"]: one for one in report["findings"]}
    return report


@pytest.fixture
def settings_of(tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CRIMEPATTERNS_SHARED", str(shared_data.parent))

    def load(name: str | None, **overrides: Any) -> Settings:
        return load_settings(None if name is None else CITIES / f"{name}.yaml", {"root": str(tmp_path), **overrides})

    return load


def test_chicago_rounds_times_and_repeats_rows(settings_of: Any) -> None:
    """321,877 rows, 916 full duplicates, 34 % on full hours, 2.1 % noon, 0.9 % midnight, all with coordinates."""
    report = honesty_of(settings_of("chicago"))
    found = report["by_check"]
    assert found["exact_duplicates"]["affected"] == 916
    assert found["on_the_hour"]["evidence"]["share_on_the_hour"] == pytest.approx(0.34, abs=0.005)
    assert found["midnight"]["evidence"]["share_at_midnight"] == pytest.approx(0.009, abs=0.0005)
    assert found["noon"]["evidence"]["share_at_noon"] == pytest.approx(0.021, abs=0.0005)
    assert found["missing_coordinates"]["severity"] == "ok"
    assert {"minutes_rounded", "exact_duplicates", "no_report_dates"} <= set(report["flags"])
    # Complete, as the data sheet thinks: no gap, no break, no label that comes or goes.
    assert [found[name]["severity"] for name in ("gaps", "volume_breaks", "code_changes", "recent_weeks")] == ["ok"] * 4
    assert found["hot_spots"]["severity"] == "ok"


def test_half_a_year_of_all_types_lacks_some_coordinates(settings_of: Any, shared_data: Path) -> None:
    """125,590 rows, 31 types, 99.45 % coordinates; narcotics and the like are found by the police."""
    file = shared_data / "chicago" / "chi_2018_h1_all_types.parquet"
    report = honesty_of(
        settings_of(
            "chicago",
            city="chicago_2018",
            source={"paths": [str(file)]},
            columns={
                "occurred_from": "Date",
                "category": "PrimaryType",
                "offence": "Description",
                "area": "CommunityArea",
                "extra": ["Beat", "Ward"],
            },
            taxonomy={"mapping": {}},
        )
    )
    found = report["by_check"]
    raw = pd.read_parquet(file)
    assert found["missing_coordinates"]["share"] == pytest.approx(0.0055, abs=0.0001)
    assert found["missing_coordinates"]["affected"] == raw["Latitude"].isna().sum()
    assert found["missing_coordinates"]["severity"] == "warning"
    assert len(report["findings"]) == sum(report["severities"].values())
    assert 0.03 < found["discovery"]["evidence"]["share_police_initiated"] < 0.15
    assert found["default_geocodes"]["evidence"]["area_columns"] == ["area", "Beat", "Ward"]
    assert "minutes_rounded" in report["flags"]


def test_new_york_is_snapped_to_blocks(settings_of: Any) -> None:
    """191,580 rows, 2,703 full duplicates, snapped to mid-block or intersection (52,296 unique), 39 % full hours."""
    report = honesty_of(settings_of("new_york"))
    found = report["by_check"]
    assert found["exact_duplicates"]["affected"] == 2_703
    snapped = found["snapped_points"]
    assert snapped["severity"] == "warning"
    assert snapped["evidence"]["distinct_places"] == pytest.approx(52_296, rel=0.002)
    middles = snapped["evidence"]["block_middles"]
    assert middles["found"] > 10 * middles["expected"]
    assert found["on_the_hour"]["evidence"]["share_on_the_hour"] == pytest.approx(0.39, abs=0.01)
    assert found["missing_coordinates"]["severity"] == "ok"


def test_vehicle_thefts_have_spans(settings_of: Any, shared_data: Path) -> None:
    """35,746 rows with start and end: end null in 8 %, median 10 h, third quartile 23 h, max 7 years, none negative."""
    nyc = shared_data / "nyc"
    report = honesty_of(
        settings_of(
            None,
            city="thefts",
            timezone="America/New_York",
            source={"kind": "file", "paths": [str(nyc / "nyc_vehicle_thefts_start_end.parquet")]},
            columns={
                "id": "uid",
                "occurred_from": "date_start",
                "occurred_until": "date_end",
                "longitude": "longitude",
                "latitude": "latitude",
                "extra": ["census_block"],
            },
            taxonomy={"fixed_category": "vehicle theft"},
            study_area={"boundary": str(nyc / "police_precincts.geojson"), "neighbourhood_name": "Precinct"},
        )
    )
    found = report["by_check"]
    spans = found["intervals"]["evidence"]
    assert spans["quartiles_h"][1] == pytest.approx(10, abs=1)
    assert spans["quartiles_h"][2] == pytest.approx(23, abs=2)
    assert spans["longest_days"] > 6.5 * 365
    assert spans["share_without_end"] == pytest.approx(0.08, abs=0.02)
    assert found["unusable_rows"]["evidence"].get("reasons", {}).get("interval ends before it begins") is None
    assert found["intervals"]["severity"] != "ok"
    assert found["snapped_points"]["severity"] != "ok"


def test_northumbria_knows_months_and_snapped_places(settings_of: Any) -> None:
    """39,706 rows, month only, snapped longitude and latitude."""
    report = honesty_of(settings_of("northumbria"))
    found = report["by_check"]
    assert found["time_precision"]["severity"] == "serious"
    assert found["time_precision"]["share"] == 1.0
    assert report["flags"]["hours_unreliable"]["severity"] == "serious"
    assert found["snapped_points"]["severity"] != "ok"
    assert found["coordinate_precision"]["evidence"]["decimals"] == 4
    assert "hours" not in found["on_the_hour"]["found"] or found["on_the_hour"]["severity"] == "ok"
    assert found["exact_duplicates"]["severity"] == "ok"
    assert found["gaps"]["severity"] == "ok"
