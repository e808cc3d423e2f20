"""What is new in the patterns: cards, clusters that are still alive, near-repeat alerts, each with the day it ends."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from crimepatterns.domain.pattern import PatternCard
from crimepatterns.errors import CrimePatternsError, MissingInputError
from crimepatterns.serving.names import with_place_names
from crimepatterns.serving.pages.cards import card_file
from crimepatterns.serving.pages.stored import layer_of, named, table_of
from crimepatterns.serving.results import ALL, Category, Results

__all__ = ["near_repeats_shown", "news"]

_ALIVE_DAYS = 7
"""A cluster found by the scan is looked for anew within so many days."""

_LEVEL = 0.05
_LATELY_DAYS = 28
_LAST = 1_000


def news(results: Results, *, most: int) -> dict[str, Any]:
    """Return the most unusual new patterns and alerts that have not expired, of every kind before a second of one.

    Parameters
    ----------
    results : Results
    most : int
        So many are returned; the others are counted.

    Returns
    -------
    dict
        ``items`` (``kind``, ``title``, ``sentence``, ``expires``, ``p_value``, ``link``), ``more``, and ``notes``: what
        was not looked at or is no more than chance, in sentences.
    """
    found: list[dict[str, Any]] = []
    notes: list[str] = []
    for look in (_cards, _outbreaks, _alerts):
        items, told = look(results)
        found += _in_turns(items)
        notes += told
    # An accepted card comes first, then one of each kind, then what chance explains least.
    found.sort(key=lambda one: (not one["accepted"], one["turn"], *_by_chance(one)))
    return {"items": found[:most], "more": max(len(found) - most, 0), "notes": notes}


def _in_turns(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each item of one kind its turn; alerts of a category share a p-value, so that a second one waits."""
    ordered, seen = sorted(items, key=_by_chance), set()
    first: list[dict[str, Any]] = []
    later: list[dict[str, Any]] = []
    for one in ordered:
        (later if one["shared"] in seen else first).append(one)
        if one["shared"]:
            seen.add(one["shared"])
    return [{**one, "turn": number} for number, one in enumerate(first)] + [{**one, "turn": _LAST} for one in later]


def _by_chance(one: dict[str, Any]) -> tuple[float, int, str]:
    return one["p_value"], -one["size"], one["title"]


_Found = tuple[list[dict[str, Any]], list[str]]


def _cards(results: Results) -> _Found:
    try:
        file = card_file(results)
        current = file.decided.cards
    except MissingInputError:
        return [], ["No pattern cards yet: run `crimepatterns patterns --method cards`."]
    except CrimePatternsError as error:
        return [], [f"The pattern cards cannot be read: {error}"]
    items = [_card(card) for card in current if _is_open(card)]
    return items, [] if items else ["No set of alike events stands out from chance among the pattern cards."]


def _is_open(card: PatternCard) -> bool:
    if card.window is not None:
        return bool(card.window.end > card.as_of)
    # Without a window, as of a pattern that seems over, only what happened lately is news.
    return bool(card.evidence["occurred_from"].max() > card.as_of - pd.DateOffset(days=_LATELY_DAYS))


def _card(card: PatternCard) -> dict[str, Any]:
    return {
        "kind": f"{card.iaca_type} ({card.status})",
        "title": card.title,
        "sentence": card.sentence(),
        "expires": card.window.end if card.window is not None else card.as_of + pd.DateOffset(days=_LATELY_DAYS),
        "p_value": card.distinctiveness.p_value,
        "size": len(card.members),
        "accepted": card.status == "accepted",
        "link": f"/patterns/cards/{card.card_id}",
        "shared": "",
    }


def _outbreaks(results: Results) -> _Found:
    return _of_categories(results, _outbreaks_of, "No cluster in space and time up to now stands out from chance.")


def _outbreaks_of(results: Results, category: Category) -> list[dict[str, Any]]:
    layer, facts = layer_of(results, results.layer_path(category, "scan"))
    end = pd.Timestamp(facts["window_end"])
    names = results.place_names()
    return [
        {
            "kind": "cluster in space and time",
            "title": f"{category.label.capitalize()} in {named(row['neighbourhood'])}",
            "sentence": with_place_names(str(row["sentence"]), names),
            "expires": end + pd.DateOffset(days=_ALIVE_DAYS),
            "p_value": float(row["p_value"]),
            "size": int(row["observed"]),
            "accepted": False,
            "link": f"/patterns?category={category.slug}#scan",
            "shared": "",
        }
        for row in layer.to_dict("records")
        if row["p_value"] <= _LEVEL
    ]


def _alerts(results: Results) -> _Found:
    return _of_categories(
        results, _alerts_of, "No near-repeat alert: nowhere do incidents follow one another beyond chance."
    )


def _alerts_of(results: Results, category: Category) -> list[dict[str, Any]]:
    layer, facts = layer_of(results, results.layer_path(category, "near_repeat_alerts"))
    p_value = near_repeats_shown(results, category, facts["parameters"])
    if p_value is None:
        return []
    zone, used = results.settings.timezone, facts["parameters"]
    as_of = pd.Timestamp(facts["window_end"])
    return [
        {
            "kind": "near-repeat alert",
            "title": f"{category.label.capitalize()} in {named(row['neighbourhood'])}",
            "sentence": f"{row['incidents']} incidents at {row['distinct_places']} places, each within "
            f"{used['distance_m']:g} m and {used['days']} days of another; the last on {_day(row['last'], zone)}.",
            "expires": row["expires"].tz_convert(zone),
            "p_value": p_value,
            "size": int(row["incidents"]),
            "accepted": False,
            "link": f"/patterns?category={category.slug}#near-repeats",
            "shared": category.slug,
        }
        for row in layer.to_dict("records")
        if row["expires"] > as_of
    ]


def near_repeats_shown(results: Results, category: Category, used: dict[str, Any]) -> float | None:
    """Return the smallest corrected p-value of the Knox bands within the reach of an alert, None where it is not shown.

    Parameters
    ----------
    results : Results
    category : Category
    used : dict
        ``distance_m`` and ``days`` of the alerts.

    Raises
    ------
    MissingInputError
        If there is no Knox table.
    """
    table, facts = table_of(results, category, "knox")
    metres, days = facts["parameters"]["distances_m"], facts["parameters"]["days"]
    # Rows run through the bands of days within each band of distance; the first distance is the same place.
    reach = [
        row * len(days) + column
        for row, edge in enumerate([0.0, *metres])
        for column, day in enumerate(days)
        if edge <= used["distance_m"] and day <= used["days"]
    ]
    least = float(table["p_adjusted"].iloc[reach].min()) if reach else 1.0
    return least if least <= _LEVEL else None


def _of_categories(results: Results, make: Callable[[Results, Category], list[dict[str, Any]]], none: str) -> _Found:
    items: list[dict[str, Any]] = []
    looked = 0
    for category in results.categories:
        if not category.patterns or category.slug == ALL:
            continue
        try:
            items += make(results, category)
        except MissingInputError:
            continue
        looked += 1
    return items, [none] if looked and not items else []


def _day(moment: pd.Timestamp, zone: str) -> str:
    local = moment.tz_convert(zone)
    return f"{local.day} {local:%B}"
