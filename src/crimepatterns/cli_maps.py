"""Commands about single maps: scoring any map against any incidents."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crimepatterns.console import print_json, say

if TYPE_CHECKING:
    from crimepatterns.config import Settings

__all__ = ["Before", "Field", "From", "MapFile", "Of", "Truth", "Until", "score_map_file"]

Truth = Annotated[
    Path | None,
    typer.Option("--truth", metavar="FILE", help="Score one map against the incidents in this file instead."),
]
MapFile = Annotated[
    Path | None,
    typer.Option("--forecast", metavar="FILE", help="With --truth: the map, polygons with hotspot 0/1 or scores."),
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


def score_map_file(
    settings: "Settings",
    truth: Path,
    *,
    forecast: Path | None,
    category: str | None,
    field: str | None,
    before: Path | None,
    days: tuple[str | None, str | None],
    as_json: bool,
) -> None:
    """Score a map and print hits, PAI and PEI with their intervals."""
    from crimepatterns.map_scoring import score_file

    scored = score_file(
        settings,
        truth,
        forecast=forecast,
        category=category,
        field=field,
        before=before,
        start=days[0],
        until=days[1],
    )
    if as_json:
        print_json({"truth": str(truth), **scored})
    else:
        say("\n".join(scored["sentences"]))
