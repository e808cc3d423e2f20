"""Small maps as SVG: they need no scripts, print sharply, and take their colours from the style sheet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from markupsafe import Markup
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from crimepatterns.domain.area import StudyArea

__all__ = ["Sketch", "classed"]

_WIDTH = 600.0
_PLACES = 1


@dataclass
class Sketch:
    """A map of a study area to which shapes are added, from the ground up.

    Parameters
    ----------
    area : StudyArea
    label : str
        Read aloud in place of the picture; say what it shows in numbers.
    """

    area: StudyArea
    label: str
    _parts: list[Markup] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._west, _, east, self._north = self.area.polygon.bounds
        self._scale = _WIDTH / (east - self._west)
        self._height = (self._north - self.area.polygon.bounds[1]) * self._scale
        self._tolerance = 0.6 / self._scale
        self.shapes([self.area.polygon], "ground")

    def shapes(self, shapes: Iterable[BaseGeometry], kind: str, title: str = "") -> "Sketch":
        """Add polygons or lines as one path of the style class `kind`."""
        path = "".join(self._path(shape) for shape in shapes)
        if path:
            told = Markup("<title>{}</title>").format(title) if title else Markup("")
            self._parts.append(Markup('<path class="{}" fill-rule="evenodd" d="{}">{}</path>').format(kind, path, told))
        return self

    def hoods(self) -> "Sketch":
        """Add the outlines of the neighbourhoods and of the whole."""
        self.shapes((one.boundary for one in self.area.neighbourhoods.geometry), "hoods")
        return self.shapes([self.area.polygon.boundary], "outline")

    def marks(self, points: Sequence[tuple[float, float]], texts: Sequence[str], kind: str = "mark") -> "Sketch":
        """Add numbered discs, shape (n,), at places in metres; the first lies on top."""
        for (x, y), text in reversed(list(zip(points, texts, strict=True))):
            right, down = (x - self._west) * self._scale, (self._north - y) * self._scale
            self._parts.append(
                Markup(
                    '<g class="{}"><circle cx="{:.1f}" cy="{:.1f}" r="13"/><text x="{:.1f}" y="{:.1f}">{}</text></g>'
                ).format(kind, right, down, right, down + 5, text)
            )
        return self

    def svg(self) -> Markup:
        """Return the picture as an element for a page."""
        margin = 4
        box = f"{-margin} {-margin} {_WIDTH + 2 * margin:.0f} {self._height + 2 * margin:.0f}"
        return Markup('<svg class="sketch" viewBox="{}" role="img" aria-label="{}">{}</svg>').format(
            box, self.label, Markup("").join(self._parts)
        )

    def _path(self, shape: BaseGeometry) -> str:
        plain = shapely.simplify(shape, self._tolerance)
        rings = []
        for part in shapely.get_parts(plain):
            if part.geom_type == "Polygon":
                rings += [(part.exterior.coords, "Z"), *((ring.coords, "Z") for ring in part.interiors)]
            elif part.geom_type in ("LineString", "LinearRing"):
                rings.append((part.coords, ""))
        return "".join(self._ring(np.asarray(coords)[:, :2], end) for coords, end in rings)

    def _ring(self, coords: NDArray[np.float64], end: str) -> str:
        right = np.round((coords[:, 0] - self._west) * self._scale, _PLACES)
        down = np.round((self._north - coords[:, 1]) * self._scale, _PLACES)
        return "M" + "L".join(f"{x:g} {y:g}" for x, y in zip(right, down, strict=True)) + end


def classed(
    shapes: NDArray[np.object_], values: NDArray[np.float64], breaks: Sequence[float]
) -> Mapping[int, list[Any]]:
    """Join the shapes of each class of values into one: class k holds values from ``breaks[k]`` to below the next.

    Parameters
    ----------
    shapes : ndarray of Polygon, shape (n,)
    values : ndarray of float, shape (n,)
        Missing ones and those below the first break are left out.
    breaks : sequence of float
        Rising.

    Returns
    -------
    mapping of int to list of Polygon
    """
    which = np.digitize(np.nan_to_num(values, nan=-np.inf), breaks) - 1
    return {int(k): [shapely.union_all(shapes[which == k])] for k in np.unique(which) if k >= 0}
