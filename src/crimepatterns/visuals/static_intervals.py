"""Intervals of areas as pictures: what each neighbourhood expects, and whether intervals held what they say."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from crimepatterns.errors import PatternError
from crimepatterns.visuals.frame import framed
from crimepatterns.visuals.names import category_label, model_label, run_note
from crimepatterns.visuals.palette import ACCENT, BLUE, INK, MUTED, figure_style

__all__ = ["areas_chart", "coverage_chart"]

_SHOWN = 20
_PERCENT = FuncFormatter(lambda value, _: f"{100 * value:g} %")
_ROW = 0.24


def areas_chart(areas: pd.DataFrame, *, city: str, facts: Mapping[str, Any]) -> Figure:
    """Show what the neighbourhoods that expect most expect, each with its interval.

    Parameters
    ----------
    areas : DataFrame
        ``area, kind, expected, lower, upper`` of one forecast, the city among them.
    city : str
    facts : mapping
        Of the stored layer: ``category, model, edges, confidence, intervals_from, run_date``.
    """
    total = areas[areas["kind"] == "city"].iloc[0]
    local = areas[areas["kind"] != "city"].sort_values(["expected", "area"], ascending=[False, True]).head(_SHOWN)
    if local.empty:
        raise PatternError(f"{city} has no neighbourhoods to tell apart.")
    start, end = pd.Timestamp(facts["edges"][0]), pd.Timestamp(facts["edges"][-1]) - pd.Timedelta(microseconds=1)
    confidence = f"{100 * float(facts['confidence']):.0f} %"
    height = _ROW * len(local)
    with figure_style():
        frame = framed(
            7.2,
            height + 0.45,
            title=f"Expected {category_label(str(facts['category']))} by neighbourhood in {city}",
            subtitle=(
                f"{start.day} {start:%b %Y} to {end.day} {end:%b %Y} · whole city {total['expected']:,.0f} "
                f"({int(total['lower']):,} to {int(total['upper']):,})"
            ),
            caption=(
                f"{model_label(str(facts['model']))}; lines: {confidence} intervals, {facts['intervals_from']}. "
                f"The {len(local)} neighbourhoods that expect most.{run_note(str(facts.get('run_date', ''))[:10])}"
            ),
        )
        axes = frame.axes(2.0, 0.42, 5.0, height)
        rows = np.arange(len(local))
        axes.hlines(rows, local["lower"], local["upper"], color=BLUE, linewidth=2.4, alpha=0.45)
        axes.plot(local["expected"], rows, "o", color=BLUE, markersize=5)
        axes.set(ylim=(len(local) - 0.5, -0.5), xlim=(0, None), xlabel="incidents")
        axes.set_yticks(rows, [str(name).title() if str(name).isupper() else str(name) for name in local["area"]])
        axes.tick_params(axis="y", labelcolor=INK, labelsize=8, length=0)
        axes.grid(axis="x")
    return frame.figure


def coverage_chart(
    coverage: pd.DataFrame, unions: pd.DataFrame, *, category: str, model: str, city: str, run_date: str = ""
) -> Figure:
    """Show how often counts of areas lay within their 90 % intervals, beside plain Poisson intervals.

    Parameters
    ----------
    coverage : DataFrame
        ``by, group, unions, coverage, lower, upper`` of one category and model.
    unions : DataFrame
        The intervals it counts, with ``expected`` and ``poisson``.
    category, model, city : str
    run_date : str

    Raises
    ------
    PatternError
        If no area expected enough to be judged.
    """
    shown = coverage[~coverage["by"].isin(["neighbourhood"])]
    if unions.empty or shown.empty:
        raise PatternError(f"No area expected enough {category} to judge its interval.")
    labels = [_label(row) for row in shown.to_dict("records")]
    height = _ROW * len(shown)
    note = run_note(run_date)
    plain, large = float(unions["poisson"].mean()), unions[unions["expected"] > 50]
    busy = (
        f", {100 * large['poisson'].mean():.0f}\N{NO-BREAK SPACE}% where more than 50 are expected"
        if len(large)
        else ""
    )
    with figure_style():
        frame = framed(
            7.2,
            height + 0.45,
            title=f"Do intervals of areas hold? {category_label(category).capitalize()} in {city}",
            subtitle=f"Share of counts within their 90 % interval, {model_label(model)}",
            caption=(
                f"{len(unions):,} intervals of neighbourhoods, compact pieces and the city that expect 5 or more, each "
                f"made from earlier weeks only; lines: 95 % intervals. Shaded: the range that counts as calibrated. "
                f"Dotted: plain Poisson intervals, which hold {100 * plain:.0f}\N{NO-BREAK SPACE}%{busy}.{note}"
            ),
        )
        axes = frame.axes(2.0, 0.42, 5.0, height)
        _coverage_rows(axes, shown, plain)
        axes.set_yticks(np.arange(len(shown)), labels)
        axes.tick_params(axis="y", labelcolor=INK, labelsize=8, length=0)
    return frame.figure


def _coverage_rows(axes: Axes, shown: pd.DataFrame, plain: float) -> None:
    rows = np.arange(len(shown))
    # The pooled figure is held to a narrower range than its parts.
    axes.axvspan(0.83, 0.97, color=BLUE, alpha=0.08, linewidth=0)
    axes.axvspan(0.86, 0.94, color=BLUE, alpha=0.10, linewidth=0)
    axes.axvline(0.9, color=MUTED, linewidth=1.0)
    axes.axvline(plain, color=ACCENT, linewidth=1.2, linestyle=":")
    axes.hlines(rows, shown["lower"], shown["upper"], color=BLUE, linewidth=2.0, alpha=0.5)
    axes.plot(shown["coverage"], rows, "o", color=BLUE, markersize=5)
    left = min(0.7, float(shown["lower"].min()), plain) - 0.02
    axes.set(ylim=(len(shown) - 0.5, -0.5), xlim=(max(left, 0.0), 1.005))
    axes.xaxis.set_major_formatter(_PERCENT)
    axes.grid(axis="x")


def _label(row: Mapping[Any, Any]) -> str:
    kinds = {"city": "whole city", "compact": "compact pieces", "neighbourhood": "neighbourhoods"}
    if row["by"] == "all":
        return f"all ({row['unions']:,})"
    if row["by"] == "kind":
        return kinds[str(row["group"])]
    if row["by"] == "season":
        return str(row["group"])
    what = "expected count" if row["by"] == "expected" else str(row["by"])
    return f"{what}, tenth {int(str(row['group'])[:2])}"
