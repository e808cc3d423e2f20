"""Pattern methods whose result is a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import NotApplicableError
from crimepatterns.pattern_methods.surfaces import held_counts
from crimepatterns.pattern_methods.work import PatternWork
from crimepatterns.patterns.concentration import chance_curve, concentration
from crimepatterns.patterns.concentration_sentences import concentration_sentence, repeat_places_sentence
from crimepatterns.patterns.repeat_places import repeat_places
from crimepatterns.patterns.usual_counts import against_usual
from crimepatterns.store.layers import write_layer, write_table

__all__ = ["busiest_places", "concentrated", "usual"]

_LISTED = 200


def concentrated(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Measure which share of the incidents happens in which share of the cells."""
    found = concentration(held_counts(chosen, work.city.grid), replicates=max(work.settings.replicates, 199))
    sentence = concentration_sentence(found, places="cells")
    figures = {name: getattr(found, name) for name in ("gini", "gini_adjusted", "gini_by_chance", "gini_rates")}
    own = {"kind": "concentration", "method": "concentration", "parameters": {**found.parameters, **figures}}
    write_table(folder / "concentration.parquet", found.to_frame(), {**facts, **own, "sentence": sentence})
    curves = pd.concat(
        [found.curve.assign(kind="observed"), chance_curve(found.incidents, found.places).assign(kind="chance")],
        ignore_index=True,
    )
    write_table(
        folder / "concentration_curve.parquet", curves, {**facts, **own, "kind": "Lorenz curve", "sentence": sentence}
    )
    return {"gini_adjusted": round(found.gini_adjusted, 3), "sentence": sentence}


def busiest_places(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Rank exact places, and mark those that may be defaults of the geocoder."""
    found = repeat_places(chosen)
    sentence = repeat_places_sentence(found)
    table = found.to_frame().head(_LISTED)
    layer = gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(table["x"], table["y"]), crs=work.city.area.crs)
    own = {"kind": "repeat places", "method": "repeat_places", "parameters": dict(found.parameters)}
    write_layer(folder / "repeat_places.parquet", layer, {**facts, **own, "sentence": sentence})
    return {"places": len(found.table), "sentence": sentence}


def usual(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Compare the last days with what is usual, by neighbourhood."""
    if (chosen.table["time_precision"] == "month").any():
        raise NotApplicableError("Times are known to the month only: the last 7 or 28 days cannot be counted.")
    record = work.known.of(*chosen.categories)
    found = against_usual(record, as_of=work.window.end, fdr=work.settings.fdr)
    sentence = " ".join(found.sentences())
    own = {"kind": "recent counts", "method": "usual", "parameters": dict(found.parameters)}
    write_table(folder / "usual.parquet", found.table, {**facts, **own, "sentence": sentence})
    verdicts = found.table["verdict"].value_counts()
    return {"more": int(verdicts.get("more", 0)), "fewer": int(verdicts.get("fewer", 0)), "sentence": sentence}
