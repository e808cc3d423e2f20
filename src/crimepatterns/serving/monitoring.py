"""What monitoring has found, for its page, the API and Prometheus."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from crimepatterns.errors import MissingInputError
from crimepatterns.serving.briefing import status
from crimepatterns.serving.names import model_label
from crimepatterns.serving.results import Results
from crimepatterns.store.atomic import read_json

__all__ = ["monitoring_page", "monitoring_report"]


def monitoring_report(results: Results) -> Mapping[str, Any]:
    """Return the report of the last `crimepatterns monitor`, kept until the next one.

    Raises
    ------
    MissingInputError
        If it has never run.
    """
    path = results.layout.monitoring / "report.json"
    if not path.exists():
        raise MissingInputError("Nothing has been monitored yet: run `crimepatterns monitor`.")
    report: dict[str, Any] = results.cache.get("monitoring", [path], lambda: read_json(path))
    return report


def monitoring_page(results: Results) -> dict[str, Any]:
    """Return what the template of the monitoring page needs; `report` is None before the first run."""
    try:
        report = monitoring_report(results)
    except MissingInputError as error:
        return {"status": status(results), "report": None, "absent": str(error)}
    alarms = [one for one in report["drift"] if one["alarm"]]
    retired = [one for one in report["champions"] if one["retired"]]
    groups = [
        {"name": name, "features": list(features)}
        for name, features in groupby(report["drift"], lambda one: one["group"])
    ]
    return {
        "status": status(results),
        "report": report,
        "alarms": alarms,
        "retired": retired,
        "groups": groups,
        "headline": _headline(alarms, retired),
        "label": model_label,
    }


def _headline(alarms: list[dict[str, Any]], retired: list[dict[str, Any]]) -> str:
    """Say first what matters most."""
    if retired:
        names = ", ".join(sorted({str(one["category"]) for one in retired}))
        return f"A champion is retired: {names}."
    if alarms:
        names = ", ".join(sorted({str(one["group"]) for one in alarms}))
        return f"The records have changed: {names}."
    return "Nothing speaks against what is served."
