"""The page that a shift begins with: This morning."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from crimepatterns.errors import MissingInputError
from crimepatterns.serving.briefing import status
from crimepatterns.serving.monitoring import monitoring_report
from crimepatterns.serving.names import model_label
from crimepatterns.serving.pages.counts import exceedances
from crimepatterns.serving.pages.drawing import Sketch, classed
from crimepatterns.serving.pages.news import news
from crimepatterns.serving.pages.outcomes import last_check
from crimepatterns.serving.pages.places import planned_places
from crimepatterns.serving.pages.stored import layer_of
from crimepatterns.serving.parts import Parts
from crimepatterns.serving.results import Results
from crimepatterns.store.atomic import read_json

__all__ = ["LIMITS", "morning", "records_line", "run_facts"]

_PERIODS = ("1 day", "7 days")

LIMITS = (
    "Only what was reported and recorded is counted; where few report, little is seen.",
    "A place is listed for what happens there, not for who lives there; nothing here is about a person.",
    "An expected count is a mean over many weeks: the chance of nothing stands beside it.",
)
"""What every reader of the sheet should keep in mind."""


def morning(results: Results, *, with_plan: bool) -> dict[str, Any]:
    """Return what the template of the page needs; parts that are not there are None, with the reason in ``absent``.

    Parameters
    ----------
    results : Results
    with_plan : bool
        Whether the reader may see where patrols will be.
    """
    part = Parts()
    wanted = results.settings.briefing
    if not with_plan:
        part.absent["plan"] = "The patrol plan is shown to planners."
    plan = part("plan", lambda: planned_places(results, most=wanted.places)) if with_plan else None
    return {
        "status": status(results),
        "records": records_line(results),
        "counts": part("counts", lambda: exceedances(results, _PERIODS)) if results.categories else None,
        "news": news(results, most=wanted.patterns) if results.categories else None,
        "plan": plan,
        "map": part("map", lambda: _sketch(results, plan)),
        "check": last_check(results),
        "run": run_facts(results),
        "limits": LIMITS,
        "absent": part.absent,
    }


def records_line(results: Results) -> dict[str, Any] | None:
    """Return how old, how complete and how sound the records are; None before cleaning."""
    cleaning = results.cleaning_report()
    if not cleaning:
        return None
    try:
        watched: Any = monitoring_report(results)
    except MissingInputError:
        watched = {}
    honesty = results.honesty_report()
    last = pd.Timestamp(cleaning["last"]) if cleaning.get("last") else None
    graver = [one for one in honesty.get("findings", []) if one["severity"] in ("serious", "warning")]
    daily = results.layout.daily / "latest.json"
    return {
        "last": last,
        "age_days": None if last is None else (pd.Timestamp(datetime.now(UTC)).tz_localize(None) - last).days,
        "incidents": cleaning["kept"],
        "rejected": cleaning["rows_in"] - cleaning["kept"],
        "rows_in": cleaning["rows_in"],
        "complete_until": _moment(watched.get("freshness", {}).get("complete_until")),
        "lag": watched.get("lag", {}),
        "drift": [one["name"] for one in watched.get("drift", []) if one["alarm"]],
        "faults": [one["found"] for one in graver[:2]],
        "fault_count": len(graver),
        "checked": bool(honesty),
        "watched": bool(watched),
        "daily": read_json(daily)["sentence"] if daily.exists() else "",
    }


def run_facts(results: Results) -> dict[str, Any] | None:
    """Return what names the forecast run that the page shows, and its models; None before the first forecast."""
    path = results.layout.forecasts / "manifest.json"
    if not path.exists():
        return None
    manifest = results.cache.get("forecast-manifest", [path], lambda: read_json(path))
    cutoff, made = pd.Timestamp(manifest["cutoff"]), pd.Timestamp(manifest["run_date"])
    return {
        "run": f"{cutoff:%Y-%m-%d}-made-{made:%Y%m%dT%H%M%S}",
        "made": made,
        "cutoff": cutoff,
        "version": manifest["code"]["crimepatterns"],
        "commit": str(manifest.get("commit") or "")[:10],
        "models": {name: model_label(model) for name, model in manifest["champions"].items()},
    }


def _sketch(results: Results, plan: dict[str, Any] | None) -> Any:
    """Draw what all categories together expect, with the listed places on top."""
    wanted = [one for one in results.categories if one.forecast]
    if not wanted:
        raise MissingInputError("No forecast yet: run `crimepatterns forecast`.")
    paths = [results.forecast_path(one) for one in wanted]
    layers = [layer_of(results, path)[0] for path in paths]
    sources = [*paths, results.plan_path, results.layout.study_area]
    return results.cache.get(("morning-map", plan is not None), sources, lambda: _draw(results, layers, plan))


def _draw(results: Results, layers: list[Any], plan: dict[str, Any] | None) -> Any:
    expected = np.sum([layer["mean_0"].to_numpy(dtype=float) for layer in layers], axis=0)
    density = expected / layers[0]["area_km2"].to_numpy(dtype=float)
    # Classes by rank, so that the darkest is the busiest hundredth of the ground whatever the level.
    order = np.argsort(density)
    share = np.empty(len(density))
    share[order] = np.cumsum(layers[0]["area_km2"].to_numpy(dtype=float)[order])
    share /= share.max()
    sketch = Sketch(results.area(), f"Map of {results.settings.title}: where most incidents are expected.")
    for k, shapes in classed(layers[0].geometry.to_numpy(), share, (0.8, 0.9, 0.95, 0.98)).items():
        sketch.shapes(shapes, f"tone-{k + 1}")
    sketch.hoods()
    if plan is not None:
        centres = plan["layer"].geometry.centroid
        sketch.marks([(one.x, one.y) for one in centres], [str(row["rank"]) for row in plan["places"]])
    return sketch.svg()


def _moment(text: object) -> pd.Timestamp | None:
    return pd.Timestamp(str(text)) if text else None
