"""What ``crimepatterns evaluate --metric st-hsl`` prints."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crimepatterns.console import print_json, say

if TYPE_CHECKING:
    from crimepatterns.config import Settings

__all__ = ["Metric", "score_by_squares"]

Metric = Annotated[
    Literal["st-hsl"] | None,
    typer.Option("--metric", help="Instead: the measure of deep learning on 3-km squares, for counts; never chooses."),
]


def score_by_squares(settings: "Settings", *, as_json: bool) -> None:
    """Print the measure of counts and of the constant one."""
    from crimepatterns.squares_metric import score_squares

    found = score_squares(settings)
    if as_json:
        print_json(found)
        return
    say(
        f"{settings.title}: {', '.join(found['categories'])} in {found['squares']} squares of 3 km, each day from "
        f"{found['first_day']} to {found['last_day']}"
    )
    say(f"{'forecast':<14} {'MAE >0':>8} {'MAPE >0':>8} {'MAE all':>8} {'expected/observed':>18}")
    for name, one in found["scores"].items():
        numbers = (
            f"{one['mae']:>8.3f} {one['mape']:>8.3f} {one['mae_all']:>8.3f} {one['expected_over_observed']:>18.2f}"
        )
        say(f"{name:<14} {numbers}")
    say(found["sentence"])
