"""Known feeds: complete, consistent, and enough for a city file of a few lines."""

from pathlib import Path

import pytest

from crimepatterns.config import load_settings
from crimepatterns.errors import ConfigError
from crimepatterns.feed_ingest import open_feeds
from crimepatterns.sources.feed_presets import PRESETS, preset_named
from crimepatterns.sources.http_client import HttpClient
from crimepatterns.sources.personal import personal_columns
from crimepatterns.sources.socrata import SocrataFeed


@pytest.mark.parametrize("name", PRESETS)
def test_a_city_file_of_three_lines_is_enough(name: str, tmp_path: Path) -> None:
    (tmp_path / "city.yaml").write_text(f"city: mine\nsource:\n  feed: {{preset: {name}}}\n")
    settings = load_settings(tmp_path / "city.yaml")
    assert settings.title != "A city"
    assert settings.timezone.startswith("America/")
    assert settings.columns.id == settings.source.feed.id_column
    assert settings.columns.longitude
    assert settings.study_area.derive == "concave_hull"
    mapped = [*settings.columns.model_dump(exclude={"extra"}).values(), *settings.columns.extra]
    assert not personal_columns(column for column in mapped if column)


@pytest.mark.parametrize("name", PRESETS)
def test_its_sheet_says_what_one_must_know(name: str) -> None:
    preset = preset_named(name)
    for part in ("publisher", "rhythm", "geocoding", "privacy", "defects", "documentation"):
        assert len(getattr(preset, part)) > 3, part


def test_personal_columns_of_the_portals_are_dropped() -> None:
    published = ["vict_age", "vict_sex", "vict_descent", "susp_race", "vic_age_group", "dr_no", "lat", "premis_desc"]
    assert list(personal_columns(published)) == published[:5]


def test_the_city_file_wins_over_the_preset(tmp_path: Path) -> None:
    text = (
        "city: mine\ntitle: My town\nsource: {feed: {preset: new_york, datasets: [5uac-w243], start: 2026-01-01}}\n"
        "taxonomy: {mapping: {ROBBERY: robbery}}\nstudy_area: {derive: none}\n"
    )
    (tmp_path / "city.yaml").write_text(text)
    settings = load_settings(tmp_path / "city.yaml", {"columns": {"area": "boro_nm"}})
    assert (settings.title, settings.study_area.derive, settings.columns.area) == ("My town", "none", "boro_nm")
    assert settings.columns.category == "ofns_desc"
    assert dict(settings.taxonomy.mapping) == {"ROBBERY": "robbery"}
    with HttpClient() as client:
        (opened,) = open_feeds(settings, client)
    assert isinstance(opened.feed, SocrataFeed)
    assert opened.feed.root == "https://data.cityofnewyork.us"
    assert opened.feed.where == "cmplnt_fr_dt >= '2026-01-01T00:00:00.000'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source: {feed: {preset: chicagoo}}", "did you mean 'chicago'"),
        ("source: {kind: socrata}\ncolumns: {date: d, category: c}", "needs a preset, or domain and datasets"),
        ("source: {kind: arcgis}\ncolumns: {date: d, category: c}", "needs a preset, or urls of layers"),
        (
            "source: {kind: arcgis, feed: {urls: [https://a.org/F/0]}}\ncolumns: {date: d, category: c}",
            "source.feed.id_column must name",
        ),
        ("source: {feed: {preset: seattle}}\ncolumns: {id: report_number}", "must name the same column"),
        ("source: {kind: socrata, feed: {domain: a.b, datasets: [x]}}", "columns.occurred_from"),
        ("source: {feed: {preset: seattle, start: soon}}", "source.feed.start"),
    ],
)
def test_what_cannot_work_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "city.yaml").write_text(f"city: mine\ntitle: Mine\n{text}\n")
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        load_settings(tmp_path / "city.yaml")


def test_a_portal_numbers_its_rows_where_the_publisher_does_not(tmp_path: Path) -> None:
    feed = "source: {kind: socrata, feed: {domain: data.example.org, datasets: [abcd-1234]}}"
    (tmp_path / "city.yaml").write_text(f"city: mine\ntitle: Mine\n{feed}\ncolumns: {{date: d, category: c}}\n")
    settings = load_settings(tmp_path / "city.yaml")
    assert (settings.source.feed.id_column, settings.columns.id) == (":id", ":id")


@pytest.mark.parametrize(
    ("domain", "dataset"), [("data.example.org/path", "abcd-1234"), ("data.example.org", "abcd"), ("", "abcd-1234")]
)
def test_portals_and_datasets_have_their_form(domain: str, dataset: str) -> None:
    with pytest.raises(ConfigError, match=r"source\.feed\.(domain|datasets)"):
        SocrataFeed(domain, dataset)
