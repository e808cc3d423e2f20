"""Covariates in the design matrix: known in time, named, and never about people."""

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.covariates import Covariate, Covariates
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive, History
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import AuditColumnError, ForecastError
from crimepatterns.features.design import Design, design_matrix
from crimepatterns.features.rows import Rows
from crimepatterns.forecasts.registry import CLASSIFIERS, make_forecaster

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 3000, 2000), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=250)
START = pd.Timestamp("2020-01-06", tz=ZONE)
WEEKS = 60
CUTOFF = START + pd.DateOffset(days=7 * WEEKS)
QUICK = {"max_rows": 4_000, "tuning_candidates": 0, "jobs": 1}


def known(*weeks: float) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([START + pd.Timedelta(days=7 * week) for week in weeks])


def covariates(*weeks: float, seed: int = 0, name: str = "bars_density") -> Covariates:
    versions = np.random.default_rng(seed).uniform(0, 9, (len(weeks), len(GRID))).astype(np.float32)
    return Covariates((Covariate(name, "per km²", known(*weeks), versions),))


def incidents(seed: int = 1) -> Incidents:
    rng = np.random.default_rng(seed)
    count = 2_500
    happened = START + pd.to_timedelta(np.sort(rng.uniform(0, 7 * WEEKS, count)), unit="D").as_unit("us")
    table = pd.DataFrame(
        {
            "id": [f"i{n}" for n in range(count)],
            "occurred_from": happened,
            "occurred_until": happened,
            "known_at": happened,
            "time_precision": "minute",
            "category": "theft",
            "offence": "x",
            "discovery": "reported",
            "source": "test",
            "x": rng.beta(2, 4, count) * 3000,
            "y": rng.beta(2, 3, count) * 2000,
        }
    )
    return Incidents(table, AREA)


INCIDENTS = incidents()


def history(facts: Covariates | None) -> History:
    return Archive(INCIDENTS, GRID, 7, facts).at(CUTOFF, target="theft")


@given(
    seed=st.integers(0, 500), period=st.integers(1, 29), hours=st.sets(st.integers(-300, 6000), min_size=1, max_size=6)
)
@settings(max_examples=25, deadline=None)
def test_a_training_row_knows_only_what_was_known_when_its_period_began(
    seed: int, period: int, hours: set[int]
) -> None:
    counts = np.random.default_rng(seed).poisson(0.6, (1, len(GRID), 30)).astype(np.int32)
    periods = Periods.starting_at(START, days=7, count=30)
    facts = covariates(*(hour / 168 for hour in sorted(hours)), seed=seed)
    long = Design(Panel(GRID, periods, ("theft",), counts, periods.end), "theft", covariates=facts)
    begin = periods.edges[period]
    shorter = Panel(GRID, Periods(periods.edges[: period + 1]), ("theft",), counts[:, :, :period], begin)
    short = Design(shorter, "theft", covariates=facts.as_of(begin))
    pd.testing.assert_frame_equal(
        long.rows(Rows.every_cell(len(GRID), period)),
        short.next_period(Periods(periods.edges[period : period + 2])),
        check_exact=True,
    )


def test_the_matrix_carries_covariates_under_their_own_names() -> None:
    table = design_matrix(history(covariates(-1, 30, 90)))
    np.testing.assert_array_equal(table["bars_density"], covariates(-1, 30, 90).columns[0].versions[1])
    assert "bars_density" not in design_matrix(history(None))


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_learners_use_covariates_and_ask_for_those_they_were_taught(name: str) -> None:
    past = history(covariates(-1, 200))
    fitted = make_forecaster(name, **QUICK).fit(past, rng=np.random.default_rng(0))
    following = Periods.starting_at(CUTOFF, days=7, count=1)
    made = fitted.predict(past, following)
    assert np.isfinite(made.mean).all()
    assert made.parameters["context"] == ["bars_density"]
    with pytest.raises(ForecastError, match=r"trained with the context \['bars_density'\]"):
        fitted.predict(history(None), following)
    # What becomes known at the cutoff or later changes not one bit.
    other = history(covariates(-1, WEEKS, 61))
    np.testing.assert_array_equal(fitted.predict(other, following).mean, made.mean)
    plain = make_forecaster(name, **QUICK).fit(history(None), rng=np.random.default_rng(0))
    np.testing.assert_array_equal(plain.predict(past, following).mean, plain.predict(history(None), following).mean)


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
@pytest.mark.parametrize("weeks", [(WEEKS + 1,), (WEEKS - 0.5,), (20,)], ids=["never", "at last", "midway"])
def test_what_is_not_known_yet_does_not_stop_a_learner(name: str, weeks: tuple[float, ...]) -> None:
    past = history(covariates(*weeks))
    fitted = make_forecaster(name, **QUICK).fit(past, rng=np.random.default_rng(0))
    assert np.isfinite(fitted.predict(past, Periods.starting_at(CUTOFF, days=7, count=1)).mean).all()


def test_a_learner_finds_what_only_a_covariate_tells() -> None:
    """Cells get a bar one after another, and crime with it; the counts before say nothing about the newest ones."""
    rng = np.random.default_rng(4)
    barred = rng.random(len(GRID)) < 0.3
    weeks = np.arange(WEEKS)
    opened = rng.integers(-10, WEEKS, len(GRID))
    opened[:4] = WEEKS - 1
    barred[:4] = True
    versions = np.array([barred & (opened <= week) for week in weeks])
    rate = np.where(versions, 1.6, 0.05).T
    counts = rng.poisson(rate)[None].astype(np.int32)
    periods = Periods.starting_at(START, days=7, count=WEEKS)
    facts = Covariates((Covariate("bars_count", "per cell", known(*(weeks - 0.001)), versions.astype(np.float32)),))
    # The last week's openings are in the covariate only.
    fresh = versions[-1] & ~versions[-2]
    assert fresh.sum() >= 4
    panel = Panel(GRID, Periods(periods.edges[:-1]), ("theft",), counts[:, :, :-1], periods.edges[-2])
    empty = Incidents(INCIDENTS.table.iloc[:0], AREA)
    past = History(empty, panel, "theft", periods.edges[-2], facts.as_of(periods.edges[-2]))
    without = History(empty, panel, "theft", periods.edges[-2])
    caught = {}
    for label, one in (("with", past), ("without", without)):
        fitted = make_forecaster("gradient_boosting", **QUICK).fit(one, rng=np.random.default_rng(0))
        caught[label] = fitted.predict(one, Periods(periods.edges[-2:])).mean[fresh, 0].mean()
    assert caught["with"] > 4 * caught["without"]


def test_audit_columns_are_refused_at_the_matrix_too() -> None:
    # A column that slipped past the constructor, by whatever way, is refused again.
    facts = covariates(-1)
    for attribute, value in (("name", "pct_black"), ("role", "audit")):
        smuggled = covariates(-1)
        object.__setattr__(smuggled.columns[0], attribute, value)
        past = history(None)
        object.__setattr__(past, "covariates", smuggled)
        with pytest.raises(AuditColumnError, match="must not become a feature"):
            design_matrix(past)
        with pytest.raises(AuditColumnError, match="must not become a feature"):
            make_forecaster("random_forest", **QUICK).fit(past, rng=np.random.default_rng(0))
    assert design_matrix(history(facts)).shape[0] == len(GRID)
