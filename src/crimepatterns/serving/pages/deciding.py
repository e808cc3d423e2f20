"""Decisions about pattern cards from a form, and the bulletins to print."""

from typing import Literal

import pandas as pd
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from crimepatterns.domain.card_decision import DECISIONS
from crimepatterns.errors import CrimePatternsError, PatternError
from crimepatterns.serving.failures import UnknownNameError, UnreadableRequestError
from crimepatterns.serving.forms import Form, from_older_page, read_form
from crimepatterns.serving.headers import report_policy
from crimepatterns.serving.pages.cards import card_file
from crimepatterns.serving.payloads import Payload, respond
from crimepatterns.serving.results import Results
from crimepatterns.serving.security.callers import caller_of
from crimepatterns.serving.security.tokens import FormTokens

__all__ = ["card_routes"]

_LONGEST = 300


def card_routes(results: Results, tokens: FormTokens) -> APIRouter:
    """Make the routes of single cards."""
    router = APIRouter(include_in_schema=False)

    @router.get("/patterns/cards/{card}")
    def get_bulletin(request: Request, card: str) -> Response:
        return _bulletin(request, results, card, "html")

    @router.get("/patterns/cards/{card}/bulletin.pdf")
    def get_bulletin_pdf(request: Request, card: str) -> Response:
        return _bulletin(request, results, card, "pdf")

    @router.post("/patterns/decisions")
    async def post_decision(request: Request) -> Response:
        form = await read_form(request)
        if not form.is_of(request, tokens):
            return from_older_page()
        card = await run_in_threadpool(_decide, results, form, caller_of(request).name)
        return RedirectResponse(f"/patterns?decided={card}#cards", status_code=303)

    return router


def _decide(results: Results, form: Form, caller: str) -> str:
    """Keep the decision that a form tells; return the id of the card it is about."""
    from crimepatterns.operations.cards import decide, open_cards

    kind = form.one("decision")
    if kind not in DECISIONS:
        raise UnreadableRequestError(f"A decision is one of {', '.join(DECISIONS)}; got {kind[:40]!r}.")
    title, reason, by = (form.one(name).strip()[:_LONGEST] for name in ("title", "reason", "by"))
    if kind == "rename" and not title:
        raise UnreadableRequestError("Renaming a card needs the new name.")
    # Who is logged in stands beside the name that somebody types.
    who = f"{by} ({caller})" if by else caller
    try:
        _, card = decide(
            open_cards(results.settings),
            kind,
            form.all("card"),
            by=who,
            title=title if kind in ("rename", "merge") else "",
            reason=reason,
        )
    except PatternError as error:
        raise UnreadableRequestError(str(error)) from error
    except OSError as error:
        raise CrimePatternsError(f"The decision cannot be written: {error.strerror}.") from error
    return card.card_id


def _bulletin(request: Request, results: Results, name: str, form: Literal["html", "pdf"]) -> Response:
    from crimepatterns.reports.bulletin import bulletin_html
    from crimepatterns.reports.bulletin_pdf import bulletin_pdf

    file = card_file(results)
    try:
        card = file.card(name[:80])
    except PatternError as error:
        raise UnknownNameError(str(error)) from error
    area = results.area()
    made_at = pd.Timestamp.now(tz=area.timezone)
    if form == "pdf":
        answer = respond(request, Payload.of(bulletin_pdf(card, area, made_at=made_at), "application/pdf"))
        answer.headers["content-disposition"] = f'attachment; filename="{card.card_id}.pdf"'
        return answer
    page = bulletin_html(card, area, made_at=made_at)
    answer = respond(request, Payload.of(page.encode(), "text/html; charset=utf-8"))
    answer.headers["content-security-policy"] = report_policy(page)
    return answer
