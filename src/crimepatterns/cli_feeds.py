"""The commands about feeds: ``crimepatterns feeds list | show | add | check | reconcile``.

Feeds are added here or in a file, never by a request to the web page.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import complain, print_json, reporting, say
from crimepatterns.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from crimepatterns.operations.feeds import CheckedFeed

__all__ = ["feeds_app"]

feeds_app = typer.Typer(
    help="Look after feeds: records that come from portals and databases.",
    epilog="Example: crimepatterns feeds add chicago_live --preset chicago",
    no_args_is_help=True,
)

Preset = Annotated[str | None, typer.Option("--preset", help="A known feed, see crimepatterns feeds list.")]


@feeds_app.command("list", epilog="Example: crimepatterns feeds list")
def list_presets(as_json: AsJson = False) -> None:
    """List the feeds that are known already."""
    from crimepatterns.sources.feed_presets import PRESETS

    if as_json:
        print_json(
            {"presets": [{"name": one.name, "kind": _kind(one), "about": one.publisher} for one in PRESETS.values()]}
        )
        return
    for one in PRESETS.values():
        say(f"{one.name:<15} {_kind(one):<8} {one.publisher}")


@feeds_app.command(epilog="Example: crimepatterns feeds show seattle")
def show(
    name: Annotated[str | None, typer.Argument(help="A known feed; without it, what was pulled for --config.")] = None,
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
) -> None:
    """Print the data sheet of a known feed, or what was pulled for a city so far."""
    if name is None:
        _show_city(config, change, as_json=as_json)
        return
    import yaml

    from crimepatterns.sources.feed_presets import preset_named

    known = preset_named(name)
    parts = ("publisher", "rhythm", "geocoding", "privacy", "defects", "documentation")
    sheet = {part: getattr(known, part) for part in parts}
    if as_json:
        print_json({"name": known.name, **sheet, "settings": dict(known.settings)})
        return
    for part, text in sheet.items():
        say(f"{part}: {text}")
    say("Looked up, not run against the live portal; `crimepatterns feeds check --preset` asks it.")
    say(f"\n{yaml.safe_dump(dict(known.settings), sort_keys=False, allow_unicode=True, width=110)}")


@feeds_app.command(epilog="Example: crimepatterns feeds add my_town --domain data.example.org --dataset abcd-1234")
def add(
    name: Annotated[str, typer.Argument(help="Short name of the city; the file is <name>.yaml.")],
    preset: Preset = None,
    domain: Annotated[str | None, typer.Option("--domain", help="Socrata portal, with --dataset.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="Id of the dataset, such as ijzp-q8t2.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="ArcGIS layer, such as .../FeatureServer/0.")] = None,
    id_column: Annotated[str | None, typer.Option("--id-column", help="The publisher's lasting id.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="What people call the city.")] = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help="Such as America/Chicago.")] = None,
    allow_private: Annotated[
        list[str] | None, typer.Option("--allow-private", help="Host on your own network that may be asked.")
    ] = None,
    to: Annotated[Path, typer.Option("--to", help="Folder of the city file.")] = Path("config/cities"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """Write a city file for a known feed, or for a dataset whose columns are read and guessed."""
    from crimepatterns.operations.feeds import add_city

    path = add_city(
        name,
        to,
        preset=preset,
        domain=domain,
        dataset=dataset,
        url=url,
        id_column=id_column,
        title=title,
        timezone=timezone,
        allow_private=allow_private or (),
        replace=force,
    )
    say(f"{path} is written. Check it, then run: crimepatterns run --config {path}")


@feeds_app.command(epilog="Example: crimepatterns feeds check --config config/cities/chicago_live.yaml")
def check(
    config: Config = None,
    change: Change = None,
    preset: Preset = None,
    presets: Annotated[bool, typer.Option("--presets", help="Check every known feed.")] = False,
    rows: Annotated[int, typer.Option("--rows", min=1, max=1000, help="Records to fetch from each.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Fetch a few records and see whether every mapped column is there; nothing is stored."""
    from crimepatterns.operations.feeds import check_feeds
    from crimepatterns.sources.feed_presets import PRESETS

    names = list(PRESETS) if presets else [preset] if preset is not None else []
    cities = [settings_of(None, change, preset=name) for name in names] or [settings_of(config, change)]
    checked = [(settings.title, one) for settings in cities for one in check_feeds(settings, rows=rows)]
    if as_json:
        print_json({"feeds": [{"city": title, "good": one.good, **vars(one)} for title, one in checked]})
    else:
        for title, one in checked:
            _say_checked(title, one)
    bad = sum(not one.good for _, one in checked)
    if bad:
        raise SourceError(f"{bad} of {len(checked)} feeds cannot be used as they are mapped.")


@feeds_app.command(epilog="Example: crimepatterns feeds reconcile --config config/cities/chicago_live.yaml")
def reconcile(
    config: Config = None,
    change: Change = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Believe the publisher's list even if it lacks very many records.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask which records are still published, and mark those that are not as withdrawn."""
    from crimepatterns.operations.feeds import reconcile_city

    settings = settings_of(config, change)
    with reporting(quiet=as_json) as progress:
        found = reconcile_city(settings, accept=accept, progress=progress)
    if as_json:
        print_json(found)
        return
    say(f"{found['withdrawn']:,} of {found['known']:,} records are no longer published.")
    if found["cannot_list"]:
        say(f"Cannot say what they publish: {', '.join(found['cannot_list'])}.")
    if found["withdrawn"]:
        say("They leave the incidents with the next `crimepatterns clean`.")


def _show_city(config: Path | None, change: list[str] | None, *, as_json: bool) -> None:
    from crimepatterns.operations.feeds import feed_status

    if config is None:
        raise ConfigError("Give the name of a known feed (crimepatterns feeds list), or --config with a city file.")
    settings = settings_of(config, change)
    found = feed_status(settings)
    if as_json:
        print_json({"city": settings.city, "feeds": [vars(one) for one in found]})
        return
    if not found:
        say(f"Nothing of {settings.title} was pulled yet.")
    for one in found:
        waiting = f", {one.unfinished_rows:,} rows of an unfinished pull" if one.unfinished_rows else ""
        say(f"{one.name:<30} {one.rows:>12,} rows in {one.copies} copies, last {one.last or 'never'}{waiting}")


def _say_checked(title: str, one: "CheckedFeed") -> None:
    rows = "" if one.rows is None else f", {one.rows:,} rows"
    say(f"{'ok  ' if one.good else 'FAIL'} {title}: {one.name}{f' ({one.title}{rows})' if one.title else ''}")
    if one.problem:
        complain(f"     {' '.join(one.problem.split())}")
    for setting, column in one.missing.items():
        complain(f"     columns.{setting}: no column {column!r}")
    for setting, value in one.examples.items():
        say(f"     {setting:<16} {'(empty in these records)' if value is None else value[:80]}")


def _kind(known: Any) -> str:
    return str(known.settings["source"]["kind"])
