"""Settings: one YAML file describes the product, one describes a city; both are checked before anything runs.

`config/config.yaml` is the manual: it holds every setting with its default and a comment. A city file holds what
differs. Later files win key by key.
"""

from crimepatterns.config.briefing import BriefingSettings
from crimepatterns.config.context import ContextSettings
from crimepatterns.config.data import (
    CleaningSettings,
    ColumnSettings,
    SourceSettings,
    StudyAreaSettings,
    TaxonomySettings,
)
from crimepatterns.config.execution import ExecutionSettings, TlsSettings, open_executor
from crimepatterns.config.feed import FeedSettings
from crimepatterns.config.gates import GateSettings
from crimepatterns.config.grid_choice import GridChoiceSettings
from crimepatterns.config.loading import Settings, build_settings, find_resource, load_settings, settings_digest
from crimepatterns.config.security import ProxySettings, SecuritySettings
from crimepatterns.config.tracking import TrackingSettings
from crimepatterns.config.work import (
    DailySettings,
    EvaluationSettings,
    ForecastSettings,
    GridSettings,
    PatternSettings,
    PlanSettings,
    QualitySettings,
    ServingSettings,
)

__all__ = [
    "BriefingSettings",
    "CleaningSettings",
    "ColumnSettings",
    "ContextSettings",
    "DailySettings",
    "EvaluationSettings",
    "ExecutionSettings",
    "FeedSettings",
    "ForecastSettings",
    "GateSettings",
    "GridChoiceSettings",
    "GridSettings",
    "PatternSettings",
    "PlanSettings",
    "ProxySettings",
    "QualitySettings",
    "SecuritySettings",
    "ServingSettings",
    "Settings",
    "SourceSettings",
    "StudyAreaSettings",
    "TaxonomySettings",
    "TlsSettings",
    "TrackingSettings",
    "build_settings",
    "find_resource",
    "load_settings",
    "open_executor",
    "settings_digest",
]
