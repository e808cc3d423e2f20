"""Past incidents per cell, older ones fading and those of touching cells counting a little: what ranks small cells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from crimepatterns.domain.place_lattice import PlaceLattice

__all__ = ["Chooser", "CountedPlaces", "Fading"]

_SIDES = ((1, 0), (0, 1), (-1, 0), (0, -1))
_ROWS = 1 << 31


@dataclass(frozen=True)
class Fading:
    """How past incidents are weighed.

    With no half-life and nothing from touching cells this is the plain ``count``, which ranks equal cells as
    ``count_eb`` does; a half-life makes it a recent count without an edge, touching cells draw it towards its
    surroundings as ``shrunk_scales``, ``prospective_hotspot`` and ``kde`` do.

    Parameters
    ----------
    half_life_days : float or None
        An incident so long ago counts half; None never fades.
    touching : float
        What an incident in each of the four touching cells counts.
    """

    half_life_days: float | None = None
    touching: float = 0.0

    def weights(self, age_days: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weigh incidents by age, shape (n,)."""
        if self.half_life_days is None:
            return np.ones(len(age_days))
        return np.asarray(np.exp2(-age_days / self.half_life_days))


@dataclass(frozen=True, eq=False)
class CountedPlaces:
    """The cells of a lattice in which incidents ever were, and the cell of each incident.

    Parameters
    ----------
    lattice : PlaceLattice
    cells : ndarray of int64, shape (n_cells, 2)
        Column and row, by column, then row.
    cell_of : ndarray of int64, shape (n_incidents,)
        Position in `cells`.
    """

    lattice: PlaceLattice
    cells: NDArray[np.int64] = field(repr=False)
    cell_of: NDArray[np.int64] = field(repr=False)

    @classmethod
    def on(cls, lattice: PlaceLattice, places: NDArray[np.float64]) -> "CountedPlaces":
        """Find the occupied cells of places, shape (n, 2)."""
        at = lattice.locate(places)
        keys, inverse = np.unique(_key(at), return_inverse=True)
        cells = np.column_stack([keys // _ROWS, keys % _ROWS]) - _ROWS // 2
        return cls(lattice, cells, inverse.astype(np.int64))

    def __len__(self) -> int:
        return len(self.cells)

    def counts(self, incidents: NDArray[np.bool_], weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Sum the marked incidents per cell, shape (n_cells,); `weights` has one entry per marked incident."""
        return np.bincount(self.cell_of[incidents], weights=weights, minlength=len(self)).astype(float)

    def scores(
        self, past: NDArray[np.bool_], age_days: NDArray[np.float64], fadings: Sequence[Fading]
    ) -> NDArray[np.float64]:
        """Score each cell by the marked incidents, for several fadings at once; 0 where it has none of its own.

        Those of touching cells only rank cells that have some: `cells` also lists cells whose incidents came later, and
        these must not be known from being listed.

        Parameters
        ----------
        past : ndarray of bool, shape (n_incidents,)
        age_days : ndarray of float, shape (n_incidents,)
        fadings : sequence of Fading

        Returns
        -------
        ndarray of float, shape (n_fadings, n_cells)
        """
        found = np.zeros((len(fadings), len(self)))
        for half_life in dict.fromkeys(fading.half_life_days for fading in fadings):
            own = self.counts(past, Fading(half_life).weights(age_days[past]))
            beside = np.where(own > 0, self.touching(own), 0.0)
            for row, fading in enumerate(fadings):
                if fading.half_life_days == half_life:
                    found[row] = own + fading.touching * beside
        return found

    def touching(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum values over the four cells that touch each one, shape (n_cells,)."""
        total: NDArray[np.float64] = self._contacts @ values
        return total

    @cached_property
    def borders(self) -> sparse.csr_array:
        """Common border of each pair of occupied cells, in the unit of the lattice; shape (n_cells, n_cells)."""
        lattice = self.lattice
        return self._pairs([lattice.height if step else lattice.width for step, _ in _SIDES])

    @cached_property
    def _contacts(self) -> sparse.csr_array:
        return self._pairs([1.0] * len(_SIDES))

    def _pairs(self, values: Sequence[float]) -> sparse.csr_array:
        """Give each pair of touching cells the value of the side by which they touch."""
        rows = np.concatenate([np.flatnonzero(there) for _, there in self._beside])
        columns = np.concatenate([position for position, _ in self._beside])
        each = np.concatenate([np.full(len(at), value) for value, (at, _) in zip(values, self._beside, strict=True)])
        return sparse.csr_array((each, (rows, columns)), shape=(len(self), len(self)))

    @cached_property
    def _beside(self) -> list[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
        """Per side: positions of the occupied cells beside, and which cells have one."""
        keys, found = _key(self.cells), []
        for step in _SIDES:
            wanted = _key(self.cells + np.array(step))
            position = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            there = keys[position] == wanted
            found.append((position[there], there))
        return found


Chooser = Callable[[NDArray[np.float64], CountedPlaces, float], NDArray[np.float64]]
"""``choose(scores, cells, how many)`` gives the chosen share of each cell, shape (n_cells,)."""


def _key(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray((cells[:, 0] + _ROWS // 2) * _ROWS + cells[:, 1] + _ROWS // 2)
