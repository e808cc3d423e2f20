"""Saved views: kept, listed, renamed and deleted from the pages whose address they hold."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import JSONResponse, Response

from crimepatterns.errors import CrimePatternsError
from crimepatterns.serving.failures import UnknownNameError, UnreadableRequestError
from crimepatterns.serving.results import Results
from crimepatterns.serving.security.callers import caller_of
from crimepatterns.serving.security.gate import in_root
from crimepatterns.serving.security.tokens import FormTokens
from crimepatterns.store.audit_log import append_event
from crimepatterns.store.saved_views import SavedView, SavedViewError, change_views, new_view, read_views

__all__ = ["view_routes"]

Given = Annotated[dict[str, str], Body()]


def view_routes(results: Results, tokens: FormTokens) -> APIRouter:
    """Make ``/api/views`` and what lies below it."""
    router = APIRouter(prefix="/api/views", include_in_schema=False)

    @router.get("")
    def get_views(request: Request) -> Response:
        views = read_views(results.layout.saved_views)
        return _json({"views": [_told(one) for one in views], "token": tokens.of(caller_of(request).name)})

    @router.post("")
    def post_view(request: Request, given: Given) -> Response:
        wanted = {name: given.get(name, "") for name in ("name", "page", "query")}
        by = caller_of(request).name
        return _changed(request, results, tokens, "saved", lambda views: [*views, new_view(**wanted, by=by)])

    @router.post("/{view}")
    def post_name(request: Request, view: str, given: Given) -> Response:
        name = given.get("name", "").strip()
        return _changed(request, results, tokens, "renamed", lambda views: _with(views, view, [name]))

    @router.delete("/{view}")
    def delete_view(request: Request, view: str) -> Response:
        return _changed(request, results, tokens, "deleted", lambda views: _with(views, view, []))

    return router


_Change = Callable[[list[SavedView]], Sequence[SavedView]]


def _changed(request: Request, results: Results, tokens: FormTokens, what: str, change: _Change) -> Response:
    """Change the views for a page of this server; who did it stands in the log of access."""
    caller = caller_of(request)
    if not tokens.fits(caller.name, request.headers.get("x-form-token", "")):
        return _json({"error": "Access", "detail": "This page is older than the server: load it again."}, 403)
    path, audit = results.layout.saved_views, results.settings.security.audit_file
    try:
        change_views(path, change)
        event = {"event": f"view {what}", "caller": caller.name, "route": "/api/views"}
        append_event(in_root(results.settings, audit), event)
    except SavedViewError as error:
        raise UnreadableRequestError(str(error)) from error
    except OSError as error:
        raise CrimePatternsError(f"The view cannot be written: {error.strerror}.") from error
    return _json({"views": [_told(one) for one in read_views(path)]})


def _with(views: Sequence[SavedView], view_id: str, names: Sequence[str]) -> list[SavedView]:
    """Return the views with one of them named anew, or without it where no name is given."""
    if all(one.view_id != view_id for one in views):
        raise UnknownNameError(f"There is no saved view {view_id[:40]!r}; somebody may have deleted it.")
    named = [replace(one, name=name) for one in views if one.view_id == view_id for name in names]
    return [*(one for one in views if one.view_id != view_id), *named]


def _told(view: SavedView) -> dict[str, str]:
    address = f"/{view.page}?{view.query}" if view.query else f"/{view.page}"
    return {"id": view.view_id, "name": view.name, "page": view.page, "address": address, "at": view.at[:10]}


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return JSONResponse(value, status, headers={"cache-control": "no-store"})
