"""The commands against loss: ``crimepatterns backup | restore | verify``."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import complain, print_json, say
from crimepatterns.errors import CrimePatternsError

if TYPE_CHECKING:
    from crimepatterns.store.archive import Archive

__all__ = ["backup", "restore", "verify"]

Seal = Annotated[
    str | None, typer.Option("--seal", help="What backup printed; an archive with another seal is refused.")
]


def backup(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="The new archive, such as /backup/chicago-monday.tar.")],
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
    results: Annotated[bool, typer.Option("--results", help="Also keep results, which run makes again.")] = False,
    also: Annotated[
        list[Path] | None,
        typer.Option("--also", help="Also keep this file of the project folder, such as keys; may be repeated."),
    ] = None,
) -> None:
    """Keep in one file what nothing can make again: raw records, decisions, ledger, models."""
    from crimepatterns.operations.backup import back_up

    settings = settings_of(config, change)
    archive = back_up(settings, to, results=results, also=also or ())
    if as_json:
        print_json({"file": str(to), **_facts(archive)})
        return
    say(f"{to}: {_counted(archive)} of {settings.title}. Seal: {archive.seal}")


def restore(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="What backup wrote.")],
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what the city has.")] = False,
    with_erased: Annotated[
        bool, typer.Option("--with-erased", help="Even if it brings back records erased since; forget them again.")
    ] = False,
    seal: Seal = None,
) -> None:
    """Put a city back as it was kept, after checking every byte; run makes the rest again."""
    from crimepatterns.operations.backup import restore as put_back

    settings = settings_of(config, change)
    found = put_back(settings, archive, force=force, with_erased=with_erased, seal=seal)
    if as_json:
        places = {"replaced": found.replaced, "made": found.made, "kept": found.kept}
        print_json({"file": str(archive), **places, **_facts(found.archive)})
        return
    say(f"Restored {_counted(found.archive)} of {settings.title}, kept at {found.archive.facts['made_at']}.")
    for name in found.kept:
        say(f"{name} goes on after this backup and was left as it is.")
    say("crimepatterns run makes again what the backup does not hold.")


def verify(
    archive: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A backup. Default: what is in the project folder.")
    ] = None,
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
    seal: Seal = None,
) -> None:
    """Read everything that is kept, or a backup, and tell what is lost or damaged; exit status 1 if anything is."""
    if archive is None:
        _verify_city(config, change, as_json=as_json)
        return
    from crimepatterns.operations.backup import check_backup

    found = check_backup(archive, seal=seal)
    if as_json:
        print_json({"file": str(archive), **_facts(found)})
        return
    say(f"{archive} is whole: {_counted(found)} of {found.facts['city']}, kept at {found.facts['made_at']}.")


def _verify_city(config: Path | None, change: list[str] | None, *, as_json: bool) -> None:
    from crimepatterns.operations.state_check import check_state

    settings = settings_of(config, change)
    state = check_state(settings)
    if as_json:
        print_json({"city": settings.city, "files": state.files, "faults": [asdict(fault) for fault in state.faults]})
    elif not state.files and not state.faults:
        raise CrimePatternsError(f"{settings.city} has nothing to look at in {settings.root.resolve()} yet.")
    else:
        for fault in state.faults:
            complain(f"{fault.path}: {fault.problem}; {fault.advice}")
        say(f"{state.files:,} files of {settings.title} read, {len(state.faults)} with a fault.")
    if state.faults:
        sys.exit(1)


def _facts(archive: "Archive") -> dict[str, Any]:
    return {"files": len(archive.files), "bytes": archive.size, "seal": archive.seal, **archive.facts}


def _counted(archive: "Archive") -> str:
    return f"{len(archive.files):,} files, {archive.size / 1e6:,.1f} MB,"
