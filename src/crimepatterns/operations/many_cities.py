"""Run everything for many cities, each on a worker of its own; what fails in one city does not stop the others."""

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from crimepatterns.config import ExecutionSettings, Settings, open_executor
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import ConfigError, CrimePatternsError, ExecutionError
from crimepatterns.operations.pipeline import StageOutcome, run_all

__all__ = ["CityOutcome", "run_cities"]


@dataclass(frozen=True)
class CityOutcome:
    """What became of one city.

    Parameters
    ----------
    city, title : str
    outcomes : tuple of StageOutcome
        As of `run_all`; empty where the run ended with an error.
    seconds : float
        Wall-clock time.
    error : str
        Why the run ended early; empty where it did not.
    """

    city: str
    title: str
    outcomes: tuple[StageOutcome, ...]
    seconds: float
    error: str = ""

    @property
    def sentence(self) -> str:
        """Say in a sentence how the run went."""
        if self.error:
            return self.error
        done = Counter(_kind(outcome) for outcome in self.outcomes)
        counted = ", ".join(f"{done[kind]} {kind}" for kind in ("run", "unchanged", "not possible") if done[kind])
        kept = self._summary("clean").get("kept")
        champions = self._summary("evaluate").get("champions", {})
        parts = [
            f"{sum(done.values())} stages: {counted}",
            *([] if kept is None else [f"{kept:,} incidents"]),
            *([f"champions {', '.join(f'{name}: {model}' for name, model in champions.items())}"] if champions else []),
        ]
        return "; ".join(parts) + "."

    def _summary(self, stage: str) -> Mapping[str, Any]:
        return next((outcome.summary for outcome in self.outcomes if outcome.name == stage), {})


def run_cities(cities: Sequence[Settings], *, force: bool = False, progress: Progress = silent) -> list[CityOutcome]:
    """Run every stage of several cities, as many at a time as there are workers; see `run_all`.

    Each city holds its own lock, and is computed in one process on one worker. The first city's ``execution`` and
    ``workers`` decide where.

    Parameters
    ----------
    cities : sequence of Settings
    force : bool
        Run stages even if nothing changed.
    progress : Progress

    Returns
    -------
    list of CityOutcome
        One per city, in order.

    Raises
    ------
    ConfigError
        If a city is named twice.
    ExecutionError
        If the workers cannot be reached.
    """
    twice = [name for name, count in Counter((str(c.root.resolve()), c.city) for c in cities).items() if count > 1]
    if twice:
        raise ConfigError(f"City {twice[0][1]} is named twice: give each city a name of its own in its file.")
    found: list[CityOutcome] = []
    progress("Running cities", 0, len(cities))
    with open_executor(cities[0].execution, workers=cities[0].workers) as executor:
        # Where cities run beside one another, each keeps to one process.
        alone = {} if executor.workers == 1 else {"workers": 1, "execution": ExecutionSettings(kind="serial")}
        work = partial(_run_city, force, str(Path.cwd()))
        for outcome in executor.map(work, [one.model_copy(update=alone) for one in cities], lost=_lost):
            found.append(outcome)
            progress("Running cities", len(found), len(cities))
    return found


def _run_city(force: bool, folder: str, settings: Settings) -> CityOutcome:
    began = time.monotonic()
    outcomes: list[StageOutcome] = []
    error = ""
    try:
        _check_folder(folder)
        outcomes = run_all(settings, force=force)
    except CrimePatternsError as told:
        error = str(told)
    except Exception as unexpected:
        if os.environ.get("CRIMEPATTERNS_DEBUG"):
            raise
        # A fault of ours in one city must not cost the others their results.
        error = f"{type(unexpected).__name__}: {unexpected}"
    seconds = round(time.monotonic() - began, 2)
    return CityOutcome(settings.city, settings.title, tuple(outcomes), seconds, " ".join(error.split()))


def _check_folder(folder: str) -> None:
    """Paths of settings may be relative: they must lead to the same files here as where the run was started."""
    if str(Path.cwd()) != folder:
        raise ExecutionError(
            f"A worker runs in {Path.cwd()}, not in {folder}: start workers in the project folder, under the same path "
            "on every machine."
        )


def _lost(settings: Settings) -> CityOutcome:
    reason = "Its worker process died again and again, perhaps for want of memory; run this city by itself."
    return CityOutcome(settings.city, settings.title, (), 0.0, reason)


def _kind(outcome: StageOutcome) -> str:
    return "not possible" if outcome.impossible else "unchanged" if outcome.skipped else "run"
