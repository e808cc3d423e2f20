"""The stages of the product: what each needs, which settings it depends on, and what it leaves behind."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from crimepatterns.config import Settings
from crimepatterns.store.layout import Layout

__all__ = ["STAGES", "Stage", "stage_named"]


@dataclass(frozen=True)
class Stage:
    """One step from raw file to figures.

    Parameters
    ----------
    name : str
        The command that runs it.
    purpose : str
        Shown while it runs.
    target : str
        ``module:function``, imported when the stage runs.
    settings : tuple of str
        Sections of the settings whose change makes the stage run again.
    after : tuple of str
        Stages whose results it reads.
    outputs : callable
        Files and folders the stage leaves, from the city's layout.
    options : tuple of (str, object)
        Keyword arguments for the function.
    optional : tuple of str
        Stages whose results it reads if they are there.
    anew : str
        Keyword argument by which the function does all its work anew, for one that builds on its earlier result.
    """

    name: str
    purpose: str
    target: str
    settings: tuple[str, ...]
    after: tuple[str, ...]
    outputs: Callable[[Layout], tuple[Path, ...]]
    options: tuple[tuple[str, Any], ...] = ()
    optional: tuple[str, ...] = ()
    anew: str = ""

    def function(self) -> Callable[..., dict[str, Any]]:
        """Import the stage's function."""
        module, _, name = self.target.partition(":")
        found: Callable[..., dict[str, Any]] = getattr(import_module(module), name)
        return found

    def settings_of(self, settings: Settings) -> dict[str, object]:
        """Return the part of the settings this stage depends on."""
        whole = settings.model_dump(mode="json")
        own = {key: whole[key] for key in ("city", "title", "timezone", "crs", *self.settings)}
        if "forecast" in self.settings and settings.forecast.split_premise:
            # What is forecast then hangs on what counts as indoors and outdoors.
            own["premise"] = [whole["patterns"][key] for key in ("premise_column", "indoor", "outdoor")]
        return own


_CLEANING = ("source", "columns", "cleaning", "study_area", "taxonomy")
_MODELLING = ("grid", "forecast", "evaluation", "taxonomy", "context")

STAGES: tuple[Stage, ...] = (
    Stage(
        "ingest",
        "Copying raw records",
        "crimepatterns.data_processing:ingest",
        ("source", "columns"),
        (),
        lambda layout: (layout.raw / "files", layout.raw / "MANIFEST.json"),
    ),
    Stage(
        "clean",
        "Cleaning incidents",
        "crimepatterns.data_processing:clean",
        _CLEANING,
        ("ingest",),
        lambda layout: (layout.processed,),
        anew="rebuild",
    ),
    Stage(
        "context",
        "Bringing in context",
        "crimepatterns.context_processing:build_context",
        ("context",),
        ("clean",),
        lambda layout: (layout.context, layout.raw_context),
    ),
    Stage(
        "check",
        "Doubting the records",
        "crimepatterns.quality_check:check",
        ("grid", "patterns", "forecast", "quality"),
        ("clean",),
        lambda layout: (layout.quality,),
    ),
    Stage(
        "patterns",
        "Finding hot spots and clusters",
        "crimepatterns.pattern_analysis:find_patterns",
        ("grid", "patterns", "forecast", "taxonomy", "quality", "context"),
        ("clean",),
        lambda layout: (layout.patterns,),
        optional=("context", "check"),
    ),
    Stage(
        "train",
        "Training models",
        "crimepatterns.model_training:train",
        _MODELLING,
        ("clean",),
        # Not their logs: who is served may change without anything being taught.
        lambda layout: tuple(sorted(layout.models.glob(f"{layout.city}-*/[!.]*/"))),
        optional=("context",),
    ),
    Stage(
        "evaluate",
        "Scoring models on past weeks",
        "crimepatterns.model_evaluation:evaluate",
        _MODELLING,
        ("clean",),
        lambda layout: (layout.evaluation / "select",),
        optional=("context", "check"),
    ),
    Stage(
        "forecast",
        "Forecasting",
        "crimepatterns.forecasting:forecast",
        _MODELLING,
        ("clean",),
        lambda layout: (layout.forecasts,),
        optional=("context", "check", "train", "evaluate"),
    ),
    Stage(
        "plan",
        "Planning patrols",
        "crimepatterns.planning:plan",
        ("grid", "forecast", "plan", "taxonomy", "evaluation"),
        ("clean", "forecast"),
        lambda layout: (layout.plan,),
        optional=("check",),
    ),
    Stage(
        "visualize",
        "Drawing figures",
        "crimepatterns.visualization:visualize",
        ("grid", "patterns", "forecast", "plan", "context"),
        ("clean", "patterns"),
        lambda layout: (layout.figures,),
        optional=("context", "check", "evaluate", "judge", "forecast"),
    ),
)
"""In the order in which `run` takes them."""

JUDGE = Stage(
    "judge",
    "Opening the judge span",
    "crimepatterns.model_evaluation:evaluate",
    _MODELLING,
    ("clean", "evaluate"),
    lambda layout: (layout.evaluation / "judge",),
    (("report", True),),
    optional=("context", "check"),
)

MONITOR = Stage(
    "monitor",
    "Watching what is served",
    "crimepatterns.forecast_monitoring:monitor",
    ("grid", "forecast", "evaluation", "taxonomy"),
    ("clean",),
    # Only who is served matters to the stages that follow, not how old the data are today.
    lambda layout: (layout.monitoring / "retirement.json",),
    optional=("check", "evaluate"),
)

GATE = Stage(
    "gate",
    "Judging waiting models",
    "crimepatterns.model_gates:gate",
    (*_MODELLING, "gates", "plan"),
    ("clean",),
    lambda layout: tuple(sorted(layout.models.glob(f"{layout.city}-*/gates.jsonl"))),
    optional=("context", "check", "train"),
)


def stage_named(name: str) -> Stage:
    """Return the stage of that name."""
    return next(stage for stage in (*STAGES, JUDGE, MONITOR, GATE) if stage.name == name)
