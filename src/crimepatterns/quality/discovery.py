"""How incidents came to light, and whether that changed: what the police look for is not what happens."""

import numpy as np
import pandas as pd
from scipy import stats

from crimepatterns.domain.incidents import DISCOVERY
from crimepatterns.quality.change_points import find_changes, share_height
from crimepatterns.quality.findings import Finding, by_share, per_cent, sound
from crimepatterns.quality.record import Record
from crimepatterns.quality.spans import dense_span, whole_weeks

__all__ = ["discovery"]

_INITIATED = DISCOVERY[1]
_LEVEL = 0.005
_LEAST_PER_WEEK = 8.0
_SURPRISE = 1e-6
_MUCH = 0.3
_SMALLEST = 0.05


def discovery(record: Record, *, given: bool, rng: np.random.Generator) -> Finding:
    """Measure the share of police-initiated incidents over time, and look for sudden changes in it.

    Parameters
    ----------
    record : Record
    given : bool
        Whether the publisher says how each incident came to light; where it is derived from the category its changes
        are those of the categories, and are not looked for.
    rng : Generator
    """
    counts = record.day_counts
    initiated = counts["discovery"].astype(str) == _INITIATED
    share = float(counts.loc[initiated, "incidents"].sum() / counts["incidents"].sum())
    by_category = (
        counts.assign(police=counts["incidents"].where(initiated, 0))
        .groupby("category", observed=True)[["police", "incidents"]]
        .sum()
    )
    mixed = (by_category["police"] / by_category["incidents"]).sort_values(ascending=False)
    evidence: dict[str, object] = {
        "share_police_initiated": round(share, 4),
        "given_by_publisher": given,
        "by_category": {str(name): round(float(value), 3) for name, value in mixed.items()},
        "by_year": _by_year(counts, initiated),
        "changes": _changes(record, rng) if given and record.dated else [],
    }
    changes = evidence["changes"]
    if isinstance(changes, list) and changes:
        worst = max(changes, key=lambda one: one["incidents"])
        single = float(sum(one["incidents"] for one in changes if one["series"] != "all"))
        touched = max(single, *(float(one["incidents"]) for one in changes if one["series"] == "all"), 0.0)
        return Finding(
            "discovery",
            by_share(min(touched / counts["incidents"].sum(), 1.0), warning=0.01),
            f"The police-initiated share of {worst['series']} changes suddenly from {per_cent(worst['before'])} to "
            f"{per_cent(worst['after'])} on {worst['start']}.",
            "Ask whether policing or recording changed; compare only reported incidents across that day.",
            "discovery_changes",
            affected=touched,
            share=min(touched / float(counts["incidents"].sum()), 1.0),
            evidence=evidence,
        )
    if share >= _MUCH:
        return Finding(
            "discovery",
            "note",
            f"{per_cent(share)} of the incidents were found by police activity rather than reported.",
            "Keep them out of forecasts and patrol plans: they show where the police look.",
            "discovery_changes",
            affected=share * float(counts["incidents"].sum()),
            share=share,
            evidence=evidence,
        )
    told = "as the publisher says" if given else "as their category suggests"
    return sound(
        "discovery",
        f"{per_cent(share)} of the incidents were found by police activity, {told}; no sudden change.",
        flag="discovery_changes",
        evidence=evidence,
    )


def _by_year(counts: pd.DataFrame, initiated: pd.Series) -> dict[str, float]:
    years = pd.DatetimeIndex(counts["day"]).year
    whole = counts["incidents"].groupby(years).sum()
    part = counts["incidents"].where(initiated, 0).groupby(years).sum()
    return {str(year): round(float(part[year] / whole[year]), 4) for year in whole.index}


def _changes(record: Record, rng: np.random.Generator) -> list[dict[str, object]]:
    """Scan the share of each category in which both kinds could be seen, and of all together."""
    counts = record.day_counts
    start, end = dense_span(record.series("category"))
    days = pd.date_range(start, end, freq="D")
    police = counts[counts["discovery"].astype(str) == _INITIATED]
    part = whole_weeks(_wide(police, days))
    whole = whole_weeks(_wide(counts, days))
    names = [
        name
        for name in whole.counts
        if name in part.counts and part.counts[name].mean() >= _LEAST_PER_WEEK * whole.days / 7
    ]
    changes: list[dict[str, object]] = []
    for name in names:
        some, all_of = part.counts[name].to_numpy(), whole.counts[name].to_numpy()
        height = share_height(some, all_of)
        for change in find_changes(height, periods_per_year=whole.per_year, level=_LEVEL / len(names), rng=rng):
            inside = slice(change.start, change.end)
            before = slice(max(change.start - 13, 0), change.start) if change.start else slice(change.end, None)
            old, new = (float(some[at].sum() / max(all_of[at].sum(), 1)) for at in (before, inside))
            # Shares near 0 and 1 are not normal: the counts themselves must be out of the question too.
            hits, trials = int(some[inside].sum()), int(all_of[inside].sum())
            odd = 2 * min(stats.binom.cdf(hits, trials, old), stats.binom.sf(hits - 1, trials, old))
            if abs(new - old) >= _SMALLEST and odd <= _SURPRISE:
                changes.append(
                    {
                        "series": str(name),
                        "start": str(whole.counts.index[change.start].date()),
                        "before": round(old, 4),
                        "after": round(new, 4),
                        "incidents": round(abs(new - old) * float(all_of[inside].sum())),
                        "p_value": float(f"{change.p_value:.2g}"),
                    }
                )
    return changes


def _wide(counts: pd.DataFrame, days: pd.DatetimeIndex) -> pd.DataFrame:
    wide = counts.pivot_table(
        index="day", columns="category", values="incidents", aggfunc="sum", fill_value=0, observed=True
    ).reindex(days, fill_value=0)
    return wide.assign(all=wide.sum(axis="columns"))
