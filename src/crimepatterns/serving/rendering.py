"""A page from its template: the frame's facts are the same on every page and are put in here."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates

from crimepatterns.serving.assets import Assets
from crimepatterns.serving.navigation import menu
from crimepatterns.serving.payloads import Payload, respond
from crimepatterns.serving.security.callers import caller_of
from crimepatterns.serving.security.roles import AccessTable
from crimepatterns.version import __version__

__all__ = ["Pages"]


class Pages:
    """Renders the pages of one application.

    Parameters
    ----------
    templates : Jinja2Templates
    assets : Assets
    access : AccessTable
        Decides which pages stand in the menu.
    """

    def __init__(self, templates: Jinja2Templates, assets: Assets, access: AccessTable) -> None:
        self._templates = templates
        self._assets = assets
        self._access = access

    def show(
        self, request: Request, template: str, facts: Mapping[str, Any], *, entry: str = "site", status: int = 200
    ) -> Response:
        """Return the page, with its tag, or 304 where the reader has it.

        Parameters
        ----------
        request : Request
        template : str
            File name below ``templates/``.
        facts : mapping
            What the template needs; ``status`` (see `briefing.status`) is required by the frame.
        entry : str
            Entry of the front-end build: ``site`` has the theme only, others draw maps or charts.
        status : int
            HTTP status.
        """
        caller = caller_of(request)
        frame = {
            "caller": caller,
            "bundle": self._assets.bundle(entry),
            "version": __version__,
            "menu": menu(self._access, caller.role, request.url.path),
            "path": request.url.path,
            "category": None,
            "chosen": getattr(request.state, "chosen", None),
            "city_file": request.app.state.settings.file,
        }
        page = self._templates.get_template(template).render({**frame, **facts})
        answer = respond(request, Payload.of(page.encode(), "text/html; charset=utf-8"))
        if status != 200:
            answer.status_code = status
        return answer
