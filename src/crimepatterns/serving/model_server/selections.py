"""Part of a city: a neighbourhood, a box, some cells, or everything."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crimepatterns.serving.failures import UnknownNameError, UnreadableRequestError
from crimepatterns.serving.model_server.tables import Cells

__all__ = ["Selection", "selection_of"]

_MOST_CELLS = 5_000


@dataclass(frozen=True)
class Selection:
    """Which cells are asked for; equal selections are equal values, so that answers can be kept under them.

    Parameters
    ----------
    neighbourhood : str or None
    box : tuple of float or None
        West, south, east and north, degrees; a cell belongs if its centroid does.
    cells : tuple of str
    """

    neighbourhood: str | None = None
    box: tuple[float, float, float, float] | None = None
    cells: tuple[str, ...] = ()

    def rows(self, cells: Cells) -> NDArray[np.int64]:
        """Return the rows of the selected cells, in the order of the grid; those named one by one in that order.

        Raises
        ------
        UnknownNameError
            If there is no such neighbourhood or cell.
        """
        if self.cells:
            unknown = next((cell for cell in self.cells if cell not in cells.place), None)
            if unknown is not None:
                raise UnknownNameError(f"No cell {unknown[:60]!r} here: ids look like {cells.ids[0]!r}.")
            return np.array([cells.place[cell] for cell in self.cells], dtype=np.int64)
        chosen = np.ones(len(cells.ids), dtype=bool)
        if self.neighbourhood is not None:
            wanted = self.neighbourhood.casefold()
            chosen &= np.array([name.casefold() == wanted for name in cells.neighbourhood])
            if not chosen.any():
                known = sorted({name for name in cells.neighbourhood if name})
                raise UnknownNameError(f"No neighbourhood {self.neighbourhood[:60]!r}: there are {known[:100]}.")
        if self.box is not None:
            west, south, east, north = self.box
            chosen &= (cells.longitude >= west) & (cells.longitude <= east)
            chosen &= (cells.latitude >= south) & (cells.latitude <= north)
        return np.flatnonzero(chosen)


def selection_of(neighbourhood: str | None, box: str | None, cells: str | None) -> Selection:
    """Read a selection from a request.

    Parameters
    ----------
    neighbourhood : str, optional
    box : str, optional
        ``west,south,east,north``, degrees.
    cells : str, optional
        Ids with commas between them; not together with the others.

    Raises
    ------
    UnreadableRequestError
        If a part cannot be read, or parts do not go together.
    """
    if cells is not None:
        named = tuple(part.strip() for part in cells.split(",") if part.strip())
        if neighbourhood is not None or box is not None:
            raise UnreadableRequestError("cells cannot be combined with neighbourhood or bbox: leave one of them out.")
        if not 1 <= len(named) <= _MOST_CELLS:
            raise UnreadableRequestError(f"cells needs 1 to {_MOST_CELLS} ids with commas between, got {len(named)}.")
        return Selection(cells=named)
    return Selection(neighbourhood=neighbourhood, box=None if box is None else _box(box))


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UnreadableRequestError(f"bbox needs west,south,east,north in degrees, got {text[:80]!r}.") from error
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise UnreadableRequestError(f"bbox needs west <= east and south <= north in degrees, got {text[:80]!r}.")
    return west, south, east, north
