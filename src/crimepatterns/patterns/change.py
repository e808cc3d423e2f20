"""One period against another, place by place: what changed by more than chance."""

from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.patterns.significance import discoveries, false_discovery_rate
from crimepatterns.patterns.time_tests import binomial_two_sided

__all__ = ["change_between", "change_table"]

Reference = Literal["own past", "whole area"]
_Floats = NDArray[np.float64]


def change_table(
    before: ArrayLike,
    after: ArrayLike,
    *,
    days: tuple[float, float] = (1.0, 1.0),
    reference: Reference = "own past",
    fdr: float = 0.05,
    level: float = 0.95,
) -> pd.DataFrame:
    """Compare two periods place by place, with exact tests instead of percent change.

    Given how many incidents a place had in both periods together, the number in the later one is binomial if nothing
    changed (the conditional test of two Poisson counts); against the whole area it is hypergeometric (Fisher's test).

    Parameters
    ----------
    before, after : array_like of int, shape (n_places,)
        Incidents in the earlier and the later period.
    days : tuple of float
        Length of the two periods in any unit; they need not be equally long.
    reference : {"own past", "whole area"}
        Against the place's own earlier rate, or against the course of all places together, which takes season and
        trend of the city out.
    fdr : float
    level : float
        Of the interval of the ratio.

    Returns
    -------
    DataFrame, shape (n_places, 9)
        ``before``, ``after``, ``expected`` (after, if nothing changed), ``ratio`` (after / expected) with ``ratio_low``
        and ``ratio_high`` (Clopper and Pearson; infinite where nothing came before), ``p_value`` (two-sided),
        ``q_value`` and ``change`` (``up``, ``down`` or empty). Places with too few incidents to ever be significant
        have p as it is and q = 1, and do not burden the correction.

    Raises
    ------
    PatternError
        If counts do not fit, are not whole or negative, or a length is not positive.

    References
    ----------
    Przyborowski and Wilenski (1940), https://doi.org/10.1093/biomet/31.3-4.313; Clopper and Pearson (1934),
    https://doi.org/10.1093/biomet/26.4.404; for leaving out hopeless tests Tarone (1990),
    https://doi.org/10.2307/2531456
    """
    earlier, later = _checked(before, after, days)
    if reference not in ("own past", "whole area"):
        raise PatternError(f"reference must be 'own past' or 'whole area', got {reference!r}.")
    total = earlier + later
    relative = reference == "whole area"
    share = later.sum() / max(total.sum(), 1.0) if relative else days[1] / (days[0] + days[1])
    p, attainable = _fisher(total, later) if relative else _conditional(total, later, share)
    hopeful = attainable <= fdr
    q = np.ones(len(total))
    q[hopeful] = false_discovery_rate(p[hopeful])
    # What comes after, per incident before.
    ahead, behind = (later.sum(), earlier.sum()) if relative else (days[1], days[0])
    odds = ahead / behind if ahead and behind else np.nan
    low, high = _clopper_pearson(later, total, level)
    expected = earlier * odds
    moved = discoveries(q, fdr=fdr)
    return pd.DataFrame(
        {
            "before": earlier.astype(np.int64),
            "after": later.astype(np.int64),
            "expected": expected,
            "ratio": _divided(later, expected),
            "ratio_low": _divided(low, 1.0 - low) / odds,
            "ratio_high": _divided(high, 1.0 - high) / odds,
            "p_value": p,
            "q_value": q,
            "change": np.where(moved, np.where(later > total * share, "up", "down"), ""),
        }
    )


def change_between(
    before: ArrayLike,
    after: ArrayLike,
    grid: Grid,
    *,
    days: tuple[float, float] = (1.0, 1.0),
    reference: Reference = "own past",
    neighbours: bool = False,
    fdr: float = 0.05,
) -> Surface:
    """Map what changed between two periods.

    Parameters
    ----------
    before, after : array_like of int, shape (n_cells,)
    grid : Grid
    days, reference, fdr
        See `change_table`.
    neighbours : bool
        Judge each cell together with the cells it touches: more power where counts are sparse.

    Returns
    -------
    Surface
        ``values`` are incidents after less those expected if nothing changed; ``times_expected`` is their ratio.

    Raises
    ------
    PatternError
        If counts do not fit the grid; see also `change_table`.
    """
    earlier, later = _checked(before, after, days)
    if earlier.shape != (len(grid),):
        raise PatternError(f"Change needs one count per cell, shape ({len(grid)},), got {earlier.shape}.")
    if neighbours:
        earlier, later = grid.adjacency @ earlier + earlier, grid.adjacency @ later + later
    table = change_table(earlier, later, days=days, reference=reference, fdr=fdr)
    against = "its own rate" if reference == "own past" else "the course of the whole area"
    return Surface(
        grid=grid,
        method="change",
        values=(table["after"] - table["expected"]).to_numpy(dtype=float),
        unit="incidents more than expected",
        p_values=table["p_value"].to_numpy(dtype=float),
        q_values=table["q_value"].to_numpy(dtype=float),
        null=f"between the two periods each cell kept to {against}; incidents are independent of each other",
        times_expected=table["ratio"].to_numpy(dtype=float),
        parameters=MappingProxyType(
            {
                "days_before": float(days[0]),
                "days_after": float(days[1]),
                "reference": reference,
                "neighbourhood": "the cell and the cells it touches" if neighbours else "the cell",
                "fdr": fdr,
                "before": int(np.asarray(before).sum()),
                "after": int(np.asarray(after).sum()),
                "up": int((table["change"] == "up").sum()),
                "down": int((table["change"] == "down").sum()),
            }
        ),
    )


def _checked(before: ArrayLike, after: ArrayLike, days: tuple[float, float]) -> tuple[_Floats, _Floats]:
    earlier, later = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if earlier.ndim != 1 or earlier.shape != later.shape:
        raise PatternError(f"Change needs two counts per place, got shapes {earlier.shape} and {later.shape}.")
    for counts in (earlier, later):
        if not np.isfinite(counts).all() or (counts < 0).any() or (counts != np.floor(counts)).any():
            raise PatternError("Change needs whole, non-negative counts: its test is exact for counts, not for rates.")
    if not earlier.any() and not later.any():
        raise PatternError("Change needs at least one incident in either period: widen the window or the category.")
    if len(days) != 2 or not all(np.isfinite(length) and length > 0 for length in days):
        raise PatternError(f"Both periods need a length > 0, got {days}.")
    return earlier, later


def _conditional(total: _Floats, later: _Floats, share: float) -> tuple[_Floats, _Floats]:
    """Return two-sided p-values and the least ones that such totals allow."""
    least = np.minimum(binomial_two_sided(total, total, share), binomial_two_sided(np.zeros_like(total), total, share))
    return binomial_two_sided(later, total, share), least


def _fisher(total: _Floats, later: _Floats) -> tuple[_Floats, _Floats]:
    """Return two-sided hypergeometric p-values and the least ones such totals allow: one law per distinct total."""
    everything, drawn = float(total.sum()), float(later.sum())
    p, least = np.ones(len(total)), np.ones(len(total))
    order = np.argsort(total, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(total[order])) + 1):
        n = float(total[members[0]])
        fewest, most = max(n - (everything - drawn), 0.0), min(n, drawn)
        count = np.arange(fewest, most + 1)
        mass = np.exp(
            _log_choose(drawn, count) + _log_choose(everything - drawn, n - count) - _log_choose(everything, n)
        )
        tails = np.minimum(np.cumsum(mass), np.cumsum(mass[::-1])[::-1])
        law = np.minimum(2.0 * tails, 1.0)
        p[members] = law[(later[members] - fewest).astype(np.int64)]
        least[members] = min(law[0], law[-1])
    return p, least


def _log_choose(n: float, k: ArrayLike) -> _Floats:
    chosen = np.asarray(k, dtype=float)
    return np.asarray(special.gammaln(n + 1.0) - special.gammaln(chosen + 1.0) - special.gammaln(n - chosen + 1.0))


def _clopper_pearson(count: _Floats, total: _Floats, level: float) -> tuple[_Floats, _Floats]:
    tail = (1.0 - level) / 2.0
    low = np.where(count > 0, special.betaincinv(np.maximum(count, 1.0), total - count + 1.0, tail), 0.0)
    high = np.where(count < total, special.betaincinv(count + 1.0, np.maximum(total - count, 1.0), 1.0 - tail), 1.0)
    return low, high


def _divided(above: _Floats, below: _Floats) -> _Floats:
    """Divide; infinite for something from nothing, nan for nothing from nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(above / below, dtype=float)
