"""The commands about stored models: ``crimepatterns model list | show | promote | export | serve`` and so on."""

import getpass
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import complain, print_json, reporting, say

if TYPE_CHECKING:
    from crimepatterns.config import Settings
    from crimepatterns.store.model_stages import ModelStages

__all__ = ["model_app"]

model_app = typer.Typer(
    help=(
        "Look after stored models: which version is served, and why.\n\n"
        "`train` leaves a candidate. The champion is the version that forecasts are made with; the first version of a "
        "model is served at once, later ones when they pass the gates (`gate`, and every `daily`)."
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
    home = _home(name, settings_of(config, change))
    from crimepatterns.store.gate_records import read_records
    from crimepatterns.store.model_stages import read_changes

    changes, records = read_changes(home), read_records(home)
    facts = _facts(home)
    if as_json:
        told = [vars(one) | {"manifests": dict(one.manifests)} for one in changes]
        print_json({"name": name, **facts, "changes": told, "gates": records})
        return
    for version in facts["versions"]:
        say(f"{version['version']}  {version['stage'] or '-':<9}  trained {version['trained_at']}")
    for one in changes:
        say(f"{one.number}. {one.at}: {one.action}; champion {one.champion}. {one.reason}")
    for record in records:
        say(f"Gates of {record['version']} beside {record['beside']}, {record['at']}: {record['state']}")
        say("\n".join(_gate_lines(record)))


@model_app.command("card", epilog="Example: crimepatterns model card default-theft-gradient_boosting")
def card(
    name: Name,
    version: Annotated[str | None, typer.Argument(metavar="VERSION", help="Default: the champion.")] = None,
    config: Config = None,
    change: Change = None,
) -> None:
    """Print the card of a version, with what the gates said of it."""
    from crimepatterns.reports.model_card import gates_chapter
    from crimepatterns.store.gate_records import read_records
    from crimepatterns.store.models import find_version, read_card

    home = _home(name, settings_of(config, change))
    folder = find_version(home.parent, name, version)
    records = [record for record in read_records(home) if record["version"] == folder.name]
    say(f"{read_card(folder)}\n{gates_chapter(records)}")


@model_app.command("gate", epilog="Example: crimepatterns model gate --json")
def gate(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Default: every model that waits.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Judge a candidate that was judged before.")] = False,
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
) -> None:
    """Judge candidates on past weeks, and serve those that pass every gate; a refused one stays a candidate."""
    from crimepatterns.operations.pipeline import run_stage

    settings = settings_of(config, change)
    with reporting(quiet=as_json) as progress:
        summary = run_stage(
            settings, "gate", force=True, progress=progress, options={"name": name, "again": again}
        ).summary
    if as_json:
        print_json({"city": settings.city, **summary})
        return
    for title, record in summary["models"].items():
        say(f"{title} {record['version']}: {record['state']}{', promoted' if record['promoted'] else ''}")
        say("\n".join(_gate_lines(record)))
    for title, record in summary["waiting"].items():
        say(f"{title} {record['version']}: {record['sentence']} (judged {record['at']}; --again judges anew)")
    if not summary["models"] and not summary["waiting"]:
        say("No candidate waits.")


@model_app.command(
    "promote", epilog="Example: crimepatterns model promote default-theft-gradient_boosting 20250101-1a2b3c4d"
)
def promote(
    name: Name,
    version: Annotated[str | None, typer.Argument(metavar="VERSION", help="Default: the candidate.")] = None,
    reason: Reason = "",
    by: By = None,
    despite_gates: Annotated[
        bool, typer.Option("--despite-gates", help="Serve what the gates refused, or were never asked about.")
    ] = False,
    config: Config = None,
    change: Change = None,
) -> None:
    """Serve a version from the next forecast on: one that passed the gates, or that somebody answers for.

    Where the gates ask for a signature, --reason is that reason and --by who signs.
    """
    from crimepatterns.errors import ModelError
    from crimepatterns.store import model_stages
    from crimepatterns.store.gate_records import leave_to_promote
    from crimepatterns.store.models import find_version, load_model

    settings = settings_of(config, change)
    home = _home(name, settings)
    chosen = version or model_stages.read_stages(home).candidate
    if chosen is None:
        raise ModelError(f"Model {name} has no candidate: name a version, see `crimepatterns model show {name}`.")
    load_model(find_version(home.parent, name, chosen))
    how = leave_to_promote(home, chosen, reason=reason, despite_gates=despite_gates)
    signed = f"{reason or 'by hand'} ({by or getpass.getuser()}); {how}"
    _tell(name, model_stages.promote(home, chosen, reason=signed), settings)


@model_app.command(
    "roll-back", epilog="Example: crimepatterns model roll-back default-theft-gradient_boosting --reason 'too flat'"
)
def roll_back(
    name: Name, reason: Reason = "by hand", by: By = None, config: Config = None, change: Change = None
) -> None:
    """Serve the previous version again."""
    from crimepatterns.store import model_stages
    from crimepatterns.store.models import find_version, load_model

    settings = settings_of(config, change)
    home = _home(name, settings)
    previous = model_stages.read_stages(home).previous
    if previous is not None:
        load_model(find_version(home.parent, name, previous))
    stages = model_stages.roll_back(home, reason=f"{reason} ({by or getpass.getuser()})")
    _tell(name, stages, settings)


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


@model_app.command("track", epilog="Example: crimepatterns model track --set tracking.mlflow=http://127.0.0.1:5000")
def track(config: Config = None, change: Change = None) -> None:
    """Tell the MLflow server of the settings every version and evaluation that it does not know yet."""
    from crimepatterns.operations.tracked import track_all

    say(track_all(settings_of(config, change)))


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


def _home(name: str, settings: "Settings") -> Path:
    from crimepatterns.errors import ModelError
    from crimepatterns.store.models import model_names

    models = _models(settings)
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


def _gate_lines(record: Mapping[str, Any]) -> list[str]:
    return [f"  {gate['name']}: {gate['state']}. {gate['sentence']}" for gate in record["gates"]]


def _tell(name: str, stages: "ModelStages", settings: "Settings") -> None:
    from crimepatterns.operations.tracked import tracked

    say(f"{name}: champion {stages.champion}, previous {stages.previous or 'none'}.")
    say("It serves from the next `crimepatterns forecast` on.")
    told = tracked(settings, "gate")
    if told.startswith("Not"):
        complain(told)
