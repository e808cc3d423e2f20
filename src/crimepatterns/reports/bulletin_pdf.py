"""The bulletin of a pattern card as PDF, drawn from the same values as the page, without a browser."""

import io
import textwrap
from collections.abc import Iterator
from typing import Any

import pandas as pd

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.pattern import PatternCard
from crimepatterns.reports.bulletin import bulletin_values
from crimepatterns.visuals.card_pictures import draw_card_hours, draw_card_map

__all__ = ["bulletin_pdf"]

_A4 = (8.27, 11.69)
_WINE, _INK, _GREY = "#5c1a33", "#23211c", "#5d584c"
_TOP, _BOTTOM, _STEP = 0.62, 0.05, 0.0145
_WIDTH = 112


def bulletin_pdf(card: PatternCard, area: StudyArea, *, made_at: pd.Timestamp, rows: int = 60) -> bytes:
    """Return the bulletin as a PDF of A4 pages.

    Parameters
    ----------
    card : PatternCard
    area : StudyArea
    made_at : Timestamp
    rows : int
        Members listed.

    Returns
    -------
    bytes
        Equal values give equal bytes.
    """
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    values = bulletin_values(card, rows=rows)
    lines = list(_lines(values, made_at))
    stream = io.BytesIO()
    about = {"Title": f"Pattern bulletin {card.card_id}", "CreationDate": made_at.to_pydatetime()}
    with PdfPages(stream, metadata=about) as pdf:
        figure = Figure(figsize=_A4)
        _head(figure, values, area)
        _pictures(figure, card, area)
        height = _TOP
        for style, text in lines:
            if height < _BOTTOM:
                pdf.savefig(figure)
                figure, height = Figure(figsize=_A4), 0.95
            heading = style == "heading"
            height -= 0.5 * _STEP if heading else 0.0
            figure.text(
                0.07, height, text, size=9.5 if heading else 7.6, color=_WINE if heading else _INK,
                weight="bold" if heading else "normal", va="top", parse_math=False,
            )  # fmt: skip
            height -= _STEP * (1.2 if heading else 1.0)
        pdf.savefig(figure)
    return stream.getvalue()


def _lines(values: dict[str, Any], made_at: pd.Timestamp) -> Iterator[tuple[str, str]]:
    parts: list[tuple[str, list[str]]] = [
        ("What is alike", [values["sentence"]]),
        ("How distinct", [values["distinct"]]),
        ("When the next may come", [values["window"]]),
        ("The five conditions of a pattern", [_condition(one) for one in values["checklist"]]),
        ("Common factors", [_factor(one) for one in values["factors"]]),
        ("Events", [f"{m['number']}  {m['id']}  {m['when']}  {', '.join(m['values'])}" for m in values["members"]]),
        ("Decisions", values["notes"]),
        ("Limits", values["limits"]),
        ("Made", [f"{made_at:%d %b %Y %H:%M %Z}. " + " ".join(f"{n}: {v}." for n, v in values["parameters"].items())]),
    ]  # fmt: skip
    if values["hidden"]:
        parts[5][1].append(f"{values['hidden']} more events belong to the card.")
    for heading, texts in parts:
        if not texts:
            continue
        yield "heading", heading
        for text in texts:
            for line in textwrap.wrap(text, _WIDTH) or [""]:
                yield "text", line


def _condition(one: dict[str, str]) -> str:
    return f"{one['verdict'].upper()}: {one['name']}. {one['reason']}"


def _factor(one: dict[str, str]) -> str:
    return f"{one['field']} {one['value']}: {one['members']}, {one['base']} around, times {one['times']}"


def _head(figure: Any, values: dict[str, Any], area: StudyArea) -> None:
    title = "\n".join(textwrap.wrap(values["title"], 62)[:3])
    figure.text(0.07, 0.955, title, size=14, weight="bold", color=_INK, va="top", parse_math=False)
    kind = f"{values['iaca_type'].capitalize()} ({values['status']}), {area.name}"
    under = f"{kind}; {values['card_id']}, known at {values['as_of']}"
    figure.text(0.07, 0.885, under, size=8, color=_GREY, va="top", parse_math=False)


def _pictures(figure: Any, card: PatternCard, area: StudyArea) -> None:
    draw_card_map(figure.add_axes((0.07, 0.64, 0.40, 0.225)), card, area, numbered=40)
    draw_card_hours(figure.add_axes((0.55, 0.70, 0.38, 0.13)), card)
