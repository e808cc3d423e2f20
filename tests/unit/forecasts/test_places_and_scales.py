"""What the forecasters of places, scales, seasons and their stack do beyond the common contract."""

from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import shapely

from crimepatterns.domain.area import StudyArea, empty_neighbourhoods
from crimepatterns.domain.covariates import ALWAYS, Covariate, Covariates
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import History
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import ForecastError
from crimepatterns.forecasts.negative_binomial import NegativeBinomial
from crimepatterns.forecasts.registry import make_forecaster
from crimepatterns.forecasts.risk_terrain import FittedRiskTerrain, RiskTerrain
from crimepatterns.forecasts.scale_counts import ScaleCounts, surroundings
from crimepatterns.forecasts.shrunk_count import ShrunkCount
from crimepatterns.forecasts.shrunk_scales import ShrunkScales
from crimepatterns.forecasts.stack import FittedStack, Stack
from crimepatterns.forecasts.stack_folds import _blocks, fold_means

CRS, ZONE = "EPSG:32616", "UTC"
AREA = StudyArea("Test", shapely.box(0, 0, 4000, 3000), CRS, ZONE, empty_neighbourhoods(CRS))
GRID = Grid.square(AREA, cell_size_m=250)
START = pd.Timestamp("2020-01-06", tz=ZONE)
RNG = np.random.default_rng(0)


def history(counts: np.ndarray, covariates: Covariates | None = None) -> History:
    """Weekly counts as incidents in the middle of cells and weeks, known at once; one of another kind at the start."""
    cell, week = np.nonzero(counts)
    repeat = counts[cell, week]
    cell, week = np.append(np.repeat(cell, repeat), 0), np.append(np.repeat(week, repeat), 0)
    names = np.append(np.full(len(cell) - 1, "theft"), "other")
    when = START + pd.to_timedelta(np.where(names == "theft", 7 * week + 3, 0), unit="D")
    x, y = GRID.centres[cell].T
    table = pd.DataFrame(
        {
            "id": [f"i{n}" for n in range(len(cell))], "occurred_from": when, "occurred_until": when, "known_at": when,
            "time_precision": "minute", "category": names, "offence": "x", "discovery": "reported", "source": "t",
            "x": x, "y": y,
        }
    )  # fmt: skip
    incidents = Incidents(table, AREA)
    cutoff = START + pd.DateOffset(days=7 * counts.shape[1])
    periods = Periods.ending_at(cutoff, days=7, count=counts.shape[1])
    panel = Panel.count(incidents, GRID, periods, categories=("theft",), as_of=cutoff)
    return History(incidents, panel, "theft", cutoff, covariates)


def following(past: History, days: int = 7) -> Periods:
    return Periods.starting_at(past.cutoff, days=days, count=1)


def draw(rate: np.ndarray, weeks: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).poisson(np.broadcast_to(rate.T, (weeks, len(GRID))).T)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


STABLE = np.random.default_rng(2).gamma(0.4, 0.8, len(GRID))[:, None]


def test_scales_with_little_history_are_the_shrunk_count() -> None:
    past = history(draw(STABLE, 9))
    made = ShrunkScales().fit(past, rng=rng()).predict(past, following(past))
    plain = ShrunkCount().fit(past, rng=rng()).predict(past, following(past))
    np.testing.assert_allclose(made.mean, plain.mean, rtol=1e-9)
    assert "as count_eb" in str(made.parameters["fallback"])


def test_scales_trust_recent_weeks_where_places_move_and_all_of_them_where_they_do_not() -> None:
    past = history(draw(STABLE, 80))
    stable = ShrunkScales().fit(past, rng=rng())
    moving = np.concatenate([draw(np.random.default_rng(s).permutation(STABLE), 20, seed=s) for s in range(4)], axis=1)
    drifting = ShrunkScales().fit(history(moving), rng=rng())
    assert stable.ages[2] > 0.5
    assert drifting.ages[2] < 0.1
    assert stable.mixture[0] == pytest.approx(1.0, abs=0.6)
    assert sum(stable.mixture) == pytest.approx(1.0)


def test_rates_of_scales_follow_their_formula() -> None:
    counts, weights = draw(STABLE, 30), np.array([1.0, 0.7, 0.4, 0.2])
    around = surroundings(GRID)[:1]
    scales = ScaleCounts.at(counts, GRID.area_km2, np.array([20, 30]), (4, 13, 25), around)
    rate, posterior = scales.rates(scales.weigh(weights), 0.8, np.array([0.6, 0.4]))
    area = GRID.area_km2 / GRID.area_km2.mean()
    for column, end in enumerate((20, 30)):
        age = np.minimum(np.searchsorted([4, 13, 25], np.arange(end)[::-1], side="right"), 3)
        own, length = counts[:, :end] @ weights[age], weights[age].sum()
        city = own.sum() / (length * area.sum())
        touching = (around[0](own) + 1.0) / (around[0](area) * length + 1.0 / city)
        prior = 0.6 * city + 0.4 * touching
        np.testing.assert_allclose(posterior[:, column], 0.8 + own)
        np.testing.assert_allclose(rate[:, column], area * (0.8 + own) / (0.8 / prior + area * length))


def test_scales_learn_from_the_neighbours_where_these_are_alike() -> None:
    smooth = 1.2 * np.exp(-((GRID.centres - [1500, 1500]) ** 2).sum(axis=1) / (2 * 600.0**2))[:, None] + 0.02
    patchy = np.random.default_rng(5).permutation(smooth)
    near = ShrunkScales().fit(history(draw(smooth, 60)), rng=rng())
    apart = ShrunkScales().fit(history(draw(patchy, 60)), rng=rng())
    assert near.mixture[1] > 0.5 > apart.mixture[1]
    assert near.shape > apart.shape, "neighbours that tell the truth are held against more of a cell's own count"


def test_a_season_is_found_and_foretold_and_a_short_history_says_that_it_has_none() -> None:
    weeks = np.arange(130)
    wave = np.exp(0.6 * np.cos(2 * np.pi * (weeks * 7 + 10) / 365.25))
    # At the end the wave rises: the next quarter holds more than the last.
    past = history(np.random.default_rng(3).poisson(STABLE * wave))
    fitted = NegativeBinomial().fit(past, rng=rng())
    coming = Periods.starting_at(past.cutoff, days=7, count=13)
    made = fitted.predict(past, coming)
    truth = STABLE.sum() * np.exp(0.6 * np.cos(2 * np.pi * ((130 + np.arange(13)) * 7 + 10) / 365.25))
    np.testing.assert_allclose(made.mean.sum(axis=0), truth, rtol=0.12)
    assert fitted.harmonics == 2
    short = history(draw(STABLE, 40))
    assert "no yearly wave" in str(
        NegativeBinomial().fit(short, rng=rng()).predict(short, following(short)).parameters["fallback"]
    )


def bars(seed: int = 0, *, known_at: pd.Timestamp = ALWAYS) -> tuple[Covariates, np.ndarray]:
    """Metres to the nearest of forty bars, and a layer of trees that means nothing; who lies within 250 m."""
    places = np.random.default_rng(seed).uniform([0, 0], [4000, 3000], (25, 2))
    trees = np.random.default_rng(seed + 50).uniform([0, 0], [4000, 3000], (60, 2))
    known = pd.DatetimeIndex([known_at]).as_unit("us")
    away = [
        np.sqrt(((GRID.centres[:, None] - some) ** 2).sum(axis=2)).min(axis=1).astype(np.float32)
        for some in (places, trees)
    ]
    columns = tuple(
        Covariate(name, "m", known, values[None, :])
        for name, values in zip(("bars_distance", "trees_distance"), away, strict=True)
    )
    return Covariates(columns), away[0] <= 250.0


def test_risk_terrain_finds_the_planted_factor_its_size_and_no_other() -> None:
    covariates, near = bars()
    past = history(draw(np.where(near, 0.30, 0.10)[:, None], 60), covariates)
    fitted = RiskTerrain().fit(past, rng=rng())
    assert [factor.label for factor in fitted.factors] == ["bars within 250 m"]
    made = fitted.predict(past, following(past))
    facts = made.parameters["risk_factors"]
    assert facts == [{"factor": "bars within 250 m", "relative_risk_value": pytest.approx(3.0, rel=0.15)}]
    np.testing.assert_allclose(fitted.relative_risk(past)[near], np.exp(fitted.effects[0]))
    assert (fitted.relative_risk(past)[~near] == 1).all()
    # With the terrain known, a cell without incidents near a bar is held to be riskier than one far from all.
    quiet = history(np.zeros((len(GRID), 60), dtype=int), covariates)
    told = fitted.predict(quiet, following(quiet)).mean[:, 0]
    assert told[near].mean() > 2.5 * told[~near].mean()
    with pytest.raises(ForecastError, match="bars_distance"):
        fitted.predict(history(draw(STABLE, 60)), following(past))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("no context", "no context is configured"),
        ("known too late", "known long enough"),
        ("no incident", "too few incidents"),
        ("two weeks", "known long enough"),
        ("meaningless", "shown to raise the risk"),
        ("nothing near", "tells cells apart"),
    ],
)
def test_risk_terrain_without_what_it_needs_is_the_shrunk_count_and_says_why(case: str, words: str) -> None:
    weeks = 2 if case == "two weeks" else 30
    late = START + pd.DateOffset(days=7 * 29) if case == "known too late" else ALWAYS
    covariates: Covariates | None = None if case == "no context" else bars(known_at=late)[0]
    if case == "nothing near":
        far = np.full((1, len(GRID)), 1e6, dtype=np.float32)
        covariates = Covariates((Covariate("bars_distance", "m", pd.DatetimeIndex([ALWAYS]).as_unit("us"), far),))
    counts = np.zeros((len(GRID), weeks), dtype=int)
    if case != "no incident":
        counts = draw(np.full((len(GRID), 1), 0.2), weeks)
    else:
        counts[0, 0] = 1
    past = history(counts, covariates)
    made = RiskTerrain(train_periods=30).fit(past, rng=rng()).predict(past, following(past))
    assert words in str(made.parameters["fallback"])
    plain = ShrunkCount().fit(past, rng=rng()).predict(past, following(past))
    np.testing.assert_allclose(made.mean, plain.mean, rtol=1e-6)


def test_relative_risk_multiplies_the_factors_a_cell_meets_and_the_unknown_meets_none() -> None:
    covariates, near = bars()
    factor = RiskTerrain().fit(history(draw(np.where(near, 0.3, 0.1)[:, None], 60), covariates), rng=rng()).factors[0]
    values = np.array([[100.0, 400.0, np.nan, 250.0]])
    np.testing.assert_array_equal(factor.met(values[0]), [True, False, False, True])
    two = FittedRiskTerrain(90, factors=(factor, factor), effects=(np.log(2.0), np.log(1.5)))
    np.testing.assert_allclose(two.relative_risk(history(draw(STABLE, 20), covariates))[near], 3.0)


def test_a_stack_gives_its_weight_to_the_member_that_is_right() -> None:
    """Places move every ten weeks: the shrunk count of all weeks is wrong, a count of the last weeks less so."""
    moving = np.concatenate([draw(np.random.default_rng(s).permutation(STABLE), 20, seed=s) for s in range(3)], axis=1)
    past = history(moving)
    options = {"stack_members": ("count_eb", "shrunk_scales", "seasonal"), "stack_folds": 6}
    stack = make_forecaster("stack", **options)
    assert isinstance(stack, Stack)
    fitted = stack.fit(past, rng=rng())
    assert isinstance(fitted, FittedStack)
    assert fitted.weights["shrunk_scales"] > 0.6
    assert sum(fitted.weights.values()) == pytest.approx(1.0)
    made = fitted.predict(past, following(past))
    assert made.parameters["weights"] == dict(fitted.weights)
    parts = sum(fitted.weights[n] * m.predict(past, following(past)).mean for n, m in fitted.members.items())
    np.testing.assert_allclose(made.mean, parts)
    short = history(moving[:, :12])
    told = stack.fit(short, rng=rng()).predict(short, following(short))
    assert "too few to weigh" in str(told.parameters["fallback"])
    assert "count_eb instead" in str(told.parameters["fallback"])


def test_a_stack_needs_the_shrunk_count_and_is_no_member_of_itself() -> None:
    with pytest.raises(ForecastError, match="stack needs count_eb"):
        make_forecaster("stack", stack_members=("count",))
    stack = make_forecaster("stack", stack_members=("count_eb", "stack"))
    assert isinstance(stack, Stack)
    assert list(stack.members) == ["count_eb"]
    with pytest.raises(ForecastError, match="member of itself"):
        Stack(MappingProxyType({"count_eb": ShrunkCount(), "stack": ShrunkCount()}))


def test_folds_know_nothing_of_the_periods_they_forecast_and_are_kept_for_the_next_fit() -> None:
    counts = draw(STABLE, 40)
    past, later = history(counts[:, :39]), history(counts)
    members, cache = {"count_eb": ShrunkCount()}, {}
    told = fold_means(past, members, folds=5, cache=cache)["count_eb"]
    for i in range(5):
        before = history(counts[:, : 34 + i])
        plain = ShrunkCount().fit(before, rng=rng()).predict(before, following(before)).mean[:, 0]
        # Fitted at the start of its block, forecast from the latest history: the level and the counts are the same.
        np.testing.assert_allclose(told[:, i], plain, rtol=0.05)
    kept = dict(cache)
    again = fold_means(later, members, folds=5, cache=cache)["count_eb"]
    np.testing.assert_array_equal(again[:, :4], told[:, 1:])
    assert len(cache) - len(kept) <= 5
    # What was kept is what would be made again.
    np.testing.assert_array_equal(again, fold_means(later, members, folds=5, cache={})["count_eb"])


def test_blocks_begin_on_a_fixed_beat_of_the_calendar() -> None:
    starts = list(pd.date_range("2021-03-01", periods=40, freq="7D", tz=ZONE))
    beat = (_blocks(starts, 7, 8)[-1][0] - starts[0]).days // 7 % 8
    for end in range(20, 40):
        blocks = _blocks(starts[:end], 7, 8)
        assert [cutoff for _, cutoffs in blocks for cutoff in cutoffs] == starts[end - 8 : end]
        assert all(begin <= cutoffs[0] for begin, cutoffs in blocks)
        assert len(blocks) <= 2
        assert {(begin - starts[0]).days // 7 % 8 for begin, _ in blocks} == {beat}
    assert _blocks(starts[:4], 7, 3)[0][1][0] == starts[1]
