"""The small rooms behind the pages: shifts, places, drawings, settings of responses."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.config import BriefingSettings
from crimepatterns.domain.area import StudyArea
from crimepatterns.serving.names import code_text, p_text
from crimepatterns.serving.pages.drawing import Sketch, classed
from crimepatterns.serving.pages.places import past_of_places, problems_of
from crimepatterns.serving.pages.shifts import ShiftTable, shift_names, summed

CRS = "EPSG:32616"
STARTS = ("07:00", "15:00", "23:00")


def test_shifts_keep_their_name_over_midnight_and_clock_changes() -> None:
    # The clocks go forward on 8 March 2026: that night has seven hours and keeps its name.
    clock = ["2026-03-07 00:00", "2026-03-07 07:00", "2026-03-07 15:00", "2026-03-07 23:00", "2026-03-08 07:00"]
    edges = [pd.Timestamp(text, tz="America/Chicago") for text in clock]
    assert shift_names(edges, STARTS) == ("23-07", "07-15", "15-23", "23-07")


def test_shifts_of_all_days_and_categories_add_up() -> None:
    edges = tuple(pd.Timestamp("2026-01-01 07:00", tz="UTC") + pd.Timedelta(hours=8 * k) for k in range(7))
    mean = np.arange(12, dtype=float).reshape(2, 6)
    table = ShiftTable(np.array(["a", "b"]), edges, mean, shift_names(edges, STARTS))
    b, a = summed([table, table], ["b", "a"])
    assert [one["name"] for one in a["shifts"]] == ["07-15", "15-23", "23-07"]
    assert [one["expected"] for one in a["shifts"]] == [2 * (0 + 3), 2 * (1 + 4), 2 * (2 + 5)]
    assert [one["expected"] for one in b["shifts"]] == [2 * (6 + 9), 2 * (7 + 10), 2 * (8 + 11)]
    assert a["shifts"][0]["chance_of_none"] == pytest.approx(np.exp(-6))
    assert table.label(2) == "Thu 1 Jan, 23:00 to 07:00"


def test_a_place_takes_the_past_of_the_hot_spot_it_lies_in() -> None:
    places = gpd.GeoDataFrame(geometry=[shapely.box(x, 0, x + 10, 10) for x in (0, 100, 200)], crs=CRS)
    spots = gpd.GeoDataFrame(
        {"persistence": ["chronic", "acute"]},
        geometry=[shapely.box(-5, -5, 20, 20), shapely.box(195, 0, 220, 20)],
        crs=CRS,
    )
    assert past_of_places(places, spots) == ["chronic", "", "acute"]
    assert past_of_places(places, spots.iloc[:0]) == ["", "", ""]


def test_the_mix_of_a_place_is_read_whatever_its_order() -> None:
    assert problems_of("theft 17 %, motor vehicle theft 83 %")[0] == ("motor vehicle theft", 83)
    assert problems_of("") == []


def test_classes_hold_their_values_and_drawings_are_escaped() -> None:
    boxes = [shapely.box(0, 0, 300, 100), shapely.box(300, 0, 600, 100)]
    halves = gpd.GeoDataFrame({"name": ["West", "East"]}, geometry=boxes, crs=CRS)
    area = StudyArea("Plainville", shapely.box(0, 0, 600, 100), CRS, "America/Chicago", halves)
    shapes = np.array([shapely.box(100 * k, 0, 100 * (k + 1), 100) for k in range(5)], dtype=object)
    made = classed(shapes, np.array([0.0, 1.0, 2.0, 5.0, np.nan]), (1.0, 2.0))
    assert {k: sum(one.area for one in parts) for k, parts in made.items()} == {0: 10_000, 1: 20_000}
    sketch = Sketch(area, 'A "map"').shapes(made[1], "tone-1", "two <cells>").hoods()
    svg = sketch.marks([(50.0, 50.0)], ["<1>"]).svg()
    assert "&lt;1&gt;" in svg
    assert "two &lt;cells&gt;" in svg
    assert 'aria-label="A &#34;map&#34;"' in svg
    assert svg.count("<path") == 4


def test_a_response_is_found_by_the_longest_name_that_fits() -> None:
    wanted = BriefingSettings()
    assert wanted.response_to("MOTOR VEHICLE THEFT") == wanted.responses["vehicle"]
    assert wanted.response_to("theft_outdoor") == wanted.responses["theft"]
    assert wanted.owner_of("theft_outdoor") == "Business liaison"
    assert (wanted.response_to("arson"), wanted.owner_of("arson")) == (wanted.response, wanted.owner)
    assert BriefingSettings(responses={}).response_to("theft") == wanted.response


def test_sentences_keep_their_commands_and_lose_their_markup() -> None:
    assert code_text("Run `a b` <now>.") == "Run <code>a b</code> &lt;now&gt;."
    told = code_text("Run `crimepatterns train` or `a b`.", options=" --config city.yaml")
    assert told == "Run <code>crimepatterns train --config city.yaml</code> or <code>a b</code>."
    assert (p_text(0.0001), p_text(0.0104), p_text(0.4)) == ("< 0.001", "0.010", "0.40")
