"""Uploads as the web application offers them: received slowly but surely, and seen through to a city."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from crimepatterns.config import Settings
from crimepatterns.errors import BusyError, ConfigError, MissingInputError, SchemaError, SourceError
from crimepatterns.operations.jobs.records import Job
from crimepatterns.operations.uploads.mapping import Mapping
from crimepatterns.operations.uploads.shelf import Shelf, Upload
from crimepatterns.serving.failures import UnreadableRequestError
from crimepatterns.serving.security.gate import in_root
from crimepatterns.serving.work import Work
from crimepatterns.store.audit_log import append_event

__all__ = ["Uploading"]

_AT_ONCE, _SILENCE_S = 2, 30.0


class Uploading:
    """The uploads of one server.

    Parameters
    ----------
    settings : Settings
    work : Work
        Makes cities of them.
    """

    def __init__(self, settings: Settings, work: Work) -> None:
        self.shelf = Shelf(settings)
        self._settings, self._work = settings, work
        self._log = in_root(settings, settings.security.audit_file)
        self._arriving = 0
        self._looking = asyncio.Semaphore(1)

    async def receive(self, request: Request, *, name: str, by: str) -> Upload:
        """Stream a body to disk and keep it as an upload; one that breaks off leaves nothing.

        Raises
        ------
        BusyError
            If others are arriving, or there is no room.
        UnreadableRequestError
            If it stops arriving, takes too long, or is of no kind that is taken.
        """
        if self._arriving >= _AT_ONCE:
            raise BusyError("Other files are arriving: wait for them.")
        self._arriving += 1
        try:
            with self.shelf.arriving() as part:
                try:
                    async with asyncio.timeout(self._settings.uploads.most_seconds):
                        await _stream(request, part)
                except TimeoutError as error:
                    raise UnreadableRequestError("The file stopped arriving, or took too long: try again.") from error
                except ClientDisconnect as error:
                    raise UnreadableRequestError("The upload was broken off.") from error
                with _told():
                    upload = await run_in_threadpool(self.shelf.keep, part, name=name, by=by)
        finally:
            self._arriving -= 1
        self._note("file uploaded", upload.upload_id, by)
        return upload

    async def preview(self, upload_id: str, mapping: Mapping | None, timezone: str) -> dict[str, Any]:
        """Look at a file; one at a time."""
        async with self._looking:
            with _told():
                return await run_in_threadpool(self.shelf.preview, upload_id, mapping, timezone)

    def make_city(self, upload_id: str, mapping: Mapping, formats: tuple[str, ...], *, by: str) -> Upload:
        """Confirm a mapping and start the job that makes the city."""
        job = self.job_of(self.shelf.upload(upload_id))
        if job is not None and not job.over:
            raise BusyError("This file is being made a city: wait for it, or cancel it.")
        with _told():
            settings = self.shelf.confirm(upload_id, mapping, formats)
        started = self._work.start("upload", by=by, city=settings, result=f"/upload?file={upload_id}")
        return self.shelf.started(upload_id, started.job_id)

    def job_of(self, upload: Upload) -> Job | None:
        """Return the job that makes the city of an upload, or None."""
        if not upload.job_id:
            return None
        try:
            return self._work.job(upload.job_id)
        except MissingInputError:
            return None

    def cancel(self, upload_id: str, *, by: str) -> Upload:
        """Stop making a city of an upload; the file stays."""
        upload = self.shelf.upload(upload_id)
        if upload.job_id:
            self._work.cancel(upload.job_id, by=by)
        return upload

    def delete(self, upload_id: str, *, by: str) -> None:
        """Remove an upload and everything made of it."""
        upload = self.shelf.upload(upload_id)
        job = self.job_of(upload)
        if job is not None and not job.over:
            self._work.cancel(job.job_id, by=by)
        self.shelf.delete(upload_id)
        self._note("upload deleted", upload_id, by)

    def facts(self, upload: Upload) -> dict[str, Any]:
        """Return what is told of an upload."""
        job = self.job_of(upload)
        made = job is not None and job.state == "done"
        config = (
            upload.config.relative_to(self._settings.root)
            if upload.config.is_relative_to(self._settings.root)
            else upload.config
        )
        return {
            **upload.facts(),
            "job": None if job is None else {**job.facts(), "over": job.over},
            "city": upload.upload_id if made else None,
            "command": f"crimepatterns run --config {config}" if made else None,
        }

    def _note(self, event: str, upload_id: str, by: str) -> None:
        append_event(self._log, {"event": event, "caller": by, "upload": upload_id})


@contextmanager
def _told() -> Iterator[None]:
    """Tell what is wrong with a file or its mapping as what it is here: something to change in what was sent."""
    try:
        yield
    except (SourceError, SchemaError, ConfigError) as error:
        raise UnreadableRequestError(str(error)) from error


async def _stream(request: Request, part: Any) -> None:
    chunks = request.stream().__aiter__()
    with part.open("xb") as handle:
        while True:
            try:
                chunk = await asyncio.wait_for(anext(chunks), _SILENCE_S)
            except StopAsyncIteration:
                return
            if chunk:
                await run_in_threadpool(handle.write, chunk)
