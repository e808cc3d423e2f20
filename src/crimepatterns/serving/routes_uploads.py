"""The routes of uploads: the page, and what its script asks for."""

import zoneinfo
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from crimepatterns.operations.uploads.mapping import Mapping
from crimepatterns.serving.chosen_city import COOKIE
from crimepatterns.serving.failures import UnreadableRequestError
from crimepatterns.serving.forms import from_older_page, read_form
from crimepatterns.serving.payloads import json_payload, respond
from crimepatterns.serving.rendering import Pages
from crimepatterns.serving.results import Results
from crimepatterns.serving.security.callers import caller_of
from crimepatterns.serving.security.tokens import FormTokens
from crimepatterns.serving.uploading import Uploading

__all__ = ["upload_api", "upload_page"]

_CONTROL = "private, no-store"


class Wanted(BaseModel):
    """How a file is to be looked at; without a mapping one is guessed, with this time zone in it."""

    model_config = ConfigDict(extra="forbid")

    mapping: Mapping | None = None
    timezone: Annotated[str, Field(max_length=60, pattern=r"^[A-Za-z0-9_+/-]+$")] = "UTC"


class Confirmed(BaseModel):
    """The mapping that somebody has looked at, and the formats of times that the preview found for it."""

    model_config = ConfigDict(extra="forbid")

    mapping: Mapping
    time_formats: Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=12)] = []


def upload_api(uploading: Uploading) -> APIRouter:
    """Make the routes below ``/api/uploads``."""
    router = APIRouter(prefix="/api/uploads", tags=["uploads"])
    shelf = uploading.shelf

    @router.get("", summary="Uploaded files")
    def get_uploads(request: Request) -> Response:
        found = {"uploads": [uploading.facts(one) for one in shelf.uploads()]}
        return respond(request, json_payload(found), cache_control=_CONTROL)

    @router.post("", status_code=201, summary="Upload an incident file as the body, application/octet-stream")
    async def post_upload(request: Request, name: Annotated[str, Query(min_length=1, max_length=200)]) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/octet-stream":
            raise UnreadableRequestError(
                "Send the file itself as the body, with content-type application/octet-stream."
            )
        upload = await uploading.receive(request, name=name, by=caller_of(request).name)
        return JSONResponse(uploading.facts(upload), 201, headers={"location": f"/api/uploads/{upload.upload_id}"})

    @router.get("/{upload}", summary="One uploaded file and how far its city is")
    def get_upload(request: Request, upload: str) -> Response:
        return respond(request, json_payload(uploading.facts(shelf.upload(upload))), cache_control=_CONTROL)

    @router.delete("/{upload}", status_code=204, summary="Remove a file and everything made of it")
    def delete_upload(request: Request, upload: str) -> Response:
        uploading.delete(upload, by=caller_of(request).name)
        return Response(status_code=204)

    _cities(router, uploading)
    return router


def _cities(router: APIRouter, uploading: Uploading) -> None:
    @router.post("/{upload}/preview", summary="What cleaning would make of a file")
    async def post_preview(upload: str, wanted: Wanted) -> Response:
        return _plain(await uploading.preview(upload, wanted.mapping, wanted.timezone))

    @router.post("/{upload}/city", status_code=202, summary="Make a city of a file")
    def post_city(request: Request, upload: str, confirmed: Confirmed) -> Response:
        made = uploading.make_city(upload, confirmed.mapping, tuple(confirmed.time_formats), by=caller_of(request).name)
        return JSONResponse(uploading.facts(made), 202)

    @router.post("/{upload}/cancel", summary="Stop making a city of a file")
    def post_cancel(request: Request, upload: str) -> Response:
        return JSONResponse(uploading.facts(uploading.cancel(upload, by=caller_of(request).name)))


def upload_page(results: Results, pages: Pages, uploading: Uploading, tokens: FormTokens) -> APIRouter:
    """Make ``/upload``, and the two forms that choose which city the other pages are about."""
    router = APIRouter(include_in_schema=False)

    @router.get("/upload", response_class=HTMLResponse)
    def get_page(request: Request, file: Annotated[str, Query(max_length=60)] = "") -> Response:
        settings = results.settings
        known = {one.upload_id: one for one in uploading.shelf.uploads()}
        facts = {
            "status": {"title": settings.title, "synthetic": False},
            "uploads": [uploading.facts(one) for one in known.values()],
            "open": uploading.facts(known[file]) if file in known else None,
            "gone": file and file not in known,
            "zones": sorted(one for one in zoneinfo.available_timezones() if "/" in one or one == "UTC"),
            "max_mb": settings.uploads.max_mb,
            "rows": settings.uploads.preview_rows,
            "token": tokens.of(caller_of(request).name),
        }
        return pages.show(request, "upload.html", facts, entry="upload")

    @router.post("/upload/{upload}/open")
    async def post_open(request: Request, upload: str) -> Response:
        if not (await read_form(request)).is_of(request, tokens):
            return from_older_page()
        uploading.shelf.city(upload)  # it is there
        answer = RedirectResponse("/explore", status_code=303)
        answer.set_cookie(COOKIE, upload, httponly=True, samesite="strict", path="/")
        return answer

    @router.post("/upload/close")
    def post_close() -> Response:
        answer = RedirectResponse("/upload", status_code=303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict", path="/")
        return answer

    return router


def _plain(value: Any) -> Response:
    return Response(json_payload(value).body, media_type="application/json", headers={"cache-control": _CONTROL})
