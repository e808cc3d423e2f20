"""What an administrator looks at: stages, freshness, models and their versions, and the last morning's run."""

from pathlib import Path
from typing import Any

from crimepatterns.serving.briefing import status
from crimepatterns.serving.pages.data import model_versions
from crimepatterns.serving.pages.morning import records_line, run_facts
from crimepatterns.serving.results import Results
from crimepatterns.store.atomic import read_json
from crimepatterns.version import __version__

__all__ = ["state_page"]


def state_page(results: Results) -> dict[str, Any]:
    """Return what the template of the status page needs."""
    daily = results.layout.daily / "latest.json"
    manifests = {stage["name"]: _seconds(results, stage["name"]) for stage in status(results)["stages"]}
    return {
        "status": status(results),
        "seconds": manifests,
        "records": records_line(results),
        "run": run_facts(results),
        "models": model_versions(results),
        "daily": read_json(daily) if daily.exists() else None,
        "working": _at_work(results),
        "server": __version__,
    }


def _seconds(results: Results, stage: str) -> float | None:
    facts = results.stage_facts(stage)
    seconds = facts.get("seconds") if facts else None
    return None if seconds is None else float(seconds)


def _at_work(results: Results) -> bool | None:
    """Whether a command works on the city now, which then holds the lock; None where the system does not tell.

    The lock is only looked at: taking it, however briefly, could turn away a command that starts in that moment.
    """
    try:
        inode = (results.layout.results / ".lock").stat().st_ino
        held = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return False if Path("/proc/locks").exists() else None
    except OSError:
        return None
    return any("FLOCK" in line and f":{inode} " in line for line in held)
