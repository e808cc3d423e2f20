"""Self-consistency: right models sit inside their own range, wrong ones do not."""

import numpy as np
import pytest

from crimepatterns.evaluation.hotspot_metrics import catch, pei
from crimepatterns.evaluation.selection import Budget
from crimepatterns.evaluation.self_consistency import ceiling_catch, self_consistent_pei

AREAS = np.random.default_rng(0).choice([1.0, 0.4], 400)
MEANS = np.random.default_rng(1).gamma(0.3, 2.0, 400)


@pytest.mark.parametrize("budget", [Budget(area_share=0.05), Budget(places=20)])
def test_agrees_with_a_plain_simulation(budget):
    found = self_consistent_pei([MEANS], AREAS, budget=budget, simulations=400, rng=np.random.default_rng(2))
    rng = np.random.default_rng(3)
    draws = [catch(MEANS, rng.poisson(MEANS), AREAS, budget) for _ in range(400)]
    assert found.expected == pytest.approx(pei(sum(draws[1:], draws[0])), abs=0.01)
    assert found.lower < found.expected < found.upper


def test_a_right_model_is_inside_and_an_overconfident_one_outside():
    rng, budget, weeks = np.random.default_rng(4), Budget(area_share=0.05), 13
    truth = [MEANS] * weeks
    happened = [rng.poisson(MEANS) for _ in truth]
    draws = [catch(MEANS, counts, AREAS, budget) for counts in happened]
    real = pei(sum(draws[1:], draws[0]))
    right = self_consistent_pei(truth, AREAS, budget=budget, simulations=200, rng=rng)
    assert right.lower <= real <= right.upper
    wrong = self_consistent_pei([MEANS**2] * weeks, AREAS, budget=budget, simulations=200, rng=rng)
    assert real < wrong.lower


def test_seeded():
    ask = {"budget": Budget(places=9), "simulations": 20}
    first = self_consistent_pei([MEANS], AREAS, **ask, rng=np.random.default_rng(7))
    assert first == self_consistent_pei([MEANS], AREAS, **ask, rng=np.random.default_rng(7))


def test_nothing_expected_has_no_score():
    empty = self_consistent_pei(
        [np.zeros(400)], AREAS, budget=Budget(places=9), simulations=5, rng=np.random.default_rng(7)
    )
    assert np.isnan(empty.expected)


def test_the_truth_reaches_its_own_ceiling_and_nothing_passes_it():
    caught, ceiling = ceiling_catch(MEANS, MEANS, AREAS, budget=Budget(area_share=0.1))
    assert caught == ceiling
    blurred, same = ceiling_catch(MEANS[::-1].copy(), MEANS, AREAS, budget=Budget(area_share=0.1))
    assert blurred < same == ceiling
