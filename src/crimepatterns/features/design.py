"""The table a learner sees: one row per cell and target period, one named column per feature."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.covariates import Covariates
from crimepatterns.domain.history import History
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import ForecastError
from crimepatterns.features.audit import refuse_audit_columns
from crimepatterns.features.calendar import calendar_features, civil_days, periods_per_year
from crimepatterns.features.lags import RunningTotals, lag_features
from crimepatterns.features.neighbours import first_ring, ring_sums, second_ring
from crimepatterns.features.recency import recency_features
from crimepatterns.features.rows import Rows
from crimepatterns.features.shrunk import shrunk_count_feature
from crimepatterns.features.surroundings import city_features, neighbourhood_features

__all__ = ["Design", "design_matrix", "known_context", "predictor_categories"]

_MOST_PREDICTORS = 6
_FEWEST_CELLS = 0.05
_RING_WINDOWS = (4, 13, 52)


def design_matrix(
    history: History,
    *,
    periods: Periods | None = None,
    covariates: pd.DataFrame | None = None,
    roles: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Describe every cell as it stands at the end of a history, for the period that comes next.

    Parameters
    ----------
    history : History
    periods : Periods, optional
        The period to forecast, for its calendar; by default the one that follows the panel.
    covariates : DataFrame, shape (n_cells, n), optional
        Facts about the cells besides those that the history holds, in the order of the grid.
    roles : mapping of str to str, optional
        Role of each covariate; ``audit`` is refused.

    Returns
    -------
    DataFrame of float32, shape (n_cells, n_features)

    Raises
    ------
    ForecastError
        If a covariate is about race, ethnicity, religion, nationality or income, has the role audit, or does not
        have one row per cell.
    """
    design = Design(
        history.panel, history.target, predictors=predictor_categories(history), covariates=history.covariates
    )
    table = design.next_period(periods)
    if covariates is None:
        return table
    refuse_audit_columns([str(name) for name in covariates.columns], roles)
    if len(covariates) != len(table):
        raise ForecastError(f"Covariates need one row per cell ({len(table)}), got {len(covariates)}.")
    added = covariates.astype(np.float32).set_axis(table.index)
    return pd.concat([table, added], axis=1)


def predictor_categories(history: History) -> tuple[str, ...]:
    """Choose the other categories whose counts may help: the most frequent ones that citizens report.

    Categories found mostly by police activity are left out, since their counts follow the patrols: a forecast
    learned from them would send patrols where patrols have been (Lum & Isaac 2016,
    https://doi.org/10.1111/j.1740-9713.2016.00960.x).

    Returns
    -------
    tuple of str
        At most six, the most frequent first; categories without an incident known at the cutoff are left out.
    """
    table = history.incidents.table
    names = table["category"].astype(str)
    reported = (table["discovery"] == "reported").groupby(names).mean()
    # Sorted by name first, so that equally frequent categories keep one order.
    frequency = names.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    helpful = [str(name) for name in frequency.index if reported[name] >= 0.5 and name != history.target]
    return tuple(name for name in helpful if name in history.panel.categories)[:_MOST_PREDICTORS]


def known_context(history: History, period: int) -> Covariates | None:
    """Choose the covariates from which a learner can learn whose first target is a given period.

    Parameters
    ----------
    history : History
    period : int
        Position in the panel.

    Returns
    -------
    Covariates or None
        Those that were known for at least one cell in twenty when that period began: a column that appears later tells
        periods apart rather than places, and one that is known nearly nowhere tells nothing.
    """
    if history.covariates is None:
        return None
    cells = np.arange(len(history.grid))
    begin = history.panel.periods.edges[np.full(len(cells), period)]
    known = {
        column.name
        for column in history.covariates.columns
        if np.isfinite(column.known(cells, begin)).mean() >= _FEWEST_CELLS
    }
    return history.covariates.of(known)


class Design:
    """Everything needed to describe any cell at any target period of one panel, computed once.

    Parameters
    ----------
    panel : Panel
    target : str
        The category to forecast.
    predictors : sequence of str
        Other categories whose counts are used; one that the panel lacks counts as zero.
    covariates : Covariates, optional
        Facts about the cells; they become columns under their own names.
    shape : float, optional
        Adds the column ``shrunk_count``, made with this shape; see `shrunk_count_feature`.
    gap : int
        So many periods before each target are not looked at, since too few of their incidents are known in time.

    Raises
    ------
    AuditColumnError
        If a covariate is about race, ethnicity, religion, nationality or income, or has the role audit.

    Notes
    -----
    A row for target period t is made from the counts of periods before t and from the covariates known before t begins,
    whatever panel and covariates hold later; a property test compares it with the table made from the shorter panel.
    """

    def __init__(
        self,
        panel: Panel,
        target: str,
        *,
        predictors: Sequence[str] = (),
        covariates: Covariates | None = None,
        shape: float | None = None,
        gap: int = 0,
    ) -> None:
        if covariates is not None:
            refuse_audit_columns(covariates.names, covariates.roles)
        self._panel = panel
        self._grid = panel.grid
        self._counts = panel.of(target)
        self._predictors = tuple(predictors)
        self._covariates = () if covariates is None else covariates.columns
        self._shape = shape
        self._gap = gap
        self.target = target

    @property
    def n_periods(self) -> int:
        """Number of counted periods; also the index of the next one."""
        return len(self._panel.periods)

    def next_period(self, periods: Periods | None = None) -> pd.DataFrame:
        """Describe every cell for the period after the panel; its calendar is that of the first of `periods`."""
        rows = Rows.every_cell(len(self._grid), self.n_periods)
        return self._table(rows, self._calendar(rows, self._next(periods)))

    def rows(self, rows: Rows) -> pd.DataFrame:
        """Describe cells at counted target periods.

        Parameters
        ----------
        rows : Rows

        Returns
        -------
        DataFrame of float32, shape (n_rows, n_features)
        """
        return self._table(rows, self._calendar(rows, self._panel.periods))

    def outcomes(self, rows: Rows) -> NDArray[np.int32]:
        """Return the counts of the target category in the rows' own periods, shape (n_rows,)."""
        return self._counts[rows.cells, rows.periods]

    def _table(self, rows: Rows, calendar: dict[str, NDArray[np.float32]]) -> pd.DataFrame:
        own = self._own
        year = periods_per_year(self._panel.periods)
        seen = Rows(rows.cells, rows.periods - self._gap)
        named: dict[str, NDArray[np.float32]] = {
            **lag_features(own, seen, "own"),
            "own_last_year": own.same_season(rows, year),
            **recency_features(self._counts, seen),
            **lag_features(self._first, seen, "neighbours", windows=_RING_WINDOWS),
            **lag_features(self._second, seen, "second_ring", windows=_RING_WINDOWS[1:]),
            **self._others(seen),
            **neighbourhood_features(self._counts, self._grid, seen),
            **city_features(self._counts, seen),
            "cell_area_km2": self._grid.area_km2.astype(np.float32)[rows.cells],
            **calendar,
            **self._context(rows),
            **self._shrunk(seen),
        }
        values = np.empty((len(rows), len(named)), dtype=np.float32, order="F")
        for column, feature in enumerate(named.values()):
            values[:, column] = feature
        return pd.DataFrame(values, columns=list(named), copy=False)

    def _others(self, rows: Rows) -> dict[str, NDArray[np.float32]]:
        named: dict[str, NDArray[np.float32]] = {}
        together = np.zeros(self._counts.shape, dtype=np.int32)
        for name in self._predictors:
            known = name in self._panel.categories
            counts = self._panel.of(name) if known else np.zeros_like(together)
            together = together + counts
            totals = RunningTotals(counts)
            named[f"other_{name}_last_13"] = totals.window_mean(rows, 13)
            named[f"other_{name}_long_run"] = totals.long_run_mean(rows)
        named["others_last_4"] = RunningTotals(together).window_mean(rows, 4)
        return named

    def _context(self, rows: Rows) -> dict[str, NDArray[np.float32]]:
        """Covariates as they were known when each target period began."""
        if not self._covariates:
            return {}
        begin = self._panel.periods.edges[rows.periods]
        return {column.name: column.known(rows.cells, begin) for column in self._covariates}

    def _shrunk(self, rows: Rows) -> dict[str, NDArray[np.float32]]:
        if self._shape is None:
            return {}
        return {"shrunk_count": shrunk_count_feature(self._counts, self._grid.area_km2, rows, shape=self._shape)}

    def _calendar(self, rows: Rows, periods: Periods) -> dict[str, NDArray[np.float32]]:
        at = rows.periods if periods is self._panel.periods else np.zeros_like(rows.periods)
        return {name: values[at] for name, values in calendar_features(periods).items()}

    def _next(self, periods: Periods | None) -> Periods:
        if periods is not None:
            return periods
        days = round(float(np.median(civil_days(self._panel.periods))))
        return Periods.starting_at(self._panel.periods.end, days=days, count=1)

    @cached_property
    def _own(self) -> RunningTotals:
        return RunningTotals(self._counts)

    @cached_property
    def _first(self) -> RunningTotals:
        return RunningTotals(ring_sums(first_ring(self._grid), self._counts))

    @cached_property
    def _second(self) -> RunningTotals:
        return RunningTotals(ring_sums(second_ring(self._grid), self._counts))
