"""What dual density and the choice of a bandwidth say, in plain English."""

import numpy as np

from crimepatterns.patterns.bandwidth import BandwidthChoice
from crimepatterns.patterns.density_ratio import DensityRatio
from crimepatterns.patterns.significance import discoveries

__all__ = ["bandwidth_sentence", "density_ratio_sentence"]


def density_ratio_sentence(found: DensityRatio, *, denominator: str = "the denominator") -> str:
    """Say where incidents exceed their denominator, and by how much at least."""
    surface = found.surface
    q = np.ones(len(surface.grid)) if surface.q_values is None else surface.q_values
    above = discoveries(q, fdr=float(str(surface.parameters["fdr"]))) & (surface.values > 1)
    if not above.any():
        return f"Nowhere is the ratio of incidents to {denominator} shown to be above the mean."
    peak = int(np.argmax(np.where(above, found.low, -np.inf)))
    where = surface.grid.neighbourhood[peak]
    share = float(surface.grid.area_km2[above].sum() / surface.grid.area_km2.sum())
    return (
        f"In {100 * share:.1f} % of the area there are more incidents than {denominator} explains; "
        f"the surest excess{f', in {where},' if where else ''} is {surface.values[peak]:.1f} times the mean "
        f"({found.low[peak]:.1f} to {found.high[peak]:.1f})."
    )


def bandwidth_sentence(choice: BandwidthChoice) -> str:
    """Say which bandwidth was chosen and why, in one paragraph."""
    return " ".join(choice.reasons)
