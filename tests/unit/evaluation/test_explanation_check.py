"""The check of explanations on an invented record: a true naming passes, a false one does not."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.explanation import Explanation
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive, History
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods
from crimepatterns.evaluation.explanation_check import DELETABLE, deletion_check
from crimepatterns.forecasts.additive_intensity import AdditiveIntensity, FittedAdditiveIntensity

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 4000, 4000), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=250)
START = pd.Timestamp("2020-01-06", tz=ZONE)
WEEKS = 60
CUTOFF = START + pd.DateOffset(days=7 * WEEKS)
NEXT = Periods.starting_at(CUTOFF, days=7, count=1)


@pytest.fixture(scope="module")
def history() -> History:
    """Hot places, some of which are new, and quiet cells."""
    rng = np.random.default_rng(3)
    hubs, count = rng.uniform(300, 3700, size=(14, 2)), 5_000
    day = np.sort(rng.uniform(0, 7 * WEEKS, count))
    hub = np.where(day > 7 * (WEEKS - 5), rng.integers(9, 14, count), rng.integers(0, 9, count))
    spots = hubs[hub] + rng.normal(0, 150, size=(count, 2))
    places = np.clip(np.where(rng.random((count, 1)) < 0.8, spots, rng.uniform(0, 4000, size=(count, 2))), 1, 3999)
    when = START + pd.to_timedelta(np.r_[0.01, day[1:]], unit="D").as_unit("us")
    table = pd.DataFrame(
        {
            "id": np.arange(count).astype(str), "occurred_from": when, "occurred_until": when, "known_at": when,
            "time_precision": "minute", "category": "theft", "offence": "x", "discovery": "reported", "source": "test",
            "x": places[:, 0], "y": places[:, 1],
        }
    )  # fmt: skip
    return Archive(Incidents(table, AREA), GRID, 7).at(CUTOFF, target="theft")


@pytest.fixture(scope="module")
def fitted(history: History) -> FittedAdditiveIntensity:
    made = AdditiveIntensity().fit(history, rng=np.random.default_rng(0))
    assert isinstance(made, FittedAdditiveIntensity)
    return made


@dataclass(frozen=True)
class Misleading:
    """Forecasts as another one does, and names the smallest group first."""

    inner: FittedAdditiveIntensity

    def predict(self, history: History, periods: Periods) -> Forecast:
        return self.inner.predict(history, periods)

    def explain(self, history: History, periods: Periods) -> Explanation:
        why = self.inner.explain(history, periods)
        parts = why.contributions.copy()
        parts[:, :3] = np.sort(parts[:, :3], axis=1)[
            np.arange(len(parts))[:, None], 2 - parts[:, :3].argsort().argsort()
        ]
        return replace(why, contributions=parts)


def test_without_what_is_named_the_forecast_falls_more(history: History, fitted: FittedAdditiveIntensity) -> None:
    busiest = np.argsort(-fitted.predict(history, NEXT).mean[:, 0])[:40]
    found = deletion_check(fitted, history, NEXT, cells=busiest.tolist(), rng=np.random.default_rng(1))
    assert set(found["named"]) <= set(DELETABLE)
    assert len(set(found["named"])) > 1, "old and new places rest on different things"
    assert (found["fall_named"] > found["fall_other"]).mean() >= 0.9
    misled = deletion_check(Misleading(fitted), history, NEXT, cells=busiest.tolist(), rng=np.random.default_rng(1))
    assert (misled["fall_named"] > misled["fall_other"]).mean() < 0.5


def test_what_is_deleted_leaves_the_counts_true(history: History, fitted: FittedAdditiveIntensity) -> None:
    cell = int(np.argmax(history.counts.sum(axis=1)))
    before = history.counts.sum()
    deletion_check(fitted, history, NEXT, cells=[cell], rng=np.random.default_rng(1))
    assert history.counts.sum() == before, "the record of the caller is left as it is"
