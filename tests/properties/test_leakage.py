"""Nothing that becomes known at or after the cutoff may change a forecast: not one bit of it."""

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.covariates import Covariate, Covariates
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods
from crimepatterns.forecasts.registry import FORECASTERS, make_forecaster
from crimepatterns.patterns.nowcast import completeness_at

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 2000, 1500), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=250)
START = pd.Timestamp("2020-01-06", tz=ZONE)
CUTOFF = START + pd.DateOffset(days=7 * 58)
NEXT = Periods.starting_at(CUTOFF, days=7, count=1)
QUICK = {
    "max_rows": 2_500,
    "tuning_candidates": 0,
    "jobs": 1,
    "settings": None,
    "stack_members": ("count_eb", "negative_binomial", "kde"),
    "stack_folds": 4,
}


def rows(rng: np.random.Generator, count: int, prefix: str, *, first_day: float, last_day: float) -> pd.DataFrame:
    happened = START + pd.to_timedelta(rng.uniform(first_day, last_day, count), unit="D").as_unit("us")
    known = happened + pd.to_timedelta(rng.exponential(5, count), unit="D").as_unit("us")
    return pd.DataFrame(
        {
            "id": [f"{prefix}{n}" for n in range(count)],
            "occurred_from": happened,
            "occurred_until": happened,
            "known_at": known,
            "time_precision": "minute",
            "category": rng.choice(["theft", "assault"], count, p=[0.7, 0.3]),
            "offence": "x",
            "discovery": "reported",
            "source": "test",
            "x": rng.beta(2, 5, count) * 2000,
            "y": rng.beta(2, 3, count) * 1500,
        }
    )


PRESENT = rows(np.random.default_rng(11), 1_500, "p", first_day=0, last_day=7 * 62)
LATE = PRESENT["known_at"] >= CUTOFF


def context(seed: int | None) -> Covariates:
    """Distance to places as known from the beginning; with a seed, another map of them that comes out at the cutoff."""
    rng, away = np.random.default_rng(17), GRID.centres[:, 0]
    versions, known = [away + rng.normal(0, 50, len(GRID))], [START - pd.DateOffset(days=1)]
    if seed is not None:
        versions.append(np.random.default_rng(seed).uniform(0, 2000, len(GRID)))
        known.append(CUTOFF)
    moments = pd.DatetimeIndex(known).as_unit("us")
    return Covariates((Covariate("bars_distance", "m", moments, np.array(versions, dtype=np.float32)),))


def issue(name: str, table: pd.DataFrame, *, later_context: int | None = None) -> Forecast:
    """Forecast as the product does: late reports completed, and with context."""
    incidents = Incidents(table.reset_index(drop=True), AREA)
    archive = Archive(incidents, GRID, 7, context(later_context), completeness_at)
    history = archive.at(CUTOFF, target="theft")
    fitted = make_forecaster(name, **QUICK).fit(history, rng=np.random.default_rng(3))
    return fitted.predict(history, NEXT)


REFERENCE = {name: issue(name, PRESENT) for name in FORECASTERS}


def test_the_references_rest_on_what_could_leak() -> None:
    """Reports that come late are completed, and context is used where a model takes it; nothing falls back."""
    for made in REFERENCE.values():
        assert "fallback" not in made.parameters, (made.model, made.parameters)
    assert "recent_incidents_completed" in REFERENCE["count_eb"].parameters
    assert REFERENCE["poisson_boosting"].parameters["context"] == ["bars_distance"]


def changed_future(seed: int, *, drop: float, added: int, early: bool, new_category: bool) -> pd.DataFrame:
    """Drop, move, relabel and add incidents that become known at or after the cutoff."""
    rng = np.random.default_rng(seed)
    known, late = PRESENT[~LATE], PRESENT[LATE].copy()
    late = late[rng.random(len(late)) >= drop].copy()
    late["x"], late["y"] = rng.uniform(0, 2000, len(late)), rng.uniform(0, 1500, len(late))
    late["category"] = rng.choice(["theft", "assault"], len(late))
    # Some happened long ago, even before the first incident, and are reported only now.
    more = rows(rng, added, "a", first_day=-30.0 if early else 7 * 40, last_day=7 * 58)
    more["known_at"] = CUTOFF + pd.to_timedelta(rng.exponential(3, added), unit="D").as_unit("us")
    if added:
        more.loc[0, "known_at"] = CUTOFF
    if new_category:
        more["category"] = "arson"
    return pd.concat([more, known, late], ignore_index=True)


@pytest.mark.parametrize("name", sorted(FORECASTERS))
@given(
    seed=st.integers(0, 10_000),
    drop=st.sampled_from([0.0, 0.5, 1.0]),
    added=st.integers(0, 400),
    early=st.booleans(),
    new_category=st.booleans(),
)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_future_does_not_change_a_forecast(
    name: str,
    seed: int,
    drop: float,
    added: int,
    early: bool,
    new_category: bool,
) -> None:
    future = changed_future(seed, drop=drop, added=added, early=early, new_category=new_category)
    made = issue(name, future, later_context=seed)
    np.testing.assert_array_equal(made.mean, REFERENCE[name].mean)
    for level, values in REFERENCE[name].quantiles.items():
        np.testing.assert_array_equal(made.quantiles[level], values)
    assert made.parameters == REFERENCE[name].parameters


@pytest.mark.parametrize("name", sorted(FORECASTERS))
def test_late_reports_are_not_seen_early_and_known_ones_are_seen(name: str) -> None:
    """The same burst of incidents counts only if it was reported in time."""
    rng = np.random.default_rng(5)
    burst = rows(rng, 150, "b", first_day=7 * 56, last_day=7 * 58 - 1)
    burst["category"], burst["x"], burst["y"] = "theft", 1_900.0, 1_400.0
    late, timely = burst.copy(), burst.copy()
    late["known_at"] = CUTOFF
    timely["known_at"] = timely["occurred_from"]
    unseen = issue(name, pd.concat([PRESENT, late], ignore_index=True))
    seen = issue(name, pd.concat([PRESENT, timely], ignore_index=True))
    cell = int(GRID.assign([1_900.0], [1_400.0])[0][0])
    np.testing.assert_array_equal(unseen.mean, REFERENCE[name].mean)
    assert seen.mean[cell, 0] > 2 * unseen.mean[cell, 0]
