"""What is known for certain about the embedded city: expected counts, planted facts and the answer to every row."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from crimepatterns.domain.grid import Grid
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import SourceError
from crimepatterns.sources.synthetic_layout import CRS
from crimepatterns.sources.synthetic_plan import CATEGORIES, DEFECT_SHARES, HOT_KINDS, MAX_LAG_DAYS, PREMISES
from crimepatterns.sources.synthetic_process import Events, Process
from crimepatterns.sources.synthetic_records import ANSWER_SCHEMA, draw_defects
from crimepatterns.sources.synthetic_render import Renderer
from crimepatterns.sources.synthetic_streets import Places

__all__ = ["Truth"]

_FORESIGHT_DAYS = 400
_LOST = ("missing_coordinates", "null_island", "missing_category", "impossible_date")


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth behind a synthetic city. An incident belongs to the civil day of its ``occurred_from``.

    Parameters
    ----------
    process : Process
    places : Places
    renderer : Renderer
    """

    process: Process = field(repr=False)
    places: Places = field(repr=False)
    renderer: Renderer = field(repr=False)

    # -- expected counts ----------------------------------------------------------------------------------------

    def expected_counts(
        self,
        grid: Grid,
        periods: Periods,
        *,
        category: str | None = None,
        as_of: pd.Timestamp | None = None,
        treated: bool = True,
    ) -> NDArray[np.float64]:
        """Return the exact expected incidents per cell and period, given all true incidents before `as_of`.

        Counts are those of a perfect record: multiply by `recorded_share` for what is left after honest cleaning.

        Parameters
        ----------
        grid : Grid
            Any grid over the city's study area.
        periods : Periods
            Edges are civil midnights of the city.
        category : str, optional
            One of the planted categories; all together where it is left out.
        as_of : Timestamp, optional
            Civil midnight, not after the start of the periods; their start where it is left out.
        treated : bool
            False: as if the intervention were not at work from `as_of` on.

        Returns
        -------
        ndarray of float, shape (n_cells, n_periods)

        Raises
        ------
        SourceError
            If a moment is no civil midnight, lies outside the record, or the category is unknown.
        """
        edges, first = self._days(periods, as_of)
        cell, inside = grid.assign(self.places.x, self.places.y)
        expected = np.zeros((len(grid), len(periods)))
        for code in self._codes(category):
            steps = self.process.expected_days(code, self.history, first, edges[-1] - first, treated=treated)
            for day, mean in enumerate(steps, start=first):
                period = int(np.searchsorted(edges, day, side="right")) - 1
                if period >= 0:
                    expected[:, period] += np.bincount(cell[inside], weights=mean[inside], minlength=len(grid))
        return expected

    def simulate_counts(
        self,
        grid: Grid,
        periods: Periods,
        *,
        rng: np.random.Generator,
        category: str | None = None,
        as_of: pd.Timestamp | None = None,
    ) -> NDArray[np.int64]:
        """Draw one possible future, given all true incidents before `as_of`; see `expected_counts`.

        Returns
        -------
        ndarray of int, shape (n_cells, n_periods)
        """
        edges, first = self._days(periods, as_of)
        cell, inside = grid.assign(self.places.x, self.places.y)
        recent = self.history.where((self.history.day < first) & (self.history.day >= first - MAX_LAG_DAYS))
        pending = self.process.breed(rng, recent)
        # Children of the past that were born before the cutoff are known already; the later ones are still open.
        pending = pending.where(pending.day >= first)
        codes = self._codes(category)
        counts = np.zeros((len(grid), len(periods)), dtype=np.int64)
        begin = first
        while begin < edges[-1]:
            end = min(self.process.calendar.month_start(self.process.calendar.month_of(begin) + 1), int(edges[-1]))
            events, pending = self.process.simulate(rng, (begin, end), pending)
            period = np.searchsorted(edges, events.day, side="right") - 1
            keep = (period >= 0) & inside[events.place] & np.isin(events.category, codes)
            np.add.at(counts, (cell[events.place[keep]], period[keep]), 1)
            begin = end
        return counts

    # -- planted facts ------------------------------------------------------------------------------------------

    @property
    def branching(self) -> Mapping[str, float]:
        """Expected number of incidents that one incident triggers directly, by category."""
        names = [plan.name for plan in CATEGORIES]
        return MappingProxyType(dict(zip(names, self.process.branching.tolist(), strict=True)))

    @cached_property
    def triggered_share(self) -> float:
        """Share of the record's incidents that an earlier one really triggered: the realised branching ratio."""
        mine = self.history.where(self.history.day >= 0)
        return float(mine.triggered.mean())

    @staticmethod
    def premise_share(category: str, premises: Collection[str]) -> float:
        """Return the share of a category's incidents that are planted at these premises, wherever and whenever."""
        weights = next(plan.premises for plan in CATEGORIES if plan.name == category)
        wanted = {one.casefold() for one in premises}
        own = sum(weight for name, weight in zip(PREMISES, weights, strict=True) if name.casefold() in wanted)
        return own / sum(weights)

    @property
    def recorded_share(self) -> float:
        """Share of incidents whose row still has a category, a possible date and a place on the map."""
        return 1.0 - sum(DEFECT_SHARES[name] for name in _LOST)

    @cached_property
    def defects(self) -> Mapping[str, int]:
        """Number of rows planted with each defect; duplicates are counted once, as added rows."""
        total = np.zeros(len(DEFECT_SHARES) + 1, dtype=np.int64)
        for month, count in enumerate(self._month_counts):
            drawn = draw_defects(self.renderer.defect_rng(month), int(count))
            total += np.bincount(drawn, minlength=len(total))
        return MappingProxyType(dict(zip(DEFECT_SHARES, total[:-1].tolist(), strict=True)))

    @property
    def incidents(self) -> int:
        """Number of true incidents in the record; the raw table has the duplicates besides."""
        return int(self._month_counts.sum())

    @property
    def intervention(self) -> Mapping[str, object]:
        """The planted measure: ``x``, ``y``, ``radius_m``, ``start``, ``rate_ratio`` and ``categories``."""
        planted = self.process.background.intervention
        calendar = self.process.calendar
        start = calendar.dates(np.array([calendar.month_start(planted.start_month)]))[0]
        return MappingProxyType(
            {
                "x": float(planted.centre[0]),
                "y": float(planted.centre[1]),
                "radius_m": planted.radius_m,
                "start": pd.Timestamp(start).tz_localize(calendar.timezone),
                "rate_ratio": planted.rate_ratio,
                "categories": planted.categories,
            }
        )

    def hot_places(self, month: int = 0) -> gpd.GeoDataFrame:
        """Planted hot places in a month of the record (0 is the first): ``kind, radius_m, weight, geometry``."""
        hot = self.process.background.hot
        centres = hot.centres(month)
        return gpd.GeoDataFrame(
            {"kind": [HOT_KINDS[k] for k in hot.kind], "radius_m": hot.radius_m, "weight": hot.weights(month)},
            geometry=gpd.points_from_xy(centres[:, 0], centres[:, 1]),
            crs=CRS,
        )

    def answers(self) -> Iterator[pa.RecordBatch]:
        """Yield, month by month, what is true of every incident, keyed by case number; see `ANSWER_SCHEMA`."""
        yield from self.renderer.answers()

    def answer_table(self) -> pd.DataFrame:
        """Return all answers as one frame."""
        return pa.Table.from_batches(self.answers(), schema=ANSWER_SCHEMA).to_pandas()

    # -- the true past ------------------------------------------------------------------------------------------

    @cached_property
    def history(self) -> Events:
        """All true incidents, those of the burn-in (negative days) too; about 10 bytes each."""
        return Events.join([events for _, events in self.process.months(self.renderer.seed, burn_in=True)])

    @cached_property
    def _month_counts(self) -> NDArray[np.int64]:
        calendar = self.process.calendar
        edges = [calendar.month_start(month) for month in range(calendar.months + 1)]
        return np.histogram(self.history.day, bins=np.array(edges) - 0.5)[0].astype(np.int64)

    def _codes(self, category: str | None) -> list[int]:
        names = [plan.name for plan in CATEGORIES]
        if category is not None and category not in names:
            raise SourceError(f"Synthetic city has no category {category!r}, it has {names}.")
        return list(range(len(names))) if category is None else [names.index(category)]

    def _days(self, periods: Periods, as_of: pd.Timestamp | None) -> tuple[NDArray[np.int64], int]:
        """Day numbers of the period edges and of the cutoff."""
        calendar = self.process.calendar
        edges = np.array([calendar.day_number(edge) for edge in periods.edges], dtype=np.int64)
        first = int(edges[0]) if as_of is None else calendar.day_number(as_of)
        if not 0 <= first <= min(int(edges[0]), calendar.days):
            raise SourceError(
                f"as_of must lie in the record and not after the periods: it is day {first} of {calendar.days}, "
                f"the periods begin on day {edges[0]}."
            )
        if edges[-1] > calendar.days + _FORESIGHT_DAYS:
            raise SourceError(f"The truth reaches {_FORESIGHT_DAYS} days beyond the record, periods end {periods.end}.")
        return edges, first
