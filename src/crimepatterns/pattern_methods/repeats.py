"""Pattern methods that ask whether incidents follow one another."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import NotApplicableError, PatternError
from crimepatterns.pattern_methods.work import PatternWork
from crimepatterns.patterns.knox import knox
from crimepatterns.patterns.near_repeat import near_repeat_chains, repeat_decay
from crimepatterns.patterns.near_repeat_alerts import near_repeat_alerts
from crimepatterns.patterns.scan import permutation_scan
from crimepatterns.patterns.self_exciting import self_exciting
from crimepatterns.patterns.space_time_pairs import SpaceTimeBands
from crimepatterns.store.layers import write_layer, write_table

__all__ = ["chains", "followers", "interaction", "outbreaks"]

_BACKGROUND_DAYS = 1_100
"""What is always busy is learned from at most so many of the last days."""

_BANDS = SpaceTimeBands((100.0, 200.0, 300.0, 400.0), (3, 7, 14, 21, 28))


def interaction(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Count close pairs beside what permuted dates give; half-distance and half-life where there is an excess."""
    _need_days(chosen, least=2)
    found = knox(chosen, bands=_BANDS, replicates_count=work.settings.replicates)
    told = [found.sentence()]
    decay: dict[str, Any] = {}
    if not told[0].startswith("No band"):
        try:
            fade = repeat_decay(found)
        except PatternError:
            fade = None
        if fade is not None and fade.is_determined():
            told.append(fade.sentence())
            decay = {"half_distance_m": fade.half_distance_m, "half_life_days": fade.half_life_days}
    sentence = " ".join(told)
    own = {"kind": "near-repeat table", "method": "knox", "null": found.null, "parameters": dict(found.parameters)}
    write_table(folder / "knox.parquet", found.to_frame(), {**facts, **own, **decay, "sentence": sentence})
    return {**decay, "sentence": sentence}


def chains(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Link near repeats, and tell those of the last days that are still open."""
    _need_days(chosen, least=1)
    wanted = work.settings
    found = near_repeat_chains(chosen, distance_m=wanted.near_repeat_m, days=wanted.near_repeat_days)
    own = {"method": "near_repeat", "parameters": dict(found.parameters), "sentence": found.sentence()}
    write_layer(folder / "near_repeat.parquet", found.chains, {**facts, **own, "kind": "near-repeat chains"})
    members = found.members.drop(columns="row")
    write_table(folder / "near_repeat_members.parquet", members, {**facts, **own, "kind": "chain members"})
    alerts = near_repeat_alerts(
        chosen, end=work.window.end, distance_m=wanted.near_repeat_m, days=wanted.near_repeat_days
    )
    count = f"{len(alerts)} group{'' if len(alerts) == 1 else 's'} of linked incidents"
    sentence = f"{count} in the last {wanted.near_repeat_days} days within {wanted.near_repeat_m:g} m of one another."
    told = {**own, "kind": "near-repeat alerts", "sentence": sentence}
    write_layer(folder / "near_repeat_alerts.parquet", alerts, {**facts, **told})
    return {"chains": len(found.chains), "alerts": len(alerts), "sentence": found.sentence()}


def followers(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Estimate how many incidents another one brought, with what is always busy learned from the whole record."""
    _need_days(chosen, least=2)
    record = work.history(chosen, days=max(work.days, _BACKGROUND_DAYS))
    try:
        found = self_exciting(record, since=work.window.start, end=work.window.end)
    except PatternError as error:
        raise NotApplicableError(str(error)) from error
    figures = {"share": found.share, "is_shown": found.is_shown, "explained": found.incidents, "gain": found.gain}
    own = {
        "kind": "self-exciting process", "method": "self_exciting", "parameters": {**found.parameters, **figures},
        "null": "incidents follow place, season and slow change, and not one another",
    }  # fmt: skip
    write_table(folder / "self_exciting.parquet", found.to_frame(), {**facts, **own, "sentence": found.sentence()})
    told = {name: round(getattr(found, name), 3) for name in ("share", "half_life_days", "half_distance_m")}
    return {**(told if found.is_shown else {"share": 0.0}), "sentence": found.sentence()}


def outbreaks(work: PatternWork, chosen: Incidents, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Scan for places where, for some days up to now, more happens than place and season explain."""
    _need_days(chosen, least=2)
    try:
        found = permutation_scan(chosen, end=work.window.end, replicates_count=work.settings.replicates)
    except PatternError as error:
        raise NotApplicableError(str(error)) from error
    own = {"kind": "space-time clusters", "method": "scan", "null": found.null, "parameters": dict(found.parameters)}
    write_layer(folder / "scan.parquet", found.to_geodataframe(), {**facts, **own, "sentence": found.sentence()})
    return {"clusters": len(found.significant()), "sentence": found.sentence()}


def _need_days(chosen: Incidents, *, least: int) -> None:
    if (chosen.table["time_precision"] == "month").any():
        raise NotApplicableError("Times are known to the month only: nothing can be said about days between incidents.")
    if len(chosen) < least:
        raise NotApplicableError(f"Needs at least {least} incidents in the window.")
