"""What a map of street segments says, in one sentence of plain English."""

import numpy as np

from crimepatterns.domain.network_surface import NetworkSurface
from crimepatterns.patterns.significance import discoveries

__all__ = ["network_sentence"]


def network_sentence(surface: NetworkSurface) -> str:
    """Say where rates or densities peak, or how many segments stand out and which share of the streets they are."""
    length = surface.segments.length_m
    if surface.q_values is None:
        peak = int(np.argmax(surface.values))
        where = surface.segments.neighbourhood[peak]
        mean = float(surface.values @ length / length.sum())
        return (
            f"Busiest street segment{f' in {where}' if where else ''} ({surface.segments.ids[peak]}): "
            f"{surface.values[peak]:,.0f} {surface.unit}, {surface.values[peak] / mean:,.0f} times the mean of "
            "all streets."
        )
    fdr = float(str(surface.parameters["fdr"]))
    kind = str(surface.parameters["alternative"])
    found = discoveries(surface.q_values, fdr=fdr)
    if not found.any():
        return f"No street segment stands out from chance at a false discovery rate of {fdr * 100:g} %."
    share = float(length[found].sum() / length.sum())
    segments = f"One {kind} segment" if found.sum() == 1 else f"{int(found.sum()):,} {kind} segments"
    return (
        f"{segments}, {length[found].sum() / 1e3:,.1f} km or {share * 100:.1f} % of the streets, at a false discovery "
        f"rate of {fdr * 100:g} %."
    )
