"""Trend and season: parts that were planted come back, noise has no season, unfinished periods do not count."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.seasonal import STL

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.seasonality import season_trend, stl
from crimepatterns.patterns.window import Window


def _record(
    area: StudyArea, make_incidents, mean: np.ndarray, *, start: str = "2020-01-01", seed: int = 0
) -> Incidents:
    counts = np.random.default_rng(seed).poisson(mean)
    days = pd.date_range(start, periods=len(mean), freq="D").repeat(counts) + pd.Timedelta(hours=12)
    return make_incidents(area, np.ones(len(days)), np.ones(len(days)), times=days)


def _covered(start: str, end: str) -> Window:
    return Window(pd.Timestamp(start, tz="America/Chicago"), pd.Timestamp(end, tz="America/Chicago"))


def test_a_line_and_a_wave_come_back() -> None:
    line = 0.02 * np.arange(96) + 4.0
    wave = np.tile(np.sin(np.arange(12) / 12 * 2 * np.pi), 8)
    trend, season, rest = stl(line + wave, period=12, robust=False)
    np.testing.assert_allclose(trend, line, atol=2e-3)
    np.testing.assert_allclose(season, wave, atol=2e-3)
    np.testing.assert_allclose(trend + season + rest, line + wave, atol=1e-12)


def test_with_few_years_the_season_is_the_same_in_each_and_leaves_something_over() -> None:
    wave = np.tile(np.sin(np.arange(12) / 12 * 2 * np.pi), 3)
    noisy = 5.0 + wave + np.random.default_rng(1).normal(0, 0.5, 36)
    trend, season, rest = stl(noisy, period=12)
    np.testing.assert_allclose(season[:12], season[24:], atol=0.02)
    np.testing.assert_allclose(trend + season + rest, noisy, atol=1e-12)
    assert min(np.abs(rest[part]).mean() for part in (slice(0, 12), slice(12, 24), slice(24, 36))) > 0.1


def test_months_are_compared_per_day_and_the_current_one_is_left_out(plain_area: StudyArea, make_incidents) -> None:
    days = pd.date_range("2020-01-01", "2025-01-14", freq="D")
    incidents = _record(plain_area, make_incidents, np.full(len(days), 0.0) + 4.0)
    found = season_trend(incidents, step="month", covered=_covered("2020-01-01", "2025-01-15"), replicates=39)
    assert found.dropped == 1
    assert found.table["period"].iloc[-1] == pd.Timestamp("2024-12-01")
    assert len(found.table) == 60
    february = found.table.loc[found.table["period"].dt.month == 2, "per_day"]
    assert february.mean() == pytest.approx(4.0, rel=0.1)
    assert found.season_p > 0.05
    assert "No season is shown" in found.sentence()
    own = STL(found.table["count"] / found.table["period"].dt.days_in_month, period=12, robust=True).fit()
    for part, oracle in (("trend", own.trend), ("season", own.seasonal), ("remainder", own.resid)):
        np.testing.assert_allclose(found.table[part], oracle, atol=1e-12)
    parts = found.table[["trend", "season", "remainder"]].sum(axis="columns")
    np.testing.assert_allclose(parts, found.table["per_day"])


@pytest.mark.parametrize("step", ["month", "week"])
def test_a_planted_season_and_trend_are_found(step: str, plain_area: StudyArea, make_incidents) -> None:
    days = pd.date_range("2020-01-01", "2024-12-31", freq="D")
    wave = 1.0 + np.exp(-0.5 * ((days.day_of_year.to_numpy() - 196) / 25.0) ** 2)
    incidents = _record(plain_area, make_incidents, np.linspace(4.0, 8.0, len(days)) * wave)
    found = season_trend(incidents, step=step, replicates=19)  # type: ignore[arg-type]
    assert found.season_p == pytest.approx(0.05)
    assert found.season_strength > 0.6
    assert found.trend_strength > 0.5
    assert "highest in July" in found.sentence()
    assert found.table["trend"].iloc[-1] > 1.5 * found.table["trend"].iloc[0]


def test_days_have_the_week_as_their_season(plain_area: StudyArea, make_incidents) -> None:
    days = pd.date_range("2024-01-01", "2024-06-30", freq="D")
    mean = np.where(days.day_of_week == 5, 9.0, 4.0)
    found = season_trend(_record(plain_area, make_incidents, mean, start="2024-01-01"), step="day", replicates=19)
    assert "highest in Saturday" in found.sentence()


def test_short_records_are_told(plain_area: StudyArea, make_incidents) -> None:
    year = _record(plain_area, make_incidents, np.full(400, 3.0))
    with pytest.raises(PatternError, match="more than 24 whole months"):
        season_trend(year)
    with pytest.raises(PatternError, match="got none"):
        season_trend(make_incidents(plain_area, [], [], times=[]))
    with pytest.raises(PatternError, match="step must be"):
        season_trend(year, step="decade")  # type: ignore[arg-type]
    flat = stl(np.full(40, 2.0), period=7)
    assert flat.tolist() == [[2.0] * 40, [0.0] * 40, [0.0] * 40]
