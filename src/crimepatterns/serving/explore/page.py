"""The page for free questions; everything on it is asked by its own script."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from crimepatterns.serving.rendering import Pages
from crimepatterns.serving.results import Results

__all__ = ["explore_page"]


def explore_page(results: Results, pages: Pages) -> APIRouter:
    """Make ``/explore``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/explore", response_class=HTMLResponse)
    def get_explore(request: Request) -> Response:
        settings = results.settings
        # Only what everybody may know of the city: the page is open to the public.
        told = {"title": settings.title, "synthetic": settings.source.kind == "synthetic"}
        return pages.show(request, "explore.html", {"status": told}, entry="explore")

    return router
