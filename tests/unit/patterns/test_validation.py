"""The long validation (`make validate`): every case runs, and a liberal test would be caught."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import stats

GLOBAL = (
    "Knox", "permutation scan", "Poisson scan", "trend", "usual counts", "season and weekday",
    "dual density, random labelling",
)  # fmt: skip
FOLDER = Path(__file__).resolve().parents[3] / "benchmarks" / "validation"


@pytest.fixture
def validation(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    from importlib import import_module

    monkeypatch.syspath_prepend(str(FOLDER))
    return {name: import_module(name) for name in ("judging", "global_tests", "local_methods", "validate")}


@pytest.mark.parametrize(("found", "of"), [(0, 1_000), (5, 100), (72, 1_000), (73, 1_000)])
def test_lower_limits_are_those_of_clopper_and_pearson(validation: Any, found: int, of: int) -> None:
    judging = validation["judging"]
    peer = stats.binomtest(found, of).proportion_ci(confidence_level=2 * judging.CONFIDENCE - 1, method="exact")
    assert judging.lowest_share(found, of) == pytest.approx(peer.low, abs=1e-9)


def test_a_liberal_test_is_called_so_and_chance_is_not(validation: Any) -> None:
    judging = validation["judging"]
    least = next(k for k in range(1_000) if judging.lowest_share(k, 1_000) > 0.05)
    # An honest test at 5 % comes so far in one of a thousand validations.
    assert stats.binom.sf(least - 1, 1_000, 0.05) <= 0.001 < stats.binom.sf(least - 2, 1_000, 0.05)
    assert judging.Rate("x", least / 1_000, judging.lowest_share(least, 1_000), 1.0).liberal
    assert not judging.Rate("x", 0.06, judging.lowest_share(60, 1_000), 1.0).liberal
    assert judging.lowest_mean([0.0, 1.0] * 50) == pytest.approx(0.5 - 3.0902 * np.std([0, 1] * 50, ddof=1) / 10, 1e-4)


@pytest.mark.parametrize("name", GLOBAL)
def test_a_global_test_answers_every_question_with_a_p_value(validation: Any, name: str) -> None:
    case = validation["global_tests"].GLOBAL_TESTS[name]
    quiet, planted = case.run(3, False), case.run(3, True)
    assert quiet.keys() == planted.keys()
    assert all(0 <= p <= 1 for p in (*quiet.values(), *planted.values()))
    assert min(planted.values()) <= 0.05


def test_a_local_method_is_judged_by_what_is_planted(validation: Any) -> None:
    cases = validation["local_methods"].LOCAL_METHODS
    found_somewhere = 0
    for name in cases:
        found, true, wanted = cases[name].run(5, False)
        assert found.shape == true.shape, name
        assert not wanted.any() or name == "persistence", name
        found, true, wanted = cases[name].run(5, True)
        assert found.dtype == true.dtype == wanted.dtype == bool, name
        assert not (wanted & ~true).any(), name
        found_somewhere += bool((found & true).any())
    assert found_somewhere >= len(cases) - 2


def test_all_global_tests_are_listed(validation: Any) -> None:
    assert set(validation["global_tests"].GLOBAL_TESTS) == set(GLOBAL)


def test_sparse_maps_are_drawn_at_every_mean(validation: Any) -> None:
    local = validation["local_methods"]
    for name, shows in local.SPARSE_MAPS.items():
        for mean in local.MEANS:
            assert shows(np.random.default_rng([7, round(100 * mean)]), mean) in (True, False), name
