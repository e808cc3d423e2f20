"""The rules of a challenge laid over a city: which lattices are tried, what they caught, and the map that is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from crimepatterns.config.grid_choice import GridChoiceSettings
from crimepatterns.decisions.challenge_rules import ChallengeRules
from crimepatterns.decisions.compact_selection import CompactSelection, describe_selection
from crimepatterns.domain.map_units import FOOT_M, metres_per_unit
from crimepatterns.domain.place_lattice import PlaceLattice
from crimepatterns.errors import ConfigError
from crimepatterns.evaluation.grid_choice import Occurrences, Origins, Recount, Trial, hottest, recounted, try_lattices
from crimepatterns.features.fading_counts import CountedPlaces, Fading
from crimepatterns.grid_trials import chooser, fadings_of, lattices_of

__all__ = ["Attempt", "ChallengePlane", "draw_map"]


@dataclass(frozen=True, eq=False)
class ChallengePlane:
    """The rules of a challenge in the unit of a reference system.

    Parameters
    ----------
    rules : ChallengeRules
    crs : str
        Projected, in metres or feet.
    area : shapely Geometry
        Study area in `crs`.
    wanted : GridChoiceSettings
    """

    rules: ChallengeRules
    crs: str
    area: shapely.Geometry = field(repr=False)
    wanted: GridChoiceSettings

    @cached_property
    def unit_m(self) -> float:
        """Metres of a unit."""
        unit = metres_per_unit(self.crs)
        if unit is None:
            raise ConfigError(f"Rules in feet need a projected reference system, {self.crs} is in degrees: set crs.")
        return unit

    @property
    def anchor(self) -> tuple[float, float]:
        """About which point lattices are turned: a whole one near the middle of the study area."""
        west, south, east, north = self.area.bounds
        return float(round((west + east) / 2)), float(round((south + north) / 2))

    @cached_property
    def lattices(self) -> tuple[PlaceLattice, ...]:
        """What is tried."""
        return lattices_of(
            self.wanted, self._units(self.wanted.challenge_cells_ft), anchor=self.anchor,
            aspects=self.wanted.challenge_aspects,
        )  # fmt: skip

    @cached_property
    def usual(self) -> tuple[PlaceLattice, ...]:
        """Upright squares of the smallest area that is allowed: those of the count that the maps are compared with."""
        side = float(np.sqrt(self.rules.least_cell_ft2))
        return lattices_of(self.wanted, self._units([side]), anchor=self.anchor, rotations_deg=[0.0])

    def budgets(self, lattices: Sequence[PlaceLattice]) -> list[NDArray[np.float64]]:
        """Give the number of cells of each lattice for each area that is wished for."""
        return [
            np.array(
                [
                    float(self.rules.cells_for(lattice, area, unit_m=self.unit_m))
                    for area in self.wanted.challenge_areas_mi2
                ]
            )
            for lattice in lattices
        ]

    def attempt(self, occurrences: Occurrences, origins: Origins) -> "Attempt":
        """Try all lattices and fadings by score alone, and the plain count on usual lattices."""
        choose, budgets, usual = chooser(self.wanted), self.budgets(self.lattices), self.budgets(self.usual)
        trial = try_lattices([occurrences], self.lattices, fadings_of(self.wanted), origins, budgets)
        count = try_lattices([occurrences], self.usual, [Fading()], origins, usual, choose=choose)
        again = None if choose is hottest else recounted(trial, [occurrences], budgets, choose)
        return Attempt(trial, count.hits.mean(axis=(0, 1)), again)

    def _units(self, feet: Sequence[float]) -> list[float]:
        return [length * FOOT_M / self.unit_m for length in feet]


@dataclass(frozen=True, eq=False)
class Attempt:
    """What was tried, and what it is compared with.

    Parameters
    ----------
    trial : Trial
    count : ndarray of float, shape (n_origins, n_budgets)
        Hits of the plain count, averaged over the positions of the usual lattice.
    recount : callable or None
        Where cells are not chosen by score alone; see `recounted`.
    """

    trial: Trial
    count: NDArray[np.float64] = field(repr=False)
    recount: Recount | None = None


def draw_map(
    plane: ChallengePlane,
    occurrences: Occurrences,
    day: int,
    lattice: PlaceLattice,
    fading: Fading,
    area_mi2: float,
) -> tuple[gpd.GeoDataFrame, CompactSelection]:
    """Draw all whole cells over the study area, those that the rules let be chosen marked as ``hotspot``.

    Cells that tie are taken by column and row, since a map cannot have half a cell. The second tells how compact the
    chosen ones lie.
    """
    past = (occurrences.day < day) & (occurrences.known <= day)
    counted = CountedPlaces.on(lattice, occurrences.places[past])
    everything = np.ones(int(past.sum()), dtype=bool)
    (scores,) = counted.scores(everything, (day - occurrences.day[past]).astype(float), [fading])
    number = plane.rules.cells_for(lattice, area_mi2, unit_m=plane.unit_m)
    share = chooser(plane.wanted)(scores, counted, float(number))
    order = np.lexsort((np.arange(len(scores)), -scores, -share))[:number]
    compact = _compactness(counted, np.isin(np.arange(len(scores)), order), plane.unit_m / 1e3)
    cells = np.unique(np.vstack([lattice.over(plane.area), counted.cells]), axis=0)
    names = [f"{column}_{row}" for column, row in cells]
    position = {name: i for i, name in enumerate(names)}
    at = np.array([position[f"{column}_{row}"] for column, row in counted.cells], dtype=np.int64)
    hot, value = np.zeros(len(cells), dtype=np.int32), np.zeros(len(cells))
    hot[at[order]], value[at] = 1, scores
    if len(order) < number:
        # A short record: the rest of the area is filled in order.
        hot[np.flatnonzero(hot == 0)[: number - len(order)]] = 1
    drawn = gpd.GeoDataFrame(
        {"cell_id": names, "hotspot": hot, "score": value}, geometry=list(lattice.shapes(cells)), crs=plane.crs
    )
    return drawn, compact


def _compactness(counted: CountedPlaces, chosen: NDArray[np.bool_], unit_km: float) -> CompactSelection:
    lattice, even = counted.lattice, np.ones(len(counted))
    outline = 2 * (lattice.width + lattice.height) * unit_km
    return describe_selection(chosen, lattice.area * unit_km**2 * even, counted.borders * unit_km, outline * even)
