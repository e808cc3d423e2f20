"""What ``crimepatterns forecast --replay`` does: an earlier forecast once more, compared byte for byte."""

from pathlib import Path
from typing import TYPE_CHECKING

from crimepatterns.console import print_json, reporting, say
from crimepatterns.errors import ConfigError

if TYPE_CHECKING:
    from crimepatterns.config import Settings

__all__ = ["replay"]


def replay(settings: "Settings", manifest: Path, *, as_of: str | None, as_json: bool) -> None:
    """Make the forecast of a manifest again and say whether it is the same."""
    from crimepatterns.operations.replay import replay_forecast

    if as_of is not None:
        raise ConfigError("--replay takes its day from the manifest: leave out --as-of.")
    with reporting(quiet=as_json) as progress:
        summary = replay_forecast(settings, manifest, progress=progress)
    if as_json:
        print_json(summary)
    else:
        say(str(summary["sentence"]))
