"""Drift: effects as other libraries have them, tests that respect weeks, and alarms only where both agree."""

import numpy as np
import pytest
from scipy import stats

from crimepatterns.errors import DomainError
from crimepatterns.monitoring.drift import Feature, alarms, compare, population_stability
from crimepatterns.monitoring.volume import VOLUME_LEVEL, volume_break
from crimepatterns.monitoring.weekly import design_effect, long_run

WEEKS, SINCE = 60, 52


def feature(rng: np.random.Generator, *, per_week: int = 60, shift: float = 0.0, weekly: float = 0.0) -> Feature:
    week = np.repeat(np.arange(WEEKS), per_week)
    values = rng.normal(size=len(week)) + rng.normal(0, weekly, WEEKS)[week] + shift * (week >= SINCE)
    return Feature("group", "x", values, week)


def labels(rng: np.random.Generator, before: list[float], after: list[float], *, per_week: int = 60) -> Feature:
    week = np.repeat(np.arange(WEEKS), per_week)
    names = np.array(["a", "b", "c"])
    drawn = np.where(week < SINCE, rng.choice(3, len(week), p=before), rng.choice(3, len(week), p=after))
    return Feature("group", "kind", names[drawn], week)


# -- features ----------------------------------------------------------------------------------------------------------


def test_population_stability_as_worked_by_hand() -> None:
    # Shares 0.5, 0.5 against 0.75, 0.25: 0.25 ln 1.5 + 0.25 ln 2.
    expected = 0.25 * np.log(1.5) + 0.25 * np.log(2)
    assert population_stability(np.array([5e6, 5e6]), np.array([7.5e6, 2.5e6])) == pytest.approx(expected, rel=1e-5)
    assert population_stability(np.array([3.0, 7.0]), np.array([3.0, 7.0])) == 0


def test_without_likeness_the_p_value_is_that_of_the_libraries(rng: np.random.Generator) -> None:
    one = feature(rng, shift=0.06)
    old, new = one.records[one.week < SINCE], one.records[one.week >= SINCE]
    found = compare(one, since=SINCE)
    scores = stats.norm.ppf(stats.rankdata(one.records) / (len(one.records) + 1))
    recent = one.week >= SINCE
    by_shift = float(stats.ttest_ind(scores[recent], scores[~recent]).pvalue)
    by_spread = float(stats.ttest_ind(np.abs(scores[recent]), np.abs(scores[~recent])).pvalue)
    by_shape = float(stats.ks_2samp(old, new).pvalue)
    assert found.design_effect == pytest.approx(1.0, abs=0.4)
    # Of small p-values the Cauchy combination is the weighted harmonic mean.
    expected = 1 / (0.8 / by_shift + 0.1 / by_spread + 0.1 / by_shape)
    assert found.p_value == pytest.approx(expected, rel=0.5)


def test_a_change_of_spread_alone_is_found(rng: np.random.Generator) -> None:
    week = np.repeat(np.arange(WEEKS), 40)
    wider = rng.normal(size=len(week)) * np.where(week >= SINCE, 1.35, 1.0)
    found = alarms([compare(Feature("group", "x", wider, week), since=SINCE)])[0]
    assert found.alarm
    assert found.direction == "more spread out than before"


def test_a_third_of_a_standard_deviation_is_found_and_its_direction_told(rng: np.random.Generator) -> None:
    found = alarms([compare(feature(rng, shift=0.3), since=SINCE)])[0]
    assert found.alarm
    assert found.effect == pytest.approx(0.3, abs=0.1)
    assert found.direction == "higher than before"


def test_a_sure_effect_that_does_not_matter_is_no_alarm(rng: np.random.Generator) -> None:
    found = alarms([compare(feature(rng, per_week=2000, shift=0.06), since=SINCE)])[0]
    assert found.q_value < 0.001
    assert not found.alarm


def test_weeks_that_are_alike_within_do_not_raise_false_alarms(rng: np.random.Generator) -> None:
    """The Kolmogorov-Smirnov test as it is rejects often here; with the design effect it keeps its level."""
    plain, ours = 0, 0
    for _ in range(150):
        one = feature(rng, per_week=30, weekly=0.35)
        old, new = one.records[one.week < SINCE], one.records[one.week >= SINCE]
        plain += stats.ks_2samp(old, new).pvalue < 0.05
        ours += compare(one, since=SINCE).p_value < 0.05
    assert plain > 30
    assert ours <= 14


def test_a_change_of_mix_is_found_and_named(rng: np.random.Generator) -> None:
    found = alarms([compare(labels(rng, [0.5, 0.3, 0.2], [0.38, 0.42, 0.2]), since=SINCE)])[0]
    assert found.alarm
    assert found.measure == "PSI"
    assert found.direction.startswith(("a: ", "b: "))
    same = alarms([compare(labels(rng, [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]), since=SINCE)])[0]
    assert not same.alarm


def test_rare_labels_are_taken_together(rng: np.random.Generator) -> None:
    week = np.repeat(np.arange(WEEKS), 40)
    kinds = np.where(rng.random(len(week)) < 0.98, "usual", [f"rare {i % 40}" for i in range(len(week))])
    found = compare(Feature("group", "kind", kinds, week), since=SINCE)
    assert found.p_value > 0.01
    assert found.effect < 0.05


def test_too_few_records_tell_nothing() -> None:
    short = Feature("group", "x", np.arange(40.0), np.repeat(np.arange(20), 2))
    found = compare(short, since=18)
    assert (found.p_value, found.direction) == (1.0, "too few records to tell")
    assert alarms([]) == []
    with pytest.raises(DomainError, match="one week per record"):
        Feature("group", "x", np.arange(3.0), np.arange(2))


def test_false_discovery_rates_are_those_of_the_library(rng: np.random.Generator) -> None:
    found = alarms([compare(feature(rng), since=SINCE) for _ in range(6)])
    expected = stats.false_discovery_control([one.p_value for one in found])
    assert [one.q_value for one in found] == pytest.approx(expected.tolist())


def test_design_effect_of_clusters_as_kish_has_it(rng: np.random.Generator) -> None:
    """1 + (m - 1) rho for clusters of m with intraclass correlation rho."""
    m, rho = 25, 0.1
    week = np.repeat(np.arange(3000), m)
    scores = rng.normal(0, np.sqrt(rho), 3000)[week] + rng.normal(0, np.sqrt(1 - rho), len(week))
    assert design_effect(scores, week).factor == pytest.approx(1 + (m - 1) * rho, rel=0.1)
    assert design_effect(np.ones(50), np.repeat(np.arange(10), 5)).factor == 1.0


def test_a_long_run_variance_knows_what_it_was_estimated_from(rng: np.random.Generator) -> None:
    """Nothing where chance explains it; fewer degrees of freedom where the likeness of neighbours is a part of it."""
    chance = [long_run(rng.normal(size=52)) for _ in range(200)]
    assert np.mean([one == (1.0, np.inf) for one in chance]) > 0.65
    apart = rng.normal(0, 2.0, 52)
    assert long_run(apart - apart.mean()).factor > 1.5
    alternating = 1.6 * np.where(np.arange(52) % 2, 1.0, -1.0)
    assert long_run(alternating) == (pytest.approx(2.56), 51)
    walk = np.repeat(rng.permutation(np.repeat([1.4, -1.4], 7)), 4)
    assert long_run(walk).factor > 3
    assert long_run(walk).freedom == pytest.approx(2 * 56 / 5.5)


def test_weeks_like_their_neighbours_do_not_raise_false_alarms(rng: np.random.Generator) -> None:
    found = 0
    for _ in range(200):
        noise = rng.normal(0, 0.15, WEEKS)
        alike = noise[:-1] + 0.5 * noise[1:]
        week = np.repeat(np.arange(WEEKS - 1), 40)
        one = Feature("group", "x", rng.normal(size=len(week)) + alike[week], week)
        found += compare(one, since=SINCE - 1).p_value < 0.01
    assert found <= 8


# -- volume ------------------------------------------------------------------------------------------------------------


def counts(rng: np.random.Generator, weeks: int, mean: float, *, change: float = 0.0, recent: int = 8) -> np.ndarray:
    time = np.arange(weeks)
    level = mean * np.exp(0.15 * np.sin(2 * np.pi * time / 52.18)) * np.where(time >= weeks - recent, 1 + change, 1.0)
    return rng.poisson(level)


@pytest.mark.parametrize("change", [-0.3, 0.3])
def test_a_break_is_found_under_season_and_told_in_numbers(rng: np.random.Generator, change: float) -> None:
    found = alarms([volume_break("theft", counts(rng, 164, 100, change=change), recent=8)], level=VOLUME_LEVEL)[0]
    assert found.alarm
    assert found.effect == pytest.approx(change, abs=0.1)
    assert "were to be expected" in found.direction


def test_a_fifth_more_and_a_fifth_fewer_are_found_about_as_often(rng: np.random.Generator) -> None:
    found = {
        change: np.mean(
            [volume_break("theft", counts(rng, 164, 40, change=change), recent=8).p_value < 0.04 for _ in range(300)]
        )
        for change in (-0.2, 0.2)
    }
    assert min(found.values()) > 0.84
    assert abs(found[0.2] - found[-0.2]) < 0.07


def test_season_trend_and_chance_are_no_break(rng: np.random.Generator) -> None:
    levels = [volume_break("theft", counts(rng, 164, 60), recent=8).p_value for _ in range(200)]
    assert np.mean(np.array(levels) < 0.05) <= 0.09
    rising = rng.poisson(400 * np.exp(0.1 * np.arange(164) / 52.18))
    assert volume_break("theft", rising, recent=8).p_value > 0.01


def test_counts_that_vary_more_than_by_chance_need_more(rng: np.random.Generator) -> None:
    wild = rng.poisson(100 * rng.gamma(10, 0.1, 164))
    found = volume_break("theft", wild, recent=8)
    assert found.design_effect > 5
    assert volume_break("theft", counts(rng, 164, 100), recent=8).design_effect < 2


def test_a_short_record_tells_nothing() -> None:
    assert volume_break("theft", [40] * 20, recent=8).p_value == 1.0
    assert volume_break("theft", [0] * 60, recent=8).p_value == 1.0
