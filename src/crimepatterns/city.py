"""One city, opened from its settings: what every stage after cleaning starts from."""

from dataclasses import dataclass
from functools import cached_property

import geopandas as gpd

from crimepatterns.config import Settings
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.history import Archive
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import ConfigError, MissingInputError, NotApplicableError
from crimepatterns.store.areas import read_study_area
from crimepatterns.store.incidents import read_incidents
from crimepatterns.store.layout import Layout

__all__ = ["City", "build_grid"]

_DEFAULT_TARGETS = 4
_TOO_COARSE = 0.5


@dataclass(frozen=True, eq=False)
class City:
    """Cleaned incidents of one city with its area, grid and settings, each read when first asked for.

    Parameters
    ----------
    settings : Settings
    """

    settings: Settings

    @property
    def layout(self) -> Layout:
        """Where the city's files lie."""
        return Layout(self.settings.root, self.settings.city)

    @cached_property
    def area(self) -> StudyArea:
        """The study area that cleaning fixed."""
        return read_study_area(self.layout.study_area)

    @cached_property
    def incidents(self) -> Incidents:
        """All cleaned incidents."""
        return read_incidents(self.layout.incidents, self.area)

    @cached_property
    def grid(self) -> Grid:
        """The grid of the settings over the study area."""
        return build_grid(self.settings, self.area)

    @cached_property
    def archive(self) -> Archive:
        """Incidents on the grid, from which histories are cut.

        Raises
        ------
        NotApplicableError
            If most times are known to the month only: nothing shorter than that can be counted or forecast.
        """
        by_month = float((self.incidents.table["time_precision"] == "month").mean())
        if by_month > _TOO_COARSE:
            raise NotApplicableError(
                f"{by_month:.0%} of the times of {self.settings.title} are known to the month only: periods of "
                f"{self.settings.forecast.horizon_days} days cannot be counted or forecast. Maps and clusters work."
            )
        return Archive(self.incidents, self.grid, self.settings.forecast.horizon_days)

    @property
    def reported_categories(self) -> tuple[str, ...]:
        """Categories that citizens report, the most frequent first; police-initiated ones are left out."""
        table = self.incidents.table
        reported = table.loc[table["discovery"] == "reported", "category"].astype(str)
        initiated = set(self.settings.taxonomy.police_initiated)
        mostly = reported.value_counts() / table["category"].astype(str).value_counts()
        return tuple(
            name for name in reported.value_counts().index if name not in initiated and mostly.get(name, 0.0) >= 0.5
        )

    @property
    def targets(self) -> tuple[str, ...]:
        """Categories to forecast: those of the settings, or the most frequent that citizens report.

        Raises
        ------
        ConfigError
            If a category of the settings does not occur.
        MissingInputError
            If no category may be forecast.
        """
        wanted = self.settings.forecast.categories
        unknown = sorted(set(wanted) - set(self.incidents.categories))
        if unknown:
            raise ConfigError(
                f"forecast.categories names {unknown}, which do not occur; found {list(self.incidents.categories)}."
            )
        chosen = wanted or self.reported_categories[:_DEFAULT_TARGETS]
        if not chosen:
            raise MissingInputError("No category to forecast: every incident is police-initiated, or there is none.")
        return chosen


def build_grid(settings: Settings, area: StudyArea) -> Grid:
    """Lay the grid of the settings over an area; see `Grid` for the errors."""
    grid = settings.grid
    if grid.kind == "polygon":
        if grid.polygons is None:
            raise ConfigError("grid.kind is polygon: grid.polygons must name the file.")
        return Grid.from_polygons(area, gpd.read_file(grid.polygons), id_column=grid.polygon_id)
    make = Grid.square if grid.kind == "square" else Grid.hexagon
    return make(
        area,
        cell_size_m=grid.cell_size_m,
        origin=grid.origin,
        rotation_deg=grid.rotation_deg,
        max_cells=grid.max_cells,
    )
