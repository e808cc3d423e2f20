"""What is tried when a grid is chosen: lattices, fadings and incidents, from the settings."""

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from crimepatterns.config.grid_choice import GridChoiceSettings
from crimepatterns.decisions.compact_selection import Compactness, select_compact
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.place_lattice import PlaceLattice
from crimepatterns.errors import DomainError
from crimepatterns.evaluation.grid_choice import Occurrences, hottest
from crimepatterns.features.fading_counts import Chooser, CountedPlaces, Fading

__all__ = ["FEWEST_WINDOWS", "YEAR_DAYS", "chooser", "civil_day", "fadings_of", "lattices_of", "occurrences_of"]

FEWEST_WINDOWS = 6
"""Past windows that a choice must rest on to be judged."""

YEAR_DAYS = 365
"""Days of record before the first map that is tried."""


def occurrences_of(incidents: Incidents, categories: Sequence[str], crs: str) -> list[Occurrences]:
    """Give the incidents of each category in the plane of `crs`, with civil days."""
    found = []
    for name in categories:
        table = incidents.of(name).table
        points = gpd.GeoSeries(gpd.points_from_xy(table["x"], table["y"]), crs=incidents.area.crs).to_crs(crs)
        # Counts are the same whatever the order; the bits of sums are so only in one order.
        order = np.argsort(table["id"].astype(str).to_numpy(), kind="stable")
        places = np.asarray(shapely.get_coordinates(points.to_numpy()))
        # What becomes known on a day, even at its first moment, is known to maps of the next.
        known = _days(table["known_at"]) + 1
        found.append(Occurrences(places[order], _days(table["occurred_from"])[order], known[order]))
    return found


def civil_day(moment: pd.Timestamp) -> int:
    """Give the number of a civil day, by its own calendar."""
    return int(_days(pd.Series([moment]))[0])


def fadings_of(wanted: GridChoiceSettings) -> tuple[Fading, ...]:
    """List the fadings to try, the plain count first if the settings have it."""
    return tuple(Fading(half_life, touching) for half_life in wanted.half_lives_days for touching in wanted.touching)


def lattices_of(
    wanted: GridChoiceSettings,
    sizes: Sequence[float],
    *,
    anchor: tuple[float, float],
    aspects: Sequence[float] = (1.0,),
    rotations_deg: Sequence[float] | None = None,
) -> tuple[PlaceLattice, ...]:
    """List the lattices to try: every size, aspect, turn and shift.

    Parameters
    ----------
    wanted : GridChoiceSettings
    sizes : sequence of float
        Side of the square that has the area of the cell, in the unit of the coordinates.
    anchor : tuple of float
    aspects : sequence of float
        Longer by shorter side; oblong cells are tried lying and standing.
    rotations_deg : sequence of float, optional
        Those of the settings where they are left out.
    """
    steps = [i / wanted.shifts for i in range(wanted.shifts)]
    turns = wanted.rotations_deg if rotations_deg is None else rotations_deg
    return tuple(
        PlaceLattice(size / np.sqrt(aspect), size * np.sqrt(aspect), turn + quarter, (east, north), anchor)
        for size in sizes
        for aspect in aspects
        for turn in turns
        for quarter in ((0.0,) if aspect == 1 else (0.0, 90.0))
        for east in steps
        for north in steps
    )


def chooser(wanted: GridChoiceSettings) -> Chooser:
    """Give the way in which cells are chosen: by score alone, or so that they lie together as the settings ask."""
    if wanted.compactness == 0 and wanted.least_patch_cells == 1:
        return hottest
    wish = Compactness(wanted.compactness, wanted.least_patch_cells)

    def together(scores: NDArray[np.float64], cells: CountedPlaces, count: float) -> NDArray[np.float64]:
        # Cells without a past incident are no candidates: some are listed only for what came later.
        usable = np.flatnonzero(scores > 0)
        even, share = np.ones(len(usable)), np.zeros(len(cells))
        outline = 2 * (cells.lattice.width + cells.lattice.height)
        borders, whole = cells.borders[usable][:, usable], np.floor(count + 1e-9)
        try:
            found = select_compact(scores[usable], even, borders, outline * even, budget_km2=whole, compactness=wish)
        except DomainError:
            # No patch of that size among them: such a map catches nothing.
            return share
        share[usable] = found.chosen
        return share

    return together


def _days(moments: pd.Series) -> NDArray[np.int64]:
    plain = moments.dt.tz_localize(None).dt.normalize()
    return ((plain - pd.Timestamp("1970-01-01")) // pd.Timedelta(days=1)).to_numpy(dtype=np.int64)
