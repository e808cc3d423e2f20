"""Stage: watch what is served: fresh data, reports, drift, outcomes of matured forecasts, and who is retired."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import NotApplicableError
from crimepatterns.monitoring.retirement import Retirement
from crimepatterns.monitoring_run.features import drift_of
from crimepatterns.monitoring_run.judging import champion_states, judge_matured
from crimepatterns.store.atomic import write_json
from crimepatterns.store.issued import Verdict
from crimepatterns.store.retirements import Retired, keep_retirements

__all__ = ["monitor"]

_BASELINE = "count_eb"
_LAST = 8
"""Matured forecasts that are pooled for the figures."""

_LAG_DAYS = 56


def monitor(settings: Settings, *, progress: Progress = silent) -> dict[str, Any]:
    """Judge matured forecasts, follow their champions, look for drift; write ``results/<city>/monitoring``.

    Parameters
    ----------
    settings : Settings
    progress : Progress

    Returns
    -------
    dict
        ``freshness``, ``lag``, ``drift``, ``drift_until``, ``matured`` (by category and champion), ``champions`` (who
        is served, with the evidence), ``sentences`` and ``outputs``.

    Raises
    ------
    MissingInputError
        If cleaning has not run.
    """
    city = City(settings)
    progress("Judging matured forecasts", 0, 3)
    verdicts = judge_matured(city)
    states = champion_states(city, verdicts)
    progress("Looking for drift", 1, 3)
    try:
        shifts, until = drift_of(city, verdicts)
    except NotApplicableError:  # months only: nothing weekly can be told
        shifts, until = [], ""
    report: dict[str, Any] = {
        "city": settings.city,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "freshness": _freshness(city),
        "lag": _lag(city),
        "drift": [asdict(one) for one in shifts],
        "drift_until": until,
        "matured": [_pooled(own) for own in _by_champion(verdicts)],
        "champions": [_standing(category, model, state) for (category, model), state in sorted(states.items())],
    }
    report["sentences"] = _sentences(report)
    progress("Writing", 2, 3)
    keep_retirements(city.layout, _retired(states))
    write_json(city.layout.monitoring / "report.json", report)
    home = city.layout.monitoring.relative_to(settings.root)
    return {
        **report,
        "sentence": " ".join(report["sentences"]),
        "outputs": [str(home / name) for name in ("report.json", "retirement.json")],
    }


def _freshness(city: City) -> dict[str, Any]:
    last = city.incidents.table["occurred_from"].max()
    age = (pd.Timestamp.now("UTC") - last).total_seconds() / 86_400
    return {"last_incident": last.isoformat(), "age_days": round(age, 2), "complete_until": city.matured[0].isoformat()}


def _lag(city: City) -> dict[str, Any]:
    """Days from incident to report, of the reports of the last eight weeks; assumed where there are no report dates."""
    if city.delay.assumed_days is not None:
        return {"assumed_days": city.delay.assumed_days}
    table = city.incidents.table
    recent = table.loc[table["known_at"] > table["known_at"].max() - pd.Timedelta(days=_LAG_DAYS)]
    days = (recent["known_at"] - recent["occurred_until"]).dt.total_seconds() / 86_400
    return {"median_days": round(float(days.median()), 3), "p95_days": round(float(days.quantile(0.95)), 3)}


def _by_champion(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    pairs = dict.fromkeys((one.category, one.champion) for one in verdicts)
    return [[one for one in verdicts if (one.category, one.champion) == pair] for pair in pairs]


def _pooled(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Pool the last eight matured forecasts of one champion."""
    last = verdicts[-_LAST:]

    def total(name: str) -> float:
        return float(np.sum([getattr(one, name) for one in last]))

    return {
        "category": last[-1].category,
        "champion": last[-1].champion,
        "baseline": last[-1].baseline,
        "forecasts": len(verdicts),
        "pooled": len(last),
        "from": last[0].start,
        "until": last[-1].end,
        "observed": total("observed"),
        "expected": round(total("expected"), 2),
        "calibration": _ratio(total("observed"), total("expected")),
        "calibration_hot": _ratio(total("observed_hot"), total("expected_hot")),
        "hit_rate": _ratio(total("hits"), total("observed")),
        "baseline_hit_rate": _ratio(total("baseline_hits"), total("observed")),
        "pei": _ratio(total("hits"), total("best")),
        "coverage_hot": _ratio(total("inside_interval"), total("with_interval")),
        "deviance_against_baseline": _ratio(total("deviance"), total("baseline_deviance")),
    }


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole > 0 and np.isfinite(part / whole) else None


def _standing(category: str, model: str, state: Retirement) -> dict[str, Any]:
    evidence = state.better if state.retired else state.worse
    return {
        "category": category,
        "champion": model,
        "served": _BASELINE if state.retired else model,
        "retired": state.retired,
        "strength": round(state.strength, 6),
        "threshold": round(state.threshold, 1),
        "evidence": {test: float(f"{evidence.of(test):.4g}") for test in evidence.wealth},
        "outcomes": len(state.outcomes),
        "changes": [asdict(change) for change in state.changes],
    }


def _retired(states: dict[tuple[str, str], Retirement]) -> dict[str, Retired]:
    """Who is not served, by category; the baseline itself has nothing to fall back on."""
    return {
        category: Retired(model, _BASELINE, state.changes[-1].day, state.changes[-1].reason)
        for (category, model), state in states.items()
        if state.retired and model != _BASELINE
    }


def _sentences(report: dict[str, Any]) -> list[str]:
    fresh = report["freshness"]
    told = [f"The last incident is {fresh['age_days']:,.0f} days old."]
    moved = [_drift_words(one) for one in report["drift"] if one["alarm"]]
    until = f" up to {report['drift_until']}" if report["drift_until"] else ""
    told.append(f"Drift{until}: {'; '.join(moved)}." if moved else f"No drift{until}.")
    if not report["matured"]:
        told.append("No issued forecast has matured yet.")
    return [*told, *(_standing_words(one) for one in report["champions"])]


def _drift_words(one: dict[str, Any]) -> str:
    size = f"{one['measure']} {one['effect']:+.2f}, q {one['q_value']:.3g}"
    return f"{one['group']}, {one['name']}: {one['direction']} ({size})"


def _standing_words(one: dict[str, Any]) -> str:
    name, category = one["champion"], one["category"]
    if not one["retired"]:
        share = f"{one['strength'] * 100:.2g} % of what retires it"
        return f"{category}: {name} is served; evidence that it is worse: {share}."
    reason = one["changes"][-1]
    if name == _BASELINE:
        return (
            f"{category}: the baseline {name} itself is shown to be off since {reason['day'][:10]}, because "
            f"{reason['reason']}; there is nothing simpler to serve."
        )
    return (
        f"{category}: {name} is retired since {reason['day'][:10]} because {reason['reason']}; {_BASELINE} is served; "
        f"evidence for its return: {one['strength'] * 100:.2g} % of what is needed."
    )
