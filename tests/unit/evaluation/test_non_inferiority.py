"""A model is shown to be no worse than a margin at the stated level, and only then."""

import numpy as np
import pytest

from crimepatterns.errors import DomainError
from crimepatterns.evaluation.non_inferiority import no_worse_than


def shares_shown(*, loss: float, spread: float, origins: int = 13, trials: int = 1500) -> float:
    """How often a model that truly catches less by `loss` is shown to be no worse than 2 per cent."""
    rng = np.random.default_rng(4)
    theirs = rng.normal(500, 40, (trials, origins))
    ours = theirs * (1 - loss) + rng.normal(0, spread, (trials, origins))
    return float(np.mean([no_worse_than(a, b, margin=0.02).p_value <= 0.05 for a, b in zip(ours, theirs, strict=True)]))


def test_the_level_holds_at_the_margin_and_equal_models_pass() -> None:
    assert 0.03 < shares_shown(loss=0.02, spread=12.0) < 0.07
    assert shares_shown(loss=0.0, spread=6.0) > 0.9
    assert shares_shown(loss=0.05, spread=6.0) < 0.001


def test_noise_is_no_evidence() -> None:
    """With hits this rough equal models can hardly be shown to be no worse: the answer is then "not shown"."""
    assert shares_shown(loss=0.0, spread=120.0) < 0.15


def test_bound_and_p_value_tell_the_same() -> None:
    rng = np.random.default_rng(2)
    theirs = rng.poisson(300, 13).astype(float)
    ours = theirs + rng.normal(-3, 5, 13)
    found = no_worse_than(ours, theirs, margin=0.02)
    assert found.difference == pytest.approx((ours.sum() - theirs.sum()) / theirs.sum())
    just_met = no_worse_than(ours, theirs, margin=-found.lower)
    assert just_met.p_value == pytest.approx(0.05, abs=1e-9)


def test_edges() -> None:
    assert no_worse_than([5.0] * 13, [5.0] * 13, margin=0.02).p_value == 0.0
    assert no_worse_than([4.0] * 13, [5.0] * 13, margin=0.02).p_value == 1.0
    assert no_worse_than([5.0] * 12, [5.0] * 12, margin=0.02).p_value == 1.0, "described, not claimed"
    assert np.isnan(no_worse_than([1.0] * 13, [0.0] * 13, margin=0.02).p_value)
    for wrong in (0.0, 1.0, -0.1):
        with pytest.raises(DomainError, match="between 0 and 1"):
            no_worse_than([1.0] * 13, [1.0] * 13, margin=wrong)
