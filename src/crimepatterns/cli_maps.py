"""Commands about grids and single maps: choosing cells, maps for a challenge, scoring any map."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import print_json, reporting, say
from crimepatterns.errors import ConfigError

if TYPE_CHECKING:
    from crimepatterns.config import Settings

__all__ = [
    "Before",
    "Check",
    "Field",
    "From",
    "MapFile",
    "MapQuestion",
    "Of",
    "Rules",
    "Truth",
    "Until",
    "answer",
    "draw_challenge_maps",
    "grid",
]  # fmt: skip

Truth = Annotated[
    Path | None,
    typer.Option("--truth", metavar="FILE", help="Score one map against the incidents in this file instead."),
]
MapFile = Annotated[
    Path | None,
    typer.Option("--forecast", metavar="FILE", help="The map: polygons with hotspot 0/1 or scores."),
]
Of = Annotated[
    str | None, typer.Option("--category", help="With --truth: our own last forecast of this category is the map.")
]
Field = Annotated[str | None, typer.Option("--field", help="With --truth: field with hot spots or scores.")]
Before = Annotated[
    Path | None, typer.Option("--before", metavar="FILE", help="With --truth: earlier incidents, for the RRI.")
]
From = Annotated[str | None, typer.Option("--from", metavar="DAY", help="With --truth: only from this day on.")]
Until = Annotated[str | None, typer.Option("--until", metavar="DAY", help="With --truth: only before this day.")]

Check = Annotated[
    Literal["nij"] | None,
    typer.Option("--rules", help="Say which rules of the challenge the map of --forecast breaks."),
]
Rules = Annotated[
    Literal["nij"] | None,
    typer.Option("--rules", help="Maps under the rules of a challenge instead, for every horizon, as GeoPackages."),
]


def grid(
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
    category: Annotated[
        list[str] | None, typer.Option("--category", help="Only this category; may be repeated.")
    ] = None,
) -> None:
    """Choose cell size, turn and shift by what they caught on past days, and say by how much that pays."""
    from crimepatterns.choosing_grid import choose_grid

    settings = settings_of(config, change)
    with reporting(quiet=as_json) as progress:
        chosen = choose_grid(settings, categories=tuple(category or ()), progress=progress)
    _print(settings, chosen, as_json=as_json)


def draw_challenge_maps(settings: "Settings", *, as_of: str | None, as_json: bool) -> None:
    """Draw valid maps of a challenge and print what was chosen."""
    from crimepatterns.challenge import draw_maps

    with reporting(quiet=as_json) as progress:
        drawn = draw_maps(settings, as_of=as_of, progress=progress)
    _print(settings, drawn, as_json=as_json)


@dataclass(frozen=True)
class MapQuestion:
    """What ``evaluate`` was asked about a single map; all empty where it is to replay past weeks."""

    truth: Path | None
    rules: str | None
    forecast: Path | None
    category: str | None
    field: str | None
    before: Path | None
    days: tuple[str | None, str | None]

    def __bool__(self) -> bool:
        """Tell whether there is a question at all."""
        given = (self.truth, self.rules, self.forecast, self.category, self.field, self.before, *self.days)
        return any(one is not None for one in given)


def answer(settings: "Settings", asked: MapQuestion, *, as_json: bool) -> None:
    """Score a map and print hits, PAI and PEI with their intervals, or say which rules of a challenge it breaks."""
    from crimepatterns.map_scoring import check_file, score_file

    if asked.rules is not None:
        if asked.forecast is None:
            raise ConfigError("--rules checks a file: name it by --forecast.")
        _print(settings, check_file(settings, asked.forecast), as_json=as_json)
    if asked.truth is not None:
        scored = score_file(
            settings,
            asked.truth,
            forecast=asked.forecast,
            category=asked.category,
            field=asked.field,
            before=asked.before,
            start=asked.days[0],
            until=asked.days[1],
        )
        _print(settings, {"truth": str(asked.truth), **scored}, as_json=as_json)
    elif asked.rules is None:
        raise ConfigError("A map is scored against incidents: name their file by --truth, or check it by --rules nij.")


def _print(settings: "Settings", facts: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json({"city": settings.city, **facts})
    else:
        say("\n".join([*facts["sentences"], *(f"  {name}" for name in facts.get("outputs", ()))]))
