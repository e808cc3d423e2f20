"""Pictures of shifts: every shift stands in its day, a cut night too, and what is drawn adds up."""

from types import MappingProxyType

import numpy as np
import pandas as pd
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.forecasts.hour_profile import FittedHourProfile
from crimepatterns.forecasts.shift_forecast import by_shift
from crimepatterns.patterns.shifts import ShiftCalendar
from crimepatterns.visuals.static import rhythm_before_and_after, shift_calendar

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 1000, 1000), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=500)


def test_every_shift_stands_in_its_day(assert_legible) -> None:
    start = pd.Timestamp("2024-10-30", tz=ZONE)
    whole = Forecast(
        GRID, Periods.starting_at(start, days=7, count=1), "theft", "count_eb", start, np.full((len(GRID), 1), 42.0)
    )
    even = FittedHourProfile(
        "theft", start, np.full((1, 168), 1 / 168), np.zeros(len(GRID), dtype=np.int64), MappingProxyType({})
    )
    figure = shift_calendar(by_shift(whole, even, ShiftCalendar()))
    assert "Expected theft by shift in Test" in " ".join(assert_legible(figure))
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["07:00-15:00", "15:00-23:00", "23:00-07:00"]
    days = [label.get_text() for label in axes.get_yticklabels()]
    assert days[0] == "Tue 29 Oct", "the night that began the day before"
    assert days[-1] == "Tue 5 Nov"
    drawn = axes.collections[0].get_array().filled(np.nan).reshape(8, 3)
    np.testing.assert_allclose(np.nansum(drawn), whole.mean.sum())
    assert np.isnan(drawn[0, :2]).all()
    # Clocks go back in the night of Saturday: nine hours instead of eight.
    np.testing.assert_allclose(drawn[4, 2] / drawn[3, 2], 9 / 8)


def test_before_and_after_share_one_scale(assert_legible) -> None:
    rng = np.random.default_rng(1)
    before, after = (rng.dirichlet(np.ones(168)).reshape(7, 24) for _ in range(2))
    figure = rhythm_before_and_after(before, after, category="theft", city="Test")
    assert "When theft happens in Test" in " ".join(assert_legible(figure))
    first, second = (axes.collections[0] for axes in figure.axes[:2])
    assert first.get_clim() == second.get_clim() == (0, 100 * max(before.max(), after.max()))
    np.testing.assert_allclose(second.get_array().reshape(7, 24), 100 * after)
    assert {text.get_text() for text in figure.axes[3].texts} == {"evenly", "re-shared"}
