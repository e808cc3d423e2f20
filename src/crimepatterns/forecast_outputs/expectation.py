"""Ask the last forecast about any place: how many incidents, within which bounds, and the chance of none."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy import sparse

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.uniting import united
from crimepatterns.errors import ConfigError, MissingInputError
from crimepatterns.evaluation.unions import CITY, Unions
from crimepatterns.forecast_outputs.areas import expect_unions
from crimepatterns.forecast_outputs.harm import HARM
from crimepatterns.forecast_outputs.intervals import PLAIN, stored_intervals
from crimepatterns.store.layers import read_forecast
from crimepatterns.store.layout import slug

__all__ = ["Expectation", "expect"]

_WHOLE = 1 - 1e-9


@dataclass(frozen=True)
class Expectation:
    """What a forecast expects in one place.

    Parameters
    ----------
    category, model, place : str
    start, end : str
        Begin and end of the forecast, ISO 8601.
    cells : int
        Cells that the place meets.
    expected : float
    lower, upper : int
        Bounds of the interval, which hold the count with `confidence`.
    confidence : float
    chance_of_none : float
    intervals_from : str
        What the interval rests on.
    warning : str or None
        What must be kept in mind where the police find most of the category themselves.
    """

    category: str
    model: str
    place: str
    start: str
    end: str
    cells: int
    expected: float
    lower: int
    upper: int
    confidence: float
    chance_of_none: float
    intervals_from: str
    warning: str | None = None

    @property
    def sentence(self) -> str:
        """The answer in words."""
        last = pd.Timestamp(self.end) - pd.Timedelta(microseconds=1)
        none = f"{100 * self.chance_of_none:.{0 if self.chance_of_none > 0.1 else 1}f}"
        return (
            f"{self.place}: {self.expected:.1f} {self.category} expected from {self.start[:10]} to {last.date()}, "
            f"{100 * self.confidence:.0f} % interval {self.lower} to {self.upper}, chance of none {none} %. "
            f"By {self.model} on {self.cells} {'cell' if self.cells == 1 else 'cells'}; interval "
            f"{self.intervals_from}.{f' {self.warning}' if self.warning else ''}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the answer as plain values."""
        return {**asdict(self), "sentence": self.sentence}


def expect(
    settings: Settings,
    *,
    category: str,
    cells: Sequence[str] = (),
    neighbourhood: str | None = None,
    polygon: Path | None = None,
) -> Expectation:
    """Say what the champion's last forecast expects in a place; the whole city where none is given.

    The draws behind the interval are seeded by the forecast, so that the same place has the same answer every time.

    Parameters
    ----------
    settings : Settings
    category : str
    cells : sequence of str
        Cell ids.
    neighbourhood : str, optional
        Name of a neighbourhood.
    polygon : Path, optional
        File with one or more polygons; a cell counts by the share of it that lies within.

    Raises
    ------
    ConfigError
        If there is no such category, cell or neighbourhood, more than one kind of place is given, or the polygons do
        not meet the city.
    MissingInputError
        If `crimepatterns forecast` has not run.
    """
    if sum((bool(cells), neighbourhood is not None, polygon is not None)) > 1:
        raise ConfigError("Give cells, a neighbourhood or a polygon: one kind of place at a time.")
    city = City(settings)
    path = city.layout.forecasts / f"{slug(category)}.parquet"
    known = sorted(one.stem for one in city.layout.forecasts.glob("*.parquet") if one.stem != HARM)
    if path.stem not in known:
        if not known:
            raise MissingInputError("There is no forecast to ask yet: run `crimepatterns forecast` first.")
        raise ConfigError(f"No forecast of {category!r}, there are {known}: see forecast.categories.")
    made, facts = read_forecast(path, city.area)
    place, shares = _place(made.grid, cells, neighbourhood, polygon)
    kind = CITY if bool((shares >= _WHOLE).all()) else "asked"
    learned = stored_intervals(facts)
    unions = Unions((place,), (kind,), sparse.csr_array(shares[None, :]))
    found = expect_unions(made, unions, learned, seed=int(facts["seed"]))
    return Expectation(
        category=made.category,
        model=made.model,
        place=place,
        start=made.periods.start.isoformat(),
        end=made.periods.end.isoformat(),
        cells=int((shares > 0).sum()),
        expected=round(float(found.expected[0]), 4),
        lower=int(found.lower[0]),
        upper=int(found.upper[0]),
        confidence=0.9 if learned is None else learned.confidence,
        chance_of_none=round(float(found.chance_of_none[0]), 6),
        intervals_from=_origin(facts),
        warning=facts.get("warning"),
    )


def _origin(facts: dict[str, Any]) -> str:
    return str(facts["intervals_from"]) if facts.get("intervals") else f"from {PLAIN}: run `crimepatterns evaluate`"


def _place(
    grid: Grid, cells: Sequence[str], neighbourhood: str | None, polygon: Path | None
) -> tuple[str, NDArray[np.float64]]:
    """Name a place and give the share of each cell that belongs to it."""
    ids = grid.ids.astype(str)
    if cells:
        unknown = sorted(set(cells) - set(ids))
        if unknown:
            raise ConfigError(f"No cell {unknown[0]!r} in this forecast: ids look like {ids[0]!r}.")
        name = cells[0] if len(cells) == 1 else f"{len(set(cells))} cells"
        return name, np.isin(ids, list(cells)).astype(float)
    if neighbourhood is not None:
        names = grid.neighbourhood.astype(str)
        if neighbourhood not in set(names):
            known = sorted(set(names) - {""})
            raise ConfigError(f"No neighbourhood {neighbourhood!r}, there are {len(known)}: {known[:8]}.")
        return neighbourhood, (names == neighbourhood).astype(float)
    if polygon is not None:
        return polygon.name, _shares(grid, polygon)
    return "Whole city", np.ones(len(grid))


def _shares(grid: Grid, path: Path) -> NDArray[np.float64]:
    """Share of each cell that lies in the polygons of a file."""
    try:
        drawn = gpd.read_file(path)
    except Exception as error:
        raise ConfigError(
            f"{path} cannot be read as polygons ({error}): give GeoJSON, GeoPackage or Shapefile."
        ) from error
    if drawn.crs is None:
        raise ConfigError(f"{path} does not name its reference system: write it as GeoJSON in degrees, or with a .prj.")
    shape = united(shapely.make_valid(drawn.to_crs(grid.area.crs).geometry.to_numpy()))
    areas = grid.cells.geometry.area.to_numpy()
    shares = np.clip(shapely.area(shapely.intersection(grid.cells.geometry.to_numpy(), shape)) / areas, 0.0, 1.0)
    if not shares.any():
        raise ConfigError(f"The polygons of {path} do not meet {grid.area.name}: check their reference system.")
    return np.asarray(shares, dtype=float)
