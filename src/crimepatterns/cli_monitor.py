"""The command that watches what is served: ``crimepatterns monitor``."""

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import print_json, reporting, say

__all__ = ["monitor"]


def monitor(config: Config = None, change: Change = None, as_json: AsJson = False) -> None:
    """Judge matured forecasts, look for drift, and retire a champion that is shown to be worse."""
    from crimepatterns.operations.pipeline import run_stage

    settings = settings_of(config, change)
    with reporting(quiet=as_json) as progress:
        # What is fresh and what has matured depends on the clock: this stage always runs.
        summary = run_stage(settings, "monitor", force=True, progress=progress).summary
    if as_json:
        print_json(summary)
    else:
        say("\n".join(summary["sentences"]))
