"""Labels that appear, vanish, or hand their incidents over to another label: changes of the publisher's codes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.quality.completeness import Break
from crimepatterns.quality.findings import Finding, by_share, sound
from crimepatterns.quality.record import Record
from crimepatterns.quality.spans import dense_span

__all__ = ["code_changes"]

_LEAST_ROWS = 20
_LEAST_EXPECTED = 12.0
_TIMES_LONGEST = 3.0
_LEVEL = 0.005
_SAME_TIME_DAYS = 42
_ALIKE = 0.5


@dataclass(frozen=True)
class _Edge:
    """A label that is not there at one end of the record."""

    column: str
    label: str
    kind: str
    day: pd.Timestamp
    per_week: float
    expected: float
    rows: int


def code_changes(record: Record, breaks: list[Break]) -> Finding:
    """Look for labels that begin or end inside the record, and for incidents that moved from one to another.

    A label has vanished if, at the rate at which it was used, so long a silence is out of the question: the expected
    number of incidents in it, reduced by the label's dispersion, leaves a chance below the level over all labels; and
    the silence is three times as long as any before. Appearing is the same backwards.
    """
    finer = set(record.day_counts["offence"].astype(str)) != set(record.day_counts["category"].astype(str))
    columns = ("category", "offence") if finer else ("category",)
    edges = [edge for column in columns for edge in _edges(record, column)]
    moves = [*_moves(edges), *_moves_between(breaks)]
    rows = int(record.day_counts["incidents"].sum())
    evidence = {
        "changes": [
            {
                "column": edge.column,
                "label": edge.label,
                "kind": edge.kind,
                "day": str(edge.day.date()),
                "per_week": round(edge.per_week, 2),
                "expected_in_silence": round(edge.expected, 1),
            }
            for edge in edges
        ],
        "moves": moves,
    }
    if not edges and not moves:
        return sound(
            "code_changes", "Every label is used from beginning to end.", flag="code_changes", evidence=evidence
        )
    touched = sum(min(edge.rows, edge.expected) for edge in edges) / (2 if moves and edges else 1)
    touched = max(touched, sum(float(str(move["incidents"])) for move in moves))
    share = min(touched / rows, 1.0)
    return Finding(
        "code_changes",
        by_share(share, warning=0.002),
        _sentence(edges, moves),
        "Map old and new labels to one category in taxonomy.mapping, or begin the analysis after the change.",
        "code_changes",
        affected=touched,
        share=share,
        evidence=evidence,
    )


def _edges(record: Record, column: str) -> list[_Edge]:
    daily = record.series(column)
    start, end = dense_span(record.series("category"))
    daily = daily.loc[start:end]
    daily.columns = daily.columns.astype(str)
    totals = daily.sum(axis="index")
    names = [str(name) for name in daily if totals[str(name)] >= _LEAST_ROWS]
    if len(names) < 2:
        return []
    level = _LEVEL / (4 * len(names))
    found = []
    for name in names:
        for kind, series in (("vanished", daily[name]), ("appeared", daily[name].iloc[::-1])):
            edge = _silence(series.to_numpy(), level)
            if edge is not None:
                last, rate, expected = edge
                found.append(_Edge(column, str(name), kind, series.index[last], 7 * rate, expected, int(totals[name])))
    return found


def _silence(counts: NDArray[np.int64], level: float) -> tuple[int, float, float] | None:
    """Judge the silence at the end of a series of days: last day used, rate before, incidents expected in it."""
    used = np.flatnonzero(counts)
    last, silent = int(used[-1]), len(counts) - 1 - int(used[-1])
    active = counts[used[0] : last + 1]
    if silent < 7 or len(active) < 28:
        return None
    rate = float(active.mean())
    weeks = active[: len(active) // 7 * 7].reshape(-1, 7).sum(axis=1)
    spread = max(1.0, float(weeks.var() / max(weeks.mean(), 1e-9)))
    expected = rate * silent
    longest = int(np.diff(used).max(initial=1))
    silence_is_long = silent >= _TIMES_LONGEST * longest
    if expected < _LEAST_EXPECTED or not silence_is_long or np.exp(-expected / spread) > level:
        return None
    return last, rate, expected


def _moves(edges: list[_Edge]) -> list[dict[str, object]]:
    """Pair a label that vanished with one that appeared at the same time with about as many incidents."""
    moves = []
    for gone in (edge for edge in edges if edge.kind == "vanished"):
        for new in (edge for edge in edges if edge.kind == "appeared" and edge.column == gone.column):
            apart = abs((new.day - gone.day).days)
            ratio = new.per_week / max(gone.per_week, 1e-9)
            if apart <= _SAME_TIME_DAYS and _ALIKE <= ratio <= 1 / _ALIKE:
                moves.append(
                    {
                        "column": gone.column,
                        "from": gone.label,
                        "to": new.label,
                        "day": str(new.day.date()),
                        "incidents": round(min(gone.expected, new.rows)),
                    }
                )
    return moves


def _moves_between(breaks: list[Break]) -> list[dict[str, object]]:
    """Pair a category that fell with one that rose by about as much at the same time."""
    lasting = [one for one in breaks if one.lasting and one.series != "all"]
    moves: list[dict[str, object]] = []
    for fell in (one for one in lasting if one.after < one.before):
        for rose in (one for one in lasting if one.after > one.before):
            apart = abs((rose.start - fell.start).days)
            ratio = (rose.after - rose.before) / max(fell.before - fell.after, 1e-9)
            if apart <= _SAME_TIME_DAYS and _ALIKE <= ratio <= 1 / _ALIKE:
                moves.append(
                    {
                        "column": "category",
                        "from": fell.series,
                        "to": rose.series,
                        "day": str(rose.start.date()),
                        "incidents": round(abs(fell.missing)),
                    }
                )
    return moves


def _sentence(edges: list[_Edge], moves: list[dict[str, object]]) -> str:
    if moves:
        first = moves[0]
        more = f" (and {len(moves) - 1} more such moves)" if len(moves) > 1 else ""
        return f"Incidents moved from {first['from']} to {first['to']} on {first['day']}{more}."
    edge = max(edges, key=lambda one: one.expected)
    when = "after" if edge.kind == "vanished" else "before"
    more = f", and {len(edges) - 1} more label changes" if len(edges) > 1 else ""
    return f"{edge.label} is not used {when} {edge.day.date()}, though {edge.expected:,.0f} would be usual{more}."
