"""Pattern cards on disk: one JSON file with everything they say, and their members as a layer beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import pandas as pd

from crimepatterns.domain.pattern import CommonFactor, Condition, Distinctiveness, NextWindow, PatternCard
from crimepatterns.errors import ArtefactError, DomainError, MissingInputError
from crimepatterns.store.atomic import read_json, write_json
from crimepatterns.store.layers import read_layer, write_layer

__all__ = ["StoredCards", "read_cards", "write_cards"]

_FORMAT = 1
_NO_TEXT = ["number", "occurred_from", "occurred_until", "x", "y"]


@dataclass(frozen=True, eq=False)
class StoredCards:
    """The cards of one analysis as they were found, before any decision.

    Parameters
    ----------
    cards : tuple of PatternCard
        The most distinct first.
    facts : mapping
        Window, as-of date, run date, parameters of the search, types that were not looked for, and a sentence.
    """

    cards: tuple[PatternCard, ...]
    facts: Mapping[str, Any] = field(repr=False)


def write_cards(folder: Path, cards: Sequence[PatternCard], facts: Mapping[str, Any], *, crs: str) -> None:
    """Write ``cards.json`` and ``cards_members.parquet`` into a folder.

    Parameters
    ----------
    folder : Path
    cards : sequence of PatternCard
    facts : mapping
        JSON-able, with ``parameters``; goes into both files.
    crs : str
        Reference system of the members' places.
    """
    parts = [
        card.evidence.assign(card=card.card_id, iaca_type=card.iaca_type, title=card.title, number=number)
        for number, card in enumerate(cards, start=1)
    ]
    members = pd.concat(parts, ignore_index=True) if parts else _nobody()
    first = ["card", "number", "iaca_type", "title"]
    members = members[[*first, *[name for name in members.columns if name not in first]]]
    for name in members.columns.difference(_NO_TEXT):
        members[name] = members[name].astype("string").fillna("")
    points = gpd.points_from_xy(members["x"], members["y"])
    layer = gpd.GeoDataFrame(members.drop(columns=["x", "y"]), geometry=points, crs=crs)
    write_layer(folder / "cards_members.parquet", layer, {**facts, "kind": "card members"})
    document = {**facts, "kind": "pattern cards", "format": _FORMAT, "cards": [_plain(card) for card in cards]}
    write_json(folder / "cards.json", document)


def read_cards(folder: Path, *, timezone: str) -> StoredCards:
    """Read the cards of a folder.

    Raises
    ------
    MissingInputError
        If no cards were looked for yet.
    ArtefactError
        If a file is damaged, or the two do not belong together.
    """
    path = folder / "cards.json"
    if not path.exists():
        raise MissingInputError("No pattern cards yet: run `crimepatterns patterns --method cards` first.")
    document = read_json(path)
    layer, _ = read_layer(folder / "cards_members.parquet")
    table = pd.DataFrame(layer.drop(columns="geometry")).assign(x=layer.geometry.x, y=layer.geometry.y)
    for name in ("occurred_from", "occurred_until"):
        table[name] = table[name].dt.tz_convert(timezone)
    by_card = {str(card): rows for card, rows in table.groupby("card", sort=False)}
    try:
        cards = _cards(document, by_card, timezone)
    except (KeyError, TypeError, ValueError, DomainError) as error:
        raise ArtefactError(
            f"{path} is damaged or of another version ({error}): run `crimepatterns patterns --method cards --force`."
        ) from error
    return StoredCards(cards, MappingProxyType({name: fact for name, fact in document.items() if name != "cards"}))


def _cards(document: Mapping[str, Any], by_card: Mapping[str, pd.DataFrame], timezone: str) -> tuple[PatternCard, ...]:
    if document["format"] != _FORMAT:
        raise ValueError(f"format {document['format']!r}")
    common = document["parameters"]
    return tuple(_card(one, by_card[one["card"]], common, timezone) for one in document["cards"])


def _plain(card: PatternCard) -> dict[str, Any]:
    window = card.window
    return {
        "card": card.card_id,
        "iaca_type": card.iaca_type,
        "title": card.title,
        "members": list(card.members),
        "fields": [str(name) for name in card.evidence.columns],
        "common_factors": [asdict(factor) for factor in card.common_factors],
        "distinctiveness": asdict(card.distinctiveness),
        "window": None
        if window is None
        else {**asdict(window), "start": window.start.isoformat(), "end": window.end.isoformat()},
        "window_note": card.window_note,
        "checklist": [asdict(condition) for condition in card.checklist],
        "as_of": card.as_of.isoformat(),
        "agree_in": list(_texts(card.parameters.get("agree_in"))),
        "sentence": card.sentence(),
    }


def _card(one: Mapping[str, Any], rows: pd.DataFrame, common: Mapping[str, Any], timezone: str) -> PatternCard:
    window = one["window"]
    if window is not None:
        moments = {name: pd.Timestamp(window[name]).tz_convert(timezone) for name in ("start", "end")}
        window = NextWindow(**{**window, **moments})
    evidence = rows[one["fields"]].reset_index(drop=True)
    card = PatternCard(
        one["iaca_type"],
        one["title"],
        tuple(one["members"]),
        evidence,
        tuple(CommonFactor(**factor) for factor in one["common_factors"]),
        Distinctiveness(**one["distinctiveness"]),
        window,
        one["window_note"],
        tuple(Condition(**condition) for condition in one["checklist"]),
        pd.Timestamp(one["as_of"]).tz_convert(timezone),
        MappingProxyType({**common, "agree_in": tuple(one["agree_in"])}),
    )
    if card.card_id != one["card"]:
        raise ValueError(f"the members of {one['card']} are those of {card.card_id}")
    return card


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, tuple | list) else ()


def _nobody() -> pd.DataFrame:
    times = {name: pd.Series([], dtype="datetime64[us, UTC]") for name in ("occurred_from", "occurred_until")}
    texts = {name: pd.Series([], dtype="string") for name in ("card", "iaca_type", "title", "id", "category")}
    numbers = {name: pd.Series([], dtype=float) for name in ("x", "y")}
    return pd.DataFrame({**texts, "number": pd.Series([], dtype="int64"), **numbers, **times})
