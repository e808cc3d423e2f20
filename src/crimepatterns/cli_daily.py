"""The command that does the work of every morning: ``crimepatterns daily``."""

import sys
from typing import Annotated

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import print_json, print_steps, reporting, say

__all__ = ["daily"]


def daily(
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Teach and score models anew even if they are not due.")
    ] = False,
) -> None:
    """Do the work of a morning: fetch, clean, doubt, forecast, plan and draw; teach models when they are due.

    Safe to run again at any time. A step that fails leaves its last result in place and the exit status is 1.
    """
    from crimepatterns.operations.daily import daily as run_daily

    settings = settings_of(config, change)
    with reporting(quiet=as_json) as progress:
        report = run_daily(settings, retrain=retrain, progress=progress)
    if as_json:
        print_json(report.facts())
    else:
        print_steps(settings.title, report.steps)
        say(report.sentence())
    if report.failed:
        sys.exit(1)
