"""Defects in the course of a record that can be planted: days, categories, labels, last weeks."""

import numpy as np
import pandas as pd

from crimepatterns.domain.incidents import Incidents
from crimepatterns.sources.planted_rows import (
    DAY_S,
    kept,
    wall_of,
)

__all__ = ["category_halved", "category_missing", "gap", "renamed_label", "thin_end", "undiscovered"]


def gap(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Lose all rows of consecutive days somewhere in the middle of the record."""
    order = np.sort(wall_of(incidents))
    lost = max(round(share * len(order)), 1)
    begin = round(rng.uniform(0.1, 0.85 - share) * len(order))
    first = order[begin] // DAY_S * DAY_S
    last = -(-order[begin + lost] // DAY_S) * DAY_S
    wall = wall_of(incidents)
    return kept(incidents, (wall < first) | (wall >= last))


def category_missing(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Lose nine of ten rows of one category, for as long as it takes to lose that share of all rows."""
    return _thinned(incidents, share, rng, lost_share=0.9)


def category_halved(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Lose every other row of one category, for as long as it takes to lose that share of all rows."""
    return _thinned(incidents, share, rng, lost_share=0.5)


def _thinned(incidents: Incidents, share: float, rng: np.random.Generator, *, lost_share: float) -> Incidents:
    table = incidents.table
    sizes = table["category"].value_counts()
    large = [name for name, size in sizes.items() if lost_share * size * 0.5 >= share * len(table)] or [sizes.index[0]]
    name = str(large[rng.integers(len(large))])
    mine = np.flatnonzero(table["category"].eq(name).to_numpy())
    mine = mine[np.argsort(wall_of(incidents)[mine], kind="stable")]
    length = min(round(share * len(table) / lost_share), len(mine) - 1)
    begin = round(rng.uniform(0.15, max(0.85 - length / len(mine), 0.16)) * len(mine))
    inside = mine[begin : begin + length]
    keep = np.ones(len(table), dtype=bool)
    keep[inside[rng.random(len(inside)) < lost_share]] = False
    return kept(incidents, keep)


def renamed_label(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Rename one category from a day on, so that the last rows carry the new name."""
    table = incidents.table.copy()
    sizes = table["category"].value_counts()
    large = [name for name, size in sizes.items() if 0.8 * size >= share * len(table)] or [sizes.index[0]]
    name = str(large[rng.integers(len(large))])
    mine = np.flatnonzero(table["category"].eq(name).to_numpy())
    mine = mine[np.argsort(wall_of(incidents)[mine], kind="stable")]
    late = mine[-max(round(share * len(table)), 1) :]
    for column in ("category", "offence"):
        words = table[column].astype(str).to_numpy(dtype=object)
        words[late] = f"{name} (new)"
        table[column] = pd.Categorical(words)
    return Incidents(table, incidents.area)


def undiscovered(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Call the last police-initiated rows reported, but for one in twenty."""
    table = incidents.table.copy()
    police = np.flatnonzero(table["discovery"].eq("police-initiated").to_numpy())
    police = police[np.argsort(wall_of(incidents)[police], kind="stable")]
    late = police[-max(round(min(share * len(table), 0.7 * len(police))), 1) :]
    words = table["discovery"].astype(str).to_numpy(dtype=object)
    words[late[rng.random(len(late)) < 0.95]] = "reported"
    table["discovery"] = words
    return Incidents(table, incidents.area)


def thin_end(incidents: Incidents, share: float, rng: np.random.Generator) -> Incidents:
    """Lose rows of the last weeks, the more the later, as reports that are still to come."""
    wall = wall_of(incidents)
    lost = share * len(wall)
    # Lost at the very end is four fifths, at the beginning of the stretch nothing: two fifths on average.
    stretch = np.sort(wall)[-min(round(lost / 0.4), len(wall) // 3)]
    late = (wall - stretch) / max(int(wall.max() - stretch), 1)
    return kept(incidents, rng.random(len(wall)) >= 0.8 * np.clip(late, 0.0, 1.0))
