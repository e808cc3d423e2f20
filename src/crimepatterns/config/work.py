"""Settings of the work done on the data: grid, patterns, forecasts, evaluation, plans and the web page."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from crimepatterns.config.cards import CardSettings
from crimepatterns.config.tuning import TuningSettings
from crimepatterns.config.values import Model, Positive, PositiveInt, Share, expand_variables

__all__ = [
    "DailySettings",
    "EvaluationSettings",
    "ForecastSettings",
    "GridSettings",
    "JobSettings",
    "PatternSettings",
    "PlanSettings",
    "QualitySettings",
    "ServingSettings",
    "UploadSettings",
]


PatternMethod = Literal[
    "density", "gi_star", "optimised", "local_moran", "change", "emerging", "persistence",
    "dbscan", "st_dbscan", "hdbscan", "knox", "near_repeat", "scan", "concentration", "repeat_places", "usual",
    "density_ratio", "smoothed_rates", "similarity", "network", "season_trend", "rhythms", "cards",
    "self_exciting",
]  # fmt: skip


class GridSettings(Model):
    """The cells on which incidents are counted and forecast."""

    kind: Literal["square", "hexagon", "polygon"] = "square"
    cell_size_m: Positive = 250.0
    origin: tuple[float, float] = (0.0, 0.0)
    rotation_deg: float = 0.0
    polygons: str | None = None
    polygon_id: str | None = None
    max_cells: PositiveInt = 250_000


class PatternSettings(Model):
    """Hot spots and clusters."""

    methods: tuple[PatternMethod, ...] = (
        "density",
        "gi_star",
        "dbscan",
        "local_moran",
        "emerging",
        "persistence",
        "change",
        "knox",
        "near_repeat",
        "scan",
        "concentration",
        "repeat_places",
        "usual",
    )
    as_of: str | None = None
    categories: tuple[str, ...] = ()
    window_days: PositiveInt = 365
    filter: tuple[Literal["indoor", "outdoor", "domestic", "not domestic"], ...] = ()
    premise_column: str | None = None
    indoor: tuple[str, ...] = ()
    outdoor: tuple[str, ...] = ()
    domestic_column: str | None = None
    bandwidth_m: Positive | Literal["auto"] = 400.0
    density_cell_m: Positive = 100.0
    kernel: Literal["gaussian", "quartic"] = "gaussian"
    adaptive: bool = False
    edge_correction: bool = True
    weights: tuple[Literal["harm", "hours"], ...] = ()
    hours: Annotated[str, Field(pattern=r"^\d\d:\d\d-\d\d:\d\d$")] | None = None
    denominator: str | None = None
    second_null: Literal["record", "denominator"] | None = None
    fdr: Share = 0.05
    dbscan_radius_m: Positive = 120.0
    dbscan_min_incidents: PositiveInt = 30
    burst_days: PositiveInt = 7
    burst_min_incidents: PositiveInt = 6
    near_repeat_m: Positive = 200.0
    near_repeat_days: PositiveInt = 14
    replicates: PositiveInt = 99
    step_days: PositiveInt = 28
    steps: PositiveInt = 13
    streets: str | None = None
    streets_id: str | None = None
    segment_m: Positive = 100.0
    snap_m: Positive = 50.0
    street_reach_m: Positive = 300.0
    season_step: Literal["day", "week", "month"] = "month"
    shifts: Annotated[tuple[str, ...], Field(min_length=1)] = ("07:00", "15:00", "23:00")
    cards: CardSettings = CardSettings()
    export: tuple[Literal["geojson", "gpkg", "csv"], ...] = ()

    @field_validator("as_of")
    @classmethod
    def _a_day(cls, day: str | None) -> str | None:
        if day is not None:
            date.fromisoformat(day)
        return day

    @field_validator("streets")
    @classmethod
    def _expand(cls, path: str | None) -> str | None:
        return None if path is None else expand_variables(path)

    @model_validator(mode="after")
    def _together(self) -> "PatternSettings":
        if {"indoor", "outdoor"} & set(self.filter):
            if self.premise_column is None:
                raise ValueError(
                    "filter indoor or outdoor needs premise_column, and its values under indoor and outdoor"
                )
            if not set(self.indoor) or not set(self.outdoor):
                raise ValueError("filter indoor or outdoor needs the values of both under indoor and outdoor")
        if {"domestic", "not domestic"} & set(self.filter) and self.domestic_column is None:
            raise ValueError("filter domestic or not domestic needs domestic_column")
        if "hours" in self.weights and self.hours is None:
            raise ValueError("weights hours needs hours, such as 22:00-06:00")
        if self.second_null == "denominator" and self.denominator is None:
            raise ValueError("second_null denominator needs denominator, a column of a context layer")
        return self


class ForecastSettings(Model):
    """What is forecast, by which models."""

    categories: tuple[str, ...] = ()
    horizon_days: PositiveInt = 7
    shifts: tuple[str, ...] = ("07:00", "15:00", "23:00")
    split_premise: tuple[str, ...] = ()
    models: tuple[str, ...] = (
        "count",
        "recent_count",
        "count_eb",
        "kde",
        "seasonal",
        "shrunk_scales",
        "additive_intensity",
        "random_forest",
        "gradient_boosting",
        "poisson_boosting",
        "stack",
    )
    champion: str | None = None
    recent_days: PositiveInt = 90
    nowcast: bool = True
    kde_bandwidth_m: Positive = 250.0
    prospective_radius_m: Positive = 400.0
    train_periods: PositiveInt = 52
    max_rows: PositiveInt = 200_000
    tuning_candidates: Annotated[int, Field(ge=0)] = 4
    tuning_folds: PositiveInt = 3
    tuning: TuningSettings = TuningSettings()
    stack_members: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "count_eb",
        "shrunk_scales",
        "negative_binomial",
        "additive_intensity",
        "poisson_boosting",
    )
    stack_folds: PositiveInt = 8
    refit_every: PositiveInt = 13
    seed: int = 7


class EvaluationSettings(Model):
    """How forecasts are judged."""

    select_origins: PositiveInt = 13
    judge_origins: PositiveInt = 13
    area_budgets: tuple[Share, ...] = (0.01, 0.02, 0.05)
    place_budgets: tuple[PositiveInt, ...] = (20, 100)
    primary_budget: Share = 0.02
    confidence: Share = 0.95
    simulations: PositiveInt = 200
    interval_origins: Annotated[int, Field(ge=0)] = 26


class PlanSettings(Model):
    """How many patrol hours there are and how they may be spent."""

    units: PositiveInt = 6
    hours_per_unit: Positive = 8.0
    minutes_per_visit: Positive = 15.0
    visits_per_place_day: PositiveInt = 4
    shift_hours: PositiveInt = 8
    area_budget: Share = 0.01
    neighbourhood_cap: Annotated[float, Field(ge=1)] = 1.5


LeaveOut = Literal[
    "boundary_points",
    "coordinates_rounded",
    "default_geocodes",
    "first_of_month_spike",
    "first_of_year_spike",
    "long_intervals",
    "midnight_spike",
    "near_duplicates",
    "noon_spike",
    "snapped_points",
    "times_coarse",
]


class QualitySettings(Model):
    """The data honesty report, and which of its findings patterns respect."""

    leave_out: tuple[LeaveOut, ...] = ()
    max_rows: PositiveInt = 1_000_000
    seed: int = 7


class DailySettings(Model):
    """What `crimepatterns daily` does by itself."""

    retrain_days: PositiveInt | None = 28


class JobSettings(Model):
    """Long work that is started from the web page or with `crimepatterns jobs start`."""

    at_once: PositiveInt = 2
    most_hours: Positive = 12.0
    keep: PositiveInt = 30


class UploadSettings(Model):
    """Incident files that analysts bring by the browser."""

    max_mb: PositiveInt = 200
    most: PositiveInt = 20
    most_seconds: Positive = 900.0
    preview_rows: PositiveInt = 100_000


class ServingSettings(Model):
    """The web page and the model server."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    model_port: Annotated[int, Field(ge=1, le=65_535)] = 8001
    reload_s: Positive = 2.0
    cache_mb: PositiveInt = 64
    request_log: bool = False
