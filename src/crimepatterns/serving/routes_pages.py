"""The page, the printable reports and the static files."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from crimepatterns.errors import MissingInputError
from crimepatterns.serving.assets import Assets
from crimepatterns.serving.briefing import briefing
from crimepatterns.serving.failures import UnknownNameError
from crimepatterns.serving.headers import report_policy
from crimepatterns.serving.monitoring import monitoring_page
from crimepatterns.serving.pages.forecast import forecast_extras
from crimepatterns.serving.payloads import Payload, respond
from crimepatterns.serving.rendering import Pages
from crimepatterns.serving.results import Results
from crimepatterns.serving.security.callers import caller_of
from crimepatterns.serving.security.roles import Role

__all__ = ["page_routes"]


def page_routes(results: Results, pages: Pages, assets: Assets) -> APIRouter:
    """Make the routes that people open."""
    router = APIRouter(include_in_schema=False)
    _main_page(router, results, pages)
    _reports(router, results)

    @router.get("/monitoring", response_class=HTMLResponse)
    def get_monitoring(request: Request) -> Response:
        return pages.show(request, "monitoring.html", monitoring_page(results))

    @router.get("/static/{name:path}")
    def get_static(request: Request, name: str) -> Response:
        hashed = name.startswith("bundle/assets/")
        control = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return respond(request, assets.payload(name), cache_control=control)

    @router.get("/favicon.ico")
    def get_icon(request: Request) -> Response:
        return respond(request, assets.payload("mark.svg"))

    return router


def _main_page(router: APIRouter, results: Results, pages: Pages) -> None:
    @router.get("/forecast", response_class=HTMLResponse)
    def get_page(request: Request, category: str | None = None, shift: str = "") -> Response:
        code, chosen = 200, None
        try:
            chosen = results.category(category or None)
        except MissingInputError:
            pass  # an empty city has a page too: it says which command comes next
        except UnknownNameError:
            code, chosen = 404, results.category(None) if results.categories else None
        caller = caller_of(request)
        told = briefing(results, chosen, with_plan=caller.role >= Role.PLANNER)
        unknown = str(category)[:80] if code == 404 else None
        more = forecast_extras(results, chosen, int(shift) if shift.isdecimal() and len(shift) < 4 else None)
        facts = {**told, **more, "unknown": unknown, "can_profile": caller.role >= Role.PLANNER}
        return pages.show(request, "forecast.html", facts, entry="main", status=code)


def _reports(router: APIRouter, results: Results) -> None:
    layout = results.layout

    @router.get("/reports/cleaning")
    def get_cleaning_page(request: Request) -> Response:
        return _stored_page(request, results, layout.cleaning_report.with_suffix(".html"), "clean")

    @router.get("/reports/honesty/")
    def get_honesty_page(request: Request) -> Response:
        return _stored_page(request, results, layout.quality / "honesty.html", "check")

    @router.get("/reports/honesty/{picture}")
    def get_honesty_picture(request: Request, picture: str) -> Response:
        if picture not in results.honesty_report().get("pictures", {}).values():
            raise UnknownNameError(f"The data honesty report has no picture {picture[:60]!r}.")
        return _stored(request, results, layout.quality / picture, "check", "image/png")

    @router.get("/reports/plan")
    def get_plan_sheet(request: Request) -> Response:
        return _stored_page(request, results, layout.plan / "sheet.html", "plan")

    @router.get("/reports/plan.csv")
    def get_plan_table(request: Request) -> Response:
        answer = _stored(request, results, layout.plan / "plan.csv", "plan", "text/csv; charset=utf-8")
        answer.headers["content-disposition"] = f'attachment; filename="plan-{results.settings.city}.csv"'
        return answer


def _stored_page(request: Request, results: Results, path: Path, command: str) -> Response:
    answer = _stored(request, results, path, command, "text/html; charset=utf-8")
    page = results.cache.get(("page", path.name), [path], lambda: path.read_text(encoding="utf-8"))
    answer.headers["content-security-policy"] = report_policy(page)
    return answer


def _stored(request: Request, results: Results, path: Path, command: str, kind: str) -> Response:
    if not path.exists():
        raise MissingInputError(f"This report is not there yet: run `crimepatterns {command}`.")
    return respond(request, results.cache.get(("file", path.name), [path], lambda: Payload.of(path.read_bytes(), kind)))
