"""Random labelling: a dual density tested by which of the points are incidents, without the normal approximation."""

from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.protocols import Executor
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.patterns.density import Kernel, kernel_density
from crimepatterns.patterns.density_ratio import ROUGHNESS, DensityRatio, density_ratio, resting_share
from crimepatterns.patterns.permutation import exceeds, replicates
from crimepatterns.patterns.significance import discoveries

__all__ = ["LabelledRatio", "labelled_ratio"]

_Floats = NDArray[np.float64]
_Points = Incidents | tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True, eq=False)
class LabelledRatio:
    """A dual density with its test by random labelling.

    Parameters
    ----------
    ratio : DensityRatio
        The surface has ``p_values`` of each cell alone, and as ``q_values`` those of the largest difference anywhere,
        which keep the chance of a single false cell on the whole map.
    map_p : float
        Of the two maps being unlike anywhere: the largest difference of all cells.
    replicates : int
    """

    ratio: DensityRatio = field(repr=False)
    map_p: float
    replicates: int

    @property
    def surface(self) -> Surface:
        """The surface of ratios."""
        return self.ratio.surface


def labelled_ratio(
    points: _Points,
    denominator: _Points,
    grid: Grid,
    *,
    bandwidth_m: float,
    kernel: Kernel = "gaussian",
    floor: float = 3.0,
    level: float = 0.05,
    edge_correction: bool = True,
    count: int = 199,
    seed: int = 0,
    executor: Executor | None = None,
) -> LabelledRatio:
    """Divide two densities, and test the ratio by dealing out anew which points belong to the upper one.

    Parameters
    ----------
    points, denominator : Incidents, or tuple (x, y) of array_like of float
        Of equal kind: two periods, or two categories. For homes or cars take `density_ratio`.
    grid : Grid
    bandwidth_m : float, metres
    kernel : {"gaussian", "quartic"}
    floor : float
        See `density_ratio`.
    level : float
        Chance of any false cell on the map.
    edge_correction : bool
    count, seed : int
        Labellings drawn.
    executor : Executor, optional

    Returns
    -------
    LabelledRatio

    Raises
    ------
    PatternError
        If the level is out of range, or count too small to reach it; see also `density_ratio`.

    References
    ----------
    Kelsall and Diggle (1995), https://doi.org/10.1002/sim.4780142106; Westfall and Young (1993), Resampling-based
    multiple testing, for the largest of all cells
    """
    if not 0 < level < 1 or (count + 1) * level < 1:
        raise PatternError(f"A level of {level} needs at least {1 / max(level, 1e-9) - 1:.0f} labellings, got {count}.")
    own, other = _inside(points, grid), _inside(denominator, grid)
    seen = density_ratio(
        tuple(own.T), tuple(other.T), grid, bandwidth_m=bandwidth_m, kernel=kernel, floor=floor,
        edge_correction=edge_correction,
    )  # fmt: skip
    work = _prepared(own, other, grid, bandwidth_m, kernel, floor, edge_correction=edge_correction)
    score = work.score(np.arange(len(own)))
    alone, largest = np.zeros(len(grid)), np.zeros(len(grid))
    for drawn in replicates(partial(_labelled, work, len(own)), count, seed=seed, executor=executor):
        alone += exceeds(drawn, score)
        largest += exceeds(drawn.max(), score)
    p, family = ((number + 1.0) / (count + 1.0) for number in (alone, largest))
    tested = seen.supported & (score > 0)
    p, family = np.where(tested, p, 1.0), np.where(tested, family, 1.0)
    facts = {
        **seen.surface.parameters, "test": "random labelling", "replicates": count, "seed": seed, "fdr": level,
        "correction": "largest of all cells", "discoveries": int(discoveries(family, fdr=level).sum()),
        "map_p": float(family.min()),
    }  # fmt: skip
    surface = replace(
        seen.surface,
        p_values=p,
        q_values=family,
        null="which points are the incidents is random: every way to label them is equally likely",
        parameters=MappingProxyType(facts),
    )
    return LabelledRatio(replace(seen, surface=surface), float(family.min()), count)


def _inside(points: _Points, grid: Grid) -> _Floats:
    if isinstance(points, Incidents):
        points = (points.table["x"].to_numpy(dtype=float), points.table["y"].to_numpy(dtype=float))
    xy = np.column_stack([np.asarray(axis, dtype=float) for axis in points])
    xy = xy[np.isfinite(xy).all(axis=1)]
    return xy[grid.assign(xy[:, 0], xy[:, 1])[1]]


@dataclass(frozen=True, eq=False)
class _Labelling:
    """All points, the density of them all, and what turns two densities into one score per cell.

    The densities of both kinds add up to that of all points, so that each labelling needs one surface only.
    """

    xy: _Floats
    mass: _Floats
    grid: Grid
    bandwidth_m: float
    kernel: Kernel
    floor: float
    every: _Floats
    points_per_density: _Floats

    def density(self, chosen: NDArray[np.int64]) -> _Floats:
        made = kernel_density(
            (self.xy[chosen, 0], self.xy[chosen, 1]), self.grid, bandwidth_m=self.bandwidth_m, kernel=self.kernel,
            weights=self.mass[chosen], edge_correction=False,
        )  # fmt: skip
        values: _Floats = made.values
        return values

    def score(self, chosen: NDArray[np.int64]) -> _Floats:
        """Return the log ratio by its standard error, without its sign; 0 where the lower density is too thin."""
        upper = self.density(chosen)
        lower = np.maximum(self.every - upper, 0.0)
        least, odds = self.floor, len(chosen) / (len(self.xy) - len(chosen))
        seen, beside = upper * self.points_per_density + 0.5, np.maximum(lower * self.points_per_density, least)
        error = np.sqrt(1.0 / seen + 1.0 / (beside + 0.5))
        shift = np.log(seen / (beside * odds + 0.5))
        return np.where(beside > least, np.abs(shift) / error, 0.0)


def _prepared(
    own: _Floats,
    other: _Floats,
    grid: Grid,
    bandwidth_m: float,
    kernel: Kernel,
    floor: float,
    *,
    edge_correction: bool,
) -> _Labelling:
    xy = np.concatenate([own, other])
    corrected = kernel_density(
        tuple(xy.T), grid, bandwidth_m=bandwidth_m, kernel=kernel, edge_correction=edge_correction
    )  # fmt: skip
    apart = resting_share(corrected, tuple(xy.T), grid, bandwidth_m, kernel, None, edge_correction=edge_correction)
    per_density = apart * bandwidth_m**2 / ROUGHNESS[kernel] / 1e6
    mass = np.ones(len(xy))
    if edge_correction:
        ground = kernel_density(
            tuple(grid.centres.T), grid, bandwidth_m=bandwidth_m, kernel=kernel, weights=grid.area_km2,
            edge_correction=False,
        )  # fmt: skip
        mass /= np.clip(ground.values[grid.assign(xy[:, 0], xy[:, 1])[0]], 0.05, 1.0)
    work = _Labelling(xy, mass, grid, bandwidth_m, kernel, floor, np.zeros(len(grid)), per_density)
    return replace(work, every=work.density(np.arange(len(xy))))


def _labelled(work: _Labelling, n: int, rng: np.random.Generator) -> _Floats:
    return work.score(rng.permutation(len(work.xy))[:n])
