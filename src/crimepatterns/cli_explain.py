"""The command that tells why: ``crimepatterns explain``."""

from typing import TYPE_CHECKING, Annotated

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import print_json, say

if TYPE_CHECKING:
    from crimepatterns.domain.explanation import CellExplanation

__all__ = ["explain"]


def explain(
    category: Annotated[str, typer.Option("--category", help="A category that was forecast.")],
    cell: Annotated[
        list[str] | None,
        typer.Option("--cell", metavar="ID", help="Cell; may be repeated. Default: the five that expect most."),
    ] = None,
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
) -> None:
    """Tell why the last forecast expects what it expects: why here, why now, and what would change it."""
    from crimepatterns.forecasting import explain as explain_cells

    settings = settings_of(config, change)
    told = explain_cells(settings, category=category, cells=tuple(cell or ()))
    if as_json:
        print_json({"city": settings.city, "category": category, "cells": [one.to_json() for one in told]})
        return
    say("\n\n".join(f"{one.sentence()}\n{_numbers(one)}" for one in told))


def _numbers(one: "CellExplanation") -> str:
    parts = [f"  {name:<20} {part:>9.3f}" for name, part in one.contributions.items()]
    total = f"  {'expected':<20} {one.expected:>9.3f}   by {one.model}"
    without = f"  {f'without {one.without_days} days':<20} {one.without:>9.3f}"
    return "\n".join([*parts, total, without])
