"""Reporting delays: right truncation is undone, intervals cover, the planted delays of the embedded city come back."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crimepatterns.city import City
from crimepatterns.config import load_settings
from crimepatterns.data_processing import clean, ingest
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.reporting_delay import ALL, delay_curve, reporting_delay
from crimepatterns.sources.synthetic_plan import CATEGORIES, MAX_REPORT_DELAY_DAYS


def truncated(rng: np.random.Generator, n: int, *, length: float, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw incidents over a record of `length` days and keep those that are reported before its end."""
    begun, delay = rng.uniform(0, length, n), rng.exponential(scale, n)
    limit = length - begun
    seen = delay <= limit
    return delay[seen], limit[seen]


def plain(delay: np.ndarray, limit: np.ndarray) -> dict[float, float]:
    """The oracle: the product of the formula, delay by delay."""
    shares, share = {}, 1.0
    for x in sorted(set(delay), reverse=True):
        shares[x] = share
        died = (delay == x).sum()
        share *= 1 - died / ((delay <= x) & (limit >= x)).sum()
    return shares


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30))
def test_it_is_the_product_of_the_formula(pairs: list[tuple[int, int]]) -> None:
    delay = np.array([float(x) for x, _ in pairs])
    limit = delay + np.array([float(more) for _, more in pairs])
    curve = delay_curve(delay, limit, longest=99.0)
    expected = plain(delay, limit)
    assert curve.days.tolist() == sorted(expected)
    np.testing.assert_allclose(curve.share, [expected[x] for x in curve.days], atol=1e-12)
    assert (np.diff(curve.share) >= -1e-12).all()
    assert (curve.low <= curve.share + 1e-12).all()
    assert (curve.share <= curve.high + 1e-12).all()


def test_without_truncation_it_is_the_plain_distribution() -> None:
    delay = np.random.default_rng(1).exponential(2.0, 500)
    curve = delay_curve(delay, np.full(500, 1e6))
    np.testing.assert_allclose(curve.share, np.arange(1, 501) / 500, atol=1e-12)
    assert (curve.incidents, curve.beyond, curve.longest_days) == (500, 0, delay.max())


def test_truncation_is_undone_where_plain_shares_are_too_high() -> None:
    delay, limit = truncated(np.random.default_rng(2), 20_000, length=20.0, scale=5.0)
    within = stats.expon.cdf(15, scale=5)
    curve = delay_curve(delay, limit, longest=15.0, confidence=0.999)
    for day in (1.0, 3.0, 8.0):
        true = stats.expon.cdf(day, scale=5) / within
        share, low, high = curve.known_after(day)
        assert low < true < high
        assert share == pytest.approx(true, abs=0.02)
    assert (delay[delay <= 15] <= 8).mean() > stats.expon.cdf(8, scale=5) / within + 0.04, (
        "as they stand they look quick"
    )


@pytest.mark.parametrize(("n", "day"), [(100, 10.0), (300, 2.0), (300, 6.0), (2_000, 4.0)])
def test_intervals_cover(n: int, day: float) -> None:
    true = stats.expon.cdf(day, scale=4) / stats.expon.cdf(12, scale=4)
    quarter = -4 * np.log(1 - 0.75 * stats.expon.cdf(12, scale=4))
    hits, quantile_hits, runs = 0, 0, 600
    for seed in range(runs):
        delay, limit = truncated(np.random.default_rng(seed), n, length=25.0, scale=4.0)
        curve = delay_curve(delay, limit, longest=12.0)
        _, low, high = curve.known_after(day)
        hits += low <= true <= high
        _, low, high = curve.quantile(0.75)
        quantile_hits += low <= quarter <= high
    # 95 % plus or minus three standard errors of 600 runs, and a little for what is asymptotic.
    assert 0.92 < hits / runs < 0.98
    assert 0.92 < quantile_hits / runs < 0.98


def test_known_after_and_quantiles_at_the_ends() -> None:
    delay = np.repeat([1.0, 2.0, 4.0], 20)
    curve = delay_curve(delay, np.full(60, 100.0))
    assert curve.known_after(0.5) == (0.0, 0.0, pytest.approx(1 - 0.05 ** (1 / 60)))
    assert curve.known_after(3)[0] == pytest.approx(2 / 3)
    assert curve.known_after(4) == curve.known_after(90) == (1.0, 1.0, 1.0)
    assert (curve.quantile(0.3)[0], curve.quantile(0.5)[0], curve.quantile(1.0)[0]) == (1.0, 2.0, 4.0)
    with pytest.raises(PatternError, match="share above 0"):
        curve.quantile(0.0)
    watched = delay_curve(delay, np.full(60, 100.0), longest=9.0)
    assert watched.known_after(6) == (1.0, pytest.approx(0.05 ** (1 / 60)), 1.0), "nobody took six to nine days"
    assert watched.known_after(9) == (1.0, 1.0, 1.0)


def test_the_longest_delay_is_one_that_enough_incidents_had_the_time_for() -> None:
    rng = np.random.default_rng(3)
    limit = np.concatenate([np.full(29, 100.0), rng.uniform(5, 10, 400)])
    delay = np.minimum(rng.exponential(2.0, 429), limit)
    delay[0] = 80.0
    curve = delay_curve(delay, limit)
    assert 9.5 < curve.longest_days < 10, "only 29 incidents were watched for longer than ten days"
    assert curve.beyond >= 1
    assert delay_curve(delay, limit, longest=50.0).longest_days == 50.0


def test_bad_input_is_told() -> None:
    with pytest.raises(PatternError, match="no longer than the time"):
        delay_curve(np.array([2.0]), np.array([1.0]))
    with pytest.raises(PatternError, match="must be there"):
        delay_curve(np.array([]), np.array([]))
    with pytest.raises(PatternError, match="No delay is at most 1"):
        delay_curve(np.array([2.0]), np.array([3.0]), longest=1.0)
    with pytest.raises(PatternError, match="Confidence"):
        delay_curve(np.array([2.0]), np.array([3.0]), confidence=1.0)


def late(plain_area: StudyArea, make_incidents, hours: list[float], category: list[str]) -> Incidents:
    made = make_incidents(plain_area, np.ones(len(hours)), np.ones(len(hours)), category=category)
    known = made.table["occurred_until"] + pd.to_timedelta(hours, unit="h")
    return Incidents(made.table.assign(known_at=known), plain_area)


def test_categories_and_too_few(plain_area: StudyArea, make_incidents) -> None:
    incidents = late(
        plain_area, make_incidents, [24.0] * 40 + [240.0] * 35 + [1.0] * 5, ["a"] * 40 + ["b"] * 35 + ["c"] * 5
    )
    found = reporting_delay(incidents)
    assert list(found.curves) == [ALL, "a", "b"]
    assert found.too_few == {"c": 5}
    assert (found.curves["a"].quantile(0.5)[0], found.curves["b"].quantile(0.5)[0]) == (1.0, 10.0)
    table = found.table(days=(2,), shares=(0.95,)).set_index("category")
    assert table.loc["a", "known_after_2d"] == 1.0
    assert table.loc[ALL, "known_after_2d"] == pytest.approx(45 / 80)
    assert table.loc["b", "days_until_95pct"] == 10.0
    assert "are known after 7 days" in str(found)
    few = reporting_delay(late(plain_area, make_incidents, [1.0] * 3, ["a"] * 3))
    assert (few.curves, dict(few.too_few)) == ({}, {"a": 3})
    assert few.late(0.95) == pytest.approx(1 / 24)
    assert found.late(0.95) == 10.0
    assert str(few) == "Too few incidents (3) to tell how long reports take."
    assert few.table().empty


def test_an_assumed_delay_says_so(plain_area: StudyArea, make_incidents) -> None:
    found = reporting_delay(late(plain_area, make_incidents, [48.0] * 40, ["a"] * 40), assumed_days=2)
    assert str(found) == "Assumed: the record has no report dates; incidents count as known 2 days after they ended."
    assert not found.curves
    with pytest.raises(PatternError, match="at least one incident"):
        reporting_delay(late(plain_area, make_incidents, [48.0], ["a"])._where(pd.Series([False])))


# -- the embedded city, the only record with report dates --------------------------------------------------------------


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> City:
    root: Path = tmp_path_factory.mktemp("delays")
    settings = load_settings(overrides={"root": str(root), "source": {"incidents": 20_000, "years": 2}})
    ingest(settings)
    clean(settings)
    return City(settings)


def planted(name: str, days: np.ndarray) -> np.ndarray:
    """The planted share known after so many days: log-normal, with an exponential late part, both up to sixty days."""
    plan = next(plan for plan in CATEGORIES if plan.name == name)
    prompt = stats.lognorm.cdf(days * 24, s=1.0, scale=plan.report_hours)
    slow = stats.expon.cdf(days, scale=plan.late_days)
    return np.where(days >= MAX_REPORT_DELAY_DAYS, 1.0, (1 - plan.late_share) * prompt + plan.late_share * slow)


@pytest.mark.parametrize("name", ["theft", "damage", "burglary"])
def test_the_planted_delays_come_back_from_the_last_weeks_alone(embedded: City, name: str) -> None:
    cutoff = embedded.incidents.table["occurred_from"].max().normalize() - pd.DateOffset(days=200)
    recent = embedded.incidents.of(name).between(cutoff - pd.DateOffset(days=120), cutoff)
    # A row whose time was lost stands at midnight; its delay is too long by hours.
    sound = recent.without(recent.table.loc[recent.table["occurred_from"].dt.hour == 0, "id"])
    found = reporting_delay(sound, as_of=cutoff, confidence=0.999)
    curve = found.curves[name]
    whole = planted(name, np.array([curve.longest_days]))[0]
    for day in (0.25, 1.0, 3.0, 7.0, 14.0):
        true = planted(name, np.array([day]))[0] / whole
        _, low, high = curve.known_after(day)
        assert low - 0.002 <= true <= high + 0.002, (name, day)


def test_every_category_of_the_city_has_a_curve(embedded: City) -> None:
    found = reporting_delay(embedded.incidents)
    assert set(found.curves) == {ALL, *(plan.name for plan in CATEGORIES)}
    medians = {name: curve.quantile(0.5)[0] for name, curve in found.curves.items()}
    assert medians["damage"] > medians["theft"] > medians["assault"] > medians["drugs"]
    assert found.curves[ALL].incidents == len(embedded.incidents)
