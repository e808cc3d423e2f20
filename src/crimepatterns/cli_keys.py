"""The commands about access: ``crimepatterns keys create | list | revoke | audit``."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import print_json, say

if TYPE_CHECKING:
    from crimepatterns.config import Settings
    from crimepatterns.store.access_keys import KeyRecord

__all__ = ["keys_app"]

keys_app = typer.Typer(
    help=(
        "Say who may see what: keys for desks and programs.\n\n"
        "Roles: public (how good, boundary) < analyst (page, hot spots, forecasts) < planner (patrol plan) < "
        "administrator. As soon as there is a key, nobody gets in without one."
    ),
    epilog="Example: crimepatterns keys create --name 'night shift' --role planner",
    no_args_is_help=True,
)


@keys_app.command("create", epilog="Example: crimepatterns keys create --name dashboard --role analyst --days 90")
def create(
    name: Annotated[str, typer.Option("--name", help="For which desk or program; better not a person's name.")],
    role: Annotated[
        Literal["public", "analyst", "planner", "administrator"], typer.Option("--role", help="What it may see.")
    ],
    days: Annotated[int | None, typer.Option("--days", min=1, help="It expires after so many. Default: never.")] = None,
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
) -> None:
    """Make a key; it is printed once and kept nowhere."""
    from crimepatterns.serving.security.keys import create_key
    from crimepatterns.serving.security.roles import Role

    settings = settings_of(config, change)
    path = settings.root / settings.security.keys_file
    record, key = create_key(path, name=name, role=Role[role.upper()], days=days)
    _log(settings, "key created", record)
    if as_json:
        print_json({**_facts(record), "key": key})
        return
    say(
        f"{key}\n\nThis is the key of {record.name!r}, role {record.role}. Copy it now: only its hash is kept, in "
        f"{path}.\nA program sends it as `Authorization: Bearer KEY`; in a browser it is the password of any name."
    )


@keys_app.command("list", epilog="Example: crimepatterns keys list --json")
def list_keys(config: Config = None, change: Change = None, as_json: AsJson = False) -> None:
    """List the keys, also those that are revoked or expired."""
    from crimepatterns.store.access_keys import read_keys

    settings = settings_of(config, change)
    records = read_keys(settings.root / settings.security.keys_file)
    if as_json:
        print_json({"keys": [_facts(record) for record in records]})
        return
    if not records:
        say("There are no keys. Make one with: crimepatterns keys create --name NAME --role ROLE")
        return
    say("\n".join(f"{one.key_id}  {one.role:<13}  {_state(one):<32}  {one.name}" for one in records))


@keys_app.command("revoke", epilog="Example: crimepatterns keys revoke 1a2b3c4d")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Of the key; see keys list.")],
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
) -> None:
    """Refuse a key from now on; running servers see it within a second."""
    from crimepatterns.serving.security.keys import revoke_key

    settings = settings_of(config, change)
    record = revoke_key(settings.root / settings.security.keys_file, key_id)
    _log(settings, "key revoked", record)
    if as_json:
        print_json(_facts(record))
    else:
        say(f"Revoked: {record.key_id} ({record.name}, {record.role}).")


@keys_app.command("audit", epilog="Example: crimepatterns keys audit --last 50")
def audit(
    last: Annotated[int, typer.Option("--last", min=0, help="Show so many of the last entries.")] = 20,
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
) -> None:
    """Show the log of access, and whether a line of it was changed or removed."""
    from crimepatterns.store.audit_log import check_log

    settings = settings_of(config, change)
    found = check_log(settings.root / settings.security.audit_file, last=last)
    if as_json:
        print_json({"entries": found.entries, "broken_at": found.broken_at, "last": list(found.last)})
    else:
        told = "every line follows the one before" if found.broken_at is None else f"BROKEN at line {found.broken_at}"
        lines = ["  ".join(str(value) for name, value in one.items() if name != "after") for one in found.last]
        say("\n".join([*lines, f"{found.entries} entries, {told}."]))
    if found.broken_at is not None:
        raise typer.Exit(1)


def _log(settings: "Settings", event: str, record: "KeyRecord") -> None:
    from crimepatterns.store.audit_log import append_event

    path = settings.root / settings.security.audit_file
    append_event(path, {"event": event, "key": record.key_id, "role": record.role, "expires": record.expires})


def _facts(record: "KeyRecord") -> dict[str, Any]:
    return {
        "id": record.key_id,
        "name": record.name,
        "role": record.role,
        "created": record.created,
        "expires": record.expires,
        "revoked": record.revoked,
        "state": _state(record),
    }


def _state(record: "KeyRecord") -> str:
    from crimepatterns.serving.security.keys import usable

    if record.revoked is not None:
        return f"revoked {record.revoked[:10]}"
    if not usable(record):
        return f"expired {(record.expires or '')[:10]}"
    return "in use" if record.expires is None else f"in use until {record.expires[:10]}"
