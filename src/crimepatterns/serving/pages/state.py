"""What an administrator looks at: stages, freshness, models and their versions, and the last morning's run."""

from typing import Any

from crimepatterns.operations.locking import city_is_busy
from crimepatterns.serving.briefing import status
from crimepatterns.serving.pages.data import model_versions
from crimepatterns.serving.pages.morning import records_line, run_facts
from crimepatterns.serving.results import Results
from crimepatterns.serving.work import Work
from crimepatterns.store.atomic import read_json
from crimepatterns.version import __version__

__all__ = ["state_page"]


def state_page(results: Results, work: Work, token: str) -> dict[str, Any]:
    """Return what the template of the status page needs.

    Parameters
    ----------
    results : Results
    work : Work
    token : str
        For the page's forms.
    """
    daily = results.layout.daily / "latest.json"
    manifests = {stage["name"]: _seconds(results, stage["name"]) for stage in status(results)["stages"]}
    return {
        "status": status(results),
        "seconds": manifests,
        "records": records_line(results),
        "run": run_facts(results),
        "models": model_versions(results),
        "daily": read_json(daily) if daily.exists() else None,
        "working": city_is_busy(results.layout.results),
        "server": __version__,
        **work.facts(token),
    }


def _seconds(results: Results, stage: str) -> float | None:
    facts = results.stage_facts(stage)
    seconds = facts.get("seconds") if facts else None
    return None if seconds is None else float(seconds)
