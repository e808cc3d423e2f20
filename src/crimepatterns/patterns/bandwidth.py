"""Choosing a bandwidth by how well the surface of earlier incidents describes later ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.density import Kernel, kernel_density
from crimepatterns.patterns.density_adaptive import adaptive_density

__all__ = ["BandwidthChoice", "choose_bandwidth"]

_SPREAD = 0.02
"""Share of the incidents spread evenly over the area, so that no later incident is impossible."""


@dataclass(frozen=True, eq=False)
class BandwidthChoice:
    """A bandwidth and why it was taken.

    Parameters
    ----------
    bandwidth_m : float, metres
    table : DataFrame
        One row per bandwidth tried: ``bandwidth_m``, ``log_likelihood`` (mean per later incident, against an even
        spread: 0 is no better than even) and ``standard_error`` over the origins.
    reasons : tuple of str
        Sentences for the analyst.
    at_the_edge : bool
        The best was the narrowest or widest tried.
    """

    bandwidth_m: float
    table: pd.DataFrame = field(repr=False)
    reasons: tuple[str, ...]
    at_the_edge: bool

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()


def choose_bandwidth(
    incidents: Incidents,
    grid: Grid,
    *,
    candidates_m: Sequence[float] | None = None,
    horizon_days: int = 28,
    origins: int = 6,
    kernel: Kernel = "gaussian",
    adaptive: bool = False,
    edge_correction: bool = True,
) -> BandwidthChoice:
    """Choose the bandwidth whose surface gives later incidents the greatest likelihood.

    At each origin the incidents known by then are smoothed with every candidate, and the incidents of the following
    days are scored. Leaving out one at a time instead collapses onto the points where records are snapped to a block.

    Parameters
    ----------
    incidents : Incidents
        At least some days longer than the origins need.
    grid : Grid
    candidates_m : sequence of float, metres, optional
        From one cell to sixteen in steps of a half power of two where left out.
    horizon_days : int
        Days after each origin that are scored; origins lie as far apart.
    origins : int
    kernel : {"gaussian", "quartic"}
    adaptive : bool
        For `adaptive_density` rather than `kernel_density`.
    edge_correction : bool

    Raises
    ------
    PatternError
        If a candidate is below the cell size, or no origin has incidents before and after it.

    References
    ----------
    Stone (1974) for choice by prediction, https://doi.org/10.1111/j.2517-6161.1974.tb00994.x; Silverman (1986),
    Density estimation, section 3.4.4, for rounded data
    """
    tried = _candidates(candidates_m, grid)
    if horizon_days < 1 or origins < 1:
        raise PatternError(f"horizon_days and origins must be >= 1, got {horizon_days} and {origins}.")
    scores = []
    for known, later in _origins(incidents, grid, horizon_days, origins):
        made = [_log_density(known, grid, h, kernel, adaptive, edge_correction) for h in tried]
        scores.append([float(surface[later].mean()) for surface in made])
    if not scores:
        raise PatternError(
            f"No origin has incidents before and within {horizon_days} days after it: take a longer record."
        )
    table = pd.DataFrame(
        {
            "bandwidth_m": tried,
            "log_likelihood": np.mean(scores, axis=0),
            "standard_error": np.std(scores, axis=0, ddof=1) / np.sqrt(len(scores)) if len(scores) > 1 else np.nan,
        }
    )
    best = int(np.argmax(table["log_likelihood"].to_numpy()))
    edge = len(tried) > 1 and best in (0, len(tried) - 1)
    return BandwidthChoice(tried[best], table, _reasons(table, best, np.array(scores), horizon_days, edge), edge)


def _candidates(candidates_m: Sequence[float] | None, grid: Grid) -> list[float]:
    cell_m = float(np.sqrt(np.median(grid.area_km2) * 1e6)) if grid.kind == "polygon" else grid.cell_size_m
    if candidates_m is None:
        return [float(cell_m * 2 ** (k / 2)) for k in range(9)]
    tried = sorted(float(h) for h in candidates_m)
    if not tried or not np.isfinite(tried).all() or tried[0] < cell_m:
        raise PatternError(f"Bandwidths to try must be finite and at least the cell size of {cell_m:g} m, got {tried}.")
    return tried


def _origins(
    incidents: Incidents, grid: Grid, horizon_days: int, origins: int
) -> list[tuple[Incidents, NDArray[np.int64]]]:
    """Return what was known at each origin, and the cells of the incidents that followed."""
    if len(incidents) == 0:
        raise PatternError("Choosing a bandwidth needs incidents, got none: widen the window or the category.")
    end = incidents.table["occurred_from"].max().normalize() + pd.DateOffset(days=1)
    found = []
    for back in range(origins, 0, -1):
        origin = end - pd.DateOffset(days=horizon_days * back)
        known = incidents.as_of(origin)
        later = incidents.between(origin, origin + pd.DateOffset(days=horizon_days))
        if not len(known) or not len(later):
            continue
        before = grid.assign(known.table["x"], known.table["y"])[1]
        cell, inside = grid.assign(later.table["x"], later.table["y"])
        if before.any() and inside.any():
            found.append((known, cell[inside]))
    return found


def _log_density(
    known: Incidents, grid: Grid, bandwidth_m: float, kernel: Kernel, adaptive: bool, edge_correction: bool
) -> NDArray[np.float64]:
    """Return the log of each cell's density, as a ratio to an even spread."""
    smooth = adaptive_density if adaptive else kernel_density
    surface = smooth(known, grid, bandwidth_m=bandwidth_m, kernel=kernel, edge_correction=edge_correction)
    density: NDArray[np.float64] = surface.values  # noqa: PD011
    mass = density * grid.area_km2
    even = grid.area_km2 / grid.area_km2.sum()
    return np.asarray(np.log((1.0 - _SPREAD) * mass / mass.sum() / even + _SPREAD))


def _reasons(
    table: pd.DataFrame, best: int, scores: NDArray[np.float64], horizon_days: int, edge: bool
) -> tuple[str, ...]:
    tried = table["bandwidth_m"].to_numpy(dtype=float)
    gain = table["log_likelihood"].to_numpy(dtype=float)
    first = (
        f"Of {len(tried)} bandwidths from {tried[0]:,.0f} to {tried[-1]:,.0f} m, {tried[best]:,.0f} m describes the "
        f"incidents of the following {horizon_days} days best, at {len(scores)} origins: "
        f"each is {np.exp(gain[best]):.1f} times as likely as under an even spread."
    )
    sentences = [first]
    if len(scores) > 1:
        loss = scores[:, best][:, None] - scores
        error = loss.std(axis=0, ddof=1) / np.sqrt(len(scores))
        near = tried[loss.mean(axis=0) <= 2.0 * error + 1e-12]
        sentences.append(
            f"Bandwidths from {near.min():,.0f} to {near.max():,.0f} m are not shown to be worse."
            if len(near) > 1
            else "All others are shown to be worse."
        )
    if edge:
        sentences.append("The best lies at the end of the range: try more, or other cells.")
    return tuple(sentences)
