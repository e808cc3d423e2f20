"""From a set of members to a card: title, common factors, conditions and the window of the next event."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.pattern import CommonFactor, Distinctiveness, PatternCard, PatternType
from crimepatterns.patterns.cards_candidates import CITYWIDE
from crimepatterns.patterns.cards_factors import common_factors, five_conditions, shared_values
from crimepatterns.patterns.cards_fields import KeySet
from crimepatterns.patterns.cards_scene import CardScene
from crimepatterns.patterns.cards_window import next_window
from crimepatterns.patterns.space_time_pairs import SAME_PLACE_M

__all__ = ["Told", "write_card"]

_KINDS: Mapping[PatternType, str] = {
    "series": "Similar events",
    "spree": "Similar events in quick succession",
    "hot prey": "Events against one kind of target",
    "hot product": "Events about one kind of property",
    "hot spot": "Events close together",
    "hot place": "Events at one place",
    "hot setting": "Events in one kind of place",
}


@dataclass(frozen=True)
class Told:
    """What the search says about a set of members.

    Parameters
    ----------
    iaca_type : str
    keys : tuple of str
        Fields in which they were sought to agree; those in which all agree where it is empty.
    distinctiveness : Distinctiveness
    parameters : mapping
    """

    iaca_type: PatternType
    keys: KeySet
    distinctiveness: Distinctiveness
    parameters: Mapping[str, object]


def write_card(scene: CardScene, rows: NDArray[np.int64], told: Told, *, title: str | None = None) -> PatternCard:
    """Write the card of some incidents.

    Parameters
    ----------
    scene : CardScene
    rows : ndarray of int64, shape (n_members,)
        Rows of the scene's table, in order of time.
    told : Told
    title : str, optional
        Made from the shared values where it is left out.
    """
    members = scene.table.iloc[rows].reset_index(drop=True)
    keys = _agreed(scene, rows, told.keys)
    factors = _factors(scene, rows)
    related = _relationship(scene, rows)
    conditions = five_conditions(
        factors=factors,
        keys=keys,
        distinctiveness=told.distinctiveness,
        level=float(str(told.parameters["level"])),
        times=members["occurred_from"],
        before=_before(scene, rows, keys, citywide=told.iaca_type in CITYWIDE),
        relationship=related,
        strangers=scene.columns.strangers,
    )
    middle = members["occurred_from"] + (members["occurred_until"] - members["occurred_from"]) / 2
    # Records of one event are one date.
    dated = middle[~pd.Series(scene.event[rows]).duplicated().to_numpy()]
    window, note = next_window(dated, as_of=scene.as_of)
    evidence = members[["id", "occurred_from", "occurred_until", "time_precision", "category", "x", "y"]].copy()
    for name in scene.fields.behaviours:
        evidence[name] = scene.fields.labels[name][scene.position[rows]]
    return PatternCard(
        told.iaca_type,
        title or _title(told.iaca_type, keys, members, scene),
        tuple(str(name) for name in members["id"]),
        evidence,
        factors,
        told.distinctiveness,
        window,
        note,
        conditions,
        scene.as_of,
        told.parameters,
    )


def _agreed(scene: CardScene, rows: NDArray[np.int64], keys: KeySet) -> dict[str, str]:
    """Return the fields in which all members agree, and the value."""
    place = scene.position[rows]
    agreed = {}
    for name in keys or ("category", *scene.fields.behaviours):
        if name not in scene.fields.labels:
            agreed[name] = "yes"
            continue
        values, counts = np.unique(scene.fields.labels[name][place].astype(str), return_counts=True)
        # Members were sought by these fields; a second record of one event may name another value.
        if values[counts.argmax()] != "" and (keys or len(values) == 1):
            agreed[name] = str(values[counts.argmax()])
    return agreed


def _factors(scene: CardScene, rows: NDArray[np.int64]) -> tuple[CommonFactor, ...]:
    labels = {name: values[scene.position] for name, values in scene.fields.labels.items()}
    codes = {name: values[scene.position] for name, values in scene.fields.codes.items()}
    around = np.setdiff1d(np.flatnonzero(np.isin(scene.stratum, scene.stratum[rows])), rows)
    return common_factors(shared_values(scene.table, labels, codes), rows, around)


def _relationship(scene: CardScene, rows: NDArray[np.int64]) -> list[str] | None:
    name = scene.columns.relationship
    if name is None:
        return None
    own = scene.record.iloc[scene.position[rows]]
    values = own[name].astype("string").fillna("").str.strip()
    return ["" if value.casefold() in {"unknown", "not known"} else value for value in values.astype(object)]


def _before(scene: CardScene, rows: NDArray[np.int64], keys: Mapping[str, str], *, citywide: bool) -> int | None:
    """Count what was alike, and at the same places, in as long a span before; None where nothing is on record."""
    times = scene.table["occurred_from"].iloc[rows]
    begin = times.min()
    start = begin - max(times.max() - begin, pd.Timedelta(days=28))
    if start < scene.record_from or not keys:
        return None
    occurred = scene.record["occurred_from"]
    earlier = ((occurred >= start) & (occurred < begin)).to_numpy(dtype=bool, copy=True)
    for name, value in keys.items():
        if name in scene.fields.labels:
            earlier &= scene.fields.labels[name] == value
        else:
            earlier &= scene.fields.codes[name] >= 0
    found = scene.record.loc[earlier, ["x", "y"]].to_numpy(dtype=float)
    if citywide or not len(found):
        return len(found)
    # As much ground as the members take, so that the two numbers can be compared.
    own = scene.table[["x", "y"]].to_numpy(dtype=float)[rows]
    middle = own.mean(axis=0)
    radius = max(float(np.hypot(*(own - middle).T).max()), SAME_PLACE_M)
    return int((np.hypot(*(found - middle).T) <= radius).sum())


def _title(kind: PatternType, keys: Mapping[str, str], members: pd.DataFrame, scene: CardScene) -> str:
    """Say what is alike and where; the type stands beside the title wherever it is shown."""
    named = kind in CITYWIDE
    shared = ", ".join(_part(name, value, named=named) for name, value in keys.items()) or _KINDS[kind]
    where = ""
    if not named and len(scene.area.neighbourhoods):
        found = str(scene.area.neighbourhood_of([members["x"].median()], [members["y"].median()])[0] or "")
        spoken = found.title() if found.isupper() and len(found) > 3 else found
        where = f" in {'area ' if spoken.isdigit() else ''}{spoken}" if spoken else ""
    return f"{shared[:1].upper()}{shared[1:]}{where}"


def _part(name: str, value: str, *, named: bool) -> str:
    """Say a shared value, with the name of its field where it does not speak for itself."""
    if value == "yes":
        return name
    plain = value.lower() if value.isupper() else value
    return f"{name} {plain}" if plain.isdigit() or (named and name != "category") else plain
