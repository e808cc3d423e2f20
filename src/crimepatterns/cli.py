"""The command line: one command per stage, `run` for all of them, `serve` for the page.

Nothing heavy is imported here, so that ``crimepatterns --help`` answers at once.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crimepatterns import cli_maps as maps
from crimepatterns.cli_backup import backup, restore, verify
from crimepatterns.cli_cards import cards_app
from crimepatterns.cli_care import forget
from crimepatterns.cli_daily import daily
from crimepatterns.cli_expect import expect
from crimepatterns.cli_explain import explain
from crimepatterns.cli_feeds import feeds_app
from crimepatterns.cli_jobs import jobs_app
from crimepatterns.cli_keys import keys_app
from crimepatterns.cli_lineage import lineage
from crimepatterns.cli_models import model_app
from crimepatterns.cli_monitor import monitor
from crimepatterns.cli_options import AsJson, Change, Config, Configs, Force, settings_of
from crimepatterns.cli_replay import replay as replay_manifest
from crimepatterns.cli_squares import Metric, score_by_squares
from crimepatterns.cli_taxonomy import taxonomy_app
from crimepatterns.console import (
    city_facts,
    complain,
    outcome_facts,
    print_cities,
    print_json,
    print_table,
    reporting,
    say,
)
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
app.add_typer(model_app, name="model")
app.add_typer(taxonomy_app, name="taxonomy")
app.add_typer(feeds_app, name="feeds")
app.add_typer(cards_app, name="cards")
app.command(epilog="Example: crimepatterns forget HX123456 --config config/cities/chicago.yaml")(forget)
app.add_typer(keys_app, name="keys")
app.add_typer(jobs_app, name="jobs")
app.command(epilog="Example: crimepatterns grid --category theft")(maps.grid)
app.command(epilog="Example: crimepatterns explain --category theft --cell s12_34")(explain)
app.command(epilog="Example: crimepatterns backup /backup/chicago.tar --config config/cities/chicago.yaml")(backup)
app.command(epilog="Example: crimepatterns restore /backup/chicago.tar --config config/cities/chicago.yaml")(restore)
app.command(epilog="Example: crimepatterns verify /backup/chicago.tar")(verify)
app.command(epilog="Example: crimepatterns monitor --json")(monitor)
app.command(epilog="Example: crimepatterns daily --config config/cities/chicago.yaml --json")(daily)
app.command(epilog="Example: crimepatterns lineage --json")(lineage)
app.command(epilog="Example: crimepatterns expect --category theft --neighbourhood LOOP")(expect)


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


@app.command(epilog="Example: crimepatterns context --config config/cities/chicago.yaml")
def context(config: Config = None, change: Change = None, as_json: AsJson = False, force: Force = False) -> None:
    """Bring in places, lines, areas and tables beside the incidents, each with its knowledge date."""
    _stage("context", config, change, as_json=as_json, force=force)


@app.command(epilog="Example: crimepatterns check --config config/cities/chicago.yaml")
def check(config: Config = None, change: Change = None, as_json: AsJson = False, force: Force = False) -> None:
    """Doubt the records: what is wrong with them, and what that does to hot spots."""
    _stage("check", config, change, as_json=as_json, force=force)


@app.command(epilog="Example: crimepatterns patterns --method knox --method near_repeat --category burglary")
def patterns(
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
    force: Force = False,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method", help="Only this method, other results stay; may be repeated. Default: patterns.methods."
        ),
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option("--category", help="Only this category; may be repeated.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="Only what was known at the beginning of this day.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--filter", help="Only indoor, outdoor, domestic or 'not domestic'; may be repeated."),
    ] = None,
    export: Annotated[
        list[str] | None, typer.Option("--export", help="Also write geojson, gpkg or csv; may be repeated.")
    ] = None,
) -> None:
    """Find hot spots, clusters and repeats, and what changed, in the most recent year."""
    chosen = {"methods": method, "categories": category, "as_of": as_of, "filter": only, "export": export}
    asked = [f"patterns.{name}={json.dumps(value)}" for name, value in chosen.items() if value]
    options = {"keep": True} if method or category else {}
    _stage("patterns", config, [*(change or []), *asked], as_json=as_json, force=force, options=options)


@app.command(epilog="Example: crimepatterns train --set 'forecast.categories=[burglary]'")
def train(config: Config = None, change: Change = None, as_json: AsJson = False, force: Force = False) -> None:
    """Tune and fit the learners, and store each with its metrics, settings and card."""
    _stage("train", config, change, as_json=as_json, force=force)


@app.command(epilog="Example: crimepatterns evaluate --report")
def evaluate(
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
    force: Force = False,
    report: Annotated[
        bool, typer.Option("--report", help="Open the judge span, once per release; the opening is logged.")
    ] = False,
    truth: maps.Truth = None,
    forecast: maps.MapFile = None,
    category: maps.Of = None,
    field: maps.Field = None,
    before: maps.Before = None,
    start: maps.From = None,
    until: maps.Until = None,
    rules: maps.Check = None,
    metric: Metric = None,
) -> None:
    """Replay past weeks and score every model beside the baselines; or score one map by --truth."""
    if metric is not None:
        score_by_squares(settings_of(config, change), as_json=as_json)
        return
    asked = maps.MapQuestion(truth, rules, forecast, category, field, before, (start, until))
    if asked:
        maps.answer(settings_of(config, change), asked, as_json=as_json)
        return
    _stage("judge" if report else "evaluate", config, change, as_json=as_json, force=force)


@app.command(epilog="Example: crimepatterns forecast --as-of 2025-10-01")
def forecast(
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
    force: Force = False,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="Forecast from this day. Default: the last day.")
    ] = None,
    shifts: Annotated[
        str | None, typer.Option("--shifts", metavar="TIMES", help="When shifts begin, such as 06:00,14:00,22:00.")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="MANIFEST", help="Make the forecast of this manifest again and compare it."),
    ] = None,
    rules: maps.Rules = None,
) -> None:
    """Forecast the next period by every model, and its shifts by the chosen one."""
    if rules is not None:
        maps.draw_challenge_maps(settings_of(config, change), as_of=as_of, as_json=as_json)
        return
    if replay is not None:
        replay_manifest(settings_of(config, change), replay, as_of=as_of, as_json=as_json)
        return
    options = {} if as_of is None else {"as_of": as_of}
    asked = [] if shifts is None else [f"forecast.shifts={json.dumps([time.strip() for time in shifts.split(',')])}"]
    _stage("forecast", config, [*(change or []), *asked], as_json=as_json, force=force, options=options)


@app.command(epilog="Example: crimepatterns plan --set plan.units=10")
def plan(config: Config = None, change: Change = None, as_json: AsJson = False, force: Force = False) -> None:
    """Choose places and hours for the patrols there are."""
    _stage("plan", config, change, as_json=as_json, force=force)


@app.command(epilog="Example: crimepatterns visualize --config config/cities/chicago.yaml")
def visualize(config: Config = None, change: Change = None, as_json: AsJson = False, force: Force = False) -> None:
    """Draw the figures."""
    _stage("visualize", config, change, as_json=as_json, force=force)


# -- everything, and the page ----------------------------------------------------------------------------------------


@app.command(epilog="Example: crimepatterns run --config config/cities/chicago.yaml")
def run(
    config: Configs = None,
    change: Change = None,
    as_json: AsJson = False,
    force: Force = False,
    serve_page: Annotated[bool, typer.Option("--serve/--no-serve", help="Open the web page when done.")] = True,
) -> None:
    """Do everything: from raw records to figures, then serve the web page (of one city)."""
    from crimepatterns.operations.pipeline import run_all

    if config is not None and len(config) > 1:
        _run_cities(config, change, as_json=as_json, force=force)
        return
    settings = settings_of(config[0] if config else None, change)
    with reporting(quiet=as_json) as progress:
        outcomes = run_all(settings, force=force, progress=progress)
    if as_json:
        print_json({"city": settings.city, "stages": [outcome_facts(outcome) for outcome in outcomes]})
        return
    print_table(settings.title, outcomes)
    if serve_page:
        _serve(settings)


@app.command(epilog="Example: crimepatterns serve --set serving.port=8080")
def serve(config: Config = None, change: Change = None) -> None:
    """Serve the web page on this machine."""
    _serve(settings_of(config, change))


@app.command("settings", epilog="Example: crimepatterns settings --config config/cities/chicago.yaml")
def show_settings(config: Config = None, change: Change = None) -> None:
    """Print every setting as it will be used."""
    print_json(settings_of(config, change).model_dump(mode="json"))


@app.command()
def version() -> None:
    """Print the version."""
    from crimepatterns.version import __version__

    say(__version__)


# -- helpers ---------------------------------------------------------------------------------------------------------


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

    settings = settings_of(config, changes)
    with reporting(quiet=as_json) as progress:
        outcome = run_stage(settings, name, force=force, progress=progress, options=options)
    if as_json:
        print_json({"city": settings.city, **outcome_facts(outcome)})
    else:
        print_table(settings.title, [outcome])


def _run_cities(configs: list[Path], change: list[str] | None, *, as_json: bool, force: bool) -> None:
    from crimepatterns.operations.many_cities import run_cities

    cities = [settings_of(config, change) for config in configs]
    with reporting(quiet=as_json) as progress:
        found = run_cities(cities, force=force, progress=progress)
    if as_json:
        print_json({"cities": [city_facts(city) for city in found]})
    else:
        print_cities(found)
    if any(city.error for city in found):
        sys.exit(1)


def _serve(settings: "Settings") -> None:
    from crimepatterns.serving.run import serve as serve_page

    serve_page(settings, ready=lambda address: say(f"The page: {address} (Ctrl+C stops it)"))


def _fail(error: CrimePatternsError, *, code: int) -> None:
    """Print the error as one line; with CRIMEPATTERNS_DEBUG=1 the whole story."""
    if os.environ.get("CRIMEPATTERNS_DEBUG"):
        raise error
    complain(f"error: {' '.join(str(error).split())}")
    sys.exit(code)
