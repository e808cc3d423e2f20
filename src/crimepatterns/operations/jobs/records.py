"""What is known of jobs, from their folders alone; the server that started them need not be the one that asks.

A folder holds ``job.json`` (what it is), ``process.json`` (who does it), ``step.json`` and ``progress.json`` (how far),
``log.txt`` (what was said), ``cancel.json`` (who stopped it) and ``outcome.json`` (how it ended).
"""

import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from crimepatterns.operations.jobs.processes import birth_of
from crimepatterns.store.atomic import stored_json, write_json
from crimepatterns.store.progress_file import read_progress

__all__ = ["Job", "JobState", "last_words", "read_job", "write_outcome", "write_process"]

JobState = Literal["running", "cancelling", "done", "failed", "cancelled"]

_STARTING_S = 60
_TAIL = 16_384
_VANISHED = (
    "Its process ended without a word: it was killed, or the machine was restarted. The last good result stands."
)


@dataclass(frozen=True)
class Job:
    """One job as it is now.

    Parameters
    ----------
    job_id, kind, title, city, city_title, by, started_at : str
        Times are ISO 8601, UTC.
    state : {"running", "cancelling", "done", "failed", "cancelled"}
    step, steps : int
        Which command is at work, from 1, and how many there are.
    task : str
        What it says it does.
    done, total : float
        How far that is; ``total`` is None where it does not know.
    seconds : float
        Since its start, or until its end.
    finished_at, sentence : str
        Empty while it runs.
    result : str
        Address of the page with its result.
    """

    job_id: str
    kind: str
    title: str
    city: str
    city_title: str
    by: str
    started_at: str
    state: JobState
    step: int
    steps: int
    task: str
    done: float | None
    total: float | None
    seconds: float
    finished_at: str
    sentence: str
    result: str
    folder: Path = field(repr=False)

    @property
    def over(self) -> bool:
        """Whether nothing happens any more."""
        return self.state in {"done", "failed", "cancelled"}

    def facts(self) -> dict[str, Any]:
        """Return everything as plain values, without paths."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}


def read_job(folder: Path) -> Job | None:
    """Read a job's folder; None where it holds none.

    One whose process is gone without an outcome gets one here, so that it is told the same from then on.
    """
    told = stored_json(folder / "job.json")
    if told is None:
        return None
    outcome = stored_json(folder / "outcome.json") or _settled(folder, told)
    step = stored_json(folder / "step.json") or {"number": 1, "name": ""}
    progress = read_progress(folder / "progress.json") or {"task": step["name"], "done": None, "total": None}
    state: JobState = "cancelling" if (folder / "cancel.json").exists() else "running"
    finished = "" if outcome is None else str(outcome["finished_at"])
    return Job(
        **{name: str(told[name]) for name in ("job_id", "kind", "title", "city", "city_title", "by", "started_at")},
        state=state if outcome is None else outcome["state"],
        step=int(step["number"]),
        steps=len(told["steps"]),
        task=str(progress["task"]),
        done=progress["done"],
        total=progress["total"],
        seconds=round((_moment(finished) - _moment(told["started_at"])).total_seconds(), 1),
        finished_at=finished,
        sentence="" if outcome is None else str(outcome["sentence"]),
        result=str(told["result"]),
        folder=folder,
    )


def write_process(folder: Path, pid: int) -> None:
    """Write down who does a job."""
    write_json(folder / "process.json", {"pid": pid, "birth": birth_of(pid) or ""})


def write_outcome(folder: Path, state: JobState, sentence: str) -> dict[str, Any]:
    """Write down how a job ended; one that somebody cancelled is cancelled unless it was done before."""
    told = stored_json(folder / "cancel.json")
    if told is not None and state != "done":
        state, sentence = "cancelled", f"Cancelled by {told['by']}. The last good result stands."
    outcome = {"state": state, "sentence": sentence, "finished_at": datetime.now(UTC).isoformat(timespec="seconds")}
    write_json(folder / "outcome.json", outcome)
    return outcome


def last_words(folder: Path, *, lines: int = 40) -> list[str]:
    """Return the end of a job's log."""
    try:
        with (folder / "log.txt").open("rb") as handle:
            handle.seek(max(0, handle.seek(0, 2) - _TAIL))
            text = handle.read().decode("utf-8", "replace")
    except OSError:
        return []
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return [line.rstrip()[:300] for line in plain.splitlines() if line.strip()][-lines:]


def _settled(folder: Path, told: dict[str, Any]) -> dict[str, Any] | None:
    """Give a job whose process is gone its outcome."""
    process = stored_json(folder / "process.json")
    if process is None:
        age = (datetime.now(UTC) - _moment(told["started_at"])).total_seconds()
        return None if age < _STARTING_S else write_outcome(folder, "failed", "It never began.")
    if process["birth"] and birth_of(process["pid"]) == process["birth"]:
        return None
    # Its last act may have been to write the outcome, after this reader looked for it.
    return stored_json(folder / "outcome.json") or write_outcome(folder, "failed", _VANISHED)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text) if text else datetime.now(UTC)
