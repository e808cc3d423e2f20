"""Rates per resident, home or car, smoothed so that small denominators do not make the extremes of the map."""

from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.patterns.significance import binomial_tail, discoveries, false_discovery_rate

__all__ = ["smoothed_rates", "smoothed_rates_sentence"]

_Floats = NDArray[np.float64]


def smoothed_rates(
    counts: ArrayLike,
    denominators: ArrayLike,
    grid: Grid,
    *,
    per: float = 1000.0,
    towards: Literal["area", "neighbours"] = "area",
    denominator_name: str = "residents",
    fdr: float = 0.05,
) -> Surface:
    """Map rates, each drawn towards a mean the more, the smaller its denominator: Marshall's empirical Bayes estimator.

    Parameters
    ----------
    counts : array_like of int, shape (n_cells,)
    denominators : array_like of float, shape (n_cells,)
        What could have been hit, at least 0. Cells without any get the mean they would be drawn to; their incidents are
        left out of the estimate, and counted in the parameters.
    grid : Grid
    per : float
        Rates are per so many of the denominator.
    towards : {"area", "neighbours"}
        The mean of the whole area, or that of the cell and the cells it touches.
    denominator_name : str
        For the legend.
    fdr : float

    Returns
    -------
    Surface
        ``values`` are smoothed rates; ``times_expected`` divides them by the overall rate. ``p_values`` are exact upper
        tails of the raw count: more than its share of the denominator gives (Choynowski's probability map), 1 for
        cells without a denominator.

    Raises
    ------
    PatternError
        If counts or denominators do not fit, are negative or not finite, or nothing is left to estimate from.

    References
    ----------
    Marshall (1991), https://doi.org/10.2307/2347593; Choynowski (1959), https://doi.org/10.1080/01621459.1959.10501985

    Notes
    -----
    With rate r, mean m, denominator b and s2 the variance of the true rates (moments, at least 0), the smoothed rate is
    ``m + (r - m) s2 / (s2 + m / b)``.
    """
    events, base = _checked(counts, denominators, grid, per)
    usable = base > 0
    rate = np.divide(events, base, out=np.zeros_like(events), where=usable)
    if towards == "area":
        mean, variance = _area_moments(events[usable], base[usable])
        means, variances = np.full(len(grid), mean), np.full(len(grid), variance)
    elif towards == "neighbours":
        means, variances = _local_moments(np.where(usable, events, 0.0), base, rate, grid)
    else:
        raise PatternError(f"towards must be 'area' or 'neighbours', got {towards!r}.")
    noise = np.divide(means, base, out=np.full(len(grid), np.inf), where=usable)
    spread = variances + noise
    weight = np.divide(variances, spread, out=np.zeros(len(grid)), where=spread > 0)
    smooth = np.where(usable, means + (rate - means) * weight, means)
    overall = events[usable].sum() / base.sum()
    p = np.ones(len(grid))
    p[usable] = binomial_tail(events[usable], events[usable].sum(), base[usable] / base.sum())
    q = np.ones(len(grid))
    q[usable] = false_discovery_rate(p[usable])
    return Surface(
        grid=grid,
        method="smoothed_rates",
        values=smooth * per,
        unit=f"incidents per {per:,.0f} {denominator_name}",
        p_values=p,
        q_values=q,
        null=f"each incident falls, independently of the others, in proportion to {denominator_name}",
        times_expected=smooth / overall,
        parameters=MappingProxyType(
            {
                "per": per,
                "towards": towards,
                "denominator": denominator_name,
                "fdr": fdr,
                "incidents": int(events.sum()),
                "denominator_total": float(base.sum()),
                "overall_rate": float(overall * per),
                "cells_without_denominator": int((~usable).sum()),
                "incidents_without_denominator": int(events[~usable].sum()),
                "mean_weight_of_own_rate": round(float(weight[usable].mean()), 4),
                "discoveries": int(discoveries(q, fdr=fdr).sum()),
            }
        ),
    )


def smoothed_rates_sentence(surface: Surface) -> str:
    """Say where the smoothed rate is highest, beside the overall rate, and how far rates were drawn to the mean.

    Raises
    ------
    PatternError
        If the surface is not one of `smoothed_rates`.
    """
    if surface.method != "smoothed_rates":
        raise PatternError(f"A {surface.method} surface has no smoothed rates: give one made by smoothed_rates.")
    facts = surface.parameters
    peak = int(np.argmax(surface.values))
    where = surface.grid.neighbourhood[peak]
    kept = 100 * float(str(facts["mean_weight_of_own_rate"]))
    text = (
        f"Highest{f' in {where}' if where else ''}: {surface.values[peak]:,.1f} {surface.unit}, overall "
        f"{float(str(facts['overall_rate'])):,.1f}; on average a cell keeps {kept:.0f} % of its own deviation."
    )
    lost = int(str(facts["incidents_without_denominator"]))
    return f"{text} {lost:,} incidents lie where there are no {facts['denominator']}." if lost else text


def _checked(counts: ArrayLike, denominators: ArrayLike, grid: Grid, per: float) -> tuple[_Floats, _Floats]:
    events, base = np.asarray(counts, dtype=float), np.asarray(denominators, dtype=float)
    if events.shape != (len(grid),) or base.shape != (len(grid),):
        raise PatternError(f"Rates need counts and denominators of shape ({len(grid)},), got {events.shape}.")
    if not np.isfinite(events).all() or (events < 0).any() or (events != np.floor(events)).any():
        raise PatternError("Rates need whole, non-negative counts.")
    if not np.isfinite(base).all() or (base < 0).any():
        raise PatternError("Denominators must be finite and not negative: put 0 where there is nothing.")
    if not events[base > 0].any():
        raise PatternError("Rates need at least one incident in a cell with a denominator: check how they were joined.")
    if not (np.isfinite(per) and per > 0):
        raise PatternError(f"Rates must be per a number > 0, got {per}.")
    return events, base


def _area_moments(events: _Floats, base: _Floats) -> tuple[float, float]:
    mean = float(events.sum() / base.sum())
    spread = float(base @ (events / base - mean) ** 2 / base.sum())
    return mean, max(spread - mean / float(base.mean()), 0.0)


def _local_moments(events: _Floats, base: _Floats, rate: _Floats, grid: Grid) -> tuple[_Floats, _Floats]:
    """Return mean and variance of the rates over each cell and the cells it touches that have a denominator."""

    def around(values: _Floats) -> _Floats:
        return np.asarray(grid.adjacency @ values + values)

    size, mass = around((base > 0).astype(float)), around(base)
    overall = events.sum() / base.sum()
    mean = np.divide(around(events), mass, out=np.full(len(grid), overall), where=mass > 0)
    # The sum of b (r - m)^2 over a neighbourhood with its own m.
    square = around(base * rate**2) - 2.0 * mean * around(base * rate) + mean**2 * mass
    spread = np.divide(square, mass, out=np.zeros(len(grid)), where=mass > 0)
    noise = np.divide(mean * size, mass, out=np.zeros(len(grid)), where=mass > 0)
    return mean, np.maximum(spread - noise, 0.0)
