"""Emerging hot spots: places that became, stayed or ceased to be hot, step by step through time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import geopandas as gpd
import numpy as np
from numpy.typing import ArrayLike, NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.protocols import Executor
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.patterns.emerging_classes import CHANGING, NO_PATTERN, name_histories
from crimepatterns.patterns.significance import binomial_tail, discoveries, false_discovery_rate
from crimepatterns.patterns.time_tests import binomial_two_sided, mann_kendall, unusual_stretch

__all__ = ["EmergingHotSpots", "emerging_hot_spots"]

Baseline = Literal["record", "step"]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EmergingHotSpots:
    """The history of every cell, with a name where there is one.

    Parameters
    ----------
    grid : Grid
    periods : Periods
        The steps.
    classes : ndarray of str, shape (n_cells,)
        Such as ``new hot spot``; see `EMERGING_CLASSES`.
    hot, cold : ndarray of bool, shape (n_cells, n_steps)
    values, p_values, q_values, times_expected : ndarray of float, shape (n_cells, n_steps)
        z-score, two-sided exact p, q over all cells and steps, and the size of the effect.
    tau, trend_q : ndarray of float, shape (n_cells,)
        Kendall's tau of the neighbourhood's rate; nan where a trend was not asked for.
    change_q : ndarray of float, shape (n_cells,)
        Whether any stretch of steps stands out from the cell's own others; nan where no step could have been hot.
    null : str
    parameters : mapping
    """

    grid: Grid
    periods: Periods
    classes: NDArray[np.object_] = field(repr=False)
    hot: NDArray[np.bool_] = field(repr=False)
    cold: NDArray[np.bool_] = field(repr=False)
    values: _Floats = field(repr=False)
    p_values: _Floats = field(repr=False)
    q_values: _Floats = field(repr=False)
    times_expected: _Floats = field(repr=False)
    tau: _Floats = field(repr=False)
    trend_q: _Floats = field(repr=False)
    change_q: _Floats = field(repr=False)
    null: str
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def latest(self) -> Surface:
        """Return the last step as a surface."""
        return Surface(
            grid=self.grid,
            method="emerging",
            values=self.values[:, -1],
            unit="z-score",
            p_values=self.p_values[:, -1],
            q_values=self.q_values[:, -1],
            null=self.null,
            parameters=self.parameters,
            times_expected=self.times_expected[:, -1],
        )

    def to_geodataframe(self) -> gpd.GeoDataFrame:
        """Return the cells with their class and what it rests on."""
        return self.grid.to_geodataframe().assign(
            emerging=self.classes,
            steps_hot=self.hot.sum(axis=1),
            steps_cold=self.cold.sum(axis=1),
            z_last=self.values[:, -1],
            q_last=self.q_values[:, -1],
            times_expected_last=self.times_expected[:, -1],
            tau=self.tau,
            trend_q=self.trend_q,
            change_q=self.change_q,
        )


def emerging_hot_spots(
    counts: ArrayLike,
    grid: Grid,
    periods: Periods,
    *,
    time_lag: int = 1,
    fdr: float = 0.05,
    baseline: Baseline = "record",
    expected: ArrayLike | None = None,
    require_change: bool = True,
    block: int | None = None,
    replicates: int = 1999,
    seed: int = 0,
    executor: Executor | None = None,
) -> EmergingHotSpots:
    """Follow hot and cold spots through time and give each cell's history its customary name.

    Parameters
    ----------
    counts : array_like of int, shape (n_cells, n_steps)
        Incidents per cell and step, such as ``Panel.of(category)``.
    grid : Grid
    periods : Periods
        At least four steps.
    time_lag : int
        Earlier steps that count as neighbours, with the cell and the cells it touches.
    fdr : float
        False discovery rate over all cells and steps, then over trends, then over changes.
    baseline : {"record", "step"}
        Compare with all steps together, so that a rise of the whole city makes late steps hot, or with the city's own
        total in the same steps.
    expected : array_like of float, shape (n_cells,), optional
        Expected counts in any unit, such as residents; per square kilometre the same chance where left out.
    require_change : bool
        Keep names that claim a change (new, consecutive, sporadic, oscillating, historical) only where the cell differs
        from its own past by more than chance; other cells are persistent if they are hot over the whole span. False
        gives the customary rules, which mistake the flicker of significance for change.
    block : int, optional
        Steps kept together when trends are tested; ``time_lag + 1`` where left out, if four blocks fit.
    replicates, seed : int
        For the trends only: all else is exact.
    executor : Executor, optional

    Raises
    ------
    PatternError
        If counts do not fit, are not whole, or are all zero; or there are too few steps.

    References
    ----------
    Ord and Getis (1995), https://doi.org/10.1111/j.1538-4632.1995.tb00912.x; Mann (1945),
    https://doi.org/10.2307/1907187; Benjamini and Hochberg (1995), https://doi.org/10.1111/j.2517-6161.1995.tb02031.x
    """
    whole = _checked(counts, grid, periods, time_lag)
    if baseline not in ("record", "step"):
        raise PatternError(f"baseline must be 'record' or 'step', got {baseline!r}.")
    near = np.asarray(grid.adjacency @ whole + whole)
    place, step = _place_share(grid, expected), _step_share(whole, periods, baseline)
    lag, trials, share = _windows(near, whole, place, step, time_lag, baseline)
    p = binomial_two_sided(lag, trials, share)
    q = false_discovery_rate(p.ravel()).reshape(p.shape)
    found = discoveries(q, fdr=fdr)
    hot, cold = found & (lag > trials * share), found & (lag < trials * share)
    standing = _standing(near.sum(axis=1), float(whole.sum()), place, fdr) if require_change else np.zeros(len(grid))
    asked = (np.maximum(hot.sum(axis=1), cold.sum(axis=1)) >= 0.9 * len(periods)) | (standing != 0)
    kept = _block_length(len(periods), time_lag) if block is None else block
    tau, trend_q = _trends(near / step, asked, kept, replicates, seed, executor)
    trend = np.where(np.nan_to_num(trend_q, nan=1.0) <= fdr, np.sign(np.nan_to_num(tau)), 0.0)
    classes = name_histories(hot, cold, trend > 0, trend < 0)
    change_q = _changes(near, step, lag, trials, share, p, found)
    if require_change:
        classes = _supported(classes, np.nan_to_num(change_q, nan=1.0) <= fdr, standing, trend)
    parameters = {
        "time_lag": time_lag, "fdr": fdr, "baseline": baseline, "require_change": require_change, "block": kept,
        "replicates": replicates, "seed": seed, "incidents": int(whole.sum()), "steps": len(periods),
        "start": str(periods.start), "end": str(periods.end), "neighbourhood": "the cell and the cells it touches",
        "cells_with_pattern": int((classes != NO_PATTERN).sum()),
    }  # fmt: skip
    return EmergingHotSpots(
        grid=grid,
        periods=periods,
        classes=classes,
        hot=hot,
        cold=cold,
        values=_z(lag, trials, share),
        p_values=p,
        q_values=q,
        times_expected=np.divide(lag, trials * share, out=np.full(lag.shape, np.nan), where=trials * share > 0),
        tau=tau,
        trend_q=trend_q,
        change_q=change_q,
        null=_null_in_words(int(whole.sum()), baseline, given=expected is not None),
        parameters=MappingProxyType(parameters),
    )


def _checked(counts: ArrayLike, grid: Grid, periods: Periods, time_lag: int) -> _Floats:
    values = np.asarray(counts, dtype=float)
    if values.shape != (len(grid), len(periods)):
        raise PatternError(f"Emerging hot spots need counts of shape {(len(grid), len(periods))}, got {values.shape}.")
    if not np.isfinite(values).all() or (values < 0).any() or (values != np.floor(values)).any():
        raise PatternError("Emerging hot spots need whole, non-negative counts: their tests are exact for counts.")
    if not values.any():
        raise PatternError("Emerging hot spots need at least one incident: widen the window or the category.")
    if len(periods) < 4 or not 0 <= time_lag < len(periods) - 1:
        raise PatternError(
            f"Emerging hot spots need at least four steps and a shorter time lag, got {len(periods)} and {time_lag}: "
            "take shorter steps or a longer window."
        )
    return values


def _place_share(grid: Grid, expected: ArrayLike | None) -> _Floats:
    mass = grid.area_km2 if expected is None else np.asarray(expected, dtype=float)
    if mass.shape != (len(grid),) or not np.isfinite(mass).all() or (mass < 0).any() or not mass.any():
        raise PatternError(f"Expected counts must be {len(grid)} finite numbers >= 0, not all zero.")
    return np.minimum((grid.adjacency @ mass + mass) / mass.sum(), 1.0)


def _step_share(counts: _Floats, periods: Periods, baseline: Baseline) -> _Floats:
    lengths = np.diff(periods.edges.as_unit("us").asi8).astype(float)
    if baseline == "record":
        return np.asarray(lengths / lengths.sum())
    totals = counts.sum(axis=0)
    if not totals.all():
        raise PatternError("A step of the whole area has no incident: take longer steps, or baseline='record'.")
    return np.asarray(totals / totals.sum())


def _windows(
    near: _Floats, counts: _Floats, place: _Floats, step: _Floats, time_lag: int, baseline: Baseline
) -> tuple[_Floats, _Floats, _Floats]:
    """Sum over each step and the ones before it: incidents seen, incidents that could have been there, their chance."""
    lag = _trailing(near, time_lag)
    if baseline == "step":
        trials = np.broadcast_to(_trailing(counts.sum(axis=0)[None, :], time_lag), lag.shape)
        return lag, trials, np.broadcast_to(place[:, None], lag.shape)
    share = place[:, None] * _trailing(step[None, :], time_lag)
    return lag, np.full(lag.shape, counts.sum()), np.minimum(share, 1.0)


def _trailing(values: _Floats, time_lag: int) -> _Floats:
    total = values.copy()
    for back in range(1, time_lag + 1):
        total[:, back:] += values[:, :-back]
    return total


def _block_length(steps: int, time_lag: int) -> int:
    return max(min(time_lag + 1, steps // 4), 1)


def _trends(
    rates: _Floats, asked: NDArray[np.bool_], block: int, replicates: int, seed: int, executor: Executor | None
) -> tuple[_Floats, _Floats]:
    tau, q = np.full(len(rates), np.nan), np.full(len(rates), np.nan)
    found, p = mann_kendall(rates[asked], block=block, replicates=replicates, seed=seed, executor=executor)
    tau[asked], q[asked] = found, false_discovery_rate(p)
    return tau, q


def _changes(
    near: _Floats, step: _Floats, lag: _Floats, trials: _Floats, share: _Floats, p: _Floats, found: NDArray[np.bool_]
) -> _Floats:
    """Test for change every cell whose total, whenever its incidents happened, would allow a hot or cold step.

    Which cells are tested depends on their totals only, never on the steps: else the test would follow the choice.
    """
    q = np.full(len(near), np.nan)
    if not found.any():
        return q
    limit = float(p[found].max())
    total = near.sum(axis=1)[:, None]
    could_be_hot = (2.0 * binomial_tail(np.minimum(total, trials), trials, share) <= limit).any(axis=1)
    could_be_cold = (2.0 * binomial_tail(np.zeros_like(lag), trials, share, alternative="less") <= limit).any(axis=1)
    asked = could_be_hot | could_be_cold
    q[asked] = false_discovery_rate(unusual_stretch(near[asked], step))
    return q


def _standing(total: _Floats, incidents: float, place: _Floats, fdr: float) -> _Floats:
    """Return 1 for cells that are hot over all steps together, -1 for cold ones, 0 for the rest."""
    found = discoveries(false_discovery_rate(binomial_two_sided(total, incidents, place)), fdr=fdr)
    return np.where(found, np.sign(total - incidents * place), 0.0)


def _supported(
    classes: NDArray[np.object_], changed: NDArray[np.bool_], standing: _Floats, trend: _Floats
) -> NDArray[np.object_]:
    """Withdraw names that claim a change where none is shown; what is hot all the same is persistent or has a trend."""
    claims = np.array([str(name).split()[0] in CHANGING for name in classes])
    course = np.where(trend == 0, "persistent", np.where(trend == standing, "intensifying", "diminishing"))
    named = np.char.add(course, np.where(standing > 0, " hot spot", " cold spot")).astype(object)
    named[standing == 0] = NO_PATTERN
    return np.where((claims | (classes == NO_PATTERN)) & ~changed, named, classes)


def _z(lag: _Floats, trials: _Floats, share: _Floats) -> _Floats:
    spread = np.sqrt(trials * share * (1.0 - share))
    return np.divide(lag - trials * share, spread, out=np.zeros(lag.shape), where=spread > 0)


def _null_in_words(total: int, baseline: Baseline, *, given: bool) -> str:
    where = (
        "in proportion to the expected counts of the cells" if given else "with the same chance per square kilometre"
    )
    when = "at any time" if baseline == "record" else "in the step it happened in"
    return f"each of the {total:,} incidents falls, independently of the others, {when} and {where}"
