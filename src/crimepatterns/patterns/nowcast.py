"""Completing the last weeks: which share of the incidents of each age is known at a cutoff."""

import numpy as np
import pandas as pd

from crimepatterns.domain.completeness import Completeness
from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.reporting_delay import DelayCurve, delay_curve, delays_and_limits

__all__ = ["completeness_at"]

_LEAST = 100
"""Incidents that a curve must rest on: fewer would shake the level more than the delay does."""
_LONGEST_DAYS = 365.0


def completeness_at(incidents: Incidents, cutoff: pd.Timestamp, category: str) -> Completeness | None:
    """Estimate how much of each past day is known at a cutoff, from what is known then.

    Delays count from ``occurred_from``, as counts do. They come from the category's own incidents, or from those of
    all where it has fewer than 100 (`reporting_delay`: Lagakos, Barraj & De Gruttola 1988). Later ones than a year
    are left aside.

    Parameters
    ----------
    incidents : Incidents
    cutoff : Timestamp
    category : str

    Returns
    -------
    Completeness or None
        None where there are too few incidents to tell, or everything is known at once.
    """
    known = incidents.as_of(cutoff)
    own = known.of(category)
    chosen = own.table if len(own) >= _LEAST else known.table
    if len(chosen) < _LEAST:
        return None
    delay, limit = delays_and_limits(chosen, cutoff, since="occurred_from")
    reach = min(_LONGEST_DAYS, float(np.partition(limit, -_LEAST)[-_LEAST]))
    try:
        curve = delay_curve(delay, limit, longest=min(reach, float(delay.max())))
    except PatternError:
        return None
    return _coarse(curve)


def _coarse(curve: DelayCurve) -> Completeness | None:
    """Keep the curve where it rises by a thousandth: a hundred ages tell as much as a hundred thousand."""
    steps = np.floor(curve.share * 1000)
    keep = np.append(np.diff(steps, prepend=-1.0)[:-1] > 0, True)
    if curve.days[-1] < 1.0:
        return None
    low, high = np.maximum.accumulate(curve.low[keep]), np.maximum.accumulate(curve.high[keep])
    share = np.maximum.accumulate(np.clip(curve.share[keep], 0.0, 1.0))
    return Completeness(curve.days[keep], share, np.minimum(low, share), np.maximum(high, share), curve.longest_days)
