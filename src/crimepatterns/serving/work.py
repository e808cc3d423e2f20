"""Long work as the web application offers it: jobs, asked for by name, each start and stop in the log of access."""

import math
from collections.abc import Mapping
from typing import Any

from crimepatterns.config import Settings
from crimepatterns.errors import BusyError
from crimepatterns.operations.jobs.desk import JobDesk
from crimepatterns.operations.jobs.kinds import KINDS
from crimepatterns.operations.jobs.records import Job, last_words
from crimepatterns.serving.failures import UnreadableRequestError
from crimepatterns.serving.security.gate import in_root
from crimepatterns.serving.security.rates import TokenBuckets
from crimepatterns.store.audit_log import append_event

__all__ = ["Work"]

_STARTS = {"per_second": 0.1, "burst": 5}
"""Jobs that one caller may start: five, then one in ten seconds."""


class Work:
    """The jobs of one server.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._desk, self._city = JobDesk(settings), settings.city
        self._root = str(settings.root.resolve()).rstrip("/") + "/"
        self._log = in_root(settings, settings.security.audit_file)
        self._rates = TokenBuckets(per_second=_STARTS["per_second"], burst=int(_STARTS["burst"]))

    def facts(self, token: str) -> dict[str, Any]:
        """Return what the table of jobs needs, with the token of its forms."""
        jobs = self._desk.jobs()
        running = [job for job in jobs if not job.over]
        return {
            "jobs": [{**job.facts(), "over": job.over, "log": self.words(job)} for job in jobs[:12]],
            "kinds": [
                {"name": one.name, "title": one.title, "about": one.about} for one in KINDS.values() if one.offered
            ],
            "at_work": len(running),
            "blocked": any(job.city == self._city for job in running),
            "token": token,
        }

    def jobs(self) -> list[Job]:
        """Return all that are remembered, the newest first."""
        return self._desk.jobs()

    def job(self, job_id: str) -> Job:
        """Return one job; see `JobDesk.job`."""
        return self._desk.job(job_id)

    def words(self, job: Job) -> list[str]:
        """Return the end of its log, without paths of this machine."""
        return [line.replace(self._root, "") for line in last_words(job.folder)]

    def start(self, kind: str, *, by: str, city: Settings | None = None, result: str | None = None) -> Job:
        """Start a job; see `JobDesk.start`.

        Raises
        ------
        UnreadableRequestError
            If no such kind is on offer.
        BusyError
            If it must wait, or the caller starts too many.
        """
        if kind not in KINDS or (city is None and not KINDS[kind].offered):
            offered = ", ".join(name for name, one in KINDS.items() if one.offered)
            raise UnreadableRequestError(f"No kind of job {kind[:40]!r} is on offer: there are {offered}.")
        wait = self._rates.take(by)
        if wait:
            raise BusyError(f"Too many jobs were started: wait {math.ceil(wait)} s.")
        job = self._desk.start(kind, by=by, city=city, result=result)
        self._note("job started", job, by)
        return job

    def cancel(self, job_id: str, *, by: str) -> Job:
        """Cancel a job; see `JobDesk.cancel`."""
        job = self._desk.cancel(job_id, by=by)
        self._note("job cancelled", job, by)
        return job

    def _note(self, event: str, job: Job, by: str) -> None:
        entry: Mapping[str, object] = {"event": event, "caller": by, "job": job.job_id, "city": job.city}
        append_event(self._log, entry)
