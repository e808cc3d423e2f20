"""The command that erases records: ``crimepatterns forget``."""

from typing import Annotated

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import print_json, say

__all__ = ["forget"]


def forget(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Identifiers of the expunged records.")],
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
) -> None:
    """Erase expunged records everywhere: raw copy, cleaned incidents and rejected rows."""
    from crimepatterns.operations.erasure import forget_everywhere

    summary = forget_everywhere(settings_of(config, change), ids)
    if as_json:
        print_json(summary)
    else:
        say(str(summary["sentence"]))
