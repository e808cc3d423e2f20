"""Choosing a grid: a planted one is found, and neither the future nor late reports have a say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.domain.place_lattice import PlaceLattice
from crimepatterns.errors import DomainError
from crimepatterns.evaluation.grid_choice import (
    Occurrences,
    Origins,
    Trial,
    choose_best,
    hottest,
    nested_gain,
    try_lattices,
)
from crimepatterns.features.fading_counts import CountedPlaces, Fading

CELL = 100.0
ORIGINS = Origins.before(1_000, first=365, horizon_days=28, step_days=28, most=20)


def planted(seed: int = 3, later: int | None = None) -> Occurrences:
    """Incidents in twelve cells of a shifted lattice, spread evenly within each, and noise everywhere.

    After day `later` everything is drawn anew.
    """
    rng = np.random.default_rng(seed)
    hot = rng.choice(40, size=(12, 2), replace=False) * CELL * 2 + CELL / 2
    hot_places = np.repeat(hot, 120, axis=0) + rng.uniform(0, CELL, size=(12 * 120, 2))
    places = np.vstack([hot_places, rng.uniform(0, 8_000, size=(600, 2))])
    day = rng.integers(0, 1_000, len(places))
    if later is not None:
        other = np.random.default_rng(seed + later)
        places[day >= later] = other.uniform(0, 8_000, size=(int((day >= later).sum()), 2))
    return Occurrences(places, day, day + 1)


LATTICES = tuple(PlaceLattice(CELL, CELL, 0.0, (a, b)) for a in (0.0, 0.5) for b in (0.0, 0.5))
FADINGS = (Fading(), Fading(60.0))
BUDGETS = [np.array([12.0])] * len(LATTICES)


def test_the_planted_shift_is_chosen_and_pays() -> None:
    trial = try_lattices([planted()], LATTICES, FADINGS, ORIGINS, BUDGETS)
    best = choose_best(trial, np.arange(len(ORIGINS)))
    assert trial.lattices[best.lattice].shift == (0.5, 0.5)
    gain, hits, scored = nested_gain(trial, trial.hits[0, 0], fewest=6)
    assert gain.lower > 0.2
    assert len(hits) == len(scored) == len(ORIGINS) - 6
    assert trial.table()["hit_rate_0"].max() == pytest.approx(hits_of(trial, best.lattice, best.fading))


def hits_of(trial: Trial, lattice: int, fading: int) -> float:
    return float(trial.hits[lattice, fading].sum() / trial.totals.sum())


@settings(max_examples=10, deadline=None)
@given(st.integers(600, 990))
def test_no_window_that_had_ended_depends_on_the_future(later: int) -> None:
    trial = try_lattices([planted()], LATTICES, FADINGS, ORIGINS, BUDGETS)
    other = try_lattices([planted(later=later)], LATTICES, FADINGS, ORIGINS, BUDGETS)
    ended = ORIGINS.ended_by(later)
    assert trial.hits[:, :, ended] == pytest.approx(other.hits[:, :, ended], abs=1e-9)
    if len(ended):
        assert choose_best(trial, ended) == choose_best(other, ended)


def test_what_became_known_late_is_not_seen_early() -> None:
    one = planted()
    slow = Occurrences(one.places, one.day, one.day + 500)
    some = try_lattices([one], LATTICES[3:], FADINGS[:1], ORIGINS, BUDGETS[3:])
    late = try_lattices([slow], LATTICES[3:], FADINGS[:1], ORIGINS, BUDGETS[3:])
    # At the first origin nothing at all had become known.
    assert some.hits[0, 0, 0, 0] > 0
    assert late.hits[0, 0, 0, 0] == 0


def test_size_and_fading_are_judged_by_their_mean_over_positions() -> None:
    # One lucky position of the large cell (30) must not win over a size that is better on average.
    lattices = tuple(PlaceLattice(side, side, 0, (shift, 0)) for side in (1, 2) for shift in (0, 0.5))
    hits = np.array([20.0, 22.0, 30.0, 5.0]).reshape(4, 1, 1, 1)
    trial = Trial(lattices, (Fading(),), Origins(np.array([0]), np.array([1])), hits, np.array([40.0]))
    assert choose_best(trial, np.array([0])).lattice == 1


def test_ties_at_the_cut_share_what_is_left() -> None:
    cells = CountedPlaces.on(PlaceLattice(1, 1), np.array([[0.5, i + 0.5] for i in range(5)]))
    assert hottest(np.array([3.0, 1, 1, 1, 0]), cells, 2.0) == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3, 0])
    assert hottest(np.array([3.0, 2, 1, 0, 0]), cells, 1.5) == pytest.approx([1, 0.5, 0, 0, 0])
    assert hottest(np.array([3.0, 2, 0, 0, 0]), cells, 4.0).tolist() == [1, 1, 0, 0, 0]


def test_windows_end_before_the_cutoff() -> None:
    assert ORIGINS.end[-1] == 1_000
    assert (ORIGINS.start >= 365).all()
    assert len(Origins.before(1_000, first=365, horizon_days=90, step_days=28, most=50)) == 20
    with pytest.raises(DomainError, match="longer record"):
        Origins.before(380, first=365, horizon_days=28, step_days=28, most=5)
    trial = try_lattices([planted()], LATTICES[:1], FADINGS[:1], ORIGINS, BUDGETS[:1])
    with pytest.raises(DomainError, match="No origin has 99 windows"):
        nested_gain(trial, trial.hits[0, 0], fewest=99)
