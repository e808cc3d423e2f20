"""The commands about labels and categories: ``crimepatterns taxonomy list | show | suggest``."""

from typing import Annotated

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import print_json, say

__all__ = ["taxonomy_app"]

taxonomy_app = typer.Typer(
    help="Look into the tables that turn a publisher's labels and codes into categories.",
    epilog="Example: crimepatterns taxonomy suggest --config config/cities/chicago.yaml",
    no_args_is_help=True,
)


@taxonomy_app.command("list", epilog="Example: crimepatterns taxonomy list")
def list_tables(as_json: AsJson = False) -> None:
    """List the shipped crosswalks."""
    from crimepatterns.config.taxonomy_tables import crosswalk_names, open_crosswalk

    tables = [open_crosswalk(name) for name in crosswalk_names()]
    facts = [
        {"name": one.name, "lines": len(one.entries), "codes": one.has_codes, "about": one.about} for one in tables
    ]
    if as_json:
        print_json({"crosswalks": facts})
        return
    for one in facts:
        what = str(one["about"]).removeprefix("What: ").partition(" Facts from: ")[0]
        say(f"{one['name']:<14} {one['lines']:>4} lines  {what}")


@taxonomy_app.command(epilog="Example: crimepatterns taxonomy show new_york")
def show(
    name: Annotated[str, typer.Argument(help="A shipped crosswalk, or the path of your own.")],
    as_json: AsJson = False,
) -> None:
    """Print a crosswalk: every label and code with its category, NIBRS code and how it comes to light."""
    from crimepatterns.config.taxonomy_tables import open_crosswalk

    crosswalk = open_crosswalk(name)
    if as_json:
        listed = [
            {"kind": kind, "value": value, "category": e.category, "nibrs": e.nibrs, "discovery": e.discovery}
            for kind, value, e in crosswalk.entries
        ]
        print_json({"name": crosswalk.name, "about": crosswalk.about, "entries": listed})
        return
    say(crosswalk.about)
    for kind, value, entry in crosswalk.entries:
        say(f"{kind:<7} {value:<40} {entry.category:<22} {entry.nibrs:<4} {entry.discovery}")


@taxonomy_app.command(epilog="Example: crimepatterns taxonomy suggest --config config/cities/chicago.yaml")
def suggest(config: Config = None, change: Change = None, as_json: AsJson = False) -> None:
    """Say which labels of the ingested records are not known, and propose lines for the city file."""
    from crimepatterns.cleaning_run.label_advice import advise_on_labels

    settings = settings_of(config, change)
    advice = advise_on_labels(settings)
    if as_json:
        print_json(
            {
                "city": settings.city,
                "rows": advice.rows,
                "known": advice.known,
                "tables": dict(advice.tables),
                "unknown": list(advice.unknown),
                "proposal": advice.proposal,
            }
        )
        return
    say(f"{settings.title}: {advice.known:,} of {advice.rows:,} labelled rows are known to the city file.")
    shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in advice.tables if share > 0)
    say(f"Shipped tables by the share of rows they know: {shares or 'none knows any'}.")
    if not advice.unknown:
        say("Every label is known; nothing to propose.")
        return
    say(f"{len(advice.unknown):,} unknown labels. Lines for the city file:\n\n{advice.proposal}")
