"""The command that answers how many: ``crimepatterns expect``."""

from pathlib import Path
from typing import Annotated

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import print_json, say

__all__ = ["expect"]


def expect(
    category: Annotated[str, typer.Option("--category", help="A category that was forecast.")],
    cell: Annotated[
        list[str] | None, typer.Option("--cell", metavar="ID", help="Cell; may be repeated. Default: the whole city.")
    ] = None,
    neighbourhood: Annotated[str | None, typer.Option("--neighbourhood", help="Name of a neighbourhood.")] = None,
    polygon: Annotated[
        Path | None, typer.Option("--polygon", help="File with polygons (GeoJSON, GeoPackage, Shapefile).")
    ] = None,
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
) -> None:
    """Say how many incidents the last forecast expects in a place, with an interval and the chance of none."""
    from crimepatterns.forecast_outputs.expectation import expect as expect_in

    settings = settings_of(config, change)
    found = expect_in(
        settings, category=category, cells=tuple(cell or ()), neighbourhood=neighbourhood, polygon=polygon
    )
    if as_json:
        print_json({"city": settings.city, **found.to_json()})
    else:
        say(found.sentence)
