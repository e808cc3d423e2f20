"""Allocation: greedy, within capacity, area and caps, whatever the numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.decisions.allocation import Capacity, allocate
from crimepatterns.errors import DomainError

ONE_UNIT = Capacity(units=1, hours_per_unit=2, minutes_per_visit=15, visits_per_place_day=4, shift_hours=8)


def ids(count):
    return np.array([f"c{i:03d}" for i in range(count)], dtype=object)


def test_capacity_by_hand():
    capacity = Capacity(units=6, hours_per_unit=8, minutes_per_visit=15, visits_per_place_day=4, shift_hours=8)
    assert capacity.places_per_day == 48
    long = Capacity(units=6, hours_per_unit=12, minutes_per_visit=15, visits_per_place_day=4, shift_hours=8)
    assert (long.places_per_day, long.places_per_shift) == (72, 48)


def test_too_little_time_for_one_place_is_an_error():
    with pytest.raises(DomainError, match=r"raise plan\.units"):
        Capacity(units=1, hours_per_unit=0.5, minutes_per_visit=15, visits_per_place_day=4, shift_hours=8)


def test_best_shift_of_the_best_places_every_day():
    values = np.zeros((4, 7, 3))
    values[:, :, 1] = np.array([1.0, 4.0, 3.0, 2.0])[:, None]
    values[1, 6, 2] = 9.0
    found = allocate(values, area_km2=np.ones(4), area_limit_km2=4, capacity=ONE_UNIT, cell_ids=ids(4))
    assert found.cells.tolist() == [1, 2]
    assert found.place_days == 14
    assert found.blocks[1, 6].tolist() == [False, False, True]


def test_area_limits_the_number_of_places():
    values = np.ones((4, 7, 1)) * np.array([4.0, 3.0, 2.0, 1.0])[:, None, None]
    found = allocate(
        values, area_km2=np.array([2.0, 2.0, 1.0, 1.0]), area_limit_km2=3.0, capacity=ONE_UNIT, cell_ids=ids(4)
    )
    assert found.cells.tolist() == [0, 2]


def test_no_cell_fits():
    with pytest.raises(DomainError, match=r"raise plan\.area_budget"):
        allocate(np.ones((2, 7, 1)), area_km2=np.ones(2), area_limit_km2=0.5, capacity=ONE_UNIT, cell_ids=ids(2))


def test_ties_break_by_cell_id_not_by_position():
    values = np.ones((4, 7, 1))
    shuffled = ids(4)[[3, 1, 0, 2]]
    found = allocate(values, area_km2=np.ones(4), area_limit_km2=4, capacity=ONE_UNIT, cell_ids=shuffled)
    assert sorted(shuffled[found.cells]) == ["c000", "c001"]


def test_shifts_cannot_hold_more_than_their_units():
    capacity = Capacity(units=1, hours_per_unit=4, minutes_per_visit=60, visits_per_place_day=1, shift_hours=2)
    values = np.zeros((6, 7, 2))
    values[:, :, 0], values[:, :, 1] = 2.0, 1.0
    found = allocate(values, area_km2=np.ones(6), area_limit_km2=6, capacity=capacity, cell_ids=ids(6))
    assert found.blocks.sum(axis=0).tolist() == [[2, 2]] * 7


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(6, 40),
    st.integers(1, 6),
    st.integers(1, 8),
    st.floats(1.0, 3.0),
    st.floats(0.1, 0.9),
)
def test_no_limit_is_ever_broken(seed, cells, quarters, places, factor, area_share):
    rng = np.random.default_rng(seed)
    values, areas = rng.gamma(0.5, 1.0, (cells, 7, 2)), rng.uniform(0.2, 1.0, cells)
    names = np.array([f"q{i % quarters}" for i in range(cells)], dtype=object)
    shares = rng.dirichlet(np.ones(quarters))
    caps = {f"q{i}": factor * float(share) for i, share in enumerate(shares)}
    capacity = Capacity(places, 8.0, 120.0, 4, 8)
    limit = max(area_share * areas.sum(), areas.min())
    found = allocate(
        values, area_km2=areas, area_limit_km2=limit, capacity=capacity, cell_ids=ids(cells),
        neighbourhoods=names, cap_shares=caps,
    )  # fmt: skip
    assert areas[found.cells].sum() <= limit + 1e-6
    assert (found.blocks.sum(axis=(0, 2)) <= capacity.places_per_day).all()
    assert (found.blocks.sum(axis=2) <= 1).all()
    days = found.blocks.sum(axis=(1, 2))
    for name, cap in caps.items():
        made = days[names == name].sum()
        assert made <= (cap * 7 * places + 1 if found.loosened else cap * found.place_days + 1e-6)
    free = allocate(values, area_km2=areas, area_limit_km2=areas.sum(), capacity=capacity, cell_ids=ids(cells))
    assert values[found.blocks].sum() <= values[free.blocks].sum() + 1e-9


def test_tight_caps_spread_the_plan_rather_than_shrink_it():
    # Two hot quarters hold the five best cells; nobody may have more than a quarter of the plan.
    names = np.array(["a", "a", "a", "b", "b", "c", "d", "e"], dtype=object)
    values = np.ones((8, 7, 1)) * np.array([9.0, 8, 7, 6, 5, 3, 2, 1])[:, None, None]
    found = allocate(
        values, area_km2=np.ones(8), area_limit_km2=4.0, capacity=Capacity(4, 8.0, 120.0, 4, 8), cell_ids=ids(8),
        neighbourhoods=names, cap_shares=dict.fromkeys("abcde", 0.25),
    )  # fmt: skip
    assert not found.loosened
    assert found.cells.tolist() == [0, 3, 5, 6]
    assert found.place_days == 28


def test_a_plan_too_small_to_divide_says_so():
    caps = {f"q{i}": 0.05 for i in range(20)}
    names = np.array([f"q{i}" for i in range(20)], dtype=object)
    found = allocate(
        np.ones((20, 7, 1)), area_km2=np.ones(20), area_limit_km2=1.0, capacity=ONE_UNIT, cell_ids=ids(20),
        neighbourhoods=names, cap_shares=caps,
    )  # fmt: skip
    assert found.loosened
    assert found.place_days == 1
