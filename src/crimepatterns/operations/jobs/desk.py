"""Start, list and cancel jobs: one at a time of a city and of a kind, and only so many in all."""

import re
import secrets
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import yaml

from crimepatterns.config import Settings
from crimepatterns.errors import BusyError, ConfigError, CrimePatternsError, MissingInputError
from crimepatterns.operations.jobs.kinds import KINDS, JobKind
from crimepatterns.operations.jobs.processes import begin_apart, end_group
from crimepatterns.operations.jobs.records import Job, read_job, write_outcome, write_process
from crimepatterns.operations.locking import city_is_busy
from crimepatterns.store.atomic import stored_json, write_json, write_text
from crimepatterns.store.exclusive import exclusive
from crimepatterns.store.layout import Layout

__all__ = ["JobDesk", "settings_text"]

_ID = re.compile(r"\d{8}-\d{6}-[a-z]+-[0-9a-f]{6}")


class JobDesk:
    """The jobs of one project folder, as the server of one city sees them.

    Parameters
    ----------
    settings : Settings
        Of the city whose commands are run.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = Layout(settings.root, settings.city).jobs

    def jobs(self) -> list[Job]:
        """Return all that are remembered, the newest first."""
        names = sorted((path.name for path in self._folder.glob("*") if _ID.fullmatch(path.name)), reverse=True)
        return [job for job in (read_job(self._folder / name) for name in names) if job is not None]

    def job(self, job_id: str) -> Job:
        """Return one job.

        Raises
        ------
        MissingInputError
            If there is none of that name.
        """
        found = read_job(self._folder / job_id) if _ID.fullmatch(job_id) else None
        if found is None:
            raise MissingInputError(
                f"No job {job_id[:60]!r} is remembered: `crimepatterns jobs list` shows those that are."
            )
        return found

    def start(self, name: str, *, by: str, city: Settings | None = None, result: str | None = None) -> Job:
        """Start a job apart from this process.

        Parameters
        ----------
        name : str
            Of a kind in `KINDS`.
        by : str
            Who asks, for the record.
        city : Settings, optional
            The city to work on, where it is not this one.
        result : str, optional
            Page with the result, where it is not the kind's own.

        Raises
        ------
        ConfigError
            If there is no such kind.
        BusyError
            If one of its kind, or of this city, or as many as may be, are at work already.
        """
        if name not in KINDS:
            raise ConfigError(f"No kind of job {name[:40]!r}: there are {', '.join(KINDS)}.")
        kind, own = KINDS[name], city or self._settings
        self._folder.mkdir(parents=True, exist_ok=True)
        with exclusive(self._folder / ".lock"):
            self._check_free(kind, own)
            self._forget_old()
            folder = self._folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}-{secrets.token_hex(3)}"
            folder.mkdir()
            self._write(folder, kind, own, by=by, result=result or kind.result)
            self._begin(folder)
        return self.job(folder.name)

    def cancel(self, job_id: str, *, by: str) -> Job:
        """End a job with all its processes; what it had not finished leaves no trace, the last good result stands.

        Raises
        ------
        MissingInputError
            If there is none of that name.
        """
        job = self.job(job_id)
        if job.over:
            return job
        at = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(job.folder / "cancel.json", {"by": by, "at": at})
        process = stored_json(job.folder / "process.json")
        if process is not None:  # else it has hardly begun; whoever asks again finds its process
            end_group(int(process["pid"]), str(process["birth"]))
        return self.job(job_id)

    def _check_free(self, kind: JobKind, city: Settings) -> None:
        running = [job for job in self.jobs() if not job.over]
        for job in running:
            if job.kind == kind.name or job.city == city.city:
                raise BusyError(f"{job.title} of {job.city_title} is at work: wait for it, or cancel it first.")
        if len(running) >= self._settings.jobs.at_once:
            raise BusyError(f"{len(running)} jobs are at work, as many as jobs.at_once allows: wait for one to end.")
        if city_is_busy(Layout(city.root, city.city).results):
            raise BusyError(f"A command is at work on {city.title}: wait for it to end.")

    def _forget_old(self) -> None:
        over = [job for job in self.jobs() if job.over]
        for job in over[self._settings.jobs.keep - 1 :]:
            shutil.rmtree(job.folder, ignore_errors=True)

    def _write(self, folder: Path, kind: JobKind, city: Settings, *, by: str, result: str) -> None:
        # The settings as they are now, overrides included: a restart with others does not change a running job.
        config = folder / "settings.yaml"
        write_text(config, settings_text(city))
        config.chmod(0o600)
        steps = [
            {"name": step.name, "arguments": [*step.arguments, "--config", str(config)], "optional": step.optional}
            for step in kind.steps
        ]
        write_json(
            folder / "job.json",
            {
                "job_id": folder.name,
                "kind": kind.name,
                "title": kind.title,
                "city": city.city,
                "city_title": city.title,
                "by": by,
                "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "steps": steps,
                "most_seconds": self._settings.jobs.most_hours * 3600,
                "result": result,
            },
        )

    def _begin(self, folder: Path) -> None:
        command = [sys.executable, "-P", "-m", "crimepatterns.operations.jobs.supervisor", str(folder.resolve())]
        try:
            pid = begin_apart(command, log=folder / "log.txt", environment={"PYTHONUNBUFFERED": "1"})
        except OSError as error:
            write_outcome(folder, "failed", f"It could not be started: {error.strerror}.")
            raise CrimePatternsError(f"The job cannot be started: {error.strerror}.") from error
        write_process(folder, pid)


def settings_text(settings: Settings) -> str:
    """Write settings as a city file that gives the same settings again."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
