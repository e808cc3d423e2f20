"""A forecast shared out over shifts: sums, clock changes, and what is refused."""

from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import ForecastError
from crimepatterns.forecasts.hour_profile import FittedHourProfile
from crimepatterns.forecasts.shift_forecast import by_shift, cut_into_shifts
from crimepatterns.patterns.shifts import ShiftCalendar

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 1000, 1000), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=500)
THIRDS = ShiftCalendar(("07:00", "15:00", "23:00"))


def forecast_of(periods: Periods, *, issued: pd.Timestamp | None = None) -> Forecast:
    mean = np.random.default_rng(1).gamma(1.0, 1.0, (len(GRID), len(periods)))
    return Forecast(GRID, periods, "theft", "count_eb", issued or periods.start, mean)


def rhythm(profiles: np.ndarray, *, target: str = "theft", until: str = "2024-01-01") -> FittedHourProfile:
    slot = np.arange(len(GRID)) % len(profiles)
    return FittedHourProfile(target, pd.Timestamp(until, tz=ZONE), profiles, slot, MappingProxyType({"rounds": 1}))


EVEN = np.full((1, 168), 1 / 168)


@pytest.mark.parametrize("days", [1, 7, 14, 28])
@pytest.mark.parametrize("start", ["2024-03-04", "2024-10-28", "2024-06-03"])
@pytest.mark.parametrize("starts", [("07:00", "15:00", "23:00"), ("06:30", "14:15"), ("00:00",), ("02:30", "12:00")])
def test_shifts_sum_to_the_forecast_of_each_period(days: int, start: str, starts: tuple[str, ...]) -> None:
    profiles = np.random.default_rng(2).dirichlet(np.ones(168), 3)
    forecast = forecast_of(Periods.starting_at(pd.Timestamp(start, tz=ZONE), days=days, count=2))
    made = by_shift(forecast, rhythm(profiles), ShiftCalendar(starts))
    assert made.periods.edges[0] == forecast.periods.start
    assert made.periods.edges[-1] == forecast.periods.end
    assert forecast.periods.edges[1] in made.periods.edges
    half = int(np.flatnonzero(made.periods.edges == forecast.periods.edges[1])[0])
    np.testing.assert_allclose(made.mean[:, :half].sum(axis=1), forecast.mean[:, 0])
    np.testing.assert_allclose(made.mean[:, half:].sum(axis=1), forecast.mean[:, 1])
    assert made.parameters["calendar"] == list(starts)


def test_the_shares_are_those_of_the_hours() -> None:
    """Monday: all between 14 and 16 o'clock, evenly; the early shift ends in the middle of it."""
    monday = np.zeros((1, 168))
    monday[0, 14:16] = 0.5
    made = by_shift(
        forecast_of(Periods.starting_at(pd.Timestamp("2024-05-06", tz=ZONE), days=1, count=1)), rhythm(monday), THIRDS
    )
    assert list(made.parameters["shifts"]) == [
        "Sunday 23:00-07:00", "Monday 07:00-15:00", "Monday 15:00-23:00", "Monday 23:00-07:00",
    ]  # fmt: skip
    share = made.mean / made.mean.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(share, np.tile([0, 0.5, 0.5, 0], (len(GRID), 1)))


@pytest.mark.parametrize(("day", "night"), [("2024-03-10", 6 / 23), ("2024-11-03", 8 / 25), ("2024-05-05", 7 / 24)])
def test_a_night_in_which_clocks_change_is_an_hour_shorter_or_longer(day: str, night: float) -> None:
    forecast = forecast_of(Periods.starting_at(pd.Timestamp(day, tz=ZONE), days=1, count=1))
    made = by_shift(forecast, rhythm(EVEN), THIRDS)
    np.testing.assert_allclose(made.mean[:, 0] / forecast.mean[:, 0], night)


def test_hours_of_the_shifts_add_up_to_the_time_that_passes() -> None:
    week = Periods.starting_at(pd.Timestamp("2024-10-28", tz=ZONE), days=7, count=1)
    shifts = cut_into_shifts(week, ShiftCalendar(("05:20", "13:40", "21:10")))
    assert shifts.hours.sum() == pytest.approx(169)
    assert shifts.hours.sum(axis=0)[6 * 24 + 1] == pytest.approx(2), "the doubled hour"
    assert len(shifts) == len(shifts.periods) == 22


def test_another_category_another_grid_and_the_future_are_refused() -> None:
    forecast = forecast_of(Periods.starting_at(pd.Timestamp("2024-05-06", tz=ZONE), days=7, count=1))
    with pytest.raises(ForecastError, match="Rhythm of assault"):
        by_shift(forecast, rhythm(EVEN, target="assault"), THIRDS)
    with pytest.raises(ForecastError, match="know the future"):
        by_shift(forecast, rhythm(EVEN, until="2024-05-07"), THIRDS)
    other = FittedHourProfile("theft", forecast.issued_at, EVEN, np.zeros(7, dtype=np.int64), MappingProxyType({}))
    with pytest.raises(ForecastError, match="on 7 cells"):
        by_shift(forecast, other, THIRDS)
