"""The routes of the pages made from stored results."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from crimepatterns.errors import MissingInputError
from crimepatterns.serving.briefing import status
from crimepatterns.serving.failures import UnknownNameError
from crimepatterns.serving.pages.compare import compare_page
from crimepatterns.serving.pages.data import data_page, model_versions
from crimepatterns.serving.pages.deciding import card_routes
from crimepatterns.serving.pages.developers import described
from crimepatterns.serving.pages.morning import morning
from crimepatterns.serving.pages.neighbourhood import neighbourhood_list, neighbourhood_page
from crimepatterns.serving.pages.patterns import patterns_page
from crimepatterns.serving.pages.state import state_page
from crimepatterns.serving.pages.views import view_routes
from crimepatterns.serving.payloads import Payload, respond
from crimepatterns.serving.rendering import Pages
from crimepatterns.serving.results import Category, Results
from crimepatterns.serving.security.callers import caller_of
from crimepatterns.serving.security.roles import Role
from crimepatterns.serving.security.tokens import FormTokens
from crimepatterns.serving.work import Work

__all__ = ["chosen_category", "result_pages"]

_OF_THE_MAP = frozenset({"category", "surface", "show", "at", "view"})


def result_pages(results: Results, pages: Pages, work: Work, tokens: FormTokens) -> tuple[APIRouter, ...]:
    """Make the routes."""
    router = APIRouter(include_in_schema=False)

    @router.get("/", response_class=HTMLResponse)
    def get_morning(request: Request) -> Response:
        if _OF_THE_MAP & set(request.query_params):
            # Until there were several pages, the map with its state in the address stood here.
            return RedirectResponse(f"/forecast?{request.url.query}", status_code=307)
        return pages.show(request, "morning.html", morning(results, with_plan=caller_of(request).role >= Role.PLANNER))

    @router.get("/patterns", response_class=HTMLResponse)
    def get_patterns(request: Request, category: str | None = None, decided: str = "") -> Response:
        code, chosen = chosen_category(results, category, need="patterns")
        facts = {
            **patterns_page(results, chosen),
            "unknown": str(category)[:80] if code == 404 else None,
            "names": results.place_names() if chosen else frozenset(),
            "token": tokens.of(caller_of(request).name),
            "decided": decided[:20],
        }
        return pages.show(request, "patterns.html", facts, status=code)

    @router.get("/compare", response_class=HTMLResponse)
    def get_compare(request: Request, category: str | None = None) -> Response:
        code, chosen = chosen_category(results, category, need="patterns")
        facts = {
            **compare_page(results, chosen),
            "unknown": str(category)[:80] if code == 404 else None,
            "can_profile": caller_of(request).role >= Role.PLANNER,
        }
        return pages.show(request, "compare.html", facts, status=code)

    _about(router, results, pages)
    _state(router, results, pages, work, tokens)
    return router, card_routes(results, tokens), view_routes(results, tokens)


def _state(router: APIRouter, results: Results, pages: Pages, work: Work, tokens: FormTokens) -> None:
    @router.get("/status", response_class=HTMLResponse)
    def get_state(request: Request) -> Response:
        facts = state_page(results, work, tokens.of(caller_of(request).name))
        return pages.show(request, "status.html", facts, entry="jobs")


def _about(router: APIRouter, results: Results, pages: Pages) -> None:
    @router.get("/data", response_class=HTMLResponse)
    def get_data(request: Request) -> Response:
        facts = data_page(results, with_records=caller_of(request).role >= Role.ANALYST)
        return pages.show(request, "data.html", facts)

    @router.get("/models/{home}/card")
    def get_model_card(request: Request, home: str) -> Response:
        known = {one["home"]: one for one in model_versions(results) if one["card"]}
        if home not in known:
            raise UnknownNameError(f"No model {home[:60]!r} has a card here: see /data.")
        path = results.layout.models / home / known[home]["version"] / "model_card.md"
        return respond(request, Payload.of(path.read_bytes(), "text/plain; charset=utf-8"))

    @router.get("/neighbourhoods", response_class=HTMLResponse)
    def get_neighbourhoods(request: Request) -> Response:
        return pages.show(request, "neighbourhoods.html", neighbourhood_list(results))

    @router.get("/neighbourhood/{name}", response_class=HTMLResponse)
    def get_neighbourhood(request: Request, name: str) -> Response:
        return pages.show(request, "neighbourhood.html", neighbourhood_page(results, name))

    @router.get("/developers", response_class=HTMLResponse)
    def get_developers(request: Request) -> Response:
        facts = {"status": status(results), **described(request.app.openapi(), str(request.base_url).rstrip("/"))}
        return pages.show(request, "developers.html", facts)


def chosen_category(results: Results, wanted: str | None, *, need: str) -> tuple[int, Category | None]:
    """Return the HTTP status and the category that is asked for, or the first that has what is needed.

    Parameters
    ----------
    results : Results
    wanted : str or None
        A slug.
    need : {"patterns", "forecast"}
        What a category must have to be chosen where none is asked for.
    """
    first = next((one for one in results.categories if getattr(one, need)), None)
    if not wanted:
        return 200, first
    try:
        return 200, results.category(wanted)
    except UnknownNameError:
        return 404, first
    except MissingInputError:
        return 200, None
