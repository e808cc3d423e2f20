"""What a comparison of two periods says, in one sentence of plain English."""

import pandas as pd

from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.patterns.persistence import PERSISTENCE, HotSpotHistory
from crimepatterns.patterns.similarity import Similarity

__all__ = ["area_change_sentence", "change_sentence", "persistence_sentence", "similarity_sentence"]


def change_sentence(surface: Surface) -> str:
    """Say how many cells rose and fell.

    Raises
    ------
    PatternError
        If the surface is not one of `change_between`.
    """
    if surface.method != "change":
        raise PatternError(f"A {surface.method} surface compares no periods: give one made by change_between.")
    facts = {name: int(str(surface.parameters[name])) for name in ("before", "after", "up", "down")}
    totals = f"{facts['after']:,} incidents after {facts['before']:,}"
    if not facts["up"] and not facts["down"]:
        return f"{totals}: no cell changed by more than chance."
    return f"{totals}: {facts['up']:,} cells rose and {facts['down']:,} fell by more than chance."


def area_change_sentence(name: str, row: pd.Series) -> str:
    """Say what became of one place, given its row of `change_table`."""
    counts = f"{name}: {row['after']:,} after {row['before']:,}"
    if not row["change"]:
        return f"{counts}, no change shown (ratio {_interval(row)})."
    return f"{counts}, {row['change']} ({row['ratio']:.1f} times what was expected, {_interval(row)})."


def persistence_sentence(found: HotSpotHistory) -> str:
    """Say how many hot spots there are of which kind."""
    if found.spots.empty:
        return "No hot spot stands out from chance over the whole span."
    parts = [f"{found.parameters[kind]} {kind}" for kind in PERSISTENCE if found.parameters[kind]]
    share = 100 * float(found.spots["incidents_share"].sum())
    count = len(found.spots)
    noun = "One hot spot holds" if count == 1 else f"{count:,} hot spots hold"
    return f"{noun} {share:.0f} % of the incidents: {', '.join(parts)}."


def similarity_sentence(found: Similarity) -> str:
    """Say how alike two maps are, beside two draws from one map."""
    return (
        f"The two maps agree in {100 * found.s_robust:.0f} % of the areas with incidents; "
        f"two draws from the same map would in {100 * found.s_by_chance:.0f} %."
    )


def _interval(row: pd.Series) -> str:
    return f"{row['ratio_low']:.1f} to {row['ratio_high']:.1f}"
