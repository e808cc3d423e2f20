"""The nowcast: what late reports hide is put back, with an interval that holds, from what is known at the cutoff."""

import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.completeness import Completeness
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import DomainError
from crimepatterns.forecasts.recent import recent_window
from crimepatterns.forecasts.registry import make_forecaster
from crimepatterns.patterns.nowcast import completeness_at

CRS = "EPSG:32616"
ZONE = "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 2000, 2000), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=500)
START = pd.Timestamp("2020-01-01", tz=ZONE)
DAYS = 400


def incidents(seed: int, delay_days: np.ndarray, *, label: str = "theft") -> Incidents:
    rng, count = np.random.default_rng(seed), len(delay_days)
    happened = START + pd.to_timedelta(np.sort(rng.uniform(0, DAYS, count)), unit="D").as_unit("us")
    facts = {"time_precision": "minute", "category": label, "offence": "x", "discovery": "reported", "source": "test"}
    known = happened + pd.to_timedelta(delay_days, unit="D").as_unit("us")
    places = {"x": rng.uniform(0, 2000, count), "y": rng.uniform(0, 2000, count)}
    times = {"occurred_from": happened, "occurred_until": happened, "known_at": known}
    table = pd.DataFrame({"id": [f"{label}{n}" for n in range(count)], **times, **places, **facts})
    return Incidents(table, AREA)


def mixed_delays(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(count) < 0.6, rng.exponential(0.5, count), rng.exponential(15.0, count))


def test_the_last_four_weeks_are_completed_without_bias_and_within_the_interval() -> None:
    """Over 60 cutoffs in 12 records: ratio to the later truth near 1, 95 % intervals cover it."""
    ratios, raw, covered = [], [], []
    for seed in range(12):
        everything = incidents(seed, mixed_delays(seed, 6000))
        archive = Archive(everything, GRID, 7, nowcast=completeness_at)
        for day in range(200, 400, 40):
            cutoff = START + pd.DateOffset(days=day)
            window = recent_window(archive.at(cutoff, target="theft"), 28)
            truth = len(everything.between(window.start, window.start + pd.DateOffset(days=window.days)))
            ratios.append(window.total / truth)
            raw.append(len(window.x) / truth)
            assert window.completed is not None
            covered.append(window.completed.low <= truth <= window.completed.high)
    assert np.mean(raw) < 0.85
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.01)
    assert np.mean(covered) >= 0.88


def test_what_becomes_known_later_changes_nothing() -> None:
    everything = incidents(1, mixed_delays(1, 4000))
    cutoff = START + pd.DateOffset(days=300)
    table = everything.table
    late = table["known_at"] >= cutoff
    moved = table.assign(known_at=table["known_at"].where(~late, table["known_at"] + pd.Timedelta(days=90)))
    for other in (Incidents(moved, AREA), everything.as_of(cutoff)):
        ours, theirs = completeness_at(everything, cutoff, "theft"), completeness_at(other, cutoff, "theft")
        assert ours is not None
        assert theirs is not None
        np.testing.assert_array_equal(ours.share, theirs.share)
        np.testing.assert_array_equal(ours.days, theirs.days)


def test_a_constant_delay_moves_the_window_back() -> None:
    archive = Archive(incidents(2, np.full(4000, 10.0)), GRID, 7, nowcast=completeness_at)
    cutoff = START + pd.DateOffset(days=350)
    window = recent_window(archive.at(cutoff, target="theft"), 90)
    assert window.start == cutoff - pd.DateOffset(days=100)
    assert window.total / window.days == pytest.approx(4000 / DAYS, rel=0.1)
    blind = recent_window(Archive(archive.incidents, GRID, 7).at(cutoff, target="theft"), 90)
    assert blind.total / blind.days < 0.92 * 4000 / DAYS


def test_forecasts_take_the_completed_level() -> None:
    everything = incidents(3, mixed_delays(3, 6000))
    cutoff, expected = START + pd.DateOffset(days=360), 6000 / DAYS * 7
    periods = Periods.starting_at(cutoff, days=7, count=1)
    for name in ("recent_count", "count_eb", "kde", "seasonal"):
        totals = []
        for nowcast in (None, completeness_at):
            history = Archive(everything, GRID, 7, nowcast=nowcast).at(cutoff, target="theft")
            maker = make_forecaster(name, recent_days=28)
            made = maker.fit(history, rng=np.random.default_rng(1)).predict(history, periods)
            totals.append(made.mean.sum() / expected)
        assert totals[0] < 0.88, name
        assert totals[1] == pytest.approx(1.0, abs=0.1), name


def test_few_incidents_or_none_late_need_no_completing() -> None:
    cutoff = START + pd.DateOffset(days=DAYS)
    assert completeness_at(incidents(4, np.full(50, 3.0)), cutoff, "theft") is None
    assert completeness_at(incidents(4, np.full(500, 0.01)), cutoff, "theft") is None
    borrowed = completeness_at(incidents(4, np.full(500, 3.0)), cutoff, "arson")
    assert borrowed is not None
    assert borrowed.blind_days == 3


def test_shares_by_hand() -> None:
    days, share, low, high = (np.array(v) for v in ([0.0, 2.0], [0.5, 0.8], [0.4, 0.7], [0.6, 0.9]))
    known = Completeness(days, share, low, high, settled_days=10.0)
    np.testing.assert_allclose(known.at(np.array([0.0, 1.9, 2.0, 9.9, 10.0])), [0.5, 0.5, 0.8, 0.8, 1.0])
    made = known.complete(np.array([1.0, 1.0, 20.0]))
    assert (made.known, made.expected) == (3, 5.0)
    assert made.low == pytest.approx(max(5 - 1.96 * np.sqrt(4 + ((5 - (2 / 0.6 + 1)) / 1.96) ** 2), 3))
    with pytest.raises(DomainError, match="fall"):
        Completeness(days, share[::-1], low, high, settled_days=10.0)
