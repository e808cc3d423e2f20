"""Real records of five places: the numbers must be those their data sheets give."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest

from crimepatterns.city import City
from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.errors import SchemaError

pytestmark = pytest.mark.shared

PROJECT = Path(__file__).resolve().parents[2]


def cleaned(name: str, tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Settings, Any]:
    monkeypatch.setenv("CRIMEPATTERNS_SHARED", str(shared_data.parent))
    settings = load_settings(PROJECT / "config" / "cities" / f"{name}.yaml", {"root": str(tmp_path)})
    ingest(settings)
    return settings, clean(settings)


def test_chicago(tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, summary = cleaned("chicago", tmp_path, shared_data, monkeypatch)
    raw = pd.read_parquet(shared_data / "chicago" / "chi_2016_2017_4types.parquet")
    assert summary["rows_in"] == len(raw) == 321_877
    assert summary["rejected"]["equal to an earlier row in every mapped column"] == raw.duplicated().sum() == 916
    assert summary["rejected"]["outside the study area"] < 50
    incidents = City(settings).incidents
    assert len(incidents) == summary["kept"]
    assert incidents.table["category"].value_counts().idxmax() == "theft"
    report = json.loads((tmp_path / "data/processed/chicago/cleaning_report.json").read_text())
    assert report["share_on_the_hour"] == pytest.approx(0.34, abs=0.01)
    assert report["share_at_midnight"] == pytest.approx(0.009, abs=0.001)
    assert report["share_at_noon"] == pytest.approx(0.021, abs=0.001)
    # Times on the wall clock are those of the file, except the 17 that never were.
    wall = incidents.table["occurred_from"].dt.tz_localize(None)
    assert all((moment.month, moment.hour) == (3, 3) for moment in set(wall) - set(raw["Date"]))
    # The projection agrees with the geometry library's own, row by row.
    kept = raw.drop_duplicates().iloc[:500]
    expected = gpd.GeoSeries.from_xy(kept["Longitude"], kept["Latitude"], crs="EPSG:4326").to_crs("EPSG:32616")
    january = incidents.table.iloc[: len(kept)]
    assert abs(january["x"].to_numpy() - expected.x.to_numpy()).max() < 1e-6
    assert abs(january["y"].to_numpy() - expected.y.to_numpy()).max() < 1e-6


def test_new_york(tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, summary = cleaned("new_york", tmp_path, shared_data, monkeypatch)
    assert summary["rows_in"] == 191_580
    assert summary["rejected"]["equal to an earlier row in every mapped column"] == 2_703
    assert len(City(settings).area.neighbourhoods) == 77


def test_portland_in_feet_and_days(tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, summary = cleaned("portland", tmp_path, shared_data, monkeypatch)
    assert summary["categories"] == {"vehicle theft": 9_037, "burglary": 5_096}
    assert summary["rejected"] == {}
    assert summary["time_precision"] == {"date": 14_133}
    city = City(settings)
    assert city.area.area_km2 / 2.589988 == pytest.approx(147.7, rel=2e-3)
    table = city.incidents.table
    length = table["occurred_until"].dt.tz_localize(None) - table["occurred_from"].dt.tz_localize(None)
    assert (length == pd.Timedelta(days=1)).all()


def test_northumbria_in_months(tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, summary = cleaned("northumbria", tmp_path, shared_data, monkeypatch)
    assert summary["rows_in"] == 39_706
    assert summary["time_precision"] == {"month": summary["kept"]}
    assert summary["kept"] > 0.998 * summary["rows_in"]
    table = City(settings).incidents.table
    assert (table["occurred_from"].dt.day == 1).all()
    assert (table["occurred_until"] == table["occurred_from"] + pd.offsets.MonthBegin()).all()


def test_a_file_without_coordinates_says_what_is_still_possible(
    tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SchemaError, match=r"No coordinates: .*Still possible, and written: counts of 2\d\d,\d{3}"):
        cleaned("chicago_2022", tmp_path, shared_data, monkeypatch)
    counts = pd.read_csv(tmp_path / "data/processed/chicago_2022/area_counts.csv")
    raw = pd.read_parquet(shared_data / "chicago" / "chi_2022_no_coords_community_area.parquet")
    mapped = raw[["Date", "Primary Type", "Description", "Community Area"]].drop_duplicates()
    theft = mapped[(mapped["Primary Type"] == "THEFT") & (mapped["Community Area"] == 8)]
    assert counts.loc[(counts["category"] == "theft") & (counts["area"] == 8), "incidents"].sum() == len(theft)
    assert counts["incidents"].sum() == len(mapped)


def test_vehicle_thefts_with_start_and_end(tmp_path: Path, shared_data: Path) -> None:
    nyc = shared_data / "nyc"
    settings = load_settings(
        overrides={
            "city": "thefts",
            "root": str(tmp_path),
            "timezone": "America/New_York",
            "source": {"kind": "file", "paths": [str(nyc / "nyc_vehicle_thefts_start_end.parquet")]},
            "columns": {
                "id": "uid",
                "occurred_from": "date_start",
                "occurred_until": "date_end",
                "longitude": "longitude",
                "latitude": "latitude",
            },
            "taxonomy": {"fixed_category": "vehicle theft"},
            "study_area": {"boundary": str(nyc / "police_precincts.geojson"), "neighbourhood_name": "Precinct"},
        }
    )
    ingest(settings)
    summary = clean(settings)
    assert "interval ends before it begins" not in summary["rejected"]
    table = City(settings).incidents.table
    hours = (table["occurred_until"] - table["occurred_from"]).dt.total_seconds() / 3600
    raw = pd.read_parquet(nyc / "nyc_vehicle_thefts_start_end.parquet")
    moments = raw["date_end"].isna() | (raw["date_end"] == raw["date_start"])
    assert (hours == 0).mean() == pytest.approx(moments.mean(), abs=0.001)
    assert hours[hours > 0].median() == pytest.approx(10, abs=1)


def test_shootings_with_split_columns_and_feet(tmp_path: Path, shared_data: Path) -> None:
    nyc = shared_data / "nyc"
    base: dict[str, Any] = {
        "city": "shootings",
        "root": str(tmp_path),
        "timezone": "America/New_York",
        "source": {"kind": "file", "paths": [str(nyc / "nypd_shootings.parquet")]},
        "columns": {"date": "OCCUR_DATE", "time": "OCCUR_TIME", "x": "X_COORD_CD", "y": "Y_COORD_CD"},
        "cleaning": {"coordinates_crs": "EPSG:2263", "drop_duplicates": False},
        "taxonomy": {"fixed_category": "shooting"},
        "study_area": {"boundary": str(nyc / "police_precincts.geojson"), "neighbourhood_name": "Precinct"},
    }
    settings = load_settings(overrides=base)
    ingest(settings)
    summary = clean(settings)
    assert summary["rows_in"] == 27_939
    assert summary["kept"] > 0.99 * 27_939
    table = City(settings).incidents.table
    raw = pd.read_parquet(nyc / "nypd_shootings.parquet")
    hours = pd.to_numeric(raw["OCCUR_TIME"].str[:2]).value_counts(normalize=True)
    found = table["occurred_from"].dt.hour.value_counts(normalize=True)
    assert (hours - found).abs().max() < 0.002
