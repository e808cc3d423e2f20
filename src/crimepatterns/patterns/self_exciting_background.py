"""Where and when incidents happen that no other one brought: a surface that cannot take up what follows an incident.

Each incident is spread over as wide a surrounding as holds a number of others: narrowly at busy places, widely
elsewhere. The surface at a day rests on incidents at least some weeks before or after it, so that it knows what is
always busy and what changes slowly, and nothing of the days near. Several such surfaces are mixed as makes the
incidents likeliest.
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from crimepatterns.domain.area import StudyArea

__all__ = ["Background", "Raster"]

WIDTHS_M: tuple[float, ...] = (0.0, 40.0, 60.0, 85.0, 120.0, 170.0, 240.0, 340.0, 480.0, 680.0, 960.0)
"""Standard deviations by which incidents are spread, metres; 0 is the cell of the raster itself."""

NEIGHBOURS: tuple[int, ...] = (4, 12, 36, 144)
"""So many other incidents lie within the spread of one, for each surface."""

MEMORY_NEIGHBOURS: tuple[int, ...] = (20, 80)
MEMORY_DAYS = 60.0
"""Half-life of the surfaces that follow slow changes."""

_ALL_NEIGHBOURS = (*NEIGHBOURS, *MEMORY_NEIGHBOURS)
_MOST_COUNTED = 36
_MOST_CELLS = 400_000
_FINEST_M = 50.0
_BLOCK_DAYS = 21.0
_MIXING_STEPS = 40
_LEAST = 1e-12

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Raster:
    """A fine square raster over the study area.

    Parameters
    ----------
    cell_m : float
        Side of the cells, metres.
    shape : tuple of int
        Rows and columns.
    inside : ndarray of float, shape `shape`
        1 where the middle of a cell or an incident lies inside the study area, else 0.
    cell : ndarray of int, shape (n,)
        Position of each incident's cell in the flattened raster.
    """

    cell_m: float
    shape: tuple[int, int]
    inside: Floats = field(repr=False)
    cell: NDArray[np.int64] = field(repr=False)

    @classmethod
    def over(cls, area: StudyArea, x: Floats, y: Floats) -> "Raster":
        """Lay a raster of 50-m cells, or wider ones where there would be more than 400,000, over an area."""
        left, bottom, right, top = area.polygon.bounds
        cell_m = max(_FINEST_M, float(np.sqrt((right - left) * (top - bottom) / _MOST_CELLS)))
        shape = int((top - bottom) // cell_m) + 1, int((right - left) // cell_m) + 1
        middle_x = left + cell_m * (np.arange(shape[1]) + 0.5)
        middle_y = bottom + cell_m * (np.arange(shape[0]) + 0.5)
        inside = area.contains(*(axis.ravel() for axis in np.meshgrid(middle_x, middle_y))).astype(float)
        column = np.clip((x - left) // cell_m, 0, shape[1] - 1).astype(np.int64)
        row = np.clip((y - bottom) // cell_m, 0, shape[0] - 1).astype(np.int64)
        cell = row * shape[1] + column
        inside[cell] = 1.0
        return cls(cell_m, shape, inside.reshape(shape), cell)

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.shape[0] * self.shape[1]

    def spread(self, mass: Floats, width_m: float) -> Floats:
        """Spread a raster by a Gaussian, shape `shape`; what falls over the edge is lost. 0 leaves it as it is."""
        if width_m == 0:
            return mass
        width = width_m / self.cell_m
        # Spread widely, a coarser raster is as good and costs a fraction.
        step = max(1, int(width / 3.0))
        coarse = ndimage.gaussian_filter(_coarsened(mass, step), width / step, mode="constant", truncate=3.0)
        fine = np.repeat(np.repeat(coarse / step**2, step, axis=0), step, axis=1)
        return np.asarray(fine[: self.shape[0], : self.shape[1]])

    def share_within(self, width_m: float) -> Floats:
        """Tell how much of a Gaussian around each incident lies inside the study area, shape (n,)."""
        width = width_m / self.cell_m
        return ndimage.gaussian_filter(self.inside, width, mode="constant", truncate=4.0).ravel()[self.cell]


@dataclass(frozen=True, eq=False)
class Background:
    """The surfaces of a record.

    Parameters
    ----------
    raster : Raster
    x, y : ndarray of float, shape (n,)
    day : ndarray of float, shape (n,)
        Rising.
    """

    raster: Raster
    x: Floats = field(repr=False)
    y: Floats = field(repr=False)
    day: Floats = field(repr=False)

    def density(self, weight: Floats, *, gap_days: float) -> Floats:
        """Estimate the share of the background per square metre at each incident's place and day, shape (n,).

        It integrates to 1 over the study area on each day.

        Parameters
        ----------
        weight : ndarray of float, shape (n,)
            Chance of each incident that no other one brought it.
        gap_days : float
            Incidents closer in time than this are left out.
        """
        even = np.full(len(self.day), 1.0 / self.raster.inside.sum())
        apart = [self._apart(weight, neighbours, gap_days) for neighbours in NEIGHBOURS]
        remembered = [self._remembered(weight, neighbours, gap_days) for neighbours in MEMORY_NEIGHBOURS]
        levels = np.column_stack([even, *apart, *remembered])
        return _mixed(levels, weight) / self.raster.cell_m**2

    def _apart(self, weight: Floats, neighbours: int, gap_days: float) -> Floats:
        """Surface of the incidents far enough in time."""
        day, kinds = self.day, self._kinds[neighbours]
        total, found = self._spread(weight, kinds, slice(None)), np.empty(len(day))
        for low, high in self._blocks:
            near = slice(*np.searchsorted(day, [day[low] - gap_days, day[high - 1] + gap_days]))
            surface = np.maximum(total - self._spread(weight[near], kinds[near], near), 0.0)
            found[low:high] = self._read(surface, low, high)
        return found

    def _remembered(self, weight: Floats, neighbours: int, gap_days: float) -> Floats:
        """Surface of the incidents far enough in time, fading with it, so that it follows slow changes."""
        day, kinds, found = self.day, self._kinds[neighbours], np.empty(len(self.day))
        for low, high in self._blocks:
            first, last = day[low], day[high - 1]
            span = slice(*np.searchsorted(day, [first - 4.0 * MEMORY_DAYS, last + 4.0 * MEMORY_DAYS]))
            apart = np.maximum(np.maximum(first - day[span], day[span] - last), 0.0)
            fading = np.where(apart > gap_days, np.exp2(-apart / MEMORY_DAYS), 0.0) * weight[span]
            found[low:high] = self._read(self._spread(fading, kinds[span], span), low, high)
        return found

    def _read(self, surface: Floats, low: int, high: int) -> Floats:
        """Return the share of a surface in the cells of some incidents."""
        return np.asarray(surface.ravel()[self.raster.cell[low:high]] / max(float(surface.sum()), _LEAST))

    def _spread(self, weight: Floats, kinds: NDArray[np.int64], chosen: slice) -> Floats:
        raster, cell = self.raster, self.raster.cell[chosen]
        counted = np.bincount(kinds * raster.size + cell, weights=weight, minlength=len(WIDTHS_M) * raster.size)
        mass = counted.astype(np.float64, copy=False)
        summed = np.zeros(raster.shape)
        for width, part in zip(WIDTHS_M, mass.reshape(len(WIDTHS_M), *raster.shape), strict=True):
            if part.any():
                summed += raster.spread(part, width)
        return np.asarray(summed * raster.inside)

    @cached_property
    def _blocks(self) -> list[tuple[int, int]]:
        """First and last incident of blocks of days that share one surface."""
        edges = np.arange(self.day[0], self.day[-1] + _BLOCK_DAYS, _BLOCK_DAYS)
        edges[-1] = max(edges[-1], self.day[-1]) + 1e-9
        at = np.searchsorted(self.day, edges)
        return [(int(low), int(high)) for low, high in pairwise(at) if high > low]

    @cached_property
    def _kinds(self) -> dict[int, NDArray[np.int64]]:
        """Number of each incident's width, by how many neighbours it is to hold."""
        places = np.column_stack([self.x, self.y])
        # Twice the width holds about four times as many, which need not be searched for.
        counted = {number: number if number <= _MOST_COUNTED else number // 4 for number in _ALL_NEIGHBOURS}
        wanted = sorted(set(counted.values()))
        reach = cKDTree(places).query(places, k=[min(number, len(places) - 1) + 1 for number in wanted])[0]
        # A Gaussian holds about as much as a disc of twice its variance.
        middles = np.sqrt(np.asarray(WIDTHS_M[:-1]) * np.asarray(WIDTHS_M[1:]))
        middles[0] = WIDTHS_M[1] / 2.0
        widths = {number: reach[:, k] / np.sqrt(2.0) for k, number in enumerate(wanted)}
        return {
            number: np.searchsorted(middles, widths[near] * np.sqrt(number / near)).astype(np.int64)
            for number, near in counted.items()
        }


def _mixed(levels: Floats, weight: Floats) -> Floats:
    """Mix surfaces as makes the incidents likeliest."""
    share = np.full(levels.shape[1], 1.0 / levels.shape[1])
    for _ in range(_MIXING_STEPS):
        part = levels * share
        part *= (weight / np.maximum(part.sum(axis=1), _LEAST))[:, None]
        share = part.sum(axis=0) / weight.sum()
    return np.asarray(levels @ share)


def _coarsened(mass: Floats, step: int) -> Floats:
    if step == 1:
        return mass
    rows, columns = (-(-size // step) * step for size in mass.shape)
    padded = np.zeros((rows, columns))
    padded[: mass.shape[0], : mass.shape[1]] = mass
    return np.asarray(padded.reshape(rows // step, step, columns // step, step).sum(axis=(1, 3)))
