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
from crimepatterns.patterns.density import Kernel
from crimepatterns.patterns.density_ratio import DensityRatio, density_ratio
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
    divide = partial(
        density_ratio, grid=grid, bandwidth_m=bandwidth_m, kernel=kernel, floor=floor, edge_correction=edge_correction
    )
    seen = divide((own[:, 0], own[:, 1]), (other[:, 0], other[:, 1]))
    score = np.where(seen.supported, np.abs(seen.z), 0.0)
    pooled = np.concatenate([own, other])
    alone, largest = np.zeros(len(grid)), np.zeros(len(grid))
    simulate = partial(_labelled, pooled, len(own), divide)
    for drawn in replicates(simulate, count, seed=seed, executor=executor):
        alone += exceeds(drawn, score)
        largest += exceeds(drawn.max(), score)
    p, family = ((number + 1.0) / (count + 1.0) for number in (alone, largest))
    p, family = np.where(seen.supported, p, 1.0), np.where(seen.supported, family, 1.0)
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


def _labelled(pooled: _Floats, n: int, divide: partial[DensityRatio], rng: np.random.Generator) -> _Floats:
    dealt = pooled[rng.permutation(len(pooled))]
    made = divide((dealt[:n, 0], dealt[:n, 1]), (dealt[n:, 0], dealt[n:, 1]))
    return np.where(made.supported, np.abs(made.z), 0.0)
