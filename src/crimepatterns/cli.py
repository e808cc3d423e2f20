"""The command line: one command per stage, `run` for all of them.

Nothing heavy is imported here, so that ``crimepatterns --help`` answers at once.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crimepatterns.console import complain, outcome_facts, print_json, print_table, reporting, say
from crimepatterns.errors import ConfigError, CrimePatternsError

if TYPE_CHECKING:
    from crimepatterns.config import Settings

__all__ = ["app", "main"]

app = typer.Typer(
    name="crimepatterns",
    help=(
        "From incident records to hot spots, forecasts of places and times, patrol plans and honest scorecards.\n\n"
        "Without --config every command works on the embedded synthetic city. "
        "Start with: crimepatterns run"
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="City file, such as config/cities/chicago.yaml. Default: the embedded city."),
]
Change = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, such as --set grid.cell_size_m=150."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines, nothing else.")]
Force = Annotated[bool, typer.Option("--force", help="Run even if nothing has changed since the last time.")]


def main() -> None:
    """Run the command line; errors a user can act on become one line on standard error."""
    try:
        app(standalone_mode=False)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        complain("Stopped. The last finished results are untouched; the next run goes on from them.")
        sys.exit(130)
    except CrimePatternsError as error:
        _fail(error, code=2 if isinstance(error, ConfigError) else 1)
    except OSError as error:
        _fail(CrimePatternsError(f"{error.strerror or error}: {error.filename or 'system'}"), code=1)
    except Exception as error:
        # Usage errors of the command-line library know how to show themselves.
        if not hasattr(error, "show"):
            raise
        error.show()
        sys.exit(getattr(error, "exit_code", 2))


# -- one command per stage -------------------------------------------------------------------------------------------


@app.command(epilog="Example: crimepatterns ingest --config config/cities/chicago.yaml")
def ingest(config: Config = None, change: Change = None, as_json: AsJson = False, force: Force = False) -> None:
    """Copy raw records under data/raw, unchanged, without columns that look personal."""
    _stage("ingest", config, change, as_json=as_json, force=force)


@app.command(epilog="Example: crimepatterns clean --config config/cities/chicago.yaml --format csv")
def clean(
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
    force: Force = False,
    format: Annotated[  # noqa: A002  # the option's public name
        Literal["parquet", "csv"],
        typer.Option("--format", help="csv also writes preprocessed_data.csv beside the Parquet files."),
    ] = "parquet",
) -> None:
    """Check every row, keep the good ones, and account for each rejected one."""
    options = {"csv": True} if format == "csv" else {}
    _stage("clean", config, change, as_json=as_json, force=force, options=options)


@app.command(epilog="Example: crimepatterns patterns --set patterns.bandwidth_m=300")
def patterns(config: Config = None, change: Change = None, as_json: AsJson = False, force: Force = False) -> None:
    """Find hot spots and clusters in the most recent year."""
    _stage("patterns", config, change, as_json=as_json, force=force)


@app.command(epilog="Example: crimepatterns evaluate --report")
def evaluate(
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
    force: Force = False,
    report: Annotated[
        bool, typer.Option("--report", help="Open the judge span, once per release; the opening is logged.")
    ] = False,
) -> None:
    """Replay past weeks and score every model beside the baselines."""
    _stage("judge" if report else "evaluate", config, change, as_json=as_json, force=force)


# -- everything, and the page ----------------------------------------------------------------------------------------


@app.command(epilog="Example: crimepatterns run --config config/cities/chicago.yaml")
def run(
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
    force: Force = False,
) -> None:
    """Do everything that is there so far: from raw records to hot spots and the scoreboard."""
    from crimepatterns.operations.pipeline import run_all

    settings = _settings(config, change)
    with reporting(quiet=as_json) as progress:
        outcomes = run_all(settings, force=force, progress=progress)
    if as_json:
        print_json({"city": settings.city, "stages": [outcome_facts(outcome) for outcome in outcomes]})
        return
    print_table(settings.title, outcomes)


# -- care of data and models -----------------------------------------------------------------------------------------


@app.command(epilog="Example: crimepatterns forget HX123456 --config config/cities/chicago.yaml")
def forget(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Identifiers of the expunged records.")],
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
) -> None:
    """Erase expunged records everywhere: raw copy, cleaned incidents and rejected rows."""
    from crimepatterns.operations.erasure import forget_everywhere

    summary = forget_everywhere(_settings(config, change), ids)
    if as_json:
        print_json(summary)
    else:
        say(str(summary["sentence"]))


@app.command("settings", epilog="Example: crimepatterns settings --config config/cities/chicago.yaml")
def show_settings(config: Config = None, change: Change = None) -> None:
    """Print every setting as it will be used."""
    print_json(_settings(config, change).model_dump(mode="json"))


@app.command()
def version() -> None:
    """Print the version."""
    from crimepatterns.version import __version__

    say(__version__)


# -- helpers ---------------------------------------------------------------------------------------------------------


def _settings(config: Path | None, changes: list[str] | None) -> "Settings":
    from crimepatterns.config import load_settings

    return load_settings(config, _overrides(changes or []))


def _overrides(changes: list[str]) -> dict[str, Any]:
    """Turn ``a.b=value`` into nested settings; values are read as YAML."""
    import yaml

    overrides: dict[str, Any] = {}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set needs KEY=VALUE such as grid.cell_size_m=150, got {change!r}.")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {key}: {text!r} is not a YAML value.") from error
        *outer, last = key.split(".")
        place = overrides
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = value
    return overrides


def _stage(
    name: str,
    config: Path | None,
    changes: list[str] | None,
    *,
    as_json: bool,
    force: bool,
    options: Mapping[str, Any] | None = None,
) -> None:
    from crimepatterns.operations.pipeline import run_stage

    settings = _settings(config, changes)
    with reporting(quiet=as_json) as progress:
        outcome = run_stage(settings, name, force=force, progress=progress, options=options)
    if as_json:
        print_json({"city": settings.city, **outcome_facts(outcome)})
    else:
        print_table(settings.title, [outcome])


def _fail(error: CrimePatternsError, *, code: int) -> None:
    """Print the error as one line; with CRIMEPATTERNS_DEBUG=1 the whole story."""
    if os.environ.get("CRIMEPATTERNS_DEBUG"):
        raise error
    complain(f"error: {' '.join(str(error).split())}")
    sys.exit(code)
