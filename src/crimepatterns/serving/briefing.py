"""Everything the page says about one category, gathered for its template."""

from collections.abc import Mapping
from typing import Any

import orjson
import pandas as pd

from crimepatterns.errors import MissingInputError
from crimepatterns.operations.stages import STAGES
from crimepatterns.reports.honesty import check_title, honesty_headline
from crimepatterns.serving.map_layers import forecast_payload, layer_payload, plan_payload
from crimepatterns.serving.names import count_text, model_label, with_model_labels
from crimepatterns.serving.parts import Parts
from crimepatterns.serving.results import Category, Results
from crimepatterns.serving.scores import scoreboard
from crimepatterns.store.atomic import read_json

__all__ = ["briefing", "status"]

_MOST_FINDINGS = 3
_TO = "\N{EN DASH}"


def status(results: Results) -> dict[str, Any]:
    """Return which stages have finished, which categories there are, and the period of the data."""
    stages = [
        {
            "name": stage.name,
            "purpose": stage.purpose,
            "command": f"crimepatterns {stage.name}",
            **_done(results, stage.name),
        }
        for stage in STAGES
    ]
    report = results.cleaning_report()
    return {
        "city": results.settings.city,
        "title": results.settings.title,
        "timezone": results.settings.timezone,
        "first": _date_of(report.get("first")),
        "last": _date_of(report.get("last")),
        "incidents": report.get("kept"),
        "month_only": results.month_only,
        "synthetic": results.settings.source.kind == "synthetic",
        "stages": stages,
        "categories": [
            {"slug": one.slug, "name": one.name, "label": one.label, "patterns": one.patterns, "forecast": one.forecast}
            for one in results.categories
        ],
        "plan": results.plan_path.exists(),
        "span": results.span,
    }


def briefing(results: Results, category: Category | None, *, with_plan: bool = True) -> dict[str, Any]:
    """Return what the template of the main page needs; parts that are not there yet are None, with the reason.

    Parameters
    ----------
    results : Results
    category : Category or None
        None where nothing is stored yet.
    with_plan : bool
        Whether the reader may see where patrols will be.
    """
    part = Parts(_advice)

    def layer(name: str) -> Any:
        return None if category is None else orjson.loads(layer_payload(results, category, name).body)

    facts = status(results)
    if not with_plan:
        part.absent["plan"] = "The patrol plan is shown to planners."
    return {
        "status": {**facts, "plan": facts["plan"] and with_plan},
        "category": category,
        "forecast": part("forecast", lambda: _forecast(results, category)),
        "gi_star": part("gi_star", lambda: layer("gi_star")),
        "clusters": part("clusters", lambda: layer("clusters")),
        "density": part("density", lambda: layer("density")),
        "scores": part("scores", lambda: None if category is None else scoreboard(results, category)),
        "plan": part("plan", lambda: _plan(results)) if with_plan else None,
        "cleaning": results.cleaning_report() or None,
        "honesty": _honesty(results),
        "absent": part.absent,
        "day": lambda text: _day_text(pd.Timestamp(text)),
    }


def _done(results: Results, stage: str) -> dict[str, Any]:
    facts = results.stage_facts(stage)
    layout = results.layout
    there = {
        "ingest": layout.raw,
        "clean": layout.cleaning_report,
        "check": layout.quality,
        "patterns": layout.patterns,
        "evaluate": layout.evaluation / "select",
        "forecast": layout.forecasts,
        "plan": results.plan_path,
        "visualize": layout.figures,
    }.get(stage)
    return {"done": facts is not None or (there is not None and there.exists()), **(facts or {})}


def _forecast(results: Results, category: Category | None) -> dict[str, Any] | None:
    if category is None:
        return None
    if not category.forecast:
        raise MissingInputError(f"Forecasts of {category.label} are not made.")
    made: dict[str, Any] = orjson.loads(forecast_payload(results, category).body)
    start, last = pd.Timestamp(made["start"]), pd.Timestamp(made["end"]) - pd.Timedelta(microseconds=1)
    return {
        "total": count_text(made["total"]),
        "within": _within_text(made["facts"].get("total_interval")),
        "half_share": f"{made['half_of_expected_on_area_share'] * 100:.1f}",
        "model": model_label(str(made["facts"]["model"])),
        "days": (pd.Timestamp(made["end"]).tz_localize(None) - start.tz_localize(None)).days,
        "when": _span_text(start, last),
        "issued": _day_text(pd.Timestamp(made["facts"]["issued_at"])),
        "retired": with_model_labels(made["facts"]["retired"]) if "retired" in made["facts"] else None,
        "mostly_none": _cells_text(sum(none > 0.5 for none in made["none"]), len(made["none"])),
        "top": count_text(max(made["expected"], default=0.0)),
        "warning": made["facts"].get("warning"),
    }


def _honesty(results: Results) -> dict[str, Any] | None:
    report = results.honesty_report()
    if not report:
        return None
    graver = [one for one in report["findings"] if one["severity"] in ("serious", "warning")]
    shown = [{**one, "name": check_title(one["check"])} for one in graver[:_MOST_FINDINGS]]
    return {"headline": honesty_headline(report), "findings": shown, "more": len(graver) - len(shown)}


def _plan(results: Results) -> dict[str, Any]:
    made: dict[str, Any] = orjson.loads(plan_payload(results).body)
    backtest_path = results.layout.plan / "backtest.json"
    backtest: Mapping[str, Any] = read_json(backtest_path) if backtest_path.exists() else {}
    facts = made["facts"]
    start, end = pd.Timestamp(facts["start"]), pd.Timestamp(facts["end"]) - pd.Timedelta(microseconds=1)
    return {
        "places": [feature["properties"] for feature in made["places"]["features"]],
        "facts": facts,
        "when": _span_text(start, end),
        "sentences": backtest.get("sentences", []),
        "sheet": (results.layout.plan / "sheet.html").exists(),
        "csv": (results.layout.plan / "plan.csv").exists(),
    }


def _date_of(moment: object) -> str | None:
    return str(moment)[:10] if moment else None


def _advice(part: str, error: MissingInputError) -> str:
    command = {
        "forecast": "forecast",
        "gi_star": "patterns",
        "clusters": "patterns",
        "density": "patterns",
        "scores": "evaluate",
        "plan": "plan",
    }[part]
    text = str(error)
    return (
        text
        if text.startswith("Forecasts of")
        else f"Not made yet. Run `crimepatterns {command}`, then load the page again."
    )


def _within_text(interval: list[int] | None) -> str:
    """Say within which counts the total lies nine times in ten; nothing for forecasts that do not tell."""
    return "" if interval is None else f"nine times in ten {interval[0]:,} to {interval[1]:,}"


def _span_text(start: pd.Timestamp, last: pd.Timestamp) -> str:
    if (start.year, start.month) == (last.year, last.month):
        return f"{start.day}{_TO}{last.day} {last:%B %Y}"
    if start.year == last.year:
        return f"{start.day} {start:%B} {_TO} {last.day} {last:%B %Y}"
    return f"{_day_text(start)} {_TO} {_day_text(last)}"


def _cells_text(some: int, every: int) -> str:
    if some == every:
        return "every cell"
    share = min(some / every * 100, 99.9)
    return f"{share:.1f} % of all cells" if share >= 99.5 else f"{share:.0f} % of all cells"


def _day_text(moment: pd.Timestamp) -> str:
    return f"{moment.day} {moment:%B %Y}"
