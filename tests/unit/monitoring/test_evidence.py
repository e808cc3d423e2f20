"""Bets are fair under every null hypothesis, and a champion retires and comes back as they say."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from crimepatterns.errors import DomainError
from crimepatterns.monitoring.evidence import (
    CATCH_FLOOR,
    Dispersion,
    Evidence,
    Outcome,
    for_return,
    of_being_worse,
)
from crimepatterns.monitoring.retirement import Retirement, dispersion_of, followed

EVEN = Dispersion()


def outcome(hot: float = 50, rest: float = 50, *, both: float = 0, ours: float = 0, theirs: float = 0) -> Outcome:
    return Outcome(50.0, 50.0, hot, rest, both, ours, theirs)


# -- e-values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tests", "bound"), [("worse", 0.8), ("return", 0.8), ("worse", 1.25), ("return", 1.25)])
def test_mean_of_a_bet_on_a_share_is_one_at_the_bound_and_less_on_the_good_side(tests: str, bound: float) -> None:
    """Exact sums over the binomial law: no simulation, no tolerance but rounding."""
    bets, name = (of_being_worse if tests == "worse" else for_return), "hot_low" if bound < 1 else "hot_high"
    n = 40

    def mean(share: float) -> float:
        values = [np.exp(bets(outcome(y, n - y), EVEN)[name]) for y in range(n + 1)]
        return float(np.max(stats.binom.pmf(np.arange(n + 1), n, share) @ np.array(values)))

    assert mean(0.5 * bound) == pytest.approx(1.0)
    better = 0.05 if (tests == "worse") == (bound < 1) else -0.05
    assert mean(0.5 * bound + better) < 1
    assert mean(0.5 * bound - better) > 1


@pytest.mark.parametrize(("tests", "bound"), [("worse", 0.8), ("return", 0.8), ("worse", 1.25), ("return", 1.25)])
def test_mean_of_a_bet_on_a_level_is_one_at_the_bound(tests: str, bound: float) -> None:
    bets, name = (of_being_worse if tests == "worse" else for_return), "city_low" if bound < 1 else "city_high"
    counts = np.arange(600)
    values = np.exp([bets(outcome(float(y), 0.0), EVEN)[name] for y in counts])
    assert (stats.poisson.pmf(counts, 100 * bound) @ values) == pytest.approx(1.0)


def test_mean_of_a_bet_on_the_catch_is_one_where_85_percent_are_caught() -> None:
    """Incidents in both, ours or theirs only, with chances for which E[n_ours] = 0.85 E[n_theirs]."""
    both = 0.6
    theirs = (0.4 + (1 - CATCH_FLOOR) * both) / (1 + CATCH_FLOOR)
    ours = 0.4 - theirs
    assert both + ours == pytest.approx(CATCH_FLOOR * (both + theirs))
    one_each = [outcome(both=1), outcome(ours=1), outcome(theirs=1)]
    for bets in (of_being_worse, for_return):
        values = np.exp([bets(one, EVEN)["catch"] for one in one_each])
        assert np.array([both, ours, theirs]) @ values == pytest.approx(np.ones(3))


def test_dispersion_makes_bets_smaller_and_keeps_them_fair() -> None:
    counts = np.arange(3000)
    spread = stats.nbinom(16, 16 / (16 + 80))  # mean 80, variance 480: six times Poisson
    narrow, wide = (
        float(
            np.max(spread.pmf(counts) @ np.exp([of_being_worse(outcome(float(y), 0.0), d)["city_low"] for y in counts]))
        )
        for d in (EVEN, Dispersion(1.0, 6.0))
    )
    assert narrow > 2
    assert wide <= 1.02


def test_an_outcome_that_cannot_be_is_refused() -> None:
    with pytest.raises(DomainError, match="not negative"):
        outcome(hot=-1)
    with pytest.raises(DomainError, match="finite"):
        outcome(hot=float("nan"))


def test_nothing_expected_and_nothing_seen_says_nothing() -> None:
    empty = Outcome(0, 0, 0, 0, 0, 0, 0)
    assert all(np.abs(logs).max() == 0 for logs in of_being_worse(empty, EVEN).values())


def test_wealth_is_what_the_recursion_says() -> None:
    logs = {"a": np.log(np.array([2.0, 0.5]))}
    two = Evidence().after(logs).after(logs)
    assert two.wealth["a"] == pytest.approx((6.0, 0.75))
    assert two.of("a") == two.mean == two.least == pytest.approx(3.375)


# -- the state ---------------------------------------------------------------------------------------------------------


def weeks(rng: np.random.Generator, count: int, hot_share: float, *, total: float = 100) -> list[Outcome]:
    drawn = rng.poisson(total, count)
    hot = rng.binomial(drawn, hot_share)
    return [outcome(float(y), float(n - y), both=float(y)) for n, y in zip(drawn, hot, strict=True)]


def named(outcomes: list[Outcome]) -> list[tuple[str, Outcome]]:
    return [(f"week {i}", one) for i, one in enumerate(outcomes)]


def test_a_champion_retires_on_evidence_says_why_and_comes_back_when_it_has_earned_it(rng: np.random.Generator) -> None:
    good, bad, again = weeks(rng, 30, 0.5), weeks(rng, 8, 0.25), weeks(rng, 30, 0.5)
    broken = followed(named([*good, *bad]), per_year=52)
    assert broken.retired
    assert int(broken.changes[0].day.split()[1]) < 35
    assert "hot places get less" in broken.changes[0].reason
    healed = followed(named([*good, *bad, *again]), per_year=52)
    assert not healed.retired
    assert [one.retired for one in healed.changes] == [True, False]
    assert healed.worse.mean < healed.threshold


def test_equal_outcomes_give_an_equal_state_however_they_arrive(rng: np.random.Generator) -> None:
    outcomes = named([*weeks(rng, 20, 0.5), *weeks(rng, 10, 0.3)])
    state = Retirement(52)
    for day, one in outcomes:
        state = state.after(day, one)
    assert state == followed(outcomes, per_year=52)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"observed_hot": 25.0, "observed_rest": 25.0}, "fewer than 0.8"),
        ({"observed_hot": 90.0, "observed_rest": 90.0}, "more than 1.25"),
        ({"caught_both": 20.0, "caught_baseline": 15.0}, "catches less than 85 %"),
    ],
)
def test_the_reason_names_what_is_wrong(change: dict[str, float], word: str) -> None:
    state = followed(named([replace(outcome(), **change)] * 25), per_year=52)
    assert state.retired
    assert word in state.changes[0].reason


def test_being_as_good_as_the_baseline_never_retires() -> None:
    assert not followed(named([outcome(both=20, ours=3, theirs=3)] * 200), per_year=52).retired


def test_false_fallbacks_stay_below_the_bound_at_the_edge_of_the_null(rng: np.random.Generator) -> None:
    """The worst allowed: shares and levels exactly at 0.8, where the mean of each bet on them is 1."""
    years = 60
    fallen = 0
    for _ in range(years):
        drawn = rng.poisson(80, 52)
        hot = rng.binomial(drawn, 0.4)
        outcomes = [outcome(float(y), float(n - y)) for n, y in zip(drawn, hot, strict=True)]
        fallen += followed(named(outcomes), per_year=52).retired
    assert fallen <= math.ceil(0.05 * years + 2 * math.sqrt(years * 0.05 * 0.95))


def test_dispersion_is_one_for_chance_alone_and_found_where_weeks_vary(rng: np.random.Generator) -> None:
    plain = dispersion_of(weeks(rng, 200, 0.5))
    assert plain.share == pytest.approx(1.0, abs=0.3)
    assert plain.city == pytest.approx(1.0, abs=0.3)
    levels = rng.gamma(25, 4, 200)  # a city whose weeks vary by 20 %
    varied = [
        outcome(float(h), float(r)) for h, r in zip(rng.poisson(levels / 2), rng.poisson(levels / 2), strict=True)
    ]
    assert dispersion_of(varied).city == pytest.approx(1 + 100 / 25, rel=0.35)
    assert dispersion_of(varied).share == pytest.approx(1.0, abs=0.3)
    assert dispersion_of(varied[:7]) == Dispersion(1.5, 1.5)


def test_a_bound_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(DomainError, match="alpha"):
        Retirement(52, alpha=1.5)
