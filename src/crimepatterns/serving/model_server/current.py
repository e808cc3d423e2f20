"""What is served at this moment: replaced as a whole when something new lies on disk, never by something bad."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from crimepatterns.config import Settings
from crimepatterns.errors import CrimePatternsError, MissingInputError
from crimepatterns.serving.model_server.learners import Learners, load_learners, versions_of_models
from crimepatterns.serving.model_server.snapshot import Snapshot, read_snapshot, version_of_folder
from crimepatterns.store.layout import Layout

__all__ = ["Current", "Problem"]

_LOG = logging.getLogger("crimepatterns.model_server")


@dataclass(frozen=True)
class Problem:
    """Why the newest forecasts are not served.

    Parameters
    ----------
    reason : str
    missing : bool
        Whether there is none at all, rather than one that cannot be trusted.
    """

    reason: str
    missing: bool


class Current:
    """The forecasts and learners that are served; each request takes them once and keeps them to its end.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.layout = Layout(settings.root, settings.city)
        self.snapshot: Snapshot | None = None
        self.learners = Learners()
        self.problem: Problem | None = None
        self.reloads = 0
        self._refused_version: object = None

    def refresh_forecasts(self) -> None:
        """Read the forecasts where they are new; bad ones are refused, and those from before stay."""
        folder = self.layout.forecasts
        version = version_of_folder(folder)
        served = self.snapshot.version if self.snapshot is not None else None
        if version in (served, self._refused_version) or not (version or self.snapshot is None):
            return
        try:
            made = read_snapshot(folder, cache_bytes=self.settings.serving.cache_mb * 2**20)
        except CrimePatternsError as error:
            self._refuse(error, version, folder)
            return
        self.reloads += self.snapshot is not None
        self.snapshot, self.problem, self._refused_version = made, None, None
        _LOG.info("forecasts", extra={"facts": {"run": made.run, "categories": sorted(made.champions)}})

    def refresh_learners(self) -> None:
        """Load the learners where they are new; see `load_learners`."""
        models, city = self.layout.models, self.settings.city
        if self.learners.state == "ready" and versions_of_models(models, city) == self.learners.versions:
            return
        before = self.learners
        self.learners = load_learners(models, city, before)
        self.reloads += before.state == "ready"
        for refusal in self.learners.refused:
            _LOG.error("model refused", extra={"facts": {"model": refusal.name, "reason": refusal.reason}})
        _LOG.info("models", extra={"facts": {one.name: one.version for one in self.learners.by_name.values()}})

    async def watch(self) -> None:
        """Look for something new again and again, in a thread of its own; nothing that goes wrong ends it."""
        while True:
            try:
                await asyncio.to_thread(self.refresh_learners)
                await asyncio.sleep(self.settings.serving.reload_s)
                await asyncio.to_thread(self.refresh_forecasts)
            except Exception:  # noqa: BLE001  # whatever it is, requests go on being answered
                _LOG.exception("reload failed")
                await asyncio.sleep(self.settings.serving.reload_s)

    def _refuse(self, error: CrimePatternsError, version: object, folder: Path) -> None:
        reason = " ".join(str(error).split()).replace(f"{folder}/", "forecasts/")
        missing = isinstance(error, MissingInputError)
        if self.problem is None or self.problem.reason != reason:
            _LOG.error("forecasts refused", extra={"facts": {"reason": reason}})
        self.problem, self._refused_version = Problem(reason, missing), version
