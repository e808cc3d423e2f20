"""What the commands have in common: their options, and how these become settings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crimepatterns.errors import ConfigError

if TYPE_CHECKING:
    from crimepatterns.config import Settings

__all__ = ["AsJson", "Change", "Config", "Configs", "Force", "settings_of"]

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="CRIMEPATTERNS_CONFIG",
        help="City file, such as config/cities/chicago.yaml. Default: the embedded city.",
    ),
]
Configs = Annotated[
    list[Path] | None,
    typer.Option(
        "--config",
        "-c",
        envvar="CRIMEPATTERNS_CONFIG",
        help="City file; give several to run many cities, as many at a time as workers.",
    ),
]
Change = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, such as --set grid.cell_size_m=150."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines, nothing else.")]
Force = Annotated[bool, typer.Option("--force", help="Run even if nothing has changed since the last time.")]


def settings_of(config: Path | None, changes: list[str] | None, *, preset: str | None = None) -> "Settings":
    """Read the settings of a city file, or of a known feed alone, with the changes of the command line."""
    from crimepatterns.config import build_settings, load_settings

    if preset is None:
        return load_settings(config, _overrides(changes or []))
    over = _overrides(changes or [])
    source = over.get("source", {})
    feed = {**source.get("feed", {}), "preset": preset}
    return build_settings({"city": preset, **over, "source": {**source, "feed": feed}}, called=f"preset {preset}")


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
