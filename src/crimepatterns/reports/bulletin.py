"""The bulletin of a pattern card: one self-contained A4 page made from the card's values and nothing else."""

from collections.abc import Mapping
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.pattern import PatternCard
from crimepatterns.reports.bulletin_svg import hours_svg, map_svg
from crimepatterns.reports.print_style import NARROW_STYLE, PRINT_STYLE

__all__ = ["LIMITS", "bulletin_html", "bulletin_values"]

LIMITS: tuple[str, ...] = (
    "The card says that events are alike and close. It does not say that one person or group is behind them.",
    "It rests on reported incidents; what was not reported, or not recorded in these columns, is not in it.",
    "Common factors were looked for after the events had been chosen; what counts is the test of distinctiveness.",
    "It is about events and places, and gives no ground to stop or search anybody.",
)

_INK = {"met": "#2f6b3a", "not met": "#8c2f22", "unknown": "#6b6658"}


def bulletin_values(card: PatternCard, *, rows: int = 60) -> dict[str, Any]:
    """Return everything that a bulletin says, for any way of printing it.

    Parameters
    ----------
    card : PatternCard
    rows : int
        Members listed at most.
    """
    first, last = card.evidence["occurred_from"].min(), card.evidence["occurred_from"].max()
    listed = card.evidence.head(rows)
    hidden = {"id", "occurred_from", "occurred_until", "time_precision", "x", "y"}
    further = [str(name) for name in listed.columns if name not in hidden]
    return {
        "title": card.title,
        "card_id": card.card_id,
        "iaca_type": card.iaca_type,
        "status": card.status,
        "sentence": card.sentence(),
        "events": len(card.members),
        "first": f"{first:%d %b %Y}",
        "last": f"{last:%d %b %Y}",
        "as_of": f"{card.as_of:%d %b %Y %H:%M %Z}",
        "distinct": card.distinctiveness.sentence(),
        "window": card.window.sentence() if card.window is not None else card.window_note,
        "factors": [_factor(factor) for factor in card.common_factors],
        "checklist": [{"name": c.name, "verdict": c.verdict, "reason": c.reason} for c in card.checklist],
        "columns": further,
        "members": [_member(number, row, further) for number, row in enumerate(listed.to_dict("records"), start=1)],
        "hidden": max(0, len(card.evidence) - rows),
        "notes": list(card.notes),
        "parameters": {name: _plain(value) for name, value in card.parameters.items()},
        "limits": list(LIMITS),
    }


def bulletin_html(card: PatternCard, area: StudyArea, *, made_at: pd.Timestamp, rows: int = 60) -> str:
    """Return the bulletin as a printable page without outside resources.

    The page carries its own print style (A4), so that a browser's "print to PDF" gives the paper form;
    `crimepatterns.reports.bulletin_pdf` makes a PDF without a browser.

    Parameters
    ----------
    card : PatternCard
    area : StudyArea
    made_at : Timestamp
        When the bulletin was made.
    rows : int
        Members listed on the page; all are on the map.

    Returns
    -------
    str
        HTML; every value is escaped.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page = environment.from_string(_PAGE)
    return page.render(
        **bulletin_values(card, rows=rows),
        place=area.name,
        made_at=made_at,
        map=map_svg(card, area),
        week=hours_svg(card),
    )


def _factor(factor: Any) -> dict[str, str]:
    times = f"{factor.times:.1f}" if np.isfinite(factor.times) else "only here"
    return {
        "field": factor.field,
        "value": factor.value,
        "members": f"{factor.members} of {factor.of}",
        "base": f"{100 * factor.base_rate:.1f} %",
        "times": times,
    }


def _member(number: int, row: Mapping[Any, Any], further: list[str]) -> dict[str, Any]:
    values = [str(row[name]) for name in further]
    return {"number": number, "id": str(row["id"]), "when": _when(row), "values": values}


def _when(row: Mapping[Any, Any]) -> str:
    """Say when it happened, as exactly as it is known and no more."""
    begin, end = row["occurred_from"], row["occurred_until"]
    if row.get("time_precision") == "date" and end - begin <= pd.Timedelta(days=1, hours=1):
        return f"{begin:%a %d %b %Y}"
    if end <= begin:
        return f"{begin:%a %d %b %Y %H:%M}"
    same_day = begin.date() == end.date()
    return (
        f"{begin:%a %d %b %Y %H:%M} to {end:%H:%M}"
        if same_day
        else f"{begin:%a %d %b %Y %H:%M} to {end:%a %d %b %H:%M}"
    )


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {_plain(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, tuple | list):
        return ", ".join(_plain(inner) for inner in value)
    return str(value)


_PAGE = (
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Pattern bulletin {{ card_id }}, {{ place }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>"""
    + PRINT_STYLE
    + """h1 { font-size: 17pt; line-height: 1.15; margin: 0 }
.top { display: grid; grid-template-columns: 82mm 1fr; gap: 6mm; margin-top: 3mm }
.small { font-size: 8pt; color: #5d584c; margin: 1mm 0 0 } p { margin: 0 0 1.5mm }
.v { font-weight: 600; white-space: nowrap }
"""
    + "".join(f".v.{verdict.replace(' ', '-')} {{ color: {ink} }}\n" for verdict, ink in _INK.items())
    + NARROW_STYLE
    + """</style></head><body>
<header><div><h1>{{ title }}</h1><p>{{ iaca_type | capitalize }} ({{ status }}), {{ place }}</p></div>
<p class="when">{{ card_id }}<br>known at {{ as_of }}</p></header>
<div class="top"><div>{{ map | safe }}
<p class="small">Numbers: order in time. Large dots: several events at one place.</p></div><div>
<h2 class="first">What is alike</h2><p>{{ sentence }}</p>
<h2>How distinct</h2><p>{{ distinct }}</p>
<h2>When</h2>{{ week | safe }}
<h2>When the next may come</h2><p>{{ window }}</p></div></div>
<h2>The five conditions of a pattern</h2>
<table><tbody>{% for one in checklist %}<tr><td>{{ one.name }}</td>
<td class="v {{ one.verdict | replace(" ", "-") }}">{{ one.verdict }}</td><td class="why">{{ one.reason }}</td></tr>
{% endfor %}</tbody></table>
{% if factors %}<h2>Common factors</h2>
<table><thead><tr><th>What</th><th>Value</th><th class="r">Events</th><th class="r">Around</th>
<th class="r">Times</th></tr></thead><tbody>{% for one in factors %}<tr><td>{{ one.field }}</td><td>{{ one.value }}</td>
<td class="r">{{ one.members }}</td><td class="r">{{ one.base }}</td><td class="r">{{ one.times }}</td></tr>
{% endfor %}</tbody></table>{% endif %}
<h2>Events</h2>
<div class="scroll"><table><thead><tr><th class="r">#</th><th>Id</th><th>When</th>
{% for name in columns %}<th>{{ name }}</th>{% endfor %}</tr></thead><tbody>
{% for one in members %}<tr><td class="r">{{ one.number }}</td><td>{{ one.id }}</td>
<td>{{ one.when }}</td>
{% for value in one["values"] %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% if hidden %}<p>{{ hidden }} more events belong to the card.</p>{% endif %}
{% if notes %}<h2>Decisions</h2><ul>{% for note in notes %}<li>{{ note }}</li>{% endfor %}</ul>{% endif %}
<h2>Limits</h2><ul>{% for text in limits %}<li>{{ text }}</li>{% endfor %}</ul>
<footer>Made {{ made_at.strftime("%d %b %Y %H:%M %Z") }}.
{% for name, value in parameters.items() %}{{ name }}: {{ value }}. {% endfor %}</footer>
</body></html>
"""
)
