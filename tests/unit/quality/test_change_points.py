"""The scan for breaks: its size under the null, its eye for steps, its indifference to seasons and drifts."""

import numpy as np
import pytest

from crimepatterns.quality.change_points import count_height, find_changes, low_end, share_height

WEEKS = 156


def season(mean: float, *, amplitude: float = 0.2, trend: float = 0.0) -> np.ndarray:
    at = np.arange(WEEKS)
    return mean * (1 + amplitude * np.cos(2 * np.pi * at / 52.18)) * np.exp(trend * at / 52.18)


def changes(counts: np.ndarray, *, level: float = 0.01, seed: int = 0):
    return find_changes(count_height(counts), periods_per_year=52.18, level=level, rng=np.random.default_rng(seed))


def test_a_step_is_found_where_it_is() -> None:
    rng = np.random.default_rng(1)
    mean = season(40)
    mean[90:] *= 0.6
    found = changes(rng.poisson(mean))
    assert len(found) == 1
    assert abs(found[0].start - 90) <= 2
    assert found[0].kind == "step"
    assert found[0].p_value < 1e-4


def test_a_hole_is_found_with_both_ends() -> None:
    rng = np.random.default_rng(2)
    mean = season(40)
    mean[60:70] *= 0.3
    (hole,) = changes(rng.poisson(mean))
    assert hole.kind == "bump"
    assert abs(hole.start - 60) <= 2
    assert abs(hole.end - 70) <= 2


@pytest.mark.parametrize("clustered", [False, True])
def test_the_level_is_held(clustered: bool) -> None:
    """At a level of 5 % at most 8 of 50 series without a change may alarm (binomial, one in 500)."""
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(50):
        mean = season(30, amplitude=0.3, trend=-0.08)
        if clustered:
            noise = np.zeros(WEEKS)
            for week in range(1, WEEKS):
                noise[week] = 0.4 * noise[week - 1] + rng.normal(0, 0.12)
            mean = mean * np.exp(noise)
        alarms += bool(changes(rng.poisson(mean), level=0.05, seed=int(rng.integers(2**32))))
    assert alarms <= 8


def test_a_slow_drift_is_no_break() -> None:
    rng = np.random.default_rng(4)
    mean = 40 * (1 + 0.5 / (1 + np.exp(-(np.arange(WEEKS) - 80) / 12)))
    assert changes(rng.poisson(mean), level=0.001) == []


def test_short_or_empty_series_are_left_alone() -> None:
    assert changes(np.full(8, 20)) == []
    assert changes(np.zeros(100, dtype=int)) == []
    assert changes(np.full(100, 20)) == []
    assert low_end(count_height(np.full(9, 5)), periods_per_year=52, longest=8, rng=np.random.default_rng(0)) is None


def test_a_low_end_is_found_and_a_high_one_is_not() -> None:
    rng = np.random.default_rng(5)
    counts = rng.poisson(season(60))
    thin = counts.copy()
    thin[-3:] = rng.poisson(20, 3)
    low = low_end(count_height(thin), periods_per_year=52.18, longest=8, rng=rng)
    assert low is not None
    assert low.start >= WEEKS - 5
    assert low.p_value < 1e-3
    full = low_end(count_height(counts), periods_per_year=52.18, longest=8, rng=rng)
    assert full is None or full.p_value > 0.01
    counts[-3:] *= 2
    high = low_end(count_height(counts), periods_per_year=52.18, longest=8, rng=rng)
    assert high is None or high.p_value > 0.01


def test_shares_have_an_even_scale() -> None:
    """Binomial shares of a whole of 200 have variance 1 on the scale, whatever the share."""
    rng = np.random.default_rng(6)
    for share in (0.1, 0.5, 0.9):
        height = share_height(rng.binomial(200, share, 20_000), np.full(20_000, 200))
        assert height.var() == pytest.approx(1.0, abs=0.05)
