"""What came of the forecasts: the verdicts of the last week, and the calendar of all."""

from typing import Any

import pandas as pd

from crimepatterns.serving.names import model_label
from crimepatterns.serving.results import Results
from crimepatterns.store.atomic import read_json
from crimepatterns.store.issued import Verdict, issued_forecasts, read_verdicts

__all__ = ["calendar", "last_check"]


def last_check(results: Results) -> dict[str, Any]:
    """Return how the last judged forecast of each category did, or else the last week of the plan's back-test.

    Returns
    -------
    dict
        ``verdicts`` (one per category), ``backtest`` (the last past period of the plan, or None) and ``advice``.
    """
    found: dict[str, Verdict] = {}
    for verdict in _verdicts(results):
        known = found.get(verdict.category)
        if known is None or verdict.start > known.start:
            found[verdict.category] = verdict
    return {
        "verdicts": [_told(one) for one in sorted(found.values(), key=lambda one: -one.expected)],
        "backtest": None if found else _backtest(results),
        "advice": "No issued forecast has been judged yet: run `crimepatterns monitor` once its week is known.",
    }


def calendar(results: Results, category: str) -> list[dict[str, Any]]:
    """Return every forecast issued of a category, the latest first, with what came of it where that is known."""
    judged = {(one.champion, one.cutoff): one for one in _verdicts(results) if one.category == category}
    rows = []
    for issued in issued_forecasts(results.layout, results.settings.timezone):
        if issued.category != category:
            continue
        own = judged.pop((issued.champion, issued.cutoff.isoformat()), None)
        expected = float(issued.cells["expected"].sum())
        open_one = {
            "start": issued.start,
            "end": issued.end,
            "expected": expected,
            "model": model_label(issued.champion),
        }
        rows.append(_told(own) if own else {**open_one, "observed": None})
    rows += [_told(one) for one in judged.values()]
    return sorted(rows, key=lambda row: row["start"], reverse=True)


def _verdicts(results: Results) -> list[Verdict]:
    path = results.layout.issued / "verdicts.jsonl"
    return results.cache.get("verdicts", [path], lambda: read_verdicts(results.layout))


def _told(verdict: Verdict) -> dict[str, Any]:
    zone_start, zone_end = pd.Timestamp(verdict.start), pd.Timestamp(verdict.end)
    return {
        "category": verdict.category,
        "model": model_label(verdict.champion),
        "baseline": model_label(verdict.baseline),
        "start": zone_start,
        "end": zone_end,
        "expected": verdict.expected,
        "observed": verdict.observed,
        "expected_hot": verdict.expected_hot,
        "observed_hot": verdict.observed_hot,
        "hits": verdict.hits,
        "baseline_hits": verdict.baseline_hits,
        "best": verdict.best,
        "inside": verdict.inside_interval,
        "with_interval": verdict.with_interval,
    }


def _backtest(results: Results) -> dict[str, Any] | None:
    path = results.layout.plan / "backtest.json"
    origins = read_json(path).get("origins", []) if path.exists() else []
    if not origins:
        return None
    last = max(origins, key=lambda one: str(one["cutoff"]))
    return {**last, "start": pd.Timestamp(last["cutoff"])}
