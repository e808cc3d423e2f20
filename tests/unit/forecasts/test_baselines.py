import numpy as np
import pandas as pd
import pytest
import shapely
from scipy import stats

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive, History
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.periods import Periods
from crimepatterns.forecasts.predictive import gamma_poisson_quantiles, poisson_quantiles
from crimepatterns.forecasts.recent import recent_window
from crimepatterns.forecasts.registry import make_forecaster
from crimepatterns.forecasts.shrunk_count import gamma_shape

CRS, ZONE = "EPSG:32616", "America/Chicago"
AREA = StudyArea("Test", shapely.box(0, 0, 2000, 2100), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=500)
START = pd.Timestamp("2020-01-06", tz=ZONE)
RNG = np.random.default_rng(0)


def history_of(x: np.ndarray, y: np.ndarray, days: np.ndarray, *, weeks: int) -> History:
    order = np.argsort(days)
    happened = START + pd.to_timedelta(days[order], unit="D").as_unit("us")
    table = pd.DataFrame(
        {
            "id": [f"i{n}" for n in range(len(days))],
            "occurred_from": happened,
            "occurred_until": happened,
            "known_at": happened,
            "time_precision": "minute",
            "category": "theft",
            "offence": "x",
            "discovery": "reported",
            "source": "test",
            "x": x[order],
            "y": y[order],
        }
    )
    return Archive(Incidents(table, AREA), GRID, 7).at(START + pd.DateOffset(days=7 * weeks), target="theft")


def scattered(count: int, *, weeks: int, seed: int = 1) -> History:
    rng = np.random.default_rng(seed)
    days = np.concatenate([[0.1], rng.uniform(0, 7 * weeks, count - 1)])
    return history_of(rng.beta(2, 4, count) * 2000, rng.beta(2, 4, count) * 2100, days, weeks=weeks)


def predict(name: str, history: History, *, days: int = 7, **options: object):
    fitted = make_forecaster(name, **options).fit(history, rng=RNG)
    return fitted.predict(history, Periods.starting_at(history.cutoff, days=days, count=1))


def test_count_is_the_mean_of_the_panel() -> None:
    history = scattered(500, weeks=20)
    np.testing.assert_allclose(predict("count", history).mean[:, 0], history.counts.mean(axis=1))


def test_recent_count_is_the_mean_of_the_last_days() -> None:
    history = scattered(500, weeks=20)
    made = predict("recent_count", history, recent_days=28)
    np.testing.assert_allclose(made.mean[:, 0], history.counts[:, -4:].mean(axis=1))
    assert made.parameters["recent_days"] == 28


def test_a_short_history_shortens_the_window_and_says_so() -> None:
    history = scattered(60, weeks=3)
    window = recent_window(history, 90)
    assert window.days == 21
    assert window.total == history.counts.sum()
    assert "21 days" in str(predict("recent_count", history).parameters["fallback"])


def test_shrunk_count_follows_its_formula_and_its_total() -> None:
    history = scattered(800, weeks=40)
    made = predict("count_eb", history, recent_days=70)
    shape, mean = made.parameters["gamma_shape"], made.parameters["gamma_mean"]
    area = GRID.area_km2 / GRID.area_km2.mean()
    totals = history.counts.sum(axis=1)
    posterior = area * (shape + totals) / (shape / mean + 40 * area)
    recent = history.counts[:, -10:].sum()
    np.testing.assert_allclose(made.mean[:, 0], posterior * (recent + 1) / (10 * posterior.sum() + 1), rtol=1e-9)
    assert made.mean.sum() == pytest.approx(recent / 10, rel=0.02)
    raw = totals / 40
    extreme = raw.argmax()
    assert posterior[extreme] < raw[extreme]


def test_gamma_shape_is_found_again_and_maximises_the_likelihood() -> None:
    rng = np.random.default_rng(8)
    exposure = rng.uniform(20, 60, 4_000)
    rate = rng.gamma(0.5, 0.3 / 0.5, 4_000)
    totals = rng.poisson(rate * exposure)
    shape = gamma_shape(totals, exposure)
    assert shape == pytest.approx(0.5, rel=0.08)
    mean = totals.sum() / exposure.sum()

    def likelihood(value: float) -> float:
        # scipy's negative binomial is the oracle.
        chance = (value / mean) / (value / mean + exposure)
        return float(stats.nbinom.logpmf(totals, value, chance).sum())

    assert likelihood(shape) >= max(likelihood(shape * 0.97), likelihood(shape * 1.03))


def test_poisson_quantiles_are_those_of_scipy() -> None:
    rng = np.random.default_rng(4)
    mean = np.concatenate([rng.gamma(0.3, 3.0, 996), [0.0, 30.0, 30.1, 4_000.0]]).reshape(-1, 4)
    for level, found in poisson_quantiles(mean).items():
        np.testing.assert_array_equal(found, stats.poisson.ppf(level, mean))


def test_shrunk_counts_quantiles_cover_what_happens() -> None:
    rng = np.random.default_rng(2)
    shape = np.full(20_000, 2.0)
    mean = np.full((20_000, 1), 3.0)
    drawn = rng.poisson(rng.gamma(2.0, 1.5, 20_000))
    bounds = gamma_poisson_quantiles(mean, shape)
    assert 0.88 < np.mean((drawn >= bounds[0.05][:, 0]) & (drawn <= bounds[0.95][:, 0])) < 0.97
    plain = poisson_quantiles(mean)
    assert (bounds[0.95] > plain[0.95]).all()


def test_kde_keeps_the_recent_total_and_spreads_over_neighbours() -> None:
    history = history_of(
        np.full(61, 750.0), np.full(61, 750.0), np.concatenate([[0.1], np.linspace(60, 139, 60)]), weeks=20
    )
    made = predict("kde", history, recent_days=90, kde_bandwidth_m=250)
    assert made.mean.sum() == pytest.approx(7 * 60 / 90)
    assert made.parameters["bandwidth_m"] == 500, "raised to the cell size"
    by_distance = np.argsort(np.hypot(*(GRID.centres - 750.0).T))
    assert (np.diff(made.mean[by_distance[:9], 0]) <= 1e-9).all()
    assert (made.mean > 0).all()


def test_kde_without_recent_incidents_is_even_and_says_so() -> None:
    days = np.linspace(0, 10, 40)
    history = history_of(RNG.uniform(0, 2000, 40), RNG.uniform(0, 2000, 40), days, weeks=30)
    made = predict("kde", history)
    np.testing.assert_allclose(made.mean[:, 0] / GRID.area_km2, made.mean.sum() / GRID.area_km2.sum())
    assert "evenly" in str(made.parameters["fallback"])


def seasonal_history(years: int) -> History:
    rng = np.random.default_rng(6)
    day = np.arange(365 * years)
    wave = np.exp(0.5 * np.cos(2 * np.pi * (day - 190) / 365.25))
    per_day = rng.poisson(12 * wave)
    days = np.repeat(day, per_day) + rng.random(per_day.sum())
    count = len(days)
    return history_of(rng.uniform(0, 2000, count), rng.uniform(0, 2100, count), days, weeks=52 * years)


def test_seasonal_finds_the_wave_of_the_year() -> None:
    """The wave peaks in July: from early January the level must rise over the recent one by the known factor."""
    history = seasonal_history(2)
    made = predict("seasonal", history, days=90)
    day = np.arange(-90, 90) + 52 * 14 + 5
    truth = np.exp(0.5 * np.cos(2 * np.pi * (day - 190) / 365.25))
    assert made.mean.sum() == pytest.approx(12 * truth[90:].sum(), rel=0.1)
    shares = made.mean[:, 0] / made.mean.sum()
    np.testing.assert_allclose(shares, history.counts.sum(axis=1) / history.counts.sum(), atol=1e-3)
    assert "fallback" not in made.parameters


def test_seasonal_without_a_year_falls_back_to_the_recent_level() -> None:
    history = scattered(500, weeks=20)
    made = predict("seasonal", history, recent_days=70)
    assert "no yearly wave" in str(made.parameters["fallback"])
    assert made.mean.sum() == pytest.approx(history.counts[:, -10:].sum() / 10, rel=1e-6)
