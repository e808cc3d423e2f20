"""What every registered forecaster promises; a new one is picked up by its line in the registry."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.covariates import ALWAYS, Covariate, Covariates
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive, History
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import DomainError, ForecastError
from crimepatterns.forecasts.predictive import LEVELS
from crimepatterns.forecasts.registry import BASELINES, CLASSIFIERS, FORECASTERS, make_forecaster
from crimepatterns.patterns.nowcast import completeness_at

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 3000, 2000), CRS, ZONE, empty_neighbourhoods(CRS))
SQUARES = Grid.square(AREA, cell_size_m=250, rotation_deg=15)
HEXAGONS = Grid.hexagon(AREA, cell_size_m=400)
START = pd.Timestamp("2020-01-06", tz=ZONE)
WEEKS = 70
CUTOFF = START + pd.DateOffset(days=7 * WEEKS)
NEXT = Periods.starting_at(CUTOFF, days=7, count=1)
QUICK = {
    "max_rows": 3_000,
    "tuning_candidates": 1,
    "jobs": 1,
    "stack_members": ("count_eb", "shrunk_scales", "negative_binomial"),
    "stack_folds": 4,
}
NAMES = sorted(FORECASTERS)


def make_incidents(count: int, *, days: int = 7 * WEEKS, seed: int = 4) -> Incidents:
    """Two thirds in two hot places, the others anywhere; reported up to two weeks late."""
    rng = np.random.default_rng(seed)
    happened = START + pd.to_timedelta(np.sort(rng.uniform(0, days, count)), unit="D").as_unit("us")
    known = happened + pd.to_timedelta(rng.uniform(0, 14, count), unit="D").as_unit("us")
    hot = rng.random(count) < 0.66
    centre = np.where(rng.random(count) < 0.7, 800.0, 2300.0)
    table = pd.DataFrame(
        {
            "id": [f"i{n}" for n in range(count)],
            "occurred_from": happened,
            "occurred_until": happened,
            "known_at": known,
            "time_precision": "minute",
            "category": pd.Categorical(
                rng.choice(["theft", "assault"], count), categories=["theft", "assault", "rare"]
            ),
            "offence": "x",
            "discovery": "reported",
            "source": "test",
            "x": np.clip(np.where(hot, rng.normal(centre, 150), rng.uniform(0, 3000, count)), 0, 3000),
            "y": np.clip(np.where(hot, rng.normal(900, 150, count), rng.uniform(0, 2000, count)), 0, 2000),
        }
    )
    return Incidents(table, AREA)


INCIDENTS = make_incidents(4_000)


def context(grid: Grid) -> Covariates:
    """Distance to bars, some of which lie in the hot places, known from the beginning."""
    bars = np.array([[800.0, 900.0], [2300.0, 900.0], [300.0, 1800.0]])
    away = np.sqrt(((grid.centres[:, None, :] - bars) ** 2).sum(axis=2)).min(axis=1)
    always = pd.DatetimeIndex([ALWAYS]).as_unit("us")
    return Covariates((Covariate("bars_distance", "m", always, away.astype(np.float32)[None, :]),))


ARCHIVES = {
    kind: Archive(INCIDENTS, grid, 7, context(grid)) for kind, grid in (("square", SQUARES), ("hexagon", HEXAGONS))
}
HISTORIES = {kind: archive.at(CUTOFF, target="theft") for kind, archive in ARCHIVES.items()}


def issue(name: str, history: History, periods: Periods = NEXT, *, seed: int = 1) -> Forecast:
    return make_forecaster(name, **QUICK).fit(history, rng=np.random.default_rng(seed)).predict(history, periods)


def test_the_registry_is_complete() -> None:
    assert set(NAMES) >= {
        "count", "recent_count", "count_eb", "kde", "seasonal", "prospective_hotspot", "random_forest",
        "gradient_boosting",
    }  # fmt: skip
    assert set(NAMES) >= BASELINES | CLASSIFIERS
    assert not BASELINES & CLASSIFIERS
    with pytest.raises(ForecastError, match="Unknown forecaster 'oracle'"):
        make_forecaster("oracle")
    with pytest.raises(ForecastError, match="depth"):
        make_forecaster("count", depth=3)


@pytest.mark.parametrize("kind", sorted(HISTORIES))
@pytest.mark.parametrize("name", NAMES)
def test_a_forecast_has_sane_numbers(name: str, kind: str) -> None:
    history = HISTORIES[kind]
    before = history.counts.copy(), history.incidents.table.copy()
    made = issue(name, history)
    assert make_forecaster(name).name == name == made.model
    assert made.category == "theft"
    assert made.issued_at == CUTOFF
    assert made.mean.shape == (len(history.grid), 1)
    assert np.isfinite(made.mean).all()
    assert tuple(sorted(made.quantiles)) == LEVELS
    assert "fallback" not in made.parameters
    recent = history.counts[:, -14:-2].sum() / 12
    assert 0.6 * recent < made.mean.sum() < 1.4 * recent
    hottest = history.counts.sum(axis=1).argmax()
    assert made.mean[hottest, 0] > 3 * made.mean.mean()
    np.testing.assert_array_equal(history.counts, before[0])
    pd.testing.assert_frame_equal(history.incidents.table, before[1])


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits(name: str) -> None:
    first, again = (issue(name, HISTORIES["square"], seed=9) for _ in range(2))
    np.testing.assert_array_equal(first.mean, again.mean)
    for level in LEVELS:
        np.testing.assert_array_equal(first.quantiles[level], again.quantiles[level])


@pytest.mark.parametrize("name", NAMES)
def test_longer_and_further_periods_scale(name: str) -> None:
    week, fortnight = issue(name, HISTORIES["square"]), Periods.starting_at(CUTOFF, days=14, count=1)
    np.testing.assert_allclose(issue(name, HISTORIES["square"], fortnight).mean.sum(), 2 * week.mean.sum(), rtol=0.05)
    three = issue(name, HISTORIES["square"], Periods.starting_at(CUTOFF, days=7, count=3))
    assert three.mean.shape == (len(SQUARES), 3)
    np.testing.assert_allclose(three.mean[:, 0], week.mean[:, 0])


@pytest.mark.slow
@pytest.mark.parametrize("days", [1, 14, 28])
@pytest.mark.parametrize("name", NAMES)
def test_every_horizon_from_a_day_to_four_weeks_works(name: str, days: int) -> None:
    """Learned from periods as long as the horizon, 490 days or 17 times four weeks; reports come two weeks late."""
    archive = Archive(INCIDENTS, SQUARES, days, context(SQUARES), completeness_at)
    history = archive.at(CUTOFF, target="theft")
    made = issue(name, history, Periods.starting_at(CUTOFF, days=days, count=1))
    assert made.mean.shape == (len(SQUARES), 1)
    assert np.isfinite(made.mean).all()
    per_day = (
        len(history.target_incidents.between(CUTOFF - pd.DateOffset(days=98), CUTOFF - pd.DateOffset(days=14))) / 84
    )
    assert 0.6 * days * per_day < made.mean.sum() < 1.4 * days * per_day
    hottest = history.counts.sum(axis=1).argmax()
    assert made.mean[hottest, 0] > 3 * made.mean.mean()
    assert all((made.quantiles[low] <= made.quantiles[high]).all() for low, high in pairwise(LEVELS))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_fitted_forecasts_from_a_later_history_and_holds_no_incidents(name: str) -> None:
    earlier = ARCHIVES["square"].at(CUTOFF - pd.DateOffset(days=28), target="theft")
    forecaster = pickle.loads(pickle.dumps(make_forecaster(name, **QUICK)))  # as a worker process receives it
    fitted = forecaster.fit(earlier, rng=np.random.default_rng(1))
    made = fitted.predict(HISTORIES["square"], NEXT)
    assert made.issued_at == CUTOFF
    content = pickle.dumps(fitted)
    assert b"crimepatterns.domain.incidents" not in content
    assert b"crimepatterns.domain.panel" not in content
    reread = pickle.loads(content).predict(HISTORIES["square"], NEXT)
    np.testing.assert_array_equal(reread.mean, made.mean)


@pytest.mark.parametrize("name", NAMES)
def test_a_period_before_the_cutoff_is_refused(name: str) -> None:
    with pytest.raises(ForecastError, match="at or after the cutoff"):
        issue(name, HISTORIES["square"], Periods.starting_at(CUTOFF - pd.DateOffset(days=1), days=7, count=1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", ["no event", "one event", "one period", "three periods"])
def test_little_to_go_by_gives_a_named_fallback_or_a_plain_count(name: str, case: str) -> None:
    if case == "no event":
        history = Archive(INCIDENTS, SQUARES, 7).at(CUTOFF, target="rare", categories=("rare", "theft"))
    elif case == "one event":
        table = INCIDENTS.table.copy()
        table.loc[2_000, "category"] = "rare"
        history = Archive(Incidents(table, AREA), SQUARES, 7).at(CUTOFF, target="rare")
    else:
        weeks = 1 if case == "one period" else 3
        history = ARCHIVES["square"].at(START + pd.DateOffset(days=7 * weeks), target="theft")
    periods = Periods.starting_at(history.cutoff, days=7, count=1)
    made = issue(name, history, periods)
    assert np.isfinite(made.mean).all()
    most = max(3.0, 3.0 * history.counts.sum() / len(history.panel.periods))
    assert made.mean.sum() <= most
    if name in CLASSIFIERS:
        assert "count_eb instead" in str(made.parameters["fallback"])
    if name not in {"count", "recent_count"}:
        assert (made.mean > 0).all(), "nothing is held to be impossible"


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_a_learner_refuses_to_know_the_future_or_another_category(name: str) -> None:
    fitted = make_forecaster(name, **QUICK).fit(HISTORIES["square"], rng=np.random.default_rng(1))
    earlier = ARCHIVES["square"].at(CUTOFF - pd.DateOffset(days=7), target="theft")
    with pytest.raises(ForecastError, match="would know the future"):
        fitted.predict(earlier, NEXT)
    with pytest.raises(ForecastError, match="trained on 'theft'"):
        fitted.predict(ARCHIVES["square"].at(CUTOFF, target="assault"), NEXT)


# -- hardly anything to go by: a named fallback, or numbers that make sense --------------------------------------------

TWO_WEEKS = make_incidents(60, days=14)


def nothing_at_all() -> History:
    """A panel of zeros: no incident of any category, for sixty weeks."""
    none = INCIDENTS.without(INCIDENTS.table["id"])
    periods = Periods.ending_at(CUTOFF, days=7, count=60)
    panel = Panel.count(none, SQUARES, periods, categories=("theft", "assault"), as_of=CUTOFF)
    return History(none, panel, "theft", CUTOFF)


def two_weeks(period_days: int) -> History:
    return Archive(TWO_WEEKS, SQUARES, period_days).at(START + pd.DateOffset(days=14), target="theft")


def with_gaps(share: float) -> History:
    """Context that is not known in a part of the cells."""
    bars = context(SQUARES).columns[0]
    values = bars.versions.copy()
    values[:, np.random.default_rng(0).random(len(SQUARES)) < share] = np.nan
    gaps = Covariates((Covariate("bars_distance", "m", bars.known_at, values),))
    return Archive(INCIDENTS, SQUARES, 7, gaps).at(CUTOFF, target="theft")


@pytest.mark.parametrize("name", NAMES)
def test_a_panel_of_zeros_is_told(name: str) -> None:
    made = issue(name, nothing_at_all())
    assert made.parameters["fallback"]
    assert 0 <= made.mean.sum() < 0.2
    assert made.mean.max() < 2 * made.mean.mean() + 1e-12, "nothing sets one place apart from another"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("period_days", [1, 7])
def test_two_weeks_give_the_level_of_these_weeks(name: str, period_days: int) -> None:
    history = two_weeks(period_days)
    made = issue(name, history, Periods.starting_at(history.cutoff, days=7, count=1))
    assert 0.6 * history.counts.sum() / 2 < made.mean.sum() < 1.5 * history.counts.sum() / 2
    if name != "count":
        assert made.parameters["fallback"], "less than was asked for must be told"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_context_with_gaps_does_not_spoil_a_forecast(name: str, share: float) -> None:
    history = with_gaps(share)
    made = issue(name, history)
    recent = history.counts[:, -14:-2].sum() / 12
    assert 0.6 * recent < made.mean.sum() < 1.4 * recent
    hottest = history.counts.sum(axis=1).argmax()
    assert made.mean[hottest, 0] > 3 * made.mean.mean()
    if name == "risk_terrain" and share == 1.0:
        assert "no context was known" in str(made.parameters["fallback"])


@pytest.mark.parametrize(
    ("days", "cutoff"), [(7, START), (7, START - pd.DateOffset(days=400)), (91, START + pd.DateOffset(days=60))]
)
def test_no_whole_period_before_the_cutoff_is_told_with_what_to_do(days: int, cutoff: pd.Timestamp) -> None:
    """A cutoff before the data, or a horizon longer than the history."""
    with pytest.raises(DomainError, match=rf"No whole period of {days} days .* set a shorter forecast\.horizon_days"):
        Archive(INCIDENTS, SQUARES, days).at(cutoff, target="theft")
