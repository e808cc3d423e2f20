"""The command that follows a forecast back to the raw copies: ``crimepatterns lineage``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import print_json, say

__all__ = ["lineage"]


def lineage(
    manifest: Annotated[
        Path | None, typer.Argument(metavar="MANIFEST", help="Of an earlier forecast run. Default: the last one.")
    ] = None,
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
) -> None:
    """Follow a forecast back to the raw copies, and check every link; the exit status is 1 where one is broken."""
    from crimepatterns.operations.lineage import lineage_of, lineage_text

    found = lineage_of(settings_of(config, change), manifest)
    if as_json:
        print_json(found)
    else:
        say("\n".join(lineage_text(found)))
    if found["breaks"]:
        sys.exit(1)
