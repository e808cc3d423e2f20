import dataclasses

import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.explanation import GROUPS, Explanation
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive, History
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.protocols import ExplainingForecaster
from crimepatterns.errors import DomainError
from crimepatterns.evaluation.scoring_rules import poisson_deviance
from crimepatterns.forecasts.additive_intensity import AdditiveIntensity, FittedAdditiveIntensity
from crimepatterns.forecasts.additive_intensity_bank import COMPONENTS, State, components, prior_columns, states
from crimepatterns.forecasts.city_level import CityLevel, fit_city_level
from crimepatterns.forecasts.shrunk_count import ShrunkCount
from crimepatterns.forecasts.spatial_prior import SpatialPrior, fit_spatial_prior
from crimepatterns.forecasts.triggering import triggering

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 6000, 5000), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=250)
START = pd.Timestamp("2020-01-06", tz=ZONE)
WEEKS = 60
CUTOFF = START + pd.DateOffset(days=7 * WEEKS)
NEXT = Periods.starting_at(CUTOFF, days=7, count=1)


def incidents_of(
    x: np.ndarray, y: np.ndarray, days: np.ndarray, category: np.ndarray | str = "theft", discovery: str = "reported"
) -> Incidents:
    when = START + pd.to_timedelta(days, unit="D").as_unit("us")
    table = pd.DataFrame(
        {
            "id": np.arange(len(x)).astype(str), "occurred_from": when, "occurred_until": when, "known_at": when,
            "time_precision": "minute", "category": category, "offence": "x", "discovery": discovery,
            "source": "test", "x": x, "y": y,
        }
    )  # fmt: skip
    return Incidents(table, AREA)


def smooth_city(seed: int, *, weeks: int = WEEKS + 13, per_week: float = 60, trigger: float = 0.0) -> Incidents:
    """A city whose rate changes slowly over space; each incident triggers `trigger` more within 100 m and some days."""
    rng = np.random.default_rng(seed)
    hubs = rng.uniform(500, 4500, (12, 2))
    count = rng.poisson(per_week * weeks * (1 - trigger))
    spots = hubs[rng.integers(0, 12, count)] + rng.normal(0, 500, (count, 2))
    even = rng.uniform(0, 1, (count, 2)) * (6000, 5000)
    fresh = np.column_stack([np.where(rng.random((count, 1)) < 0.7, spots, even), rng.uniform(0, 7 * weeks, count)])
    everything = [fresh]
    while len(fresh) and trigger:
        fresh = np.repeat(fresh, rng.poisson(trigger, len(fresh)), axis=0)
        moved = np.column_stack([rng.normal(0, 70, (len(fresh), 2)), 1 + rng.exponential(6, len(fresh))])
        fresh = fresh + moved
        everything.append(fresh)
    x, y, days = np.concatenate(everything).T
    keep = (days < 7 * weeks) & (x > 0) & (x < 6000) & (y > 0) & (y < 5000)
    keep &= days >= 0
    return incidents_of(x[keep], y[keep], np.r_[0.01, days[keep][1:]])


ARCHIVE = Archive(smooth_city(1), GRID, 7)
HISTORY = ARCHIVE.at(CUTOFF, target="theft")
FITTED = AdditiveIntensity().fit(HISTORY, rng=np.random.default_rng(0))


def explained(fitted: FittedAdditiveIntensity, history: History, periods: Periods = NEXT) -> Explanation:
    assert isinstance(fitted, ExplainingForecaster)
    return fitted.explain(history, periods)


def test_the_first_component_is_the_plain_shrunk_count() -> None:
    plain = ShrunkCount().fit(HISTORY, rng=np.random.default_rng(0))
    state = next(states(HISTORY, (), pd.DatetimeIndex([CUTOFF])))
    prior = fit_spatial_prior(state.own[0], state.days, prior_columns(state))
    made = components(state, prior, plain.shape)
    assert made.shape == (len(COMPONENTS), len(GROUPS), len(GRID))
    assert (made >= 0).all()
    theirs = plain.predict(HISTORY, NEXT).mean[:, 0]
    ours = made[0].sum(axis=0)
    np.testing.assert_allclose(ours / ours.sum(), theirs / theirs.sum(), rtol=1e-9)


def test_a_level_moves_as_the_other_categories_do() -> None:
    cells, rng = len(GRID), np.random.default_rng(3)
    own = np.tile(rng.poisson(3.0, cells).astype(float), (8, 1))
    others = np.array([[np.full(cells, 90.0), np.full(cells, 10.0)], [np.full(cells, 10.0), np.zeros(cells)]])
    others[0, 1, 4], others[0, 1, 9] = 31.0, 0.0
    prior = SpatialPrior((1.0, *[0.0] * 4), 1.0)
    made = components(State(GRID, own, others, 900.0), prior, 1.0)
    expected = others[:, 1].sum() / cells
    for row, level in ((-2, made[1]), (-1, made[3])):
        assert COMPONENTS[row].endswith("as other categories move")
        change = made[row].sum(axis=0) / level.sum(axis=0)
        np.testing.assert_allclose(change[[4, 9]], np.array([32.0, 1.0]) / (1 + expected))
        recent = GROUPS.index("recent events")
        np.testing.assert_allclose(made[row, recent, 4], level[:, 4].sum() * (change[4] - 1))
        assert made[row, recent, 9] == 0  # less of everything is no recent event: all parts are smaller


def test_where_neighbours_are_alike_it_beats_the_shrunk_count() -> None:
    ours, theirs = 0.0, 0.0
    plain = ShrunkCount()
    for week in range(8):
        cutoff = CUTOFF + pd.DateOffset(days=7 * week)
        history, ahead = ARCHIVE.at(cutoff, target="theft"), Periods.starting_at(cutoff, days=7, count=1)
        happened = ARCHIVE.outcome(ahead).of("theft")
        ours += poisson_deviance(FITTED.predict(history, ahead).mean, happened).sum()
        fitted = plain.fit(history, rng=np.random.default_rng(0))
        theirs += poisson_deviance(fitted.predict(history, ahead).mean, happened).sum()
    assert ours < 0.995 * theirs


def test_cells_that_have_nothing_in_common_are_left_to_the_shrunk_count() -> None:
    """Rates of single cells drawn apart: then the counts suffice and little may be lost."""
    rng = np.random.default_rng(5)
    rate = rng.gamma(0.5, 2.0, len(GRID))
    cell = rng.choice(len(GRID), 6_000, p=rate / rate.sum())
    days = np.sort(rng.uniform(0, 7 * WEEKS, 6_000))
    history = Archive(incidents_of(*GRID.centres[cell].T, np.r_[0.01, days[1:]]), GRID, 7).at(CUTOFF, target="theft")
    fitted = AdditiveIntensity().fit(history, rng=rng)
    truth = rate / rate.sum() * 100
    ours = poisson_deviance(fitted.predict(history, NEXT).mean[:, 0], truth).sum()
    plain = ShrunkCount().fit(history, rng=rng).predict(history, NEXT).mean[:, 0]
    expected_loss = poisson_deviance(truth, rng.poisson(truth)).sum()
    assert ours - poisson_deviance(plain, truth).sum() < 0.01 * expected_loss


@pytest.mark.parametrize("days", [7, 28])
def test_parts_sum_to_the_forecast(days: int) -> None:
    ahead = Periods.starting_at(CUTOFF, days=days, count=1)
    why = explained(FITTED, HISTORY, ahead)
    np.testing.assert_allclose(why.contributions.sum(axis=1), FITTED.predict(HISTORY, ahead).mean[:, 0], atol=1e-9)
    assert tuple(why.groups) == GROUPS
    assert (why.contributions >= 0).all()
    assert why.groups["long history"].sum() > why.groups["recent events"].sum()


def test_without_the_last_days_less_is_expected_where_something_happened_and_nowhere_more() -> None:
    rng = np.random.default_rng(2)
    table = HISTORY.incidents.table
    burst = incidents_of(rng.normal(1375, 30, 40), rng.normal(1375, 30, 40), rng.uniform(7 * WEEKS - 5, 7 * WEEKS, 40))
    both = pd.concat([table, burst.table.assign(id=lambda t: "b" + t["id"])], ignore_index=True)
    history = Archive(Incidents(both, AREA), GRID, 7).at(CUTOFF, target="theft")
    why = explained(FITTED, history)
    here = int(GRID.assign([1375], [1375])[0][0])
    without = why.without_last_days(7)
    assert without[here] < 0.9 * why.mean[here]
    assert (without <= why.mean + 1e-12).all()
    assert (why.without_last_days(30) <= without + 1e-12).all()
    with pytest.raises(DomainError, match="at least one day"):
        why.without_last_days(0)


def test_the_sentence_names_the_cell_the_reasons_and_the_counterfactual() -> None:
    why = explained(FITTED, HISTORY)
    cell = str(GRID.ids[why.mean.argmax()])
    told = why.sentence(cell)
    assert told.startswith(f"Cell {cell}")
    for part in ("theft", "in the long run", "last 7 days"):
        assert part in told
    with pytest.raises(DomainError, match="No cell 'nowhere'"):
        why.sentence("nowhere")
    with pytest.raises(DomainError, match="must sum"):
        Explanation(why.forecast, why.contributions * 1.01, why.counterfactual)


def test_too_little_to_learn_from_is_the_shrunk_count_and_is_explained_too() -> None:
    history = ARCHIVE.at(START + pd.DateOffset(days=14), target="theft")
    fitted = AdditiveIntensity().fit(history, rng=np.random.default_rng(0))
    ahead = Periods.starting_at(history.cutoff, days=7, count=1)
    made = fitted.predict(history, ahead)
    assert "count_eb instead" in str(made.parameters["fallback"])
    why = explained(fitted, history, ahead)
    np.testing.assert_allclose(why.contributions.sum(axis=1), made.mean[:, 0], atol=1e-9)
    assert (why.without_last_days(7) <= made.mean[:, 0] + 1e-12).all()


def test_police_initiated_categories_are_not_looked_at() -> None:
    table = HISTORY.incidents.table
    drugs = table.sample(500, random_state=1).assign(
        id=lambda t: "d" + t["id"], category="drugs", discovery="police-initiated"
    )
    both = Incidents(pd.concat([table, drugs], ignore_index=True), AREA)
    history = Archive(both, GRID, 7).at(CUTOFF, target="theft")
    assert AdditiveIntensity().fit(history, rng=np.random.default_rng(0)).related == ()


def test_the_spatial_prior_finds_planted_weights_and_shape() -> None:
    rng = np.random.default_rng(3)
    columns = rng.gamma(1.0, 0.02, (8_000, 3))
    rate = columns @ np.array([0.7, 0.0, 0.3])
    counts = rng.poisson(rng.gamma(3.0, rate / 3.0) * 400).astype(float)
    prior = fit_spatial_prior(counts, 400.0, columns)
    np.testing.assert_allclose(prior.weights, [0.7, 0.0, 0.3], atol=0.04)
    assert prior.shape == pytest.approx(3.0, rel=0.15)
    mean = prior.mean(columns)
    credit = prior.credit(mean, 400.0)
    np.testing.assert_allclose(
        (1 - credit) * mean + credit * counts / 400, (prior.shape + counts) / (prior.shape / mean + 400)
    )
    assert SpatialPrior((1.0,), 1.0).mean(np.zeros((2, 1))).min() > 0


def test_the_level_follows_a_fast_change_and_completes_late_reports() -> None:
    rng = np.random.default_rng(4)
    per_day = np.where(np.arange(7 * WEEKS) // 42 % 2, 60, 30)[::-1]
    days = np.repeat(np.arange(7 * WEEKS), per_day) + rng.random(per_day.sum())
    x, y = rng.uniform(0, 6000, len(days)), rng.uniform(0, 5000, len(days))
    record = incidents_of(x, y, days).table
    record["known_at"] = record["occurred_from"] + pd.to_timedelta(rng.uniform(0, 6, len(days)), unit="D")
    history = Archive(Incidents(record, AREA), GRID, 7).at(CUTOFF, target="theft")
    level = fit_city_level(history)
    now = 7 * per_day[-1]
    assert level.half_life_days <= 14
    assert level.expected(history, NEXT)[0] == pytest.approx(now, rel=0.1)
    as_it_stands = CityLevel(level.half_life_days, (), (1.0,) * 7).expected(history, NEXT)[0]
    assert abs(level.expected(history, NEXT)[0] - now) < abs(as_it_stands - now), "late reports are completed"


def test_days_follow_their_weekday() -> None:
    rng = np.random.default_rng(4)
    per_day = np.where(np.arange(7 * WEEKS) % 7 < 5, 10, 30)
    days = np.repeat(np.arange(7 * WEEKS), per_day) + rng.random(per_day.sum())
    record = incidents_of(rng.uniform(0, 6000, len(days)), rng.uniform(0, 5000, len(days)), days)
    history = Archive(record, GRID, 1).at(CUTOFF, target="theft")
    week = fit_city_level(history).expected(history, Periods.starting_at(CUTOFF, days=1, count=7))
    np.testing.assert_allclose(week, [10] * 5 + [30] * 2, rtol=0.1)


def test_the_level_goes_along_with_the_season() -> None:
    """A wave of the year that rises through the cutoff: what fades behind is lifted to what comes."""
    rng = np.random.default_rng(4)
    daily = np.arange(7 * WEEKS)
    angle = 2 * np.pi * (daily[::-1] + 0.5) / 365.25  # 0 at the cutoff, where the sine rises
    rate = 40 * (1 - 0.5 * np.sin(angle))
    per_day = rng.poisson(rate)
    days = np.repeat(daily, per_day) + rng.random(per_day.sum())
    record = incidents_of(rng.uniform(0, 6000, len(days)), rng.uniform(0, 5000, len(days)), days)
    history = Archive(record, GRID, 7).at(CUTOFF, target="theft")
    level, now = fit_city_level(history), 7 * 40 * (1 + 0.5 * np.sin(2 * np.pi * 3.5 / 365.25))
    without = dataclasses.replace(level, course=None).expected(history, NEXT)[0]
    assert abs(level.expected(history, NEXT)[0] - now) < 0.5 * abs(without - now)


def test_planted_triggering_is_found_and_none_is_reported_where_there_is_none() -> None:
    found = {}
    for share in (0.0, 0.4):
        record = smooth_city(7, per_week=150, weeks=WEEKS, trigger=share)
        found[share] = triggering(Archive(record, GRID, 7).at(CUTOFF, target="theft"))
    quiet, busy = found[0.0], found[0.4]
    assert quiet is not None
    assert busy is not None
    assert quiet.share < 0.03
    assert 0.3 < busy.share < 0.5
    assert 3 < busy.half_life_days < 7
    assert busy.half_distance_m < 250
    assert triggering(ARCHIVE.at(START + pd.DateOffset(days=70), target="theft")) is None


def test_the_forecast_is_the_same_whether_triggering_is_told_or_not() -> None:
    made = AdditiveIntensity().fit(HISTORY, rng=np.random.default_rng(0)).predict(HISTORY, NEXT)
    quiet = AdditiveIntensity(tell_triggering=False).fit(HISTORY, rng=np.random.default_rng(0)).predict(HISTORY, NEXT)
    np.testing.assert_array_equal(quiet.mean, made.mean)
    assert "triggered_share" in made.parameters
    assert "triggered_share" not in quiet.parameters


def test_fitted_values_survive_a_copy() -> None:
    np.testing.assert_array_equal(
        dataclasses.replace(FITTED).predict(HISTORY, NEXT).mean, FITTED.predict(HISTORY, NEXT).mean
    )
