"""All settings of one city, and how they are read: defaults, a feed's preset, the city file, then overrides."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator

from crimepatterns.config.briefing import BriefingSettings
from crimepatterns.config.context import ContextSettings, check_context
from crimepatterns.config.data import (
    CleaningSettings,
    ColumnSettings,
    SourceSettings,
    StudyAreaSettings,
    TaxonomySettings,
)
from crimepatterns.config.execution import ExecutionSettings
from crimepatterns.config.feed import check_feed
from crimepatterns.config.gates import GateSettings
from crimepatterns.config.grid_choice import GridChoiceSettings
from crimepatterns.config.presets import with_feed_ids, with_preset
from crimepatterns.config.security import DisclosureSettings, SecuritySettings
from crimepatterns.config.tracking import TrackingSettings
from crimepatterns.config.values import Model, PositiveInt
from crimepatterns.config.work import (
    DailySettings,
    EvaluationSettings,
    ForecastSettings,
    GridSettings,
    JobSettings,
    PatternSettings,
    PlanSettings,
    QualitySettings,
    ServingSettings,
    UploadSettings,
)
from crimepatterns.errors import ConfigError

__all__ = ["Settings", "build_settings", "find_resource", "load_settings", "settings_digest"]


class Settings(Model):
    """Everything one city needs, from raw file to web page."""

    city: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    title: str
    timezone: str = "UTC"
    crs: str | None = None
    root: Path = Path()
    workers: PositiveInt = 2
    execution: ExecutionSettings = ExecutionSettings()
    source: SourceSettings = SourceSettings()
    columns: ColumnSettings = ColumnSettings()
    cleaning: CleaningSettings = CleaningSettings()
    study_area: StudyAreaSettings = StudyAreaSettings()
    taxonomy: TaxonomySettings = TaxonomySettings()
    grid: GridSettings = GridSettings()
    grid_choice: GridChoiceSettings = GridChoiceSettings()
    quality: QualitySettings = QualitySettings()
    patterns: PatternSettings = PatternSettings()
    forecast: ForecastSettings = ForecastSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    gates: GateSettings = GateSettings()
    plan: PlanSettings = PlanSettings()
    briefing: BriefingSettings = BriefingSettings()
    context: tuple[ContextSettings, ...] = ()
    daily: DailySettings = DailySettings()
    jobs: JobSettings = JobSettings()
    uploads: UploadSettings = UploadSettings()
    tracking: TrackingSettings = TrackingSettings()
    serving: ServingSettings = ServingSettings()
    security: SecuritySettings = SecuritySettings()
    disclosure: DisclosureSettings = DisclosureSettings()
    _file: Path | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path | None:
        """City file that they were read from; None for the embedded city."""
        return self._file

    def read_from(self, path: Path) -> "Settings":
        """Remember the city file."""
        self._file = path
        return self

    @model_validator(mode="after")
    def _complete(self) -> "Settings":
        if self.source.kind in {"file", "nibrs"} and not self.source.paths:
            raise ValueError("source.paths must name at least one file")
        if self.source.kind != "synthetic":
            if self.columns.occurred_from is None and self.columns.date is None:
                raise ValueError("columns.occurred_from or columns.date must name a column")
            if self.columns.category is None and self.taxonomy.fixed_category is None:
                raise ValueError("columns.category must name a column, or taxonomy.fixed_category a category")
        check_feed(self.source.kind, self.source.feed, self.columns.id)
        check_context(self.context)
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
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "_resources" / relative, package.parent.parent / relative):
        if candidate.exists():
            return candidate
    raise ConfigError(f"Shipped file {relative} is missing: reinstall crimepatterns.")


def load_settings(path: str | Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the shipped defaults, then the preset that is named, a city file, and overrides.

    Parameters
    ----------
    path : path-like, optional
        City file; the embedded default city where it is left out.
    overrides : mapping, optional
        Nested settings that win over all else.

    Raises
    ------
    ConfigError
        If a file is missing, is not YAML, or a setting is unknown or impossible. The message names each.
    """
    chosen = find_resource("config/cities/default.yaml") if path is None else Path(path)
    settings = build_settings(_merge(_read_yaml(chosen), overrides or {}), called=str(chosen))
    return settings if path is None else settings.read_from(chosen)


def build_settings(city: Mapping[str, Any], *, called: str = "settings") -> Settings:
    """Lay what a city says over the preset it names and the shipped defaults, and check it all.

    Parameters
    ----------
    city : mapping
        Nested settings, as in a city file.
    called : str
        What to call them in a message.

    Raises
    ------
    ConfigError
        If a setting is unknown or impossible. The message names each.
    """
    merged = with_feed_ids(with_preset(_read_yaml(find_resource("config/config.yaml")), city, _merge))
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'settings'}: {problem['msg']}"
            for problem in error.errors()[:5]
        )
        raise ConfigError(f"{called}: {problems}. See config/config.yaml for every setting.") from error


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
