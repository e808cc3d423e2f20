"""The scoreboard as people read it: a table, an HTML fragment, and sentences that claim no more than is shown."""

import html
from collections.abc import Mapping
from typing import Any

import pandas as pd

from crimepatterns.domain.scorecard import Scorecard
from crimepatterns.evaluation.scores import METRICS

__all__ = ["scoreboard_html", "scoreboard_text", "verdict_sentences"]

_SHOWN = (
    "hit_rate",
    "pei",
    "hit_rate_saturated",
    "pai",
    "rri",
    "deviance_skill",
    "calibration_ratio",
    "calibration_slope",
    "union_coverage",
    "roc_auc",
    "self_consistent_pei",
    "ceiling_share",
)
_PER_CENT = frozenset(
    {
        *("hit_rate", "pei", "hit_rate_saturated", "deviance_skill", "self_consistent_pei", "ceiling_share"),
        "union_coverage",
    }
)


def scoreboard_text(scorecard: Scorecard, *, category: str | None = None) -> str:
    """Return the scoreboard as plain text, one table per category, with the verdicts below.

    Parameters
    ----------
    scorecard : Scorecard
    category : str, optional
        Only this one.
    """
    notes = scorecard.notes
    lines = [
        (
            f"Span: {scorecard.span}, {notes.get('origins')} origins, primary budget {notes.get('primary')}; "
            f"intervals {_percent(float(str(notes.get('confidence', 0.95))), 0)}."
        )
    ]
    for name in _categories(scorecard, category):
        table = _table(scorecard, name)
        widths = [max(len(str(cell)) for cell in [label, *table[label]]) for label in table.columns]
        lines += ["", name, "  ".join(label.ljust(w) for label, w in zip(table.columns, widths, strict=True))]
        for row in table.itertuples(index=False):
            lines.append("  ".join(str(cell).ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
        lines += [f"  {sentence}" for sentence in verdict_sentences(scorecard, category=name)]
    lines += ["", *_statements(scorecard)]
    return "\n".join(lines) + "\n"


def scoreboard_html(scorecard: Scorecard, *, category: str | None = None) -> str:
    """Return the scoreboard as an HTML fragment (tables and lists, no styles); every text in it is escaped."""
    parts = [f'<section class="scoreboard" data-span="{html.escape(scorecard.span)}">']
    for name in _categories(scorecard, category):
        table = _table(scorecard, name)
        head = "".join(f'<th scope="col">{html.escape(label)}</th>' for label in table.columns)
        body = "".join(
            f'<tr><th scope="row">{html.escape(str(row[0]))}</th>'
            + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row[1:])
            + "</tr>"
            for row in table.itertuples(index=False)
        )
        verdicts = "".join(f"<li>{html.escape(text)}</li>" for text in verdict_sentences(scorecard, category=name))
        parts.append(
            f"<h3>{html.escape(name)}</h3><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f'<ul class="verdicts">{verdicts}</ul>'
        )
    statements = "".join(f"<li>{html.escape(text)}</li>" for text in _statements(scorecard))
    parts.append(f'<ul class="notes">{statements}</ul></section>')
    return "".join(parts)


def verdict_sentences(scorecard: Scorecard, *, category: str | None = None) -> list[str]:
    """Say of every model whether it is shown to differ from the baseline, by how much, and what could have been seen.

    Differences of catch are in points of the metric; those of deviance are relative to the baseline's deviance.
    """
    rows = scorecard.comparisons
    if category is not None:
        rows = rows.loc[rows["category"] == category]
    return [_sentence(row) for _, row in rows.iterrows()]


def _sentence(row: pd.Series) -> str:
    what = "deviance" if row["metric"] == "deviance" else f"{METRICS[row['metric']].label} at {row['budget']}"
    if row["verdict"] == "not shown":
        claim = f"{row['model']} is not shown to differ from {row['baseline']} in {what}"
    else:
        claim = f"{row['model']} is {row['verdict']} than {row['baseline']} in {what}"
    if pd.isna(row["lower"]):
        return f"{claim}: difference {_signed(row['difference'])}, too few origins for an interval."
    unit = " %" if row["metric"] == "deviance" else " points"
    lucky = row["verdict"] == "not shown" and (row["lower"] > 0 or row["upper"] < 0)
    many = f"; among so many comparisons p = {row['p_adjusted']:.2f}" if lucky else ""
    return (
        f"{claim}: difference {_signed(row['difference'])}{unit} "
        f"({_signed(row['lower'])} to {_signed(row['upper'])}), "
        f"smallest detectable {row['smallest_detectable'] * 100:.1f}{many}."
    )


def _table(scorecard: Scorecard, category: str) -> pd.DataFrame:
    """Return one row per model, one column per metric at the primary budget."""
    primary = scorecard.notes.get("primary", "")
    rows = scorecard.summary
    rows = rows.loc[(rows["category"] == category) & rows["budget"].isin(["", primary])]
    models = list(dict.fromkeys(rows["model"]))
    table = pd.DataFrame({"model": models})
    for metric in _SHOWN:
        found = rows.loc[rows["metric"] == metric].set_index("model")
        if found.empty:
            continue
        label = METRICS[metric].label
        cells = [_cell(found.loc[name], metric) if name in found.index else "-" for name in models]
        table[label] = cells
    return table


def _cell(row: pd.Series, metric: str) -> str:
    if pd.isna(row["value"]):
        return "-"
    if metric in _PER_CENT:
        text, low, high = (_percent(row[key], 1) for key in ("value", "lower", "upper"))
    else:
        text, low, high = (f"{row[key]:.2f}" for key in ("value", "lower", "upper"))
    return text if pd.isna(row["lower"]) else f"{text} ({low} to {high})"


def _statements(scorecard: Scorecard) -> list[str]:
    notes: Mapping[str, Any] = scorecard.notes
    statements = [text for key in ("warnings", "suffices") for text in (notes.get(key) or {}).values()]
    statements += [str(notes[key]) for key in ("as_of", "claims", "shortened") if notes.get(key)]
    champions = notes.get("champions")
    if isinstance(champions, dict):
        statements += [f"Champion for {name}: {model}." for name, model in champions.items()]
    statements += _gate_statements(notes)
    shifts = notes.get("shifts")
    statements += [f"By shift, {one}" for one in shifts] if isinstance(shifts, list) else []
    refused = notes.get("not_scored")
    if isinstance(refused, dict):
        for name, models in refused.items():
            told = ", ".join(f"{model} ({missed})" for model, missed in models.items())
            statements.append(f"{name}: ranked, not scored by deviance, for incidents given no chance at all: {told}.")
    return statements


def _gate_statements(notes: Mapping[str, Any]) -> list[str]:
    """Say of each champion whether its expected counts may be taken at their word, and count the others."""
    told = []
    champions = notes.get("champions") or {}
    for name, models in (notes.get("calibration") or {}).items():
        failed = [model for model, found in models.items() if found["verdict"] == "not calibrated"]
        if (champion := champions.get(name)) in models:
            told.append(f"Calibration of {name} by {champion}: {models[champion]['sentence']}.")
        if others := [model for model in failed if model != champion]:
            told.append(f"Not calibrated for {name}: {', '.join(others)}.")
    return told


def _categories(scorecard: Scorecard, category: str | None) -> list[str]:
    return list(dict.fromkeys(scorecard.summary["category"])) if category is None else [category]


def _percent(value: float, digits: int) -> str:
    return "-" if pd.isna(value) else f"{value * 100:.{digits}f} %"


def _signed(value: float) -> str:
    return f"{value * 100:+.1f}"
