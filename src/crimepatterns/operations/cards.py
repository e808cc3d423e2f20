"""What an analyst does with pattern cards: decide about them, and print bulletins."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.domain.card_decision import CardDecision, DecisionKind
from crimepatterns.domain.pattern import PatternCard
from crimepatterns.errors import PatternError
from crimepatterns.operations.locking import city_lock
from crimepatterns.pattern_methods.card_file import CardFile, card_names
from crimepatterns.reports.bulletin import bulletin_html
from crimepatterns.reports.bulletin_pdf import bulletin_pdf
from crimepatterns.store.atomic import replacing, write_text
from crimepatterns.store.card_decisions import append_decision

__all__ = ["decide", "open_cards", "write_bulletins"]


def open_cards(settings: Settings) -> CardFile:
    """Open the cards of a city; nothing is read before it is asked for."""
    return CardFile(City(settings))


def decide(
    cards: CardFile, kind: DecisionKind, names: Sequence[str], *, by: str, title: str = "", reason: str = ""
) -> tuple[CardFile, PatternCard]:
    """Keep a decision; return the cards with it, and the card it is about.

    Parameters
    ----------
    cards : CardFile
    kind : {"accept", "rename", "merge", "dismiss"}
    names : sequence of str
        Ids; one, or for a merge two or more.
    by : str
        Who decides.
    title, reason : str

    Raises
    ------
    PatternError
        If an id is unknown, or a merge names fewer than two cards.
    CrimePatternsError
        If another process works on the city.
    """
    layout = cards.city.layout
    with city_lock(layout.results):
        chosen = list({card.card_id: card for card in map(cards.card, names)}.values())
        if kind == "merge":
            whole = cards.merged(chosen, title=title or None)
        elif len(chosen) == 1:
            whole = chosen[0]
        else:
            raise PatternError(f"One decision is about one card, got {card_names(chosen)}.")
        decision = CardDecision(kind, whole.members, by, pd.Timestamp(datetime.now(UTC)), title, reason)
        append_decision(layout.card_decisions, decision)
    after = CardFile(cards.city)
    return after, after.card(whole.card_id)


def write_bulletins(cards: CardFile, chosen: Sequence[PatternCard], to: Path | None = None) -> Iterator[Path]:
    """Write the bulletin of each card as a page and as PDF; yield the files.

    Parameters
    ----------
    cards : CardFile
    chosen : sequence of PatternCard
    to : Path, optional
        Folder; ``results/<city>/bulletins`` where it is left out.
    """
    area, folder = cards.city.area, to or cards.city.layout.bulletins
    made_at = pd.Timestamp(datetime.now(UTC)).tz_convert(area.timezone)
    for card in chosen:
        page, paper = (folder / f"{card.card_id}.{ending}" for ending in ("html", "pdf"))
        write_text(page, bulletin_html(card, area, made_at=made_at))
        with replacing(paper) as beside:
            beside.write_bytes(bulletin_pdf(card, area, made_at=made_at))
        yield page
        yield paper
