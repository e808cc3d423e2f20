"""Whether a model may stand in for another: shown to be no worse than a margin, which "not shown worse" is not."""

from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy import stats

from crimepatterns.errors import DomainError
from crimepatterns.evaluation.comparison import MIN_ORIGINS, pooled_ratio

__all__ = ["NonInferiority", "no_worse_than"]


@dataclass(frozen=True)
class NonInferiority:
    """How much less a model may catch than another one, relative to what that one catches.

    Parameters
    ----------
    difference, lower : float
        Relative difference of the sums over origins, and its lower one-sided bound.
    p_value : float
        One-sided, of the hypothesis that the model is worse by the margin or more; adjust it (Holm) where there are
        several. nan where the other one caught nothing, 1 with fewer than 13 origins.
    """

    difference: float
    lower: float
    p_value: float


def no_worse_than(model: ArrayLike, other: ArrayLike, *, margin: float, confidence: float = 0.95) -> NonInferiority:
    """Test paired catches for non-inferiority on the relative scale.

    Both are divided by the same best possible catch or number of incidents, so the relative difference is the same for
    hits, hit rate, PAI and PEI. The standard error allows for correlation between origins, see
    `crimepatterns.evaluation.comparison`.

    Parameters
    ----------
    model, other : array_like of float, shape (n_origins,)
        Hits, in time order.
    margin : float
        Such as 0.02 for two per cent, in (0, 1).
    confidence : float
        Of the one-sided bound.

    Returns
    -------
    NonInferiority

    Raises
    ------
    DomainError
        If the margin is not in (0, 1).

    Examples
    --------
    >>> found = no_worse_than([100.0] * 13, [101.0] * 13, margin=0.02)
    >>> round(found.difference, 4), found.p_value
    (-0.0099, 0.0)
    """
    if not 0 < margin < 1:
        raise DomainError(f"A margin of non-inferiority lies between 0 and 1, got {margin}.")
    ours, theirs = list(map(float, model)), list(map(float, other))  # type: ignore[arg-type]
    gain = [a - b for a, b in zip(ours, theirs, strict=True)]
    found = pooled_ratio(gain, theirs, confidence=2 * confidence - 1)
    room = found.value + margin
    if len(ours) < MIN_ORIGINS or found.value != found.value:
        p = 1.0 if found.value == found.value else float("nan")
    elif found.standard_error > 1e-12:
        p = float(stats.t.sf(room / found.standard_error, found.degrees))
    else:
        p = 0.0 if room > 0 else 1.0
    return NonInferiority(found.value, found.lower, p)
