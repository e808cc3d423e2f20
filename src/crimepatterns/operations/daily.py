"""The work of every morning: fetch, clean, doubt, watch, forecast, plan, draw; teach and promote models when due.

Each step is a stage, so a second run finds what is unchanged, and a run after a crash goes on where the last one
stopped. A step that fails leaves the last good result in place and the steps after it go on from there: an old
forecast of today's records is better than none, as long as the report says so.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import pandas as pd

from crimepatterns.config import Settings
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import CrimePatternsError, NotApplicableError
from crimepatterns.operations.locking import city_lock
from crimepatterns.operations.pipeline import StageOutcome, run_stage, stage_manifest
from crimepatterns.operations.sentences import sentence_of
from crimepatterns.store.atomic import read_json, write_json
from crimepatterns.store.layout import Layout
from crimepatterns.version import __version__

__all__ = ["DailyReport", "DailyStep", "daily", "last_report"]

State = Literal["done", "unchanged", "not due", "not possible", "failed"]

_BEFORE = ("ingest", "clean", "context", "check", "patterns", "monitor")
_TEACHING = ("train", "evaluate")
_AFTER = ("gate", "forecast", "plan", "visualize")
_BY_THE_CLOCK = frozenset({"monitor", "gate"})
"""Steps that find out themselves whether there is anything to do: on the day, or on who waits."""


@dataclass(frozen=True)
class DailyStep:
    """What became of one step.

    Parameters
    ----------
    name : str
        The stage.
    state : {"done", "unchanged", "not due", "not possible", "failed"}
    seconds : float
        Wall-clock time of this run.
    sentence : str
        What it found, or why it did not.
    """

    name: str
    state: State
    seconds: float
    sentence: str


@dataclass(frozen=True)
class DailyReport:
    """What one morning's run did.

    Parameters
    ----------
    city : str
    started_at, finished_at : str
        ISO 8601, UTC.
    steps : tuple of DailyStep
    """

    city: str
    started_at: str
    finished_at: str
    steps: tuple[DailyStep, ...] = field(repr=False)

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the steps that failed."""
        return tuple(step.name for step in self.steps if step.state == "failed")

    def sentence(self) -> str:
        """Say how it went in one sentence."""
        if not self.failed:
            done = [step.name for step in self.steps if step.state == "done"]
            return f"All well: {', '.join(done)} done." if done else "All well: nothing had changed."
        return (
            f"Failed: {', '.join(self.failed)}. What they left last time is still in place and was used; "
            "run `crimepatterns daily` again when the cause is mended."
        )

    def facts(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "city": self.city,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "version": __version__,
            "failed": list(self.failed),
            "sentence": self.sentence(),
            "steps": [vars(step) for step in self.steps],
        }


def daily(settings: Settings, *, retrain: bool = False, progress: Progress = silent) -> DailyReport:
    """Do the work of a morning and write its report to ``results/<city>/daily``.

    Models are taught and scored anew when they never were, when the records reach ``daily.retrain_days`` beyond what
    they were taught on, or when drift was found after that. A new version is served once it passes the gates
    (`crimepatterns.model_gates`). What `monitor` found decides who is served.

    Parameters
    ----------
    settings : Settings
    retrain : bool
        Teach models anew even if they are not due.
    progress : Progress

    Returns
    -------
    DailyReport
        Also of failed steps; nothing is raised for those.

    Raises
    ------
    CrimePatternsError
        If another `daily` is at work on this city.
    """
    layout = Layout(settings.root, settings.city)
    started = _now()
    with city_lock(layout.daily):
        steps = tuple(_steps(settings, layout, retrain=retrain, progress=progress))
        report = DailyReport(settings.city, started, _now(), steps)
        write_json(layout.daily / f"{started[:10]}.json", report.facts())
        write_json(layout.daily / "latest.json", report.facts())
    return report


def last_report(settings: Settings) -> Mapping[str, Any] | None:
    """Return the facts of the last finished run, or None before the first."""
    path = Layout(settings.root, settings.city).daily / "latest.json"
    found: Mapping[str, Any] | None = read_json(path) if path.is_file() else None
    return found


def _steps(settings: Settings, layout: Layout, *, retrain: bool, progress: Progress) -> Iterator[DailyStep]:
    for name in _BEFORE:
        yield _step(settings, name, progress)
    due = "asked for" if retrain else _due(settings, layout)
    for name in _TEACHING:
        if due:
            yield _step(settings, name, progress)
        else:
            when = f"due {settings.daily.retrain_days} days of records after the last training, or after a drift"
            yield DailyStep(name, "not due", 0.0, when if settings.daily.retrain_days is not None else "switched off")
    for name in _AFTER:
        yield _step(settings, name, progress)


def _step(settings: Settings, name: str, progress: Progress) -> DailyStep:
    """Run one stage; its failure is told, and leaves the last good result."""
    began = time.monotonic()
    try:
        outcome = run_stage(settings, name, force=name in _BY_THE_CLOCK, progress=progress)
    except NotApplicableError as error:
        return DailyStep(name, "not possible", _since(began), str(error))
    except (CrimePatternsError, OSError) as error:
        return DailyStep(name, "failed", _since(began), " ".join(f"{type(error).__name__}: {error}".split()))
    return DailyStep(name, _state(outcome), _since(began), sentence_of(name, outcome.summary))


def _state(outcome: StageOutcome) -> State:
    if outcome.summary.get("judged") == 0:
        return "not due"
    return "unchanged" if outcome.skipped else "done"


def _due(settings: Settings, layout: Layout) -> bool:
    """Tell whether models were never taught, or on records that are too old by now, or before a drift."""
    trained, scored = stage_manifest(settings, "train"), stage_manifest(settings, "evaluate")
    if trained is None or scored is None:
        return True
    days = settings.daily.retrain_days
    if days is None or not layout.cleaning_report.is_file():
        return False
    taught = _day(trained["summary"]["trained_until"])
    if (_day(read_json(layout.cleaning_report)["last"]) - taught).days >= days:
        return True
    watched = stage_manifest(settings, "monitor")
    found = {} if watched is None else watched["summary"]
    drifted = any(shift["alarm"] for shift in found.get("drift", ()))
    return drifted and _day(found["drift_until"]) > taught


def _day(moment: str) -> pd.Timestamp:
    return pd.Timestamp(moment).tz_localize(None).normalize()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _since(began: float) -> float:
    return round(time.monotonic() - began, 2)
