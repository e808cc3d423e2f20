"""The scoreboard as pictures: models beside baselines with intervals, catch against area, and calibration."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from crimepatterns.domain.scorecard import Scorecard
from crimepatterns.errors import PatternError
from crimepatterns.visuals.frame import Frame, framed
from crimepatterns.visuals.names import model_label, run_note
from crimepatterns.visuals.palette import ACCENT, BLUE, INK, MUTED, colours_for, figure_style

__all__ = ["calibration_plot", "hit_rate_curve", "scoreboard"]

_PANELS = {
    "pai": ("PAI", "times the mean density"),
    "pei": ("PEI", "share of the best possible catch"),
    "hit_rate_saturated": ("Hit rate (saturated)", "share of incidents"),
    "deviance_skill": ("Deviance skill", "share of the shrunk count's removed"),
    "calibration_ratio": ("Observed / expected", "1 is ideal"),
}
_COMPARED_AS = {"pei": "pei", "hit_rate_saturated": "pei", "deviance_skill": "deviance"}
_IDEAL = {"deviance_skill": 0.0, "calibration_ratio": 1.0}
_PERCENT = FuncFormatter(lambda value, _: f"{100 * value:g} %")
_VERDICTS = {"better": ("better", BLUE), "worse": ("worse", ACCENT), "not shown": ("not shown", MUTED)}


def scoreboard(
    scorecard: Scorecard,
    *,
    category: str,
    city: str,
    baselines: Collection[str],
    budget: str | None = None,
    run_date: str = "",
) -> Figure:
    """Show every model beside the baselines, with intervals, and whether a difference is shown.

    Parameters
    ----------
    scorecard : Scorecard
    category, city : str
    baselines : collection of str
        Names of models drawn as baselines.
    budget : str, optional
        Label of the budget, such as ``2 % of area``; the primary one of the scorecard where left out.
    run_date : str

    Returns
    -------
    Figure

    Raises
    ------
    PatternError
        If the category was not scored.
    """
    rows = _scores_of(scorecard.summary, category)
    chosen = budget or str(scorecard.notes.get("primary") or rows.loc[rows["metric"] == "pai", "budget"].iloc[0])
    rows = rows[rows["metric"].isin(_PANELS) & rows["budget"].isin(("", chosen))]
    metrics = [name for name in _PANELS if name in set(rows["metric"])]
    models = _ranked(rows)
    compared = scorecard.comparisons[scorecard.comparisons["category"] == category]
    best = ", ".join(model_label(name) for name in sorted(set(compared["baseline"])))
    caption = (
        f"{int(rows['origins'].max())} forecasts in a row, 95 % intervals over them; catch at {chosen}. "
        "Filled: learned models; hollow: baselines. "
        f"Words: paired comparison with the best baseline ({best}); not shown means that the data do not tell. "
        f"{scorecard.notes.get('as_of', '')}{run_note(run_date)}"
    )
    panel, gap, label = 2.0, 0.42, 1.55
    with figure_style():
        frame = framed(
            label + len(metrics) * panel + (len(metrics) - 1) * gap + 0.2,
            0.34 * len(models) + 0.85,
            title=f"Forecasts of {category} in {city} beside their baselines",
            subtitle=f"{scorecard.span.capitalize()} span, {_span_of(scorecard, category)}",
            caption=caption,
        )
        for i, metric in enumerate(metrics):
            axes = frame.axes(label + i * (panel + gap), 0.5, panel, 0.34 * len(models))
            table = rows[rows["metric"] == metric].set_index("model")
            verdicts = compared[compared["metric"] == _COMPARED_AS.get(metric)].set_index("model")
            _forest(axes, table.reindex(models), verdicts, baselines, metric)
            if i == 0:
                axes.set_yticks(range(len(models)), [model_label(name) for name in models])
                axes.tick_params(axis="y", labelcolor=INK, labelsize=9, length=0)
    return frame.figure


def hit_rate_curve(
    curve: pd.DataFrame, *, category: str, city: str, baselines: Collection[str], run_date: str = "", note: str = ""
) -> Figure:
    """Show which share of incidents each model catches in which share of the area; its slope from 0 is the PAI.

    Parameters
    ----------
    curve : DataFrame
        ``model, area_share, hit_rate`` of one category.
    category, city : str
    baselines : collection of str
        Names of models drawn as baselines, dashed.
    run_date, note : str
        For the caption.

    Returns
    -------
    Figure

    Raises
    ------
    PatternError
        If the table is empty.
    """
    if curve.empty:
        raise PatternError(f"No hit-rate curve for {category}: run `crimepatterns evaluate`.")
    models = sorted(dict.fromkeys(curve["model"]), key=lambda name: name in baselines)
    colours = colours_for(models)
    widest = float(curve["area_share"].max())
    with figure_style():
        frame = framed(
            8.4,
            4.6,
            title=f"Catch of {category} in {city} by area looked after",
            subtitle="Share of incidents inside the areas that each model ranks highest",
            caption=(
                "Pooled over all forecasts of the span; dashed: baselines. "
                f"PAI is the hit rate divided by the share of area. {note}{run_note(run_date)}"
            ),
        )
        left = frame.axes(0.65, 0.5, 4.6, 4.0)
        zoom = frame.axes(6.0, 2.35, 2.3, 2.15)
        for axes, limit in ((left, widest), (zoom, widest / 5)):
            axes.plot([0, limit], [0, limit], color=MUTED, linewidth=1.0, linestyle=":", label="chance")
            for model in models:
                rows = curve[(curve["model"] == model) & (curve["area_share"] <= limit * 1.001)].sort_values(
                    "area_share"
                )
                dash = (0, (4, 1.6)) if model in baselines else "-"
                width = 1.4 if model in baselines else 2.1
                axes.plot(
                    rows["area_share"], rows["hit_rate"], color=colours[model], linestyle=dash, linewidth=width,
                    label=model_label(model),
                )  # fmt: skip
            axes.set(xlim=(0, limit), ylim=(0, None))
            axes.grid(axis="both")
            axes.xaxis.set_major_formatter(_PERCENT)
            axes.yaxis.set_major_formatter(_PERCENT)
        left.set(xlabel="share of the area", ylabel="hit rate: share of incidents")
        zoom.set_title("The first fifth", fontsize=9)
        zoom.xaxis.set_major_locator(MaxNLocator(4))
        handles, labels = left.get_legend_handles_labels()
        key = frame.sheet(6.0, 0.0, 2.4, 2.0)
        key.legend(
            handles[1:] + handles[:1], labels[1:] + labels[:1], loc="upper left", borderaxespad=0, handlelength=2.6
        )
    return frame.figure


def calibration_plot(
    scorecard: Scorecard, *, category: str, city: str, models: Sequence[str] | None = None, run_date: str = ""
) -> Figure:
    """Show whether expected counts come true, from the places where most is expected to those where least is.

    Parameters
    ----------
    scorecard : Scorecard
    category, city : str
    models : sequence of str, optional
        All of the scorecard where left out.
    run_date : str

    Returns
    -------
    Figure

    Raises
    ------
    PatternError
        If the category was not scored.
    """
    table = scorecard.calibration
    table = table[(table["category"] == category) & (table["expected"] > 0)]
    wanted = [name for name in dict.fromkeys(table["model"]) if models is None or name in models]
    if not wanted:
        raise PatternError(f"No calibration of {category}: run `crimepatterns evaluate`.")
    across = min(4, len(wanted))
    down = -(-len(wanted) // across)
    panel_w, panel_h, gap_x, gap_y = 2.05, 1.65, 0.2, 0.55
    with figure_style():
        frame = framed(
            max(0.6 + across * (panel_w + gap_x), 6.0),
            0.25 + down * (panel_h + gap_y),
            title=f"Do forecasts of {category} in {city} come true?",
            subtitle="Observed divided by expected, in groups of cells that hold a tenth each of what was expected",
            caption="Group 1: the cells where most is expected. Bars: 95 % intervals. On the line, what was expected "
            f"happened; above it more, below it less.{run_note(run_date)}",
        )
        highest = float(np.clip(np.nanmax(table["upper"]), 1.3, 4.0))
        lowest = float(np.clip(np.nanmin(table["lower"]), 0.25, 0.75))
        for i, model in enumerate(wanted):
            row, column = divmod(i, across)
            axes = frame.axes(
                0.6 + column * (panel_w + gap_x), 0.5 + (down - 1 - row) * (panel_h + gap_y), panel_w, panel_h
            )
            _ratios(axes, table[table["model"] == model], lowest, highest)
            axes.set_title(model_label(model), fontsize=9)
            axes.tick_params(labelleft=column == 0)
            if i + across >= len(wanted):
                axes.set_xlabel("group", fontsize=8.5)
        _side_label(frame, "observed / expected")
    return frame.figure


def _scores_of(summary: pd.DataFrame, category: str) -> pd.DataFrame:
    rows = summary[summary["category"] == category]
    if rows.empty:
        raise PatternError(f"{category!r} was not scored; the scorecard has {sorted(set(summary['category']))}.")
    return rows.assign(budget=rows["budget"].fillna(""))


def _ranked(rows: pd.DataFrame) -> list[str]:
    """Models from the best catch at the bottom index to the worst, so that the best is drawn on top."""
    catch = rows[rows["metric"] == "pai"].set_index("model")["value"]
    return list(catch.sort_values(kind="stable").index)


def _forest(axes: Axes, table: pd.DataFrame, verdicts: pd.DataFrame, baselines: Collection[str], metric: str) -> None:
    best = str(verdicts["baseline"].iloc[0]) if len(verdicts) else ""
    ideal = _IDEAL.get(metric, float(table["value"].get(best, np.nan)))
    if np.isfinite(ideal):
        axes.axvline(ideal, color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
    for place, (model, row) in enumerate(table.iterrows()):
        hollow = model in baselines
        colour = MUTED if hollow else BLUE
        if not np.isfinite(row["value"]):
            across = axes.get_yaxis_transform()
            axes.text(0.02, place, "not scored", transform=across, fontsize=7, color=MUTED, va="center")
            continue
        axes.plot(
            [row["lower"], row["upper"]], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt", zorder=2
        )
        axes.plot(
            row["value"], place, "o", markersize=6, mfc="white" if hollow else colour, mec=colour, mew=1.4, zorder=3
        )
        if model in verdicts.index:
            word, ink = _VERDICTS[str(verdicts["verdict"].get(model))]
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
            axes.annotate(
                word,
                (row["upper"], place),
                xytext=(5, 0),
                textcoords="offset points",
                fontsize=7,
                color=ink,
                va="center",
                bbox=box,
                zorder=4,
                annotation_clip=False,
            )
    title, unit = _PANELS[metric]
    axes.set_title(title, fontsize=9.5)
    axes.set_xlabel(unit, fontsize=8)
    axes.set(ylim=(-0.6, len(table) - 0.4), yticks=[])
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.margins(x=0.18 if len(verdicts) else 0.08)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def _ratios(axes: Axes, rows: pd.DataFrame, lowest: float, highest: float) -> None:
    axes.axhline(1.0, color=INK, linewidth=0.8, zorder=1)
    axes.vlines(rows["group"], rows["lower"], rows["upper"], color=BLUE, linewidth=1.5, alpha=0.6)
    axes.plot(rows["group"], rows["ratio"], "o", color=BLUE, markersize=4.2)
    axes.set_yscale("log", base=2)
    ticks = [tick for tick in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0) if lowest / 1.05 <= tick <= highest * 1.05]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlim=(0.3, 10.7), ylim=(lowest / 1.08, highest * 1.08))
    axes.set_xticks([1, 4, 7, 10])
    axes.grid(axis="y")


def _side_label(frame: Frame, text: str) -> None:
    side = frame.sheet(0.0, 0.5, 0.2, frame.height - 0.7)
    side.text(0.06, (frame.height - 0.7) / 2, text, rotation=90, fontsize=9, color=MUTED, ha="center", va="center")


def _span_of(scorecard: Scorecard, category: str) -> str:
    cutoffs = pd.to_datetime(
        scorecard.folds.loc[scorecard.folds["category"] == category, "cutoff"].astype(str).str.slice(0, 10)
    )
    first, last = cutoffs.min(), cutoffs.max()
    return f"forecasts issued {first.day} {first:%b %Y} to {last.day} {last:%b %Y}"
