"""Commands that care for data and models: ``crimepatterns forget`` and ``crimepatterns model export``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import complain, print_json, say

__all__ = ["forget", "model_app"]

model_app = typer.Typer(help="Look after stored models.", no_args_is_help=True)


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


@model_app.command("export", epilog="Example: crimepatterns model export default-burglary-random_forest --to exported")
def model_export(
    name: Annotated[str, typer.Argument(help="Folder name below models/.")],
    to: Annotated[Path, typer.Option("--to", help="Folder to write into; not one that is served.")],
    format: Annotated[  # noqa: A002  # the option's public name
        Literal["joblib"], typer.Option("--format", help="joblib writes trained_model.pkl and model_pipeline.pkl.")
    ] = "joblib",
    version: Annotated[str | None, typer.Option("--version", help="Default: the newest.")] = None,
) -> None:
    """Write a stored model as pickle files for other programs; this product never reads them back."""
    from crimepatterns.store.models import export_joblib, find_version

    written = export_joblib(find_version(Path("models"), name, version), to)
    complain(f"Pickle files ({format}) run code when they are loaded: open them only where you trust their origin.")
    say("\n".join(str(path) for path in written))
