"""One city, opened from its settings: what every stage after cleaning starts from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from crimepatterns.config import Settings
from crimepatterns.config.taxonomy_tables import open_harm
from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.covariates import Covariate, Covariates
from crimepatterns.domain.folds import Spans, spans
from crimepatterns.domain.grid import Grid
from crimepatterns.domain.harm import HarmWeights
from crimepatterns.domain.history import Archive
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.police_found import found_by_arrest, found_by_police, marked_as_found, police_warning
from crimepatterns.errors import ConfigError, MissingInputError, NotApplicableError, PatternError
from crimepatterns.features.context import layer_covariates
from crimepatterns.patterns.nowcast import completeness_at
from crimepatterns.patterns.premise_split import (
    PREMISE_SIDES,
    PremiseSplit,
    side_of,
    split_by_premise,
    whole_category,
)
from crimepatterns.patterns.reporting_delay import ReportingDelay, reporting_delay
from crimepatterns.quality.flags import Flags
from crimepatterns.quality.leave_out import without
from crimepatterns.store.areas import read_study_area
from crimepatterns.store.atomic import read_json
from crimepatterns.store.context_layers import read_context_layer
from crimepatterns.store.incidents import read_incidents
from crimepatterns.store.layout import Layout
from crimepatterns.store.snapshots import pinned

__all__ = ["City", "build_grid"]

_DEFAULT_TARGETS = 4
_TOO_COARSE = 0.5
_KEPT_FOR_FITTING = 8
"""Periods before the first origin that shortened spans leave for fitting."""


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
    def _version(self) -> Path:
        """The version of the cleaned data that is current at the first look: area and incidents are of the same one."""
        return pinned(self.layout.processed)

    @cached_property
    def area(self) -> StudyArea:
        """The study area that cleaning fixed."""
        return read_study_area(self._version / self.layout.study_area.name)

    @cached_property
    def incidents(self) -> Incidents:
        """All cleaned incidents; categories that mostly end in an arrest count as police-initiated, see `arrests`.

        Those of ``forecast.split_premise`` are told apart by premise.
        """
        return self._whole if self.premise_split is None else self.premise_split.incidents

    @cached_property
    def _whole(self) -> Incidents:
        """All cleaned incidents, no category told apart by premise."""
        return marked_as_found(self._cleaned, self.arrests)

    @cached_property
    def _cleaned(self) -> Incidents:
        folder = self._version / self.layout.incidents.name
        return read_incidents(folder if folder.exists() else self.layout.incidents, self.area)

    @cached_property
    def arrests(self) -> Mapping[str, float]:
        """Share of arrests in categories where it is at least a half; empty if the file tells how it came to know.

        Raises
        ------
        ConfigError
            If there is no such column.
        """
        column, taxonomy = self.settings.taxonomy.arrest_column, self.settings.taxonomy
        if column is None or self.settings.columns.discovery is not None or taxonomy.police_initiated is not None:
            return {}
        return found_by_arrest(self._cleaned.table, column=column)

    @cached_property
    def found_by_police(self) -> Mapping[str, str]:
        """Categories that come to light mostly through police activity, each with how that is known."""
        named = self.settings.taxonomy.police_initiated or ()
        whole = found_by_police(self._whole.table, named=named, arrests=self.arrests)
        names = self.incidents.categories if self.settings.forecast.split_premise else tuple(whole)
        return {name: whole[whole_category(name)] for name in names if whole_category(name) in whole}

    @property
    def warnings(self) -> dict[str, str]:
        """What every output about a target must say, by category; empty where all of them are reported by citizens."""
        found = self.found_by_police
        return {name: police_warning(name, found[name]) for name in self.targets if name in found}

    @cached_property
    def premise_split(self) -> PremiseSplit | None:
        """The incidents with the categories of ``forecast.split_premise`` told apart; None where it names none.

        Raises
        ------
        ConfigError
            If such a category does not occur, or the settings or the file do not tell its premises.
        """
        wanted, rules = self.settings.forecast.split_premise, self.settings.patterns
        if not wanted:
            return None
        unknown = sorted(set(wanted) - set(self._whole.categories))
        if unknown:
            raise ConfigError(
                f"forecast.split_premise names {unknown}, which do not occur; found {list(self._whole.categories)}."
            )
        if rules.premise_column is None:
            raise ConfigError("forecast.split_premise needs patterns.premise_column, and its values of each kind.")
        try:
            return split_by_premise(
                self._whole, wanted, column=rules.premise_column, indoor=rules.indoor, outdoor=rules.outdoor
            )
        except PatternError as error:
            raise ConfigError(f"forecast.split_premise: {error}") from error

    @property
    def premises(self) -> str:
        """How many incidents lie on each side of the split by premise, and on none; empty where nothing is split."""
        return "" if self.premise_split is None else self.premise_split.sentence()

    @cached_property
    def grid(self) -> Grid:
        """The grid of the settings over the study area."""
        return build_grid(self.settings, self.area)

    @cached_property
    def harm(self) -> HarmWeights | None:
        """The harm weights of the settings; None where they name none. Parts of a category weigh as the whole."""
        found, split = open_harm(self.settings.taxonomy), self.premise_split
        if found is None or split is None:
            return found
        names = split.incidents.categories
        weights = zip(names, found.of_categories([whole_category(name) for name in names]).tolist(), strict=True)
        parts = {name: weight for name, weight in weights if np.isfinite(weight)}
        return replace(found, by_category={**found.by_category, **parts})

    @property
    def covariates(self) -> Covariates | None:
        """All columns of `context`; None where there are none."""
        columns = tuple(column for layer in self.context.values() for column in layer)
        return Covariates(columns) if columns else None

    @cached_property
    def context(self) -> Mapping[str, tuple[Covariate, ...]]:
        """The context layers of the settings on the grid, by name.

        Raises
        ------
        MissingInputError
            If the context stage has not run.
        """
        layers: dict[str, tuple[Covariate, ...]] = {}
        for wanted in (one for one in self.settings.context if one.role == "feature"):
            path = self.layout.context / "layers" / f"{wanted.name}.parquet"
            if not path.exists():
                raise MissingInputError(
                    f"Context layer {wanted.name} is not there yet: run `crimepatterns context` first."
                )
            layer, _ = read_context_layer(path)
            layers[wanted.name] = layer_covariates(
                layer, self.grid, wanted.how, bandwidth_m=wanted.bandwidth_m, measure_from=wanted.measure_from
            )
        return layers

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
                f"{by_month * 100:.0f} % of the times of {self.settings.title} are known to the month only: periods of "
                f"{self.settings.forecast.horizon_days} days cannot be counted or forecast. Maps and clusters work."
            )
        wanted = self.settings.forecast
        nowcast = completeness_at if wanted.nowcast else None
        return Archive(self.incidents, self.grid, wanted.horizon_days, self.covariates, nowcast)

    @cached_property
    def delay(self) -> ReportingDelay:
        """How long it takes from its begin until an incident is known; assumed where the record has no report dates."""
        settings = self.settings
        dated = settings.source.kind == "synthetic" or settings.columns.known_at is not None
        assumed = None if dated else settings.cleaning.assumed_delay_days
        return reporting_delay(self.incidents, since="occurred_from", assumed_days=assumed)

    @cached_property
    def flags(self) -> Flags:
        """What the data honesty report flags; nothing where `check` has not run."""
        path = self.layout.quality / "honesty.json"
        return Flags.of_report(read_json(path)) if path.exists() else Flags()

    @cached_property
    def trusted(self) -> Incidents:
        """The incidents without the rows of the flags that ``quality.leave_out`` names.

        Raises
        ------
        MissingInputError
            If there are such flags and `check` has not run.
        """
        names = self.settings.quality.leave_out
        if names and not self.flags.checked:
            raise MissingInputError(
                f"quality.leave_out names {list(names)}, but the records have not been checked: "
                "run `crimepatterns check` first."
            )
        return without(self.incidents, self.flags.rules(names))

    @cached_property
    def matured(self) -> tuple[pd.Timestamp, str]:
        """The moment up to which outcomes are complete, and a statement of what was known when."""
        until, statement = self._matured_by_delay
        complete = self.flags.complete_until(self.area.timezone)
        if complete is None or complete >= until:
            return until, statement
        return complete, f"{statement} {self.flags.note('recent_weeks_incomplete')}"

    @property
    def _matured_by_delay(self) -> tuple[pd.Timestamp, str]:
        end, assumed = self.archive.end, self.delay.assumed_days
        if assumed is not None:
            return end - pd.DateOffset(days=int(np.ceil(assumed))), (
                "As-of by assumption: the file has no report dates; "
                f"incidents count as known {assumed:g} days after they ended."
            )
        days = int(np.ceil(self.delay.late(0.95)))
        return end - pd.DateOffset(days=days), (
            f"Outcomes are scored {days} days after they happened, when 95 % had become known; each forecast saw only "
            "what was known at its origin."
        )

    @cached_property
    def spans(self) -> tuple[Spans, str]:
        """Fit, select and judge spans as the settings ask, or as much of them as the data allow, with a note if so.

        Raises
        ------
        NotApplicableError
            If the data are too short to learn from and to judge.
        """
        wanted, horizon = self.settings.evaluation, self.settings.forecast.horizon_days
        start, end = self.archive.start, self.matured[0]
        periods = (end.tz_localize(None) - start.tz_localize(None)).days // horizon
        asked = wanted.select_origins + wanted.judge_origins
        origins = min(asked, periods - _KEPT_FOR_FITTING)
        if origins < 2:
            raise NotApplicableError(
                f"Learning and judging need at least {_KEPT_FOR_FITTING + 2} periods of {horizon} days, found "
                f"{max(periods, 0)} ({start.date()} to {end.date()}): give more data or set a shorter "
                "forecast.horizon_days."
            )
        select = max(1, min(origins - 1, round(origins * wanted.select_origins / asked)))
        cut = spans(start, end, horizon_days=horizon, select_origins=select, judge_origins=origins - select)
        if origins == asked:
            return cut, ""
        return cut, f"Data allow only {select} select and {origins - select} judge origins of the {asked} asked for."

    @property
    def reported_categories(self) -> tuple[str, ...]:
        """Categories that citizens report, the most frequent first; police-initiated ones are left out."""
        table = self.incidents.table
        reported = table.loc[table["discovery"] == "reported", "category"].astype(str)
        return tuple(name for name in reported.value_counts().index if name not in self.found_by_police)

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
        wanted = self._parts_of(self.settings.forecast.categories)
        unknown = sorted(set(wanted) - set(self.incidents.categories))
        if unknown:
            raise ConfigError(
                f"forecast.categories names {unknown}, which do not occur; found {list(self.incidents.categories)}."
            )
        frequent = dict.fromkeys(whole_category(name) for name in self.reported_categories)
        chosen = wanted or self._parts_of(tuple(frequent)[:_DEFAULT_TARGETS])
        if not chosen:
            raise MissingInputError("No category to forecast: every incident is police-initiated, or there is none.")
        return chosen

    def _parts_of(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Put the two sides of a category that is split by premise in its place."""
        split = self.settings.forecast.split_premise
        return tuple(
            part
            for name in names
            for part in ([side_of(name, side) for side in PREMISE_SIDES] if name in split else [name])
        )


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
