"""Settings of the data: where records come from, what their columns mean, how they are cleaned."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from crimepatterns.config.feed import FeedSettings
from crimepatterns.config.values import Model, PositiveInt, expand_variables

__all__ = ["CleaningSettings", "ColumnSettings", "SourceSettings", "StudyAreaSettings", "TaxonomySettings"]


class SourceSettings(Model):
    """Where incident records come from."""

    kind: Literal["file", "synthetic", "socrata", "arcgis", "url", "police_uk", "nibrs", "sql"] = "file"
    paths: tuple[str, ...] = ()
    format: Literal["csv", "parquet", "excel", "vector"] | None = None
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    origin: str = ""
    licence: str = ""
    keep_columns: tuple[str, ...] = ()
    agency_places: str | None = None
    feed: FeedSettings = FeedSettings()
    # Synthetic city only.
    city_class: Literal["stable", "drifting", "triggering"] = "stable"
    incidents: PositiveInt = 60_000
    years: PositiveInt = 3
    seed: int = 20_260

    @field_validator("paths")
    @classmethod
    def _expand(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(expand_variables(path) for path in paths)

    @field_validator("agency_places")
    @classmethod
    def _expand_one(cls, path: str | None) -> str | None:
        return None if path is None else expand_variables(path)


class ColumnSettings(Model):
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


class CleaningSettings(Model):
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


class StudyAreaSettings(Model):
    """The boundary of the analysis and its named parts."""

    boundary: str | None = None
    neighbourhoods: str | None = None
    neighbourhood_name: str | None = None
    derive: Literal["none", "concave_hull"] = "none"
    buffer_m: Annotated[float, Field(ge=0)] = 0.0

    @field_validator("boundary", "neighbourhoods")
    @classmethod
    def _expand(cls, path: str | None) -> str | None:
        return None if path is None else expand_variables(path)


class TaxonomySettings(Model):
    """How a publisher's labels become categories."""

    crosswalk: str | None = None
    mapping: dict[str, str] = Field(default_factory=dict)
    unmapped: Literal["keep", "other", "reject"] = "keep"
    police_initiated: tuple[str, ...] | None = None
    arrest_column: str | None = None
    fixed_category: str | None = None
    harm: str | None = None

    @field_validator("crosswalk", "harm")
    @classmethod
    def _expand(cls, path: str | None) -> str | None:
        return None if path is None else expand_variables(path)
