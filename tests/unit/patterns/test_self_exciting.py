"""What follows an incident: planted shares, half-lives and half-distances are found, and none where none is planted."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import shapely
from scipy import optimize

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.self_exciting import SelfExciting, self_exciting
from crimepatterns.patterns.self_exciting_background import WIDTHS_M, Background, Raster
from crimepatterns.patterns.self_exciting_likelihood import Likelihood, Parameters
from crimepatterns.patterns.self_exciting_pairs import EarlierIncidents
from crimepatterns.patterns.self_exciting_process import Excitation, Record, simulate
from crimepatterns.visuals.static import followers_chart

Maker = Callable[..., Incidents]
PLANTED = Excitation(branching=0.4, half_life_days=4.0, half_distance_m=80.0)
SIDE_M, DAYS = 5_000.0, 600.0
CRS = "EPSG:32616"
START = pd.Timestamp("2022-01-01")


def _hot_places(count: int, _: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two fifths anywhere, the rest near 60 places of unequal weight."""
    spots = np.random.default_rng(1).uniform(0, SIDE_M, size=(60, 2))
    weight = np.random.default_rng(2).dirichlet(np.full(60, 0.5))
    places = rng.uniform(0, SIDE_M, size=(count, 2))
    hot = rng.random(count) < 0.6
    places[hot] = (spots[rng.choice(60, count, p=weight)] + rng.normal(0, 100, size=(count, 2)))[hot]
    return places[:, 0], places[:, 1]


def _record(excitation: Excitation, seed: int = 0, per_day: float = 8.0) -> Record:
    found = simulate(excitation, _hot_places, per_day=per_day, days=DAYS, rng=np.random.default_rng(seed))
    inside = (found.x >= 0) & (found.x < SIDE_M) & (found.y >= 0) & (found.y < SIDE_M)
    return Record(found.x[inside], found.y[inside], found.day[inside], found.triggered[inside])


def _incidents(record: Record, area: StudyArea, make: Maker, **options: object) -> Incidents:
    return make(area, record.x, record.y, times=START + pd.to_timedelta(record.day, unit="D"), **options)


@pytest.fixture(scope="module")
def utc_area() -> StudyArea:
    """Five by five kilometres without clock changes, so that every simulated moment exists."""
    return StudyArea("Plainville", shapely.box(0, 0, SIDE_M, SIDE_M), CRS, "UTC", empty_neighbourhoods(CRS))


@pytest.fixture(scope="module")
def record() -> Record:
    return _record(PLANTED)


@pytest.fixture(scope="module")
def found(record: Record, utc_area: StudyArea, make_incidents: Maker) -> SelfExciting:
    return self_exciting(_incidents(record, utc_area, make_incidents))


def test_the_simulated_process_is_what_it_says() -> None:
    made = simulate(PLANTED, _hot_places, per_day=30.0, days=600.0, rng=np.random.default_rng(3))
    # In the long run a self-exciting process has background / (1 - branching) incidents a day.
    assert len(made) / 600.0 == pytest.approx(30.0 / 0.6, rel=0.04)
    assert made.triggered.mean() == pytest.approx(0.4, abs=0.02)
    assert (np.diff(made.day) >= 0).all()


def test_planted_parameters_are_found(found: SelfExciting, record: Record) -> None:
    assert found.branching == pytest.approx(PLANTED.branching, rel=0.15)
    assert found.half_life_days == pytest.approx(PLANTED.half_life_days, rel=0.15)
    assert found.half_distance_m == pytest.approx(PLANTED.half_distance_m, rel=0.15)
    assert found.share == pytest.approx(record.triggered.mean(), rel=0.15)
    # Those that were triggered are thought more likely to be.
    truth = record.triggered[found.row]
    assert found.chance[truth].mean() > 2.0 * found.chance[~truth].mean()
    for value, (low, high) in (
        (found.branching, found.branching_interval), (found.half_life_days, found.half_life_interval),
        (found.half_distance_m, found.half_distance_interval),
    ):  # fmt: skip
        assert low < value < high < 1.5 * low


@pytest.mark.slow
def test_nothing_is_found_where_nothing_is_planted(utc_area: StudyArea, make_incidents: Maker) -> None:
    alone = _record(Excitation(0.0, 4.0, 80.0), per_day=11.0)
    found = self_exciting(_incidents(alone, utc_area, make_incidents))
    assert (found.branching, found.share, found.is_shown) == (0.0, 0.0, False)
    assert "None of" in found.sentence()
    with pytest.raises(PatternError, match="None of"):
        followers_chart(found.to_frame(), city="Plainville", facts={"sentence": found.sentence()})


@pytest.mark.slow
def test_rows_in_any_order_give_the_same(
    found: SelfExciting, record: Record, utc_area: StudyArea, make_incidents: Maker
) -> None:
    incidents = _incidents(record, utc_area, make_incidents)
    order = np.random.default_rng(0).permutation(len(incidents))
    table = incidents.table.iloc[order].reset_index(drop=True)
    again = self_exciting(Incidents(table, utc_area))
    assert again.branching == pytest.approx(found.branching, rel=1e-6)
    assert set(table["id"].iloc[again.row]) == set(incidents.table["id"].iloc[found.row])


@pytest.mark.slow
def test_late_reports_take_the_last_days_away(record: Record, utc_area: StudyArea, make_incidents: Maker) -> None:
    incidents = _incidents(record, utc_area, make_incidents)
    late = pd.to_timedelta(np.random.default_rng(4).exponential(5.0, len(incidents)), unit="D")
    table = incidents.table.assign(known_at=incidents.table["occurred_from"] + late)
    end = table["occurred_from"].max().normalize()
    known = Incidents(table, utc_area).as_of(end)
    found = self_exciting(known, end=end)
    assert 12 <= int(str(found.parameters["left_out_days"])) <= 18
    assert found.branching == pytest.approx(PLANTED.branching, rel=0.15)


def test_the_slope_is_that_of_the_likelihood(record: Record, utc_area: StudyArea) -> None:
    raster = Raster.over(utc_area, record.x, record.y)
    shape = Background(raster, record.x, record.y, record.day).density(np.ones(len(record)), gap_days=45.0)
    assert shape.min() > 0
    pairs = EarlierIncidents.find(record.x, record.y, record.day, reach_m=250.0, reach_days=30.0)
    spreads = np.geomspace(25.0, 400.0, 7)
    weight = np.random.default_rng(0).uniform(0.2, 1.0, len(record))
    likelihood = Likelihood(
        record.day, shape * 9.0, 9.0 * (DAYS - 30.0), pairs, spreads,
        np.array([raster.share_within(one) for one in spreads]), 30.0, DAYS, weight,
    )  # fmt: skip
    explained = likelihood.explained
    at = Parameters(1.1, Excitation(0.3, 5.0, 70.0), 0.1).vector

    def value(vector: np.ndarray) -> float:
        return likelihood._value(vector, explained, pairs.of(explained), 1.0)[0]

    slope = likelihood._value(at, explained, pairs.of(explained), 1.0)[1]
    # Single precision of the pairs limits the step.
    assert optimize.approx_fprime(at, value, 1e-4) == pytest.approx(slope, rel=0.02, abs=1.0)


def test_an_incident_tells_of_its_place_only_where_many_are_expected() -> None:
    days = np.array([0.0, 10.0, 20.0])
    # All at one place: a quiet one, a busy one, and a busy one where another incident brought it.
    background, weight = np.array([1e-9, 1.0, 1.0]), np.array([1.0, 1.0, 0.0])
    pairs = EarlierIncidents.find(np.zeros(3), np.zeros(3), days, reach_m=150.0, reach_days=40.0)
    likelihood = Likelihood(days, background, 1.0, pairs, np.ones(2), np.ones((2, 3)), 0.0, 30.0, weight)
    assert likelihood.telling == pytest.approx([0.0, 1.0, 0.0], abs=1e-3)
    assert likelihood.lasting == pytest.approx([0.0, 0.0, 1.0 / (40.0 * 2.0 * np.pi * 30.0**2)], rel=1e-3, abs=1e-8)


@pytest.mark.parametrize(
    ("half_life", "half_distance", "inside"), [(5.0, 90.0, True), (30.0, 90.0, False), (5.0, 300.0, False)]
)
def test_what_is_very_slow_or_wide_counts_as_a_place_that_changes(
    half_life: float, half_distance: float, inside: bool
) -> None:
    assert Parameters(1.0, Excitation(0.3, half_life, half_distance)).is_inside is inside


@pytest.mark.parametrize("neighbours", [12, 36, 144])
def test_a_spread_holds_as_many_others_as_it_says(neighbours: int, record: Record, utc_area: StudyArea) -> None:
    kinds = Background(Raster.over(utc_area, record.x, record.y), record.x, record.y, record.day)._kinds
    # A Gaussian holds about as much as a disc of twice its variance.
    radius = np.sqrt(2.0) * np.asarray(WIDTHS_M)[kinds[neighbours]][::20]
    apart = np.hypot(record.x[::20, None] - record.x, record.y[::20, None] - record.y)
    held = (apart <= radius[:, None]).sum(axis=1) - 1
    assert np.median(held) == pytest.approx(neighbours, rel=0.25)


def test_pairs_are_those_of_plain_counting(record: Record) -> None:
    x, y, day = record.x[:300], record.y[:300], record.day[:300]
    pairs = EarlierIncidents.find(x, y, day, reach_m=400.0, reach_days=6.5)
    lag, apart = day[:, None] - day[None, :], np.hypot(x[:, None] - x[None, :], y[:, None] - y[None, :])
    later, earlier = np.nonzero((lag > 0) & (lag <= 6.5) & (apart <= 400.0))
    assert len(later) > 100
    assert np.sort(pairs.later).tolist() == later.tolist()
    assert np.sort(pairs.lag) == pytest.approx(np.sort(lag[later, earlier]), rel=1e-6)
    assert np.sort(pairs.squared_m2) == pytest.approx(np.sort(apart[later, earlier] ** 2), rel=1e-6, abs=1e-6)


def test_what_cannot_be_told_is_refused(utc_area: StudyArea, make_incidents: Maker) -> None:
    few = make_incidents(utc_area, [10.0, 20.0], [10.0, 20.0])
    with pytest.raises(PatternError, match="at least 500 incidents"):
        self_exciting(few)
    with pytest.raises(PatternError, match="at least 500 incidents"):
        self_exciting(make_incidents(utc_area, [], [], times=[]))
    with pytest.raises(PatternError, match="branching < 1"):
        Excitation(1.2, 5.0, 100.0)


def test_the_picture_tells_the_figures(found: SelfExciting) -> None:
    facts = {"category": "burglary", "window": "2022", "run_date": "2024-01-02", "sentence": found.sentence()}
    figure = followers_chart(found.to_frame(), city="Plainville", facts=facts)
    told = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    assert f"half of them within {found.half_life_days:.1f} days" in told
    assert f"half of them within {found.half_distance_m:.0f} m" in told
