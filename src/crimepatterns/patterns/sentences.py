"""What a surface or a set of clusters says, in one sentence of plain English."""

import numpy as np

from crimepatterns.domain.clusters import Clusters
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.surface import Surface
from crimepatterns.errors import PatternError
from crimepatterns.patterns.significance import discoveries

__all__ = ["clusters_sentence", "density_sentence", "gi_star_sentence", "local_moran_sentence"]


def density_sentence(surface: Surface) -> str:
    """Say where a density surface peaks and how far above the mean."""
    per_km2, areas = surface.values, surface.grid.area_km2
    peak = int(np.argmax(per_km2))
    where = surface.grid.neighbourhood[peak]
    mean = float(per_km2 @ areas / areas.sum())
    return (
        f"Densest{f' in {where}' if where else ''}: {per_km2[peak]:,.0f} {surface.unit}, "
        f"{per_km2[peak] / mean:,.0f} times the mean of the study area."
    )


def gi_star_sentence(surface: Surface, incidents: Incidents) -> str:
    """Say how many cells are hot, and which share of the area and of the incidents they hold.

    Raises
    ------
    PatternError
        If the surface was not tested.
    """
    if surface.q_values is None:
        raise PatternError(f"A {surface.method} surface has no significance: give one made by gi_star.")
    fdr = float(str(surface.parameters["fdr"]))
    hot = discoveries(surface.q_values, fdr=fdr)
    if not hot.any():
        return f"No cell stands out from chance at a false discovery rate of {fdr * 100:g} %."
    cell, inside = surface.grid.assign(incidents.table["x"], incidents.table["y"])
    caught = float(hot[cell[inside]].mean())
    share = float(surface.grid.area_km2[hot].sum() / surface.grid.area_km2.sum())
    cells = "One hot cell" if hot.sum() == 1 else f"{int(hot.sum()):,} hot cells"
    hold = "holds" if hot.sum() == 1 else "hold"
    return f"{cells} ({share * 100:.1f} % of the area) {hold} {caught * 100:.0f} % of the incidents."


def clusters_sentence(clusters: Clusters) -> str:
    """Say how many clusters there are, which share of the incidents they hold and where the largest is."""
    if clusters.summary.empty:
        return "No place is dense enough for a cluster."
    count, share = len(clusters.summary), float(clusters.labels.notna().mean())
    largest = clusters.summary.iloc[0]
    where = f" in {largest['neighbourhood']}" if largest["neighbourhood"] else ""
    start = "One cluster holds" if count == 1 else f"{count:,} clusters hold"
    held = f"{share * 100:.0f} %" if share >= 0.005 else "under 1 %"
    named = f"it lies{where}" if count == 1 and where else f"the largest{where} has {largest['incidents']:,}"
    return f"{start} {held} of the incidents; {named}."


def local_moran_sentence(surface: Surface) -> str:
    """Say how many cells resemble their neighbours, and how many stand out among them."""
    facts = {name: int(str(surface.parameters[name])) for name in ("high-high", "low-low", "high-low", "low-high")}
    if not any(facts.values()):
        return f"No cell is shown to resemble its neighbours or to differ from them ({surface.parameters['null']})."
    return (
        f"{facts['high-high']:,} busy cells among busy ones and {facts['low-low']:,} quiet among quiet ones; "
        f"{facts['high-low']:,} busy cells stand alone and {facts['low-high']:,} quiet ones lie among busy ones."
    )
