import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive, History
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import DomainError

CRS = "EPSG:32616"
ZONE = "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 3000, 2000), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=500)
START = pd.Timestamp("2020-01-01", tz=ZONE)


def make_incidents(seed: int, count: int = 400, *, delay_days: float = 0.0) -> Incidents:
    rng = np.random.default_rng(seed)
    happened = START + pd.to_timedelta(np.sort(rng.uniform(0, 140, count)), unit="D").as_unit("us")
    known = happened + pd.to_timedelta(rng.exponential(delay_days, count), unit="D").as_unit("us")
    table = pd.DataFrame(
        {
            "id": [f"i{n}" for n in range(count)],
            "occurred_from": happened,
            "occurred_until": happened,
            "known_at": known,
            "time_precision": "minute",
            "category": rng.choice(["theft", "assault"], count),
            "offence": "x",
            "discovery": "reported",
            "source": "test",
            "x": rng.uniform(0, 3000, count),
            "y": rng.uniform(0, 2000, count),
        }
    )
    return Incidents(table, AREA)


@given(st.integers(0, 10_000), st.integers(1, 30))
@settings(max_examples=25, deadline=None)
def test_panel_sums_equal_the_incidents(seed: int, days: int) -> None:
    incidents = make_incidents(seed)
    periods = Periods.starting_at(START, days=days, count=140 // days)
    panel = Panel.count(incidents, GRID, periods)
    within = incidents.between(periods.start, periods.end)
    for category in panel.categories:
        assert panel.of(category).sum() == len(within.of(category))
    assert panel.total.sum() == len(within)
    assert panel.outside == 0


def test_panel_counts_agree_with_a_plain_loop() -> None:
    incidents = make_incidents(3, 60)
    periods = Periods.starting_at(START, days=7, count=20)
    panel = Panel.count(incidents, GRID, periods)
    plain = np.zeros_like(panel.counts)
    shapes = GRID.cells.geometry.to_numpy()
    for row in incidents.table.itertuples():
        cell = int(np.flatnonzero(shapely.intersects(shapes, shapely.Point(row.x, row.y)))[0])
        for p in range(len(periods)):
            if periods.edges[p] <= row.occurred_from < periods.edges[p + 1]:
                plain[panel.categories.index(str(row.category)), cell, p] += 1
    assert np.array_equal(panel.counts, plain)


def test_as_of_drops_what_was_not_known_yet() -> None:
    incidents = make_incidents(1, delay_days=5.0)
    moment = START + pd.DateOffset(days=70)
    known = incidents.as_of(moment).table
    assert 0 < len(known) < len(incidents.between(START, moment))
    assert (known["known_at"] < moment).all()


def test_nothing_is_copied_where_everything_is_known() -> None:
    incidents = make_incidents(1, delay_days=5.0)
    after = incidents.table["known_at"].max() + pd.Timedelta(days=1)
    assert incidents.as_of(after) is incidents
    later = Incidents(incidents.table.set_axis(np.arange(len(incidents)) + 5), incidents.area)
    assert list(later.as_of(after).table.index[:2]) == [0, 1]


def test_a_history_ends_at_its_cutoff() -> None:
    archive = Archive(make_incidents(2, delay_days=3.0), GRID, 7)
    cutoff = START + pd.DateOffset(days=77)
    history = archive.at(cutoff, target="theft")
    assert history.panel.periods.end == cutoff
    assert history.counts.shape == (len(GRID), 11)
    assert history.incidents.table["known_at"].max() < cutoff
    late = Panel.count(archive.incidents, GRID, Periods.starting_at(START, days=7, count=20))
    with pytest.raises(DomainError, match="beyond its cutoff"):
        History(history.incidents, late, "theft", cutoff)
    with pytest.raises(DomainError, match="not known"):
        History(archive.incidents, history.panel, "theft", cutoff)
    with pytest.raises(DomainError, match="no category"):
        archive.at(cutoff, target="arson")


def test_there_is_no_history_before_the_data() -> None:
    with pytest.raises(DomainError, match="data begin"):
        Archive(make_incidents(2), GRID, 7).at(START + pd.DateOffset(days=3), target="theft")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "same"}, "unique"),
        ({"x": np.nan}, "finite"),
        ({"known_at": START - pd.DateOffset(days=1)}, "known_at"),
        ({"occurred_until": START - pd.DateOffset(days=1)}, "occurred_until"),
    ],
)
def test_incidents_are_checked_once(change: dict[str, object], message: str) -> None:
    table = make_incidents(1, 5).table.assign(**change)
    for name in ("known_at", "occurred_until"):
        table[name] = table[name].dt.as_unit("us")
    with pytest.raises(DomainError, match=message):
        Incidents(table, AREA)


def test_incidents_need_every_column_and_a_zone() -> None:
    table = make_incidents(1, 5).table
    with pytest.raises(DomainError, match="discovery"):
        Incidents(table.drop(columns="discovery"), AREA)
    with pytest.raises(DomainError, match="tz-aware"):
        Incidents(table.assign(known_at=table["known_at"].dt.tz_localize(None)), AREA)


def make_forecast(**change: object) -> Forecast:
    periods = Periods.starting_at(START, days=7, count=1)
    mean = np.full((len(GRID), 1), 0.5)
    parts = {
        "grid": GRID,
        "periods": periods,
        "category": "theft",
        "model": "count",
        "issued_at": START,
        "mean": mean,
        "quantiles": {0.05: mean * 0, 0.95: mean * 4},
        **change,
    }
    return Forecast(**parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": np.full((len(GRID), 1), -0.1)}, "not negative"),
        ({"mean": np.full((len(GRID), 1), np.nan)}, "finite"),
        ({"mean": np.zeros((3, 1))}, "shape"),
        ({"issued_at": START + pd.Timedelta(1, "s")}, "issued"),
        ({"quantiles": {0.05: np.ones((len(GRID), 1)), 0.95: np.zeros((len(GRID), 1))}}, "rise"),
    ],
)
def test_a_forecast_is_checked_once(change: dict[str, object], message: str) -> None:
    with pytest.raises(DomainError, match=message):
        make_forecast(**change)


def test_the_chance_of_nothing_stands_beside_the_expectation() -> None:
    cells = make_forecast().to_geodataframe()
    assert cells["chance_of_none"].to_numpy() == pytest.approx(np.exp(-0.5))
    assert {"expected", "q05", "q95"} <= set(cells.columns)


def test_a_surface_fits_its_grid() -> None:
    with pytest.raises(DomainError, match="shape"):
        Surface(GRID, "density", np.zeros(3), "incidents per km2")
