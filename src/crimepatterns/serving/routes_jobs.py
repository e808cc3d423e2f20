"""The routes of jobs: JSON for programs, forms for the status page."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from crimepatterns.errors import BusyError
from crimepatterns.operations.jobs.kinds import KINDS
from crimepatterns.operations.jobs.records import Job
from crimepatterns.serving.forms import Form, from_older_page, read_form
from crimepatterns.serving.payloads import json_payload, respond
from crimepatterns.serving.rendering import Pages
from crimepatterns.serving.security.callers import caller_of
from crimepatterns.serving.security.tokens import FormTokens
from crimepatterns.serving.work import Work

__all__ = ["job_api", "job_pages"]

_CONTROL = "private, no-store"


class JobRequest(BaseModel):
    """Which job is to start; nothing else can be asked for."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["daily", "refresh", "patterns", "scan", "evaluate", "forecast"] = Field(
        description="What is to be done; GET /api/jobs says what each does."
    )


def job_api(work: Work) -> APIRouter:
    """Make the routes below ``/api/jobs``."""
    router = APIRouter(prefix="/api/jobs", tags=["jobs"])

    @router.get("", summary="Jobs at work and those that ended")
    def get_jobs(request: Request) -> Response:
        kinds = [{"kind": one.name, "title": one.title, "about": one.about} for one in KINDS.values() if one.offered]
        made = json_payload({"kinds": kinds, "jobs": [job.facts() for job in work.jobs()]})
        return respond(request, made, cache_control=_CONTROL)

    @router.post("", status_code=202, summary="Start a job")
    def post_job(request: Request, wanted: JobRequest) -> Response:
        job = work.start(wanted.kind, by=caller_of(request).name)
        return JSONResponse(job.facts(), 202, headers={"location": f"/api/jobs/{job.job_id}"})

    @router.get("/{job}", summary="One job with the end of its log")
    def get_job(request: Request, job: str) -> Response:
        return respond(request, json_payload(_with_words(work, work.job(job))), cache_control=_CONTROL)

    @router.post("/{job}/cancel", summary="Cancel a job; the last good result stands")
    def post_cancel(request: Request, job: str) -> Response:
        return JSONResponse(work.cancel(job, by=caller_of(request).name).facts())

    return router


def job_pages(pages: Pages, work: Work, tokens: FormTokens) -> APIRouter:
    """Make the part of the status page that is asked for again while jobs are at work, and its forms."""
    router = APIRouter(include_in_schema=False)

    @router.get("/status/jobs", response_class=HTMLResponse)
    def get_part(request: Request) -> Response:
        return pages.show(request, "parts/jobs.html", work.facts(tokens.of(caller_of(request).name)))

    @router.post("/status/jobs")
    async def post_start(request: Request) -> Response:
        form = await read_form(request)
        return await _answer(request, tokens, form, lambda by: work.start(form.one("kind"), by=by))

    @router.post("/status/jobs/cancel")
    async def post_cancel(request: Request) -> Response:
        form = await read_form(request)
        return await _answer(request, tokens, form, lambda by: work.cancel(form.one("job"), by=by))

    return router


async def _answer(request: Request, tokens: FormTokens, form: Form, act: Any) -> Response:
    if not form.is_of(request, tokens):
        return from_older_page()
    try:
        await run_in_threadpool(act, caller_of(request).name)
    except BusyError as error:
        return Response(str(error), 409, media_type="text/plain")
    return RedirectResponse("/status#jobs", status_code=303)


def _with_words(work: Work, job: Job) -> dict[str, Any]:
    return {**job.facts(), "log": work.words(job)}
