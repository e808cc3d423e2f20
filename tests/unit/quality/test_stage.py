"""The check as a stage: files, page, pictures, flags, and what later stages make of them."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.image import imread

from crimepatterns.city import City
from crimepatterns.config import Settings, load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.errors import ArtefactError, ConfigError, MissingInputError
from crimepatterns.pattern_analysis import find_patterns
from crimepatterns.quality.flags import Flags, without_doubted_hours
from crimepatterns.quality_check import check
from crimepatterns.store.atomic import read_json, write_json
from crimepatterns.store.incident_sample import sample_days
from crimepatterns.store.incidents import read_incidents
from crimepatterns.store.layers import read_surface
from crimepatterns.visualization import visualize

OVERRIDES = {
    "source": {"incidents": 6_000, "years": 2},
    "grid": {"cell_size_m": 400},
    "forecast": {"categories": ["theft"]},
    "patterns": {"density_cell_m": 200, "methods": ["gi_star"]},
    "context": [],
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    chosen = load_settings(overrides={**OVERRIDES, "root": str(tmp_path_factory.mktemp("city"))})
    ingest(chosen)
    clean(chosen)
    return chosen


@pytest.fixture(scope="module")
def summary(settings: Settings) -> dict:
    return check(settings)


@pytest.fixture
def report(settings: Settings, summary: dict) -> dict:
    assert summary["outputs"]
    return read_json(City(settings).layout.quality / "honesty.json")


def changed(settings: Settings, **quality: object) -> Settings:
    return settings.model_copy(update={"quality": settings.quality.model_copy(update=quality)})


def test_the_planted_defects_of_the_embedded_city_are_told(settings: Settings, summary: dict, report: dict) -> None:
    by_check = {one["check"]: one for one in report["findings"]}
    cleaning = read_json(City(settings).layout.cleaning_report)
    for name, reason in (
        ("missing_coordinates", "coordinates are missing"),
        ("null_island", "coordinates are zero (null island)"),
        ("exact_duplicates", "equal to an earlier row in every mapped column"),
    ):
        assert by_check[name]["affected"] == cleaning["rejected"][reason], name
        assert by_check[name]["severity"] != "ok"
    assert by_check["on_the_hour"]["evidence"]["share_on_the_hour"] == pytest.approx(0.37, abs=0.02)
    assert by_check["midnight"]["severity"] != "ok"
    assert by_check["snapped_points"]["severity"] != "ok"
    assert summary["flags"] == {name: flag["severity"] for name, flag in report["flags"].items()}
    assert json.loads(json.dumps(summary)) == summary


def test_the_page_is_sorted_by_severity_and_shows_its_pictures(settings: Settings, report: dict) -> None:
    folder = City(settings).layout.quality
    page = (folder / "honesty.html").read_text(encoding="utf-8")
    grades = re.findall(r'<article class="(\w+)"', page)
    assert grades == sorted(grades, key=["serious", "warning", "note", "ok"].index)
    assert len(grades) == len(report["findings"])
    assert "<script" not in page
    assert "http" not in page
    shown = re.findall(r'<img src="([^"]+)"', page)
    assert sorted(shown) == sorted(report["pictures"].values())
    assert {"on_the_hour.png", "snapped_points.png", "volume_breaks.png", "hot_spots.png"} <= set(shown)
    for name in shown:
        picture = imread(folder / name)
        assert min(picture.shape[:2]) > 400
        assert picture[..., :3].std() > 0.02
    for one in report["findings"]:
        assert one["found"].endswith(".")
        assert one["severity"] == "ok" or one["advice"].endswith(".")


@pytest.mark.usefixtures("summary")
def test_the_same_data_give_the_same_report(settings: Settings) -> None:
    before = {path.name: path.read_bytes() for path in City(settings).layout.quality.iterdir()}
    check(settings)
    after = {path.name: path.read_bytes() for path in City(settings).layout.quality.iterdir()}
    assert before.keys() == after.keys()
    assert before["honesty.json"] == after["honesty.json"]
    assert before["honesty.html"] == after["honesty.html"]


def test_too_many_rows_are_sampled_by_whole_days(settings: Settings) -> None:
    city = City(settings)
    whole = sample_days(city.layout.incidents, city.area, max_rows=10**9)
    part = sample_days(city.layout.incidents, city.area, max_rows=len(whole.incidents) // 4)
    assert whole.share == 1.0
    table = read_incidents(city.layout.incidents, city.area).table
    pd.testing.assert_series_equal(whole.incidents.table["id"], table["id"])
    assert part.share == pytest.approx(0.25, abs=0.001)
    assert len(part.incidents) == pytest.approx(len(table) / 4, rel=0.2)
    pd.testing.assert_frame_equal(part.day_counts, whole.day_counts)
    assert whole.day_counts["incidents"].sum() == len(table)
    days = table["occurred_from"].dt.date
    drawn = set(part.incidents.table["occurred_from"].dt.date)
    assert set(part.incidents.table["id"]) == set(table.loc[days.isin(drawn), "id"])
    again = sample_days(city.layout.incidents, city.area, max_rows=len(whole.incidents) // 4)
    pd.testing.assert_frame_equal(part.incidents.table, again.incidents.table)


@pytest.mark.usefixtures("summary")
def test_a_sampled_report_says_so(settings: Settings) -> None:
    facts = check(changed(settings, max_rows=2_000))
    page = (City(settings).layout.quality / "honesty.html").read_text(encoding="utf-8")
    assert "of the days, drawn at random and taken whole" in page
    assert facts["severities"]
    check(settings)


def raise_flag(settings: Settings, name: str, **facts: object) -> City:
    """Write a report with one flag more, as another city might have it."""
    path = City(settings).layout.quality / "honesty.json"
    report = read_json(path)
    flag = {"check": name, "severity": "warning", "share": 0.05, "found": f"{name} is planted.", "rule": {}}
    write_json(path, {**report, "flags": {**report["flags"], name: {**flag, **facts}}})
    return City(settings)


@pytest.fixture
def restored(settings: Settings, report: dict):
    assert report["flags"]
    path = City(settings).layout.quality / "honesty.json"
    before = path.read_text(encoding="utf-8")
    yield path
    path.write_text(before, encoding="utf-8")


@pytest.mark.usefixtures("restored")
def test_rows_of_default_points_can_be_left_out_of_patterns(settings: Settings) -> None:
    city = City(settings)
    thefts = city.incidents.of("theft").table
    x, y = thefts.groupby(["x", "y"]).size().idxmax()
    at_point = ((city.incidents.table["x"] == x) & (city.incidents.table["y"] == y)).to_numpy()
    rule = {"kind": "points", "points": [[round(x, 3), round(y, 3)]], "metres": 0.01}
    raise_flag(settings, "default_geocodes", rule=rule)
    everything = find_patterns(settings)["categories"]["theft"]["incidents"]
    chosen = changed(settings, leave_out=("default_geocodes",))
    left = find_patterns(chosen)["categories"]["theft"]["incidents"]
    assert len(City(chosen).trusted) == len(city.incidents) - at_point.sum()
    assert left < everything
    _, facts = read_surface(city.layout.patterns / "theft" / "gi_star.parquet", city.area)
    assert facts["left_out"] == ["default_geocodes"]
    find_patterns(settings)


def test_leaving_out_needs_a_check_and_a_known_flag(settings: Settings, restored: Path) -> None:
    with pytest.raises(ConfigError, match=r"quality\.leave_out"):
        load_settings(overrides={"quality": {"leave_out": ["rumours"]}})
    restored.unlink()
    with pytest.raises(MissingInputError, match="crimepatterns check"):
        _ = City(changed(settings, leave_out=("near_duplicates",))).trusted
    assert not City(settings).flags.checked
    assert len(City(settings).trusted) == len(City(settings).incidents)


@pytest.mark.usefixtures("restored")
def test_incomplete_weeks_move_the_end_of_scoring(settings: Settings) -> None:
    until, statement = City(settings).matured
    earlier = until - pd.Timedelta(days=30)
    city = raise_flag(settings, "recent_weeks_incomplete", complete_until=str(earlier.date()))
    assert city.matured[0] == earlier.normalize()
    assert city.matured[1] == f"{statement} recent_weeks_incomplete is planted."
    later = raise_flag(settings, "recent_weeks_incomplete", complete_until=str((until + pd.Timedelta(days=9)).date()))
    assert later.matured == (until, statement)


def test_filled_in_hours_are_passed_over(settings: Settings) -> None:
    incidents = City(settings).incidents
    midnight = (
        incidents.table["occurred_from"].dt.hour * 60 + incidents.table["occurred_from"].dt.minute == 0
    ).to_numpy()
    rule = {"kind": "minutes_of_day", "minutes": [0]}
    flag = {"severity": "warning", "share": 0.1, "found": "Hours are filled in.", "rule": {}}
    spike = {**flag, "rule": rule}
    doubted = without_doubted_hours(incidents, Flags({"midnight_spike": spike, "hours_unreliable": flag}, True)).table
    assert (doubted.loc[midnight, "time_precision"] == "date").all()
    kept = incidents.table.loc[~midnight, "time_precision"].astype(str)
    assert (doubted.loc[~midnight, "time_precision"].astype(str) == kept).all()
    assert without_doubted_hours(incidents, Flags({"midnight_spike": spike}, True)) is incidents
    assert without_doubted_hours(incidents, Flags()) is incidents


@pytest.mark.slow
@pytest.mark.usefixtures("restored")
def test_the_hour_figure_tells_of_filled_in_hours(settings: Settings, monkeypatch) -> None:
    from crimepatterns.visuals import static

    captions = []
    draw = static.hour_weekday_map
    monkeypatch.setattr(static, "hour_weekday_map", lambda *a, **k: captions.append(k["note"]) or draw(*a, **k))
    find_patterns(settings)
    raise_flag(settings, "hours_unreliable")
    visualize(settings)
    assert captions
    assert set(captions) == {"hours_unreliable is planted."}


def test_a_damaged_report_is_refused() -> None:
    with pytest.raises(ArtefactError, match="check --force"):
        Flags.of_report({"findings": []})


def test_check_needs_clean_records(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="crimepatterns clean"):
        check(load_settings(overrides={"root": str(tmp_path)}))
