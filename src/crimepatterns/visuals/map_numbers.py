"""Numbers on a map, moved apart where they would overlap, with a thin line back to their place."""

from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from numpy.typing import NDArray

from crimepatterns.visuals.map_sheet import MapSheet
from crimepatterns.visuals.palette import INK

__all__ = ["metres_per_inch", "number_places"]

_SIZE = 8.5
_GAP_INCHES = 0.24


def number_places(sheet: MapSheet, anchors: NDArray[np.float64], numbers: Sequence[object]) -> None:
    """Write a number beside each place.

    Parameters
    ----------
    sheet : MapSheet
    anchors : ndarray of float, shape (n, 2)
        Metres of the study area.
    numbers : sequence, n long
    """
    places = _spread(anchors, _GAP_INCHES * metres_per_inch(sheet))
    halo = [patheffects.withStroke(linewidth=2.4, foreground="white")]
    for number, anchor, place in zip(numbers, anchors, places, strict=True):
        sheet.map.plot(*zip(anchor, place, strict=True), color=INK, linewidth=0.6, zorder=6, path_effects=halo)
        sheet.map.text(
            place[0], place[1], str(number), fontsize=_SIZE, fontweight="bold", ha="center", va="center", zorder=7,
            path_effects=halo,
        )  # fmt: skip


def metres_per_inch(sheet: MapSheet) -> float:
    """Return how many metres of ground an inch of the map shows."""
    west, east = sheet.map.get_xlim()
    return float((east - west) / (sheet.map.get_position().width * sheet.figure.get_size_inches()[0]))


def _spread(anchors: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """Find for each anchor the nearest free place around it, at least `gap` from the places and anchors before."""
    taken: list[NDArray[np.float64]] = list(anchors)
    places = []
    for anchor in anchors:
        candidates = [
            anchor + gap * ring * np.array([np.cos(turn), np.sin(turn)])
            for ring in (1.1, 1.7, 2.4, 3.2)
            for turn in np.deg2rad(45.0 + np.arange(0, 360, 30))
        ]
        room = [min(float(np.hypot(*(spot - other))) for other in taken) for spot in candidates]
        chosen = next((spot for spot, free in zip(candidates, room, strict=True) if free >= gap), None)
        places.append(candidates[int(np.argmax(room))] if chosen is None else chosen)
        taken.append(places[-1])
    return np.asarray(places).reshape(-1, 2)
