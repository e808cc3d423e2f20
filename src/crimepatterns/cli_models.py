"""The commands about stored models: ``crimepatterns model list | show | promote | export | serve`` and so on."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import complain, print_json, say

if TYPE_CHECKING:
    from crimepatterns.config import Settings
    from crimepatterns.store.model_stages import ModelStages

__all__ = ["model_app"]

model_app = typer.Typer(
    help=(
        "Look after stored models: which version is served, and why.\n\n"
        "`train` leaves a candidate. The champion is the version that forecasts are made with; "
        "the first version of a model is served at once, later ones after promotion."
    ),
    epilog="Example: crimepatterns model list",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Folder name below models/; see model list.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the model's log.")]
By = Annotated[str | None, typer.Option("--by", help="Who decides. Default: your login name.")]


@model_app.command("list", epilog="Example: crimepatterns model list --json")
def list_models(config: Config = None, change: Change = None, as_json: AsJson = False) -> None:
    """List the stored models of a city with the version in each stage."""
    from crimepatterns.store.models import model_names

    settings = settings_of(config, change)
    models = _models(settings)
    names = [name for name in model_names(models) if name.startswith(f"{settings.city}-")]
    found = [{"name": name, **_facts(models / name)} for name in names]
    if as_json:
        print_json({"city": settings.city, "models": found})
        return
    if not found:
        say("No model is stored yet: run `crimepatterns train`.")
    for one in found:
        waiting = f", candidate {one['candidate']}" if one["candidate"] else ""
        say(f"{one['name']}: champion {one['champion'] or 'none'}{waiting}, {len(one['versions'])} versions")


@model_app.command("show", epilog="Example: crimepatterns model show default-theft-gradient_boosting")
def show(name: Name, config: Config = None, change: Change = None, as_json: AsJson = False) -> None:
    """Show every version of a model and every change of stage."""
    home = _home(name, config, change)
    from crimepatterns.store.model_stages import read_changes

    changes = read_changes(home)
    facts = _facts(home)
    if as_json:
        print_json(
            {"name": name, **facts, "changes": [vars(one) | {"manifests": dict(one.manifests)} for one in changes]}
        )
        return
    for version in facts["versions"]:
        say(f"{version['version']}  {version['stage'] or '-':<9}  trained {version['trained_at']}")
    for one in changes:
        say(f"{one.number}. {one.at}: {one.action}; champion {one.champion}. {one.reason}")


@model_app.command(
    "promote", epilog="Example: crimepatterns model promote default-theft-gradient_boosting 20250101-1a2b3c4d"
)
def promote(
    name: Name,
    version: Annotated[str | None, typer.Argument(metavar="VERSION", help="Default: the candidate.")] = None,
    reason: Reason = "by hand",
    by: By = None,
    config: Config = None,
    change: Change = None,
) -> None:
    """Serve a version from the next forecast on; it is read and checked first."""
    from crimepatterns.errors import ModelError
    from crimepatterns.store import model_stages
    from crimepatterns.store.models import find_version, load_model

    home = _home(name, config, change)
    chosen = version or model_stages.read_stages(home).candidate
    if chosen is None:
        raise ModelError(f"Model {name} has no candidate: name a version, see `crimepatterns model show {name}`.")
    load_model(find_version(home.parent, name, chosen))
    _tell(name, model_stages.promote(home, chosen, reason=f"{reason} ({by or getpass.getuser()})"))


@model_app.command(
    "roll-back", epilog="Example: crimepatterns model roll-back default-theft-gradient_boosting --reason 'too flat'"
)
def roll_back(
    name: Name, reason: Reason = "by hand", by: By = None, config: Config = None, change: Change = None
) -> None:
    """Serve the previous version again."""
    from crimepatterns.store import model_stages
    from crimepatterns.store.models import find_version, load_model

    home = _home(name, config, change)
    previous = model_stages.read_stages(home).previous
    if previous is not None:
        load_model(find_version(home.parent, name, previous))
    _tell(name, model_stages.roll_back(home, reason=f"{reason} ({by or getpass.getuser()})"))


@model_app.command("prune", epilog="Example: crimepatterns model prune --keep 2")
def prune(
    keep: Annotated[int, typer.Option("--keep", min=0, help="Versions without a stage to keep, the newest.")] = 3,
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
) -> None:
    """Remove old versions of a city's models; those with a stage always stay."""
    from crimepatterns.store.models import model_names, remove_versions

    settings = settings_of(config, change)
    models = _models(settings)
    removed = {
        name: remove_versions(models, name, keep=keep)
        for name in model_names(models)
        if name.startswith(f"{settings.city}-")
    }
    if as_json:
        print_json({"city": settings.city, "removed": removed})
        return
    say(f"Removed {sum(len(versions) for versions in removed.values())} versions of {len(removed)} models.")


@model_app.command("serve", epilog="Example: crimepatterns model serve --config config/cities/chicago.yaml")
def serve(config: Config = None, change: Change = None) -> None:
    """Serve forecasts, explanations and stored models to other programs."""
    from crimepatterns.serving.run import serve_models

    serve_models(
        settings_of(config, change), ready=lambda address: say(f"Forecasts: {address}/v1/info (Ctrl+C stops it)")
    )


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


def _models(settings: "Settings") -> Path:
    from crimepatterns.store.layout import Layout

    return Layout(settings.root, settings.city).models


def _home(name: str, config: Path | None, change: list[str] | None) -> Path:
    from crimepatterns.errors import ModelError
    from crimepatterns.store.models import model_names

    models = _models(settings_of(config, change))
    if name not in model_names(models):
        raise ModelError(f"No model {name!r} is stored: found {model_names(models)}.")
    return models / name


def _facts(home: Path) -> dict[str, Any]:
    from crimepatterns.store.atomic import read_json
    from crimepatterns.store.model_stages import read_stages

    stages = read_stages(home)
    versions = [
        {
            "version": path.parent.name,
            "stage": stages.stage_of(path.parent.name),
            "trained_at": read_json(path).get("trained_at", ""),
        }
        for path in sorted(home.glob("[!.]*/manifest.json"))
    ]
    return {
        "champion": stages.champion,
        "candidate": stages.candidate,
        "previous": stages.previous,
        "versions": versions,
    }


def _tell(name: str, stages: "ModelStages") -> None:
    say(f"{name}: champion {stages.champion}, previous {stages.previous or 'none'}.")
    say("It serves from the next `crimepatterns forecast` on.")
