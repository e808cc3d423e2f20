"""Settings: one YAML file describes the product, one describes a city; both are checked before anything runs.

`config/config.yaml` is the manual: it holds every setting with its default and a comment. A city file holds what
differs. Later files win key by key.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from crimepatterns.errors import ConfigError

__all__ = [
    "CleaningSettings",
    "ColumnSettings",
    "EvaluationSettings",
    "ForecastSettings",
    "GridSettings",
    "PatternSettings",
    "PlanSettings",
    "ServingSettings",
    "Settings",
    "SourceSettings",
    "StudyAreaSettings",
    "TaxonomySettings",
    "find_resource",
    "load_settings",
    "settings_digest",
]

Positive = Annotated[float, Field(gt=0)]
PositiveInt = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSettings(_Model):
    """Where incident records come from."""

    kind: Literal["file", "synthetic"] = "file"
    paths: tuple[str, ...] = ()
    format: Literal["csv", "parquet", "excel", "vector"] | None = None
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    origin: str = ""
    licence: str = ""
    keep_columns: tuple[str, ...] = ()
    # Synthetic city only.
    city_class: Literal["stable", "drifting", "triggering"] = "stable"
    incidents: PositiveInt = 60_000
    years: PositiveInt = 3
    seed: int = 20_260

    @field_validator("paths")
    @classmethod
    def _expand(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_expand_variables(path) for path in paths)


class ColumnSettings(_Model):
    """Which column of the raw file holds what; null where the file has none."""

    id: str | None = None
    occurred_from: str | None = None
    occurred_until: str | None = None
    known_at: str | None = None
    date: str | None = None
    time: str | None = None
    category: str | None = None
    offence: str | None = None
    discovery: str | None = None
    x: str | None = None
    y: str | None = None
    longitude: str | None = None
    latitude: str | None = None
    area: str | None = None
    extra: tuple[str, ...] = ()


class CleaningSettings(_Model):
    """How raw values are read and which are refused."""

    time_format: tuple[str, ...] = ()
    times_are: Literal["local", "utc"] = "local"
    time_precision: Literal["auto", "minute", "hour", "date", "month"] = "auto"
    coordinates_crs: str = "EPSG:4326"
    swap_coordinates: bool = False
    earliest: str = "1990-01-01"
    latest: str | None = None
    assumed_delay_days: Annotated[float, Field(ge=0)] = 0.0
    drop_duplicates: bool = True


class StudyAreaSettings(_Model):
    """The boundary of the analysis and its named parts."""

    boundary: str | None = None
    neighbourhoods: str | None = None
    neighbourhood_name: str | None = None
    derive: Literal["none", "concave_hull"] = "none"
    buffer_m: Annotated[float, Field(ge=0)] = 0.0

    @field_validator("boundary", "neighbourhoods")
    @classmethod
    def _expand(cls, path: str | None) -> str | None:
        return None if path is None else _expand_variables(path)


class TaxonomySettings(_Model):
    """How a publisher's labels become categories."""

    mapping: dict[str, str] = Field(default_factory=dict)
    unmapped: Literal["keep", "other", "reject"] = "keep"
    police_initiated: tuple[str, ...] = ("drugs", "prostitution", "weapons", "stops")
    fixed_category: str | None = None


class GridSettings(_Model):
    """The cells on which incidents are counted and forecast."""

    kind: Literal["square", "hexagon", "polygon"] = "square"
    cell_size_m: Positive = 250.0
    origin: tuple[float, float] = (0.0, 0.0)
    rotation_deg: float = 0.0
    polygons: str | None = None
    polygon_id: str | None = None
    max_cells: PositiveInt = 250_000


class PatternSettings(_Model):
    """Hot spots and clusters."""

    methods: tuple[Literal["density", "gi_star", "dbscan"], ...] = ("density", "gi_star", "dbscan")
    categories: tuple[str, ...] = ()
    window_days: PositiveInt = 365
    bandwidth_m: Positive = 400.0
    density_cell_m: Positive = 100.0
    fdr: Share = 0.05
    dbscan_radius_m: Positive = 120.0
    dbscan_min_incidents: PositiveInt = 30


class ForecastSettings(_Model):
    """What is forecast, by which models."""

    categories: tuple[str, ...] = ()
    horizon_days: PositiveInt = 7
    models: tuple[str, ...] = (
        "count",
        "recent_count",
        "count_eb",
        "kde",
        "seasonal",
        "random_forest",
        "gradient_boosting",
    )
    champion: str | None = None
    recent_days: PositiveInt = 90
    kde_bandwidth_m: Positive = 250.0
    train_periods: PositiveInt = 52
    max_rows: PositiveInt = 200_000
    tuning_candidates: Annotated[int, Field(ge=0)] = 4
    tuning_folds: PositiveInt = 3
    refit_every: PositiveInt = 13
    seed: int = 7


class EvaluationSettings(_Model):
    """How forecasts are judged."""

    select_origins: PositiveInt = 13
    judge_origins: PositiveInt = 13
    area_budgets: tuple[Share, ...] = (0.01, 0.02, 0.05)
    place_budgets: tuple[PositiveInt, ...] = (20, 100)
    primary_budget: Share = 0.02
    confidence: Share = 0.95
    simulations: PositiveInt = 200


class PlanSettings(_Model):
    """How many patrol hours there are and how they may be spent."""

    units: PositiveInt = 6
    hours_per_unit: Positive = 8.0
    minutes_per_visit: Positive = 15.0
    visits_per_place_day: PositiveInt = 4
    shift_hours: PositiveInt = 8
    area_budget: Share = 0.01
    neighbourhood_cap: Annotated[float, Field(ge=1)] = 1.5


class ServingSettings(_Model):
    """The web page."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8000


class Settings(_Model):
    """Everything one city needs, from raw file to web page."""

    city: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    title: str
    timezone: str = "UTC"
    crs: str | None = None
    root: Path = Path()
    workers: PositiveInt = 2
    source: SourceSettings = SourceSettings()
    columns: ColumnSettings = ColumnSettings()
    cleaning: CleaningSettings = CleaningSettings()
    study_area: StudyAreaSettings = StudyAreaSettings()
    taxonomy: TaxonomySettings = TaxonomySettings()
    grid: GridSettings = GridSettings()
    patterns: PatternSettings = PatternSettings()
    forecast: ForecastSettings = ForecastSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    plan: PlanSettings = PlanSettings()
    serving: ServingSettings = ServingSettings()

    @model_validator(mode="after")
    def _complete(self) -> "Settings":
        if self.source.kind == "file":
            if not self.source.paths:
                raise ValueError("source.paths must name at least one file")
            if self.columns.occurred_from is None and self.columns.date is None:
                raise ValueError("columns.occurred_from or columns.date must name a column")
            if self.columns.category is None and self.taxonomy.fixed_category is None:
                raise ValueError("columns.category must name a column, or taxonomy.fixed_category a category")
        return self


def find_resource(relative: str) -> Path:
    """Find a file that ships with the product, in the wheel or in a checkout.

    Parameters
    ----------
    relative : str
        Such as ``config/config.yaml`` or ``deployment/app/templates``.

    Raises
    ------
    ConfigError
        If it is in neither place.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / "_resources" / relative, package.parent.parent / relative):
        if candidate.exists():
            return candidate
    raise ConfigError(f"Shipped file {relative} is missing: reinstall crimepatterns.")


def load_settings(path: str | Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the shipped defaults, then a city file, then overrides.

    Parameters
    ----------
    path : path-like, optional
        City file; the embedded default city where it is left out.
    overrides : mapping, optional
        Nested settings that win over both files.

    Raises
    ------
    ConfigError
        If a file is missing, is not YAML, or a setting is unknown or impossible. The message names each.
    """
    merged = _read_yaml(find_resource("config/config.yaml"))
    chosen = find_resource("config/cities/default.yaml") if path is None else Path(path)
    merged = _merge(_merge(merged, _read_yaml(chosen)), overrides or {})
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'settings'}: {problem['msg']}"
            for problem in error.errors()[:5]
        )
        raise ConfigError(f"{chosen}: {problems}. See config/config.yaml for every setting.") from error


def settings_digest(*parts: BaseModel | Mapping[str, object] | str | int | float | None) -> str:
    """Digest settings so that unchanged work can be recognised; sha256, 16 hex digits."""
    plain = [part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"Config file {path} does not exist: give --config a city file, see config/cities/."
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"Config file {path} cannot be read as YAML: {' '.join(str(error).split())}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"Config file {path} must hold settings by name, got a {type(loaded).__name__}.")
    return loaded


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        # A mapping of labels belongs to one city as a whole; it is replaced, not mixed.
        merged[key] = _merge(merged[key], value) if both and key != "mapping" else value
    return merged


def _expand_variables(text: str) -> str:
    """Replace ``${NAME}`` and ``${NAME:-default}`` from the environment."""

    def value(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(3)
        found = os.environ.get(name) or default
        if found is None:
            raise ValueError(f"environment variable {name} is not set and has no default")
        return found

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}", value, text)
