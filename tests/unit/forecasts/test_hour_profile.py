"""The rhythm of the week: against closed forms and planted rhythms, by place, without the future."""

import numpy as np
import pandas as pd
import pytest
import shapely
from numpy.typing import NDArray

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive, History
from crimepatterns.domain.hour_spans import HourSpans
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import ForecastError
from crimepatterns.forecasts.hour_profile import HourProfile
from crimepatterns.forecasts.hour_profile_em import CityLevelOfHours, Levels, Places, refine
from crimepatterns.sources.synthetic import SyntheticCity
from crimepatterns.sources.synthetic_plan import CATEGORIES, hour_cdf

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 8000, 4000), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=500)
START = pd.Timestamp("2023-01-02", tz=ZONE)
CUTOFF = START + pd.DateOffset(days=7 * 60)


def history_of(
    begin: pd.DatetimeIndex,
    x: NDArray[np.float64],
    *,
    hours: float | NDArray[np.float64] = 0.0,
    precision: str = "minute",
) -> History:
    until = begin + pd.to_timedelta(np.broadcast_to(hours, len(begin)), unit="h")
    table = pd.DataFrame(
        {
            "id": [f"i{n}" for n in range(len(begin))],
            "occurred_from": begin.as_unit("us"),
            "occurred_until": until.as_unit("us"),
            "known_at": until.as_unit("us"),
            "time_precision": precision,
            "category": "theft",
            "offence": "x",
            "discovery": "reported",
            "source": "test",
            "x": x,
            "y": np.random.default_rng(1).uniform(0, 4000, len(begin)),
        }
    )
    return Archive(Incidents(table, AREA), GRID, 7).at(CUTOFF, target="theft")


def at_hours(rng: np.random.Generator, hour: NDArray[np.float64]) -> pd.DatetimeIndex:
    """Moments on any day of the record at given hours of the day."""
    day = START.tz_localize(None) + pd.to_timedelta(rng.integers(0, 7 * 59, len(hour)), unit="D")
    return (day + pd.to_timedelta(hour, unit="h")).tz_localize(ZONE, ambiguous="NaT", nonexistent="shift_forward")


def test_re_sharing_reaches_the_likeliest_shares() -> None:
    """Of 30 moments at ten, 10 at eleven and 60 spans over both, ten has 30 / 40; evenly shared 60 / 100."""
    begin = ["2024-05-06 10:15"] * 30 + ["2024-05-06 11:15"] * 10 + ["2024-05-06 10:00"] * 60
    end = ["2024-05-06 10:15"] * 30 + ["2024-05-06 11:15"] * 10 + ["2024-05-06 12:00"] * 60
    times = {
        name: pd.Series(pd.to_datetime(values).tz_localize(ZONE))
        for name, values in (("occurred_from", begin), ("occurred_until", end))
    }
    spans = HourSpans.of(pd.DataFrame({**times, "time_precision": "minute"}))
    places = Places(np.zeros(100, dtype=np.int64), np.zeros(1, dtype=np.int64), 1)
    plain = Levels(CityLevelOfHours(0.0, 1e-9))
    even, likeliest = (refine(spans, places, plain, refined=refined).profiles[0] for refined in (False, True))
    assert even[10] == pytest.approx(0.6)
    assert likeliest[10:12].tolist() == pytest.approx([0.75, 0.25], abs=1e-4)


@pytest.fixture(scope="module")
def embedded() -> tuple[SyntheticCity, pd.DataFrame]:
    city = SyntheticCity(incidents=40_000, years=2)
    return city, city.truth.answer_table()


def recorded(city: SyntheticCity, answers: pd.DataFrame, category: str) -> pd.DataFrame:
    """Incidents of one category as the city records them."""
    known = answers.loc[(answers["category"] == category) & ~answers["police_initiated"]].reset_index(drop=True)
    first = np.full(len(known), fill_value=True)
    times = known[["occurred_from", "occurred_until", "known_at"]].apply(
        lambda one: one.dt.tz_localize(city.area.timezone, ambiguous=first).dt.as_unit("us")
    )
    return known[["x", "y"]].assign(
        id=known["Case Number"], occurred_from=times["occurred_from"], time_precision="minute", category=category,
        occurred_until=times[["occurred_from", "occurred_until"]].max(axis=1), known_at=times.max(axis=1),
        offence="x", discovery="reported", source="test",
    )  # fmt: skip


def hours_off(city: SyntheticCity, table: pd.DataFrame, truth: NDArray[np.float64], refined: bool | None) -> float:
    """Sum over the 24 hours of how far the share found is off."""
    category = str(table["category"].iloc[0])
    archive = Archive(Incidents(table, city.area), Grid.square(city.area, cell_size_m=500), 7)
    history = archive.at(table["known_at"].max().normalize() + pd.DateOffset(days=1), target=category)
    return float(np.abs(HourProfile(refined=refined).fit(history).city.sum(axis=0) - truth).sum())


@pytest.mark.slow
@pytest.mark.parametrize("category", ["burglary", "damage", "vehicle theft"])
def test_re_sharing_recovers_the_planted_hours_of_the_embedded_city(
    embedded: tuple[SyntheticCity, pd.DataFrame], category: str
) -> None:
    """About half of these are known as spans of nine hours in the median."""
    city, answers = embedded
    table = recorded(city, answers, category)
    plan = next(one for one in CATEGORIES if one.name == category)
    weekend = (table["occurred_from"].dt.day_of_week >= 5).mean()
    working, free = (np.diff(hour_cdf(hours), prepend=0.0) for hours in (plan.hours, plan.weekend_hours))
    planted = (1 - weekend) * working + weekend * free
    even, refined, chosen = (hours_off(city, table, planted, way) for way in (False, True, None))
    assert refined < 0.9 * even
    assert chosen == refined


@pytest.mark.slow
@pytest.mark.parametrize("category", ["burglary", "damage", "vehicle theft"])
def test_moments_hidden_in_spans_that_lie_anyhow_around_them_are_found_again(
    embedded: tuple[SyntheticCity, pd.DataFrame], category: str
) -> None:
    """The city's moments and its lengths of spans, each span laid anyhow around the moment."""
    city, answers = embedded
    table = recorded(city, answers, category)
    moment, length = table["occurred_from"], table["occurred_until"] - table["occurred_from"]
    before = length.dt.total_seconds() * np.random.default_rng(6).random(len(table))
    begin = (moment - pd.to_timedelta(before.round(), unit="s")).dt.as_unit("us")
    hidden = table.assign(occurred_from=begin, occurred_until=begin + length)
    truth = np.bincount(moment.dt.hour, minlength=24) / len(moment)
    even, refined, chosen = (hours_off(city, hidden, truth, way) for way in (False, True, None))
    assert refined < 0.5 * even
    assert chosen == refined


def test_opposite_rhythms_of_two_halves_are_found_and_equal_ones_are_not_bent() -> None:
    rng = np.random.default_rng(2)
    count = 6_000
    x = rng.uniform(0, 8000, count)
    noon, midnight = rng.normal(12, 2, count), rng.normal(23, 2, count) % 24
    apart = HourProfile().fit(history_of(at_hours(rng, np.where(x < 4000, noon, midnight)), x))
    by_hour = apart.of_cells().reshape(-1, 7, 24).sum(axis=1)
    west = GRID.centres[:, 0] < 4000
    assert by_hour[west, 10:15].sum(axis=1).min() > 0.6
    assert by_hour[~west, 10:15].sum(axis=1).max() < 0.2
    assert apart.facts["strength_district"] is not None
    alike = HourProfile().fit(history_of(at_hours(rng, np.where(rng.random(count) < 0.5, noon, midnight)), x))
    assert alike.facts["strength_district"] is alike.facts["strength_cell"] is None
    assert len(alike.profiles) == 1
    whole = HourProfile(by_place=False).fit(history_of(at_hours(rng, np.where(x < 4000, noon, midnight)), x))
    assert len(whole.profiles) == 1


def test_every_rhythm_sums_to_one_and_does_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(3)
    history = history_of(
        at_hours(rng, rng.normal(15, 4, 900) % 24), rng.uniform(0, 8000, 900), hours=rng.uniform(0, 9, 900)
    )
    fitted = HourProfile().fit(history)
    np.testing.assert_allclose(fitted.profiles.sum(axis=1), 1.0)
    assert (fitted.profiles > 0).all(), "no hour is held to be impossible"
    table = history.incidents.table.sample(frac=1, random_state=1).reset_index(drop=True)
    mixed = HourProfile().fit(Archive(Incidents(table, AREA), GRID, 7).at(CUTOFF, target="theft"))
    np.testing.assert_array_equal(mixed.profiles, fitted.profiles)
    cell, hour = np.array([0, 3]), np.array([5, 100])
    np.testing.assert_array_equal(fitted.density(cell, hour), fitted.of_cells()[cell, hour])
    with pytest.raises(ForecastError, match="from 0 to 167"):
        fitted.density(cell, hour + 100)


def test_what_is_not_known_yet_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    history = history_of(at_hours(rng, rng.normal(15, 4, 900) % 24), rng.uniform(0, 8000, 900))
    late = history.incidents.table.assign(
        id=lambda rows: "late " + rows["id"], known_at=CUTOFF, x=100.0, occurred_until=CUTOFF
    )
    both = pd.concat([history.incidents.table, late], ignore_index=True)
    seen = Archive(Incidents(both, AREA), GRID, 7).at(CUTOFF, target="theft")
    np.testing.assert_array_equal(HourProfile().fit(seen).profiles, HourProfile().fit(history).profiles)


@pytest.mark.parametrize(("count", "precision"), [(49, "minute"), (900, "date")])
def test_too_few_incidents_or_hours_are_refused(count: int, precision: str) -> None:
    rng = np.random.default_rng(5)
    history = history_of(at_hours(rng, rng.uniform(0, 24, count)), rng.uniform(0, 8000, count), precision=precision)
    with pytest.raises(ForecastError, match="No rhythm of the week for theft"):
        HourProfile().fit(history)
