"""Pattern cards side by side: a small map of each, its hours and weekdays, and what is alike."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.pattern import PatternCard
from crimepatterns.errors import PatternError
from crimepatterns.visuals.card_pictures import card_span, draw_card_hours, draw_card_map
from crimepatterns.visuals.frame import Frame, framed
from crimepatterns.visuals.names import run_note
from crimepatterns.visuals.palette import MUTED, figure_style

__all__ = ["card_sheet"]

_WIDE, _TALL, _GAP, _MAP = 4.7, 2.15, 0.25, 1.95
_COLUMNS = 2
_LINE = 0.145


def card_sheet(cards: Sequence[PatternCard], area: StudyArea, *, facts: Mapping[str, Any], most: int = 8) -> Figure:
    """Show the most distinct cards of an analysis.

    Parameters
    ----------
    cards : sequence of PatternCard
        The most distinct first.
    area : StudyArea
    facts : mapping
        Of the analysis: ``window``, ``run_date``, ``parameters``.
    most : int
        So many cards at most.

    Returns
    -------
    Figure

    Raises
    ------
    PatternError
        If there are no cards.
    """
    if not cards:
        raise PatternError(str(facts.get("sentence", "No set of alike events stands out from chance.")))
    shown = list(cards)[:most]
    rows = -(-len(shown) // _COLUMNS)
    count = f"{len(cards)} card{'' if len(cards) == 1 else 's'}"
    first = f", the {len(shown)} most distinct" if len(shown) < len(cards) else ""
    level = float(facts["parameters"]["level"])
    caption = (
        f"Sets of alike events that stand out from labels dealt out anew within district and season; at most "
        f"{100 * level:g} % false ones are expected. Large dots: several events at one place; numbers: order in time. "
        f"Spans are spread over the hours they cover; civil time, {area.timezone}. "
        "A card says that events are alike, not who is behind them."
        f"{run_note(str(facts.get('run_date', '')))}"
    )
    with figure_style():
        frame = framed(
            _COLUMNS * _WIDE + _GAP,
            rows * (_TALL + _GAP) - _GAP,
            title=f"Pattern cards of {area.name}",
            subtitle=f"{facts['window']} · {count}{first}",
            caption=caption,
        )
        for place, card in enumerate(shown):
            row, column = divmod(place, _COLUMNS)
            left, bottom = column * (_WIDE + _GAP), (rows - 1 - row) * (_TALL + _GAP)
            _panel(frame, card, area, left, bottom)
    return frame.figure


def _panel(frame: Frame, card: PatternCard, area: StudyArea, left: float, bottom: float) -> None:
    draw_card_map(frame.axes(left, bottom + (_TALL - _MAP), _MAP, _MAP), card, area)
    beside = left + _MAP + 0.15
    text = frame.sheet(beside, bottom, _WIDE - _MAP - 0.15, _TALL)
    top = _TALL - 0.01
    for line in textwrap.wrap(card.title, 38)[:3]:
        text.text(0, top, line, fontsize=8, fontweight="bold", va="top")
        top -= _LINE
    told = [
        f"{card.iaca_type} ({card.status}), {len(card.members)} events",
        card_span(card),
        f"{card.distinctiveness.expected_text} expected, q = {card.distinctiveness.q_value:.2g}",
        card.card_id,
    ]
    for line in told:
        text.text(0, top - 0.03, line, fontsize=7, color=MUTED, va="top")
        top -= _LINE * 0.92
    draw_card_hours(frame.axes(beside + 0.3, bottom + (_TALL - _MAP) + 0.12, _WIDE - _MAP - 0.55, 0.78), card)
