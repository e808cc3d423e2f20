"""What every pattern method needs to know of the city: window, categories, grids."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.city import City
from crimepatterns.config import PatternSettings
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.segments import Segments
from crimepatterns.errors import ConfigError, NotApplicableError
from crimepatterns.pattern_methods.opening import denominator_of, filtered, open_segments
from crimepatterns.patterns.window import Window, last_days

__all__ = ["ALL_CATEGORIES", "PatternWork"]

ALL_CATEGORIES = "all"
"""Name of the layers in which every analysed category is counted together."""

_CORE_TIMES_MEAN = 8.0
"""A cluster core must be at least so many times as dense as the study area is on average."""


@dataclass(frozen=True, eq=False)
class PatternWork:
    """What is the same for every category and method of one run.

    Parameters
    ----------
    city : City
    """

    city: City

    @property
    def settings(self) -> PatternSettings:
        """The settings of patterns."""
        return self.city.settings.patterns

    @cached_property
    def known(self) -> Incidents:
        """All incidents known at the date of the analysis that the filter of the settings keeps."""
        return self._filtered[0]

    @property
    def filter_notes(self) -> tuple[str, ...]:
        """What the filter of the settings left out, in words."""
        return self._filtered[1]

    @cached_property
    def _filtered(self) -> tuple[Incidents, tuple[str, ...]]:
        return filtered(self._as_of, self.settings)

    @cached_property
    def _as_of(self) -> Incidents:
        if self.settings.as_of is None:
            return self.city.trusted
        moment = pd.Timestamp(self.settings.as_of).tz_localize(self.city.area.timezone)
        found = self.city.trusted.as_of(moment)
        if not len(found):
            raise ConfigError(f"patterns.as_of {self.settings.as_of} is before the first incident was known.")
        return found

    @cached_property
    def window(self) -> Window:
        """The last days on record at that date; a filter does not move them."""
        return last_days(self._as_of, days=self.settings.window_days)

    @property
    def days(self) -> int:
        """Length of the window, civil days."""
        return (self.window.end.tz_localize(None) - self.window.start.tz_localize(None)).days

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Categories to analyse one by one."""
        wanted, occurring = self.settings.categories, self.city.incidents.categories
        unknown = sorted(set(wanted) - set(occurring))
        if unknown:
            raise ConfigError(f"patterns.categories names {unknown}, which do not occur; found {list(occurring)}.")
        return wanted or self.city.targets

    @cached_property
    def in_window(self) -> Incidents:
        """Incidents of all categories in the window."""
        return self.window.of(self.known)

    @cached_property
    def density_grid(self) -> Grid:
        """A fine square grid; coarser than the settings ask only where it would have too many cells."""
        area, grid = self.city.area, self.city.settings.grid
        least = 25.0 * np.ceil(np.sqrt(area.area_km2 * 1e6 / (0.8 * grid.max_cells)) / 25.0)
        return Grid.square(
            area,
            cell_size_m=max(self.settings.density_cell_m, float(least)),
            origin=grid.origin,
            rotation_deg=grid.rotation_deg,
            max_cells=grid.max_cells,
        )

    @cached_property
    def segments(self) -> Segments:
        """The streets of the settings, cut into segments."""
        return open_segments(self.city)

    @cached_property
    def denominator(self) -> NDArray[np.float64]:
        """What could have been hit in each cell, as known at the end of the window."""
        return denominator_of(self.city, self.window.end)

    @cached_property
    def run_date(self) -> str:
        """Today, for the files."""
        return datetime.now(UTC).date().isoformat()

    def incidents(self, name: str) -> Incidents:
        """Incidents of one category, or of every category that citizens report."""
        return self.in_window.of(*self._names(name))

    def history(self, chosen: Incidents, *, days: int) -> Incidents:
        """Return the incidents of the same categories in the last `days` before the end of the window."""
        start = self.window.end - pd.DateOffset(days=days)
        return self.known.of(*chosen.categories).between(start, self.window.end)

    def days_before(self, chosen: Incidents) -> Incidents:
        """Return the incidents of the same categories in as many days before the window as it has.

        Raises
        ------
        NotApplicableError
            If there are none.
        """
        both = self.history(chosen, days=2 * self.days)
        found = both.between(both.table["occurred_from"].min(), self.window.start)
        if not len(found):
            raise NotApplicableError(f"The record holds nothing in the {self.days} days before {self.window}.")
        return found

    def before(self, chosen: Incidents) -> Incidents:
        """Return the incidents of the same categories before the window."""
        record = self.known.of(*chosen.categories)
        return record.between(record.table["occurred_from"].min(), self.window.start)

    def steps(self, chosen: Incidents, *, days: int, count: int) -> tuple[NDArray[np.int32], Periods]:
        """Count the same categories per cell in the last equal steps, as many of them as the record holds."""
        record = self.known.of(*chosen.categories)
        first = record.table["occurred_from"].min().normalize()
        whole = (self.window.end.tz_localize(None) - first.tz_localize(None)).days // days
        periods = Periods.ending_at(self.window.end, days=days, count=max(min(count, whole), 1))
        return Panel.count(record, self.city.grid, periods).total, periods

    def _names(self, name: str) -> list[str]:
        return [name] if name != ALL_CATEGORIES else sorted({*self.categories, *self.city.reported_categories})

    def core_incidents(self, chosen: Incidents) -> int:
        """Neighbours that make a core: the setting, or more where the study area is dense throughout."""
        disc_km2 = np.pi * (self.settings.dbscan_radius_m / 1e3) ** 2
        mean = len(chosen) / self.city.area.area_km2 * disc_km2
        return max(self.settings.dbscan_min_incidents, int(np.ceil(_CORE_TIMES_MEAN * mean)))
