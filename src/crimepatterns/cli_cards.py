"""The commands about pattern cards: ``crimepatterns cards list | show | bulletin``, and the four decisions."""

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import print_json, say
from crimepatterns.errors import PatternError

if TYPE_CHECKING:
    from crimepatterns.domain.card_decision import DecisionKind
    from crimepatterns.domain.pattern import PatternCard
    from crimepatterns.pattern_methods.card_file import CardFile

__all__ = ["cards_app"]

cards_app = typer.Typer(
    help=(
        "Look through pattern cards and decide about them.\n\n"
        "A card is a candidate for one of the seven IACA pattern types: alike events that stand out from chance. "
        "It says nothing about who is behind them. First run: crimepatterns patterns --method cards"
    ),
    epilog="Example: crimepatterns cards accept P-1a2b3c4d5e --by 'A. Analyst'",
    no_args_is_help=True,
)

Card = Annotated[str, typer.Argument(metavar="CARD", help="Id of the card, or its first letters; see cards list.")]
By = Annotated[str | None, typer.Option("--by", help="Who decides. Default: your login name.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; printed on the bulletin.")]
Title = Annotated[str, typer.Option("--title", help="The new name.")]


@cards_app.command("list", epilog="Example: crimepatterns cards list --type series")
def list_cards(
    config: Config = None,
    change: Change = None,
    kind: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type, such as series; may be repeated.")
    ] = None,
    dismissed: Annotated[bool, typer.Option("--dismissed", help="Also those that were dismissed.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the cards of the last analysis, the most distinct first."""
    found = _open(config, change)
    cards = [*found.decided.cards, *(found.decided.dismissed if dismissed else ())]
    cards = [card for card in cards if not kind or card.iaca_type in _types(kind)]
    facts = found.stored.facts
    if as_json:
        shown = [_facts(found, card) for card in cards]
        lost = [{"card": one.card_id, "title": one.title, "decision": one.sentence()} for one in found.lost]
        print_json(
            {"city": facts["city"], "as_of": facts["as_of"], "window": facts["window"], "run_date": facts["run_date"],
             "skipped": facts["skipped"], "cards": shown, "dismissed": len(found.decided.dismissed),
             "not_found_again": lost}
        )  # fmt: skip
        return
    say(f"{facts['city']}, {facts['window']}, looked for on {facts['run_date']}.")
    if cards:
        _print_list(found, cards)
    else:
        say("No card of that type." if kind else "No set of alike events stands out from chance.")
    _say_rest(found, told=dismissed)


@cards_app.command(epilog="Example: crimepatterns cards show P-1a2b")
def show(card: Card, config: Config = None, change: Change = None, as_json: AsJson = False) -> None:
    """Print everything on a card: members, what is alike, how distinct, the five conditions, the next window."""
    from crimepatterns.reports.bulletin import bulletin_values

    found = _open(config, change)
    chosen = found.card(card)
    values = bulletin_values(chosen, rows=len(chosen.members))
    if as_json:
        print_json({**_facts(found, chosen), **values})
        return
    say(f"{values['title']}\n{values['iaca_type']}, {values['card_id']}, {_status(found, chosen)}\n")
    say(f"{values['sentence']}\nHow distinct: {values['distinct']}\nWhen the next may come: {values['window']}\n")
    for one in values["checklist"]:
        say(f"{one['verdict']:<8} {one['name']}. {one['reason']}")
    say("")
    for one in values["members"]:
        say(f"{one['number']:>4}  {one['id']}  {one['when']}  {', '.join(value for value in one['values'] if value)}")
    for note in values["notes"]:
        say(f"\n{note}")


@cards_app.command(epilog="Example: crimepatterns cards accept P-1a2b --reason 'same tool marks'")
def accept(
    card: Card,
    config: Config = None,
    change: Change = None,
    by: By = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Take a card as a pattern to work on; brings a dismissed one back."""
    _decide("accept", [card], config, change, by=by, reason=reason, as_json=as_json)


@cards_app.command(epilog="Example: crimepatterns cards rename P-1a2b --title 'Crowbar burglaries, North Side'")
def rename(
    card: Card,
    title: Title,
    config: Config = None,
    change: Change = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Give a card a name that it keeps while it is found again."""
    if not title.strip():
        raise PatternError("A name must not be empty: --title 'Crowbar burglaries'.")
    _decide("rename", [card], config, change, by=by, title=title, as_json=as_json)


@cards_app.command(epilog="Example: crimepatterns cards merge P-1a2b P-9f8e --title 'Catalytic converters'")
def merge(
    cards: Annotated[list[str], typer.Argument(metavar="CARD CARD...", help="Ids of two or more cards.")],
    config: Config = None,
    change: Change = None,
    title: Title = "",
    by: By = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Make one card of several; it is as distinct as its least distinct part."""
    _decide("merge", cards, config, change, by=by, title=title, reason=reason, as_json=as_json)


@cards_app.command(epilog="Example: crimepatterns cards dismiss P-1a2b --reason 'one report entered twice'")
def dismiss(
    card: Card,
    config: Config = None,
    change: Change = None,
    by: By = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Put a card away; it comes back only if a new event joins it."""
    _decide("dismiss", [card], config, change, by=by, reason=reason, as_json=as_json)


@cards_app.command(epilog="Example: crimepatterns cards bulletin P-1a2b --to briefing")
def bulletin(
    cards: Annotated[
        list[str] | None, typer.Argument(metavar="CARD...", help="Ids; without any, all accepted cards.")
    ] = None,
    config: Config = None,
    change: Change = None,
    every: Annotated[bool, typer.Option("--all", help="All cards that were not dismissed.")] = False,
    to: Annotated[Path | None, typer.Option("--to", help="Folder. Default: results/<city>/bulletins.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write printable bulletins, as a page and as PDF."""
    from crimepatterns.operations.cards import write_bulletins

    found = _open(config, change)
    current = found.decided.cards
    chosen = [found.card(name) for name in cards or ()]
    chosen = chosen or [card for card in current if every or card.status == "accepted"]
    if not chosen:
        raise PatternError(
            "There is no card to print." if every else "No card is accepted: name cards, or print --all."
        )
    files = [str(path) for path in write_bulletins(found, chosen, to)]
    if as_json:
        print_json({"files": files})
    else:
        say("\n".join(files))


def _open(config: Path | None, change: list[str] | None) -> "CardFile":
    from crimepatterns.operations.cards import open_cards

    return open_cards(settings_of(config, change))


def _types(wanted: list[str]) -> set[str]:
    from crimepatterns.domain.pattern import IACA_TYPES

    asked = {name.strip().casefold().replace("_", " ") for name in wanted}
    unknown = sorted(asked - set(IACA_TYPES))
    if unknown:
        raise PatternError(f"--type must be one of {', '.join(IACA_TYPES)}; got {', '.join(unknown)}.")
    return asked


def _who(by: str | None) -> str:
    if by and by.strip():
        return by.strip()
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise PatternError("Who decides? Your login name cannot be told: give --by NAME.") from error


def _status(found: "CardFile", card: "PatternCard") -> str:
    return "dismissed" if any(card is one for one in found.decided.dismissed) else card.status


def _facts(found: "CardFile", card: "PatternCard") -> dict[str, Any]:
    begin = card.evidence["occurred_from"]
    return {
        "card": card.card_id,
        "iaca_type": card.iaca_type,
        "title": card.title,
        "status": _status(found, card),
        "events": len(card.members),
        "first": begin.min().isoformat(),
        "last": begin.max().isoformat(),
        "p_value": card.distinctiveness.p_value,
        "q_value": card.distinctiveness.q_value,
        "of_limited_duration": card.checklist[3].verdict,
        "window": None if card.window is None else [card.window.start.isoformat(), card.window.end.isoformat()],
        "member_ids": list(card.members),
        "notes": list(card.notes),
    }


def _print_list(found: "CardFile", cards: Sequence["PatternCard"]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from crimepatterns.visuals.card_pictures import card_span

    table = Table(show_edge=False, pad_edge=False)
    for name, right in (("Card", False), ("Type", False), ("Events", True), ("First to last", False), ("What", False)):
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "What")
    for card in cards:
        status = _status(found, card)
        marks = [] if status == "candidate" else [status]
        told = f"{card.title} ({', '.join(marks)})" if marks else card.title
        table.add_row(card.card_id, card.iaca_type, f"{len(card.members):,}", card_span(card), Text(told))
    Console().print(table)


def _say_rest(found: "CardFile", *, told: bool) -> None:
    count = len(found.decided.dismissed)
    if count and not told:
        say(f"{count} dismissed; --dismissed lists {'it' if count == 1 else 'them'} too.")
    skipped = found.stored.facts["skipped"]
    for reason in dict.fromkeys(skipped.values()):
        say(f"No {', '.join(kind for kind, why in skipped.items() if why == reason)} looked for: {reason}")
    for one in found.lost:
        say(f"Not found any more: {one.card_id}{f', {one.title}' if one.title else ''}. {one.sentence()}")


def _decide(
    kind: "DecisionKind",
    names: Sequence[str],
    config: Path | None,
    change: list[str] | None,
    *,
    by: str | None,
    title: str = "",
    reason: str = "",
    as_json: bool,
) -> None:
    from crimepatterns.operations.cards import decide

    found, card = decide(_open(config, change), kind, names, by=_who(by), title=title.strip(), reason=reason.strip())
    if as_json:
        print_json(_facts(found, card))
        return
    say(f"{card.card_id} ({_status(found, card)}): {card.title}")
    if card.notes:
        say(card.notes[-1])
