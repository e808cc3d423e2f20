"""What concentration and repeat places say, in one sentence of plain English."""

import numpy as np

from crimepatterns.patterns.concentration import Concentration
from crimepatterns.patterns.repeat_places import RepeatPlaces

__all__ = ["concentration_sentence", "repeat_places_sentence"]


def concentration_sentence(found: Concentration, *, incidents_share: float = 0.5, places: str = "places") -> str:
    """Say at which share of the places a share of the incidents happened, beside what chance would give.

    Parameters
    ----------
    found : Concentration
    incidents_share : float
        The nearest one that was measured is used.
    places : str
        What the places are, such as ``street segments``.
    """
    nearest = int(np.argmin(np.abs(found.shares["incidents_share"].to_numpy(dtype=float) - incidents_share)))
    row = found.shares.iloc[nearest]
    level = float(str(found.parameters["level"]))
    return (
        f"{100 * row['incidents_share']:.0f} % of the {found.incidents:,} incidents happened at "
        f"{100 * row['places_share']:.1f} % of the {found.places:,} {places} "
        f"({100 * level:.0f} % interval {100 * row['low']:.1f} to {100 * row['high']:.1f} %); "
        f"equal risk everywhere would give {100 * row['by_chance']:.1f} %."
    )


def repeat_places_sentence(found: RepeatPlaces, *, places_share: float = 0.1) -> str:
    """Say which share of the incidents the busiest places hold, and how many places someone should look at."""
    table = found.table
    text = (
        f"The busiest {100 * places_share:g} % of {len(table):,} places hold "
        f"{100 * found.held_by(places_share):.0f} % of {found.incidents:,} incidents; "
        f"the first alone has {table['incidents'].iloc[0]:,}"
    )
    suspect = int(table["suspect"].sum()) if "suspect" in table else 0
    if not suspect:
        return text + "."
    count = "one place stands" if suspect == 1 else f"{suspect:,} places stand"
    return f"{text}; {count} far above the surroundings: large facilities, or default positions of the geocoder."
