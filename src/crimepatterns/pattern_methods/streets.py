"""Pattern methods on street segments."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import NotApplicableError, PatternError
from crimepatterns.pattern_methods.work import PatternWork
from crimepatterns.patterns.network import network_density, network_gi_star, segment_counts
from crimepatterns.patterns.network_sentences import network_sentence
from crimepatterns.store.layers import write_layer

__all__ = ["along_streets"]


def along_streets(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Count incidents on street segments, smooth them along the streets, and test each segment with its neighbours."""
    wanted, segments = work.settings, work.segments
    if wanted.street_reach_m < wanted.segment_m:
        raise PatternError(
            f"patterns.street_reach_m must be at least segment_m, got {wanted.street_reach_m:g} m and "
            f"{wanted.segment_m:g} m: raise one or lower the other."
        )
    try:
        found = segment_counts(chosen, segments, max_snap_m=wanted.snap_m)
    except PatternError as error:
        raise NotApplicableError(str(error)) from error
    smooth = network_density(chosen, segments, bandwidth_m=wanted.street_reach_m, max_snap_m=wanted.snap_m)
    tested = network_gi_star(chosen, segments, fdr=wanted.fdr, max_snap_m=wanted.snap_m)
    sentence = f"{network_sentence(tested)} {network_sentence(smooth)} {found.sentence()}"
    layer = segments.to_geodataframe().assign(
        incidents=found.counts,
        per_km=found.counts / (segments.length_m / 1e3),
        density_per_km=smooth.values,
        z=tested.values,
        p_value=tested.p_values,
        q_value=tested.q_values,
        times_expected=tested.times_expected,
    )
    own = {
        "kind": "street segments", "method": "network", "null": tested.null, "unit": smooth.unit,
        "parameters": {**smooth.parameters, **tested.parameters, "segments": len(segments),
                       "street_km": round(float(segments.length_m.sum()) / 1e3, 1)},
    }  # fmt: skip
    write_layer(folder / "network.parquet", layer, {**facts, **own, "sentence": sentence})
    return {"hot_segments": tested.parameters["discoveries"], "refused": found.parameters["refused"],
            "snap_m_median": found.parameters["snap_m_median"], "sentence": sentence}  # fmt: skip
