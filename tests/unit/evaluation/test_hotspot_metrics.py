"""Hit rate, PAI, PEI and RRI: worked by hand, and properties that must always hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crimepatterns.errors import DomainError
from crimepatterns.evaluation.hotspot_metrics import Catch, catch, hit_rate, hit_rate_curve, pai, pei, rri
from crimepatterns.evaluation.selection import Budget, select_cells, select_each

AREAS = np.ones(10)
OBSERVED = np.array([4, 0, 3, 0, 0, 2, 0, 0, 1, 0])


def test_worked_by_hand_under_an_area_budget():
    expected = np.array([9, 8, 1, 1, 1, 1, 1, 1, 1, 1.0])
    found = catch(expected, OBSERVED, AREAS, Budget(area_share=0.2))
    assert found == Catch(hits=4.0, total=10.0, best=7.0, area_km2=2.0, total_area_km2=10.0)
    assert hit_rate(found) == pytest.approx(0.4)
    assert pai(found) == pytest.approx(2.0)
    assert pei(found) == pytest.approx(4 / 7)
    assert not found.saturated


def test_ties_at_the_cut_share_what_is_left():
    expected = np.array([9, 1, 1, 1, 0, 0, 0, 0, 0, 0.0])
    chosen = select_cells(expected, AREAS, Budget(places=2))
    assert chosen.tolist() == [1, 1 / 3, 1 / 3, 1 / 3, 0, 0, 0, 0, 0, 0]
    assert catch(expected, OBSERVED, AREAS, Budget(places=2)).hits == pytest.approx(5.0)


def test_area_budget_ranks_by_density_and_covers_exactly_the_budget():
    areas = np.array([0.1, 1.0, 1.0, 1.9])
    chosen = select_cells([0.5, 1.0, 2.0, 2.0], areas, Budget(area_share=0.25))
    # Densities 5, 1, 2, 1.05: the small cell, then 0.9 km2 of the third.
    assert chosen == pytest.approx([1, 0, 0.9, 0])
    by_place = select_cells([0.5, 1.0, 2.5, 2.0], areas, Budget(places=2))
    assert by_place.tolist() == [0, 0, 1, 1]


def test_areas_that_differ_only_by_rounding_tie():
    areas = np.array([0.0625, 0.0625 + 1e-17, 0.0625 - 3e-17, 0.0625])
    assert select_cells(np.ones(4), areas, Budget(area_share=0.5)) == pytest.approx([0.5] * 4)


def test_saturated_where_the_best_map_catches_all():
    found = catch(np.arange(10.0), OBSERVED, AREAS, Budget(area_share=0.4))
    assert found.saturated
    assert pei(found) == hit_rate(found)


def test_recapture_rate_of_levine():
    before, now = Catch(10, 100, 20, 1, 100), Catch(6, 120, 20, 1, 100)
    assert rri(now, before) == pytest.approx((6 / 10) / (120 / 100))


def test_incidents_in_no_cell_count_in_the_total():
    found = catch(OBSERVED, OBSERVED, AREAS, Budget(places=1), outside=10)
    assert hit_rate(found) == pytest.approx(4 / 20)


def test_pooling_sums_numerators_and_denominators():
    first = catch(np.arange(10.0), OBSERVED, AREAS, Budget(places=2))
    second = catch(OBSERVED, OBSERVED, AREAS, Budget(places=2))
    assert pei(first + second) == pytest.approx((1 + 7) / (7 + 7))


@pytest.mark.parametrize("bad", [{}, {"area_share": 0.1, "places": 3}, {"area_share": 1.0}, {"places": 0}])
def test_impossible_budgets_are_refused(bad):
    with pytest.raises(DomainError, match="Budget"):
        Budget(**bad)


def test_curve_rises_from_zero_and_agrees_with_the_metric():
    expected = [np.array([5, 4, 3, 2, 1, 0, 0, 0, 0, 0.0])] * 2
    observed = [OBSERVED, OBSERVED[::-1].copy()]
    curve = hit_rate_curve(expected, observed, AREAS, area_shares=[0.1, 0.3, 0.55])
    assert curve["area_share"].tolist() == [0, 0.1, 0.3, 0.55]
    pooled = sum((catch(e, o, AREAS, Budget(area_share=0.3)) for e, o in zip(expected, observed, strict=True)),
                 start=Catch(0, 0, 0, 0, 0))  # fmt: skip
    assert curve["hit_rate"].iloc[2] == pytest.approx(hit_rate(pooled))
    assert curve["hit_rate"].is_monotonic_increasing


def test_several_budgets_are_those_of_each_alone_and_of_one_kind() -> None:
    scores, areas = np.random.default_rng(3).gamma(0.5, size=40), np.linspace(0.2, 1.0, 40)
    for budgets in ([Budget(area_share=0.1), Budget(area_share=0.4)], [Budget(places=3), Budget(places=9)]):
        for budget, chosen in zip(budgets, select_each(scores, areas, budgets), strict=True):
            np.testing.assert_array_equal(chosen, select_cells(scores, areas, budget))
    with pytest.raises(DomainError, match="all of area or all of places"):
        select_each(scores, areas, [Budget(places=3), Budget(area_share=0.1)])


cells = st.integers(5, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.5, 1.0, 2.0, 7.5]), min_size=n, max_size=n),
        st.lists(st.integers(0, 6), min_size=n, max_size=n),
        st.lists(st.sampled_from([1.0, 1.0, 0.4, 0.05]), min_size=n, max_size=n),
        st.permutations(range(n)),
    )
)


@settings(max_examples=60, deadline=None)
@given(cells, st.sampled_from([Budget(area_share=0.02), Budget(area_share=0.3), Budget(places=3)]))
def test_no_score_depends_on_the_order_of_cells(city, budget):
    expected, observed, areas, order = (np.array(part) for part in city)
    here = catch(expected, observed, areas, budget)
    there = catch(expected[order], observed[order], areas[order], budget)
    for name in ("hits", "total", "best", "area_km2"):
        assert getattr(there, name) == pytest.approx(getattr(here, name))
    assert here.hits <= here.best + 1e-9
    assert here.best <= here.total + 1e-9


@settings(max_examples=40, deadline=None)
@given(cells)
def test_a_perfect_forecast_has_pei_one(city):
    _, observed, areas, _ = (np.array(part) for part in city)
    if observed.sum():
        for budget in (Budget(area_share=0.1), Budget(places=2)):
            assert pei(catch(observed, observed, areas, budget)) == pytest.approx(1.0)


def test_a_random_map_has_pai_one():
    rng = np.random.default_rng(5)
    observed, areas = rng.poisson(1.0, 2000), rng.uniform(0.2, 1.0, 2000)
    scores = [pai(catch(rng.random(2000) * areas, observed * areas, areas, Budget(area_share=0.1))) for _ in range(200)]
    assert np.mean(scores) == pytest.approx(1.0, abs=0.02)


def test_a_flat_map_has_pai_exactly_one():
    assert pai(catch(np.ones(10), OBSERVED, AREAS, Budget(area_share=0.13))) == pytest.approx(1.0)
