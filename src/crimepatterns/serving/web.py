"""The web application, put together: settings in, application out."""

import shlex

from fastapi import APIRouter, FastAPI
from fastapi.templating import Jinja2Templates
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from crimepatterns.config import Settings, find_resource
from crimepatterns.serving.assembling import assemble
from crimepatterns.serving.assets import Assets
from crimepatterns.serving.chosen_city import ChosenCity
from crimepatterns.serving.explore.desk import Desk
from crimepatterns.serving.explore.page import explore_page
from crimepatterns.serving.explore.routes import explore_routes
from crimepatterns.serving.explore.routes_files import download_routes, ogc_routes
from crimepatterns.serving.failures import FAILURES, install_failure_handlers
from crimepatterns.serving.metrics import ServerMetrics
from crimepatterns.serving.metrics_of_results import ResultsCollector
from crimepatterns.serving.names import (
    chance_text,
    code_text,
    count_text,
    day_text,
    p_text,
    place_name,
    with_place_names,
)
from crimepatterns.serving.pages.routes import result_pages
from crimepatterns.serving.rendering import Pages
from crimepatterns.serving.results import Results
from crimepatterns.serving.routes_api import api_routes
from crimepatterns.serving.routes_health import health_routes
from crimepatterns.serving.routes_jobs import job_api, job_pages
from crimepatterns.serving.routes_pages import page_routes
from crimepatterns.serving.routes_uploads import upload_api, upload_page
from crimepatterns.serving.security.bodies import BodyLimit
from crimepatterns.serving.security.roles import WEB_ACCESS, Role
from crimepatterns.serving.security.tokens import FormTokens
from crimepatterns.serving.uploading import Uploading
from crimepatterns.serving.work import Work
from crimepatterns.version import __version__

__all__ = ["create_app"]


def create_app(settings: Settings) -> FastAPI:
    """Make the application that serves one city's stored results.

    Nothing is computed here that a stage should compute: long work is started as a job of its own.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    FastAPI

    Raises
    ------
    ConfigError
        If templates or static files are missing from the installation, or the file of keys cannot be used.
    """
    results = Results(settings)
    metrics = ServerMetrics("web")
    metrics.register(ResultsCollector(results))
    app = FastAPI(
        title=f"Crime patterns of {settings.title}",
        summary="Hot spots, forecasts of places and times, patrol plan and scoreboard; never about persons.",
        version=__version__,
        docs_url=None,  # both viewers load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses=FAILURES,
        openapi_url="/api/openapi.json",
    )
    assets = Assets(find_resource("deployment/app/static"))
    pages = Pages(_templates(), assets, WEB_ACCESS)
    desk = Desk(results)
    work, tokens = Work(settings), FormTokens()
    uploading = Uploading(settings, work)
    routers = (
        *_about_a_city(results, desk, pages, assets, work, tokens),
        health_routes(results, metrics),
        job_api(work),
        job_pages(pages, work, tokens),
        upload_api(uploading),
        upload_page(results, pages, uploading, tokens),
    )

    def another(city: Settings) -> FastAPI:
        other = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
        other.state.settings, found = city, Results(city)
        for router in _about_a_city(found, Desk(found), pages, assets, work, tokens):
            other.include_router(router)
        install_failure_handlers(other, root=str(city.root.resolve()))
        return other

    app.add_middleware(ChosenCity, shelf=uploading.shelf, make=another)
    bodies = {"/api/uploads": BodyLimit.of_files(settings.uploads.max_mb)}
    assemble(app, routers, settings, access=WEB_ACCESS, metrics=metrics, bodies=bodies)
    app.state.desk, app.state.settings = desk, settings
    return app


def _about_a_city(
    results: Results, desk: Desk, pages: Pages, assets: Assets, work: Work, tokens: FormTokens
) -> tuple[APIRouter, ...]:
    """Make the routes whose answers are about one city."""
    return (
        api_routes(results),
        page_routes(results, pages, assets),
        *result_pages(results, pages, work, tokens),
        explore_routes(desk),
        explore_page(results, pages),
        download_routes(desk),
        ogc_routes(desk),
    )


def _templates() -> Jinja2Templates:
    templates = Jinja2Templates(find_resource("deployment/app/templates"))
    templates.env.filters.update(place=place_name, count=count_text, thousands=_thousands, chance=chance_text)
    templates.env.filters.update(day=day_text, p=p_text, told=_told, placed=with_place_names)
    return templates


@pass_context
def _told(context: Context, text: str) -> Markup:
    """Write a sentence; who may run its commands is told the city file that they need."""
    file, able = context["city_file"], context["caller"].role >= Role.ADMINISTRATOR
    return code_text(text, options=f" --config {shlex.quote(str(file))}" if able and file else "")


def _thousands(value: float) -> str:
    return f"{value:,.0f}"
