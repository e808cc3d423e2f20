"""What the command line prints: progress while a stage runs, a table or JSON when it is done."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from crimepatterns.domain.protocols import Progress
    from crimepatterns.operations.daily import DailyStep
    from crimepatterns.operations.many_cities import CityOutcome
    from crimepatterns.operations.pipeline import StageOutcome

__all__ = [
    "city_facts",
    "complain",
    "outcome_facts",
    "print_cities",
    "print_json",
    "print_steps",
    "print_table",
    "reporting",
    "say",
]

_DETAIL, _EVERY_S = " · ", 30.0
"""What parts a task from how it goes, and how often that is printed where there is no terminal, seconds."""


@contextmanager
def reporting(*, quiet: bool) -> Iterator["Progress"]:
    """Yield a progress reporter: bars on a terminal, one line per task elsewhere, nothing when quiet."""
    from crimepatterns.domain.protocols import silent

    if quiet:
        yield silent
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _also_to_file(_line_per_task(console))
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def report(task: str, done: float, total: float | None) -> None:
            name = task.partition(_DETAIL)[0]
            if name not in tasks:
                tasks[name] = bars.add_task(task, total=total)
            bars.update(tasks[name], description=task, completed=done, total=total)

        yield report


def _also_to_file(report: "Progress") -> "Progress":
    """Where this process is a job, also write how far it is for those who look after it."""
    from crimepatterns.store.progress_file import PROGRESS_FILE, ProgressFile

    named = os.environ.get(PROGRESS_FILE)
    if not named:
        return report
    written = ProgressFile(Path(named))

    def both(task: str, done: float, total: float | None) -> None:
        report(task, done, total)
        written(task, done, total)

    return both


def _line_per_task(console: Console) -> "Progress":
    told: dict[str, float] = {}

    def report(task: str, done: float, total: float | None) -> None:
        name, detail, _ = task.partition(_DETAIL)
        now = monotonic()
        # Long work that says how it goes says so twice a minute.
        if (name not in told and not done) or (detail and now - told.get(name, now) >= _EVERY_S):
            told[name] = now
            console.print(f"{task} ...", highlight=False)
        _ = total

    return report


def outcome_facts(outcome: "StageOutcome") -> dict[str, Any]:
    """Give what a stage did as plain values."""
    return {
        "stage": outcome.name,
        "skipped": outcome.skipped,
        "seconds": outcome.seconds,
        "impossible": outcome.impossible,
        "summary": dict(outcome.summary),
    }


def city_facts(city: "CityOutcome") -> dict[str, Any]:
    """Give what became of a city as plain values."""
    stages = [outcome_facts(outcome) for outcome in city.outcomes]
    return {"city": city.city, "title": city.title, "seconds": city.seconds, "error": city.error, "stages": stages}


def print_cities(cities: list["CityOutcome"]) -> None:
    """Print one row per city: how long it took, and how it went in a sentence."""
    from rich.table import Table
    from rich.text import Text

    failed = sum(bool(city.error) for city in cities)
    title = f"{len(cities)} cities" + (f", {failed} with an error" if failed else "")
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("City", no_wrap=True)
    table.add_column("Time", justify="right", no_wrap=True)
    table.add_column("Result")
    for city in cities:
        told = Text(f"error: {city.error}", style="red") if city.error else Text(city.sentence)
        table.add_row(Text(city.city), f"{city.seconds:.1f} s", told)
    Console().print(table)


def print_steps(title: str, steps: Sequence["DailyStep"]) -> None:
    """Print one row per step of a morning: what became of it, how long it took, and its result in a sentence."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("Step", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("Time", justify="right", no_wrap=True)
    table.add_column("Result")
    for step in steps:
        style = "red" if step.state == "failed" else ""
        took = f"{step.seconds:.1f} s" if step.state in {"done", "failed"} else ""
        table.add_row(step.name, Text(step.state, style=style), took, Text(step.sentence, style=style))
    Console().print(table)


def print_table(title: str, outcomes: list["StageOutcome"]) -> None:
    """Print one row per stage: how long it took, and its result in a sentence."""
    from rich.table import Table

    from crimepatterns.operations.sentences import sentence_of

    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("Stage", no_wrap=True)
    table.add_column("Time", justify="right", no_wrap=True)
    table.add_column("Result")
    for outcome in outcomes:
        took = "-" if outcome.impossible else "unchanged" if outcome.skipped else f"{outcome.seconds:.1f} s"
        table.add_row(outcome.name, took, outcome.impossible or sentence_of(outcome.name, outcome.summary))
    Console().print(table)


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    say(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def say(text: str) -> None:
    """Print to standard output."""
    typer.echo(text)


def complain(text: str) -> None:
    """Print to standard error."""
    typer.echo(text, err=True)
