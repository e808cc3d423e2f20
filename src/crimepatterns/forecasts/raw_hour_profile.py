"""The rhythms that a learned one must beat: even hours, the city's hours as counted, and each cell's own as counted."""

from types import MappingProxyType
from typing import Literal

import numpy as np

from crimepatterns.domain.history import History
from crimepatterns.domain.hour_spans import HOURS_OF_WEEK, HourSpans
from crimepatterns.forecasts.hour_profile import FittedHourProfile

__all__ = ["RawRhythm", "raw_hour_profile"]

RawRhythm = Literal["even", "city", "own"]


def raw_hour_profile(history: History, rhythm: RawRhythm) -> FittedHourProfile:
    """Take the hours as they were counted, spans by their share of time, with one incident spread over the week.

    Parameters
    ----------
    history : History
    rhythm : {"even", "city", "own"}
        Every hour alike, the rhythm of the whole city for every cell, or each cell's own.

    Returns
    -------
    FittedHourProfile
    """
    cells = len(history.grid)
    table = history.target_incidents.table
    cell, inside = history.grid.assign(table["x"], table["y"])
    spans = HourSpans.of(table)
    kept = inside[spans.row]
    hour, share, place = spans.hour[kept], spans.share[kept], cell[spans.row[kept]]
    slot = np.arange(cells) if rhythm == "own" else np.zeros(cells, dtype=np.int64)
    mass = np.zeros((int(slot.max()) + 1, HOURS_OF_WEEK))
    if rhythm != "even":
        np.add.at(mass, (slot[place], hour), share)
    profiles = (mass + 1.0 / HOURS_OF_WEEK) / (mass.sum(axis=1, keepdims=True) + 1.0)
    return FittedHourProfile(
        history.target, history.cutoff, profiles, slot, MappingProxyType({"incidents": spans.used})
    )
