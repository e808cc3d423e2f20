"""The scoreboard of one category as the page and the API show it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crimepatterns.domain.scorecard import Scorecard
from crimepatterns.errors import MissingInputError
from crimepatterns.evaluation.scores import METRICS
from crimepatterns.forecasts.registry import BASELINES
from crimepatterns.reports.scoreboard import verdict_sentences
from crimepatterns.serving.names import model_label, place_name, with_model_labels
from crimepatterns.serving.payloads import Payload, json_payload
from crimepatterns.serving.results import Category, Results
from crimepatterns.store.scorecards import read_scorecard

__all__ = ["SPAN_MEANING", "scoreboard", "scoreboard_payload"]

SPAN_MEANING: Mapping[str, str] = {
    "judge": "weeks kept back until the models were chosen (the judge span)",
    "select": "the weeks on which the champion was chosen (the select span), so its lead is flattered a little",
}

_SHOWN = (
    "hit_rate",
    "pei",
    "hit_rate_saturated",
    "pai",
    "deviance_skill",
    "calibration_ratio",
    "calibration_slope",
    "union_coverage",
    "ceiling_share",
)
_PER_CENT = frozenset({"hit_rate", "pei", "hit_rate_saturated", "deviance_skill", "union_coverage", "ceiling_share"})


def scoreboard_payload(results: Results, category: Category) -> Payload:
    """Return `scoreboard` as JSON; the same errors."""
    sources = [results.layout.evaluation / str(results.span) / "scorecard.json"]
    return results.cache.get(
        ("scoreboard-json", category.slug), sources, lambda: json_payload(scoreboard(results, category))
    )


def scoreboard(results: Results, category: Category) -> dict[str, Any]:
    """Return models and baselines with their intervals, verdicts, calibration and exposure.

    Raises
    ------
    MissingInputError
        If nothing was evaluated, or not this category.
    ArtefactError
        If the scorecard is damaged.
    """
    span = results.span
    if span is None:
        raise MissingInputError("No scoreboard yet: run `crimepatterns evaluate`.")
    folder = results.layout.evaluation / span
    source = [folder / "scorecard.json"]
    card: Scorecard = results.cache.get("scorecard", source, lambda: read_scorecard(folder))
    if category.name not in set(card.summary["category"]):
        raise MissingInputError(f"Forecasts of {category.label} are not made, so there is no score to show.")
    return results.cache.get(("scoreboard", category.slug), source, lambda: _board(card, category.name))


def _board(card: Scorecard, category: str) -> dict[str, Any]:
    notes = dict(card.notes)
    primary = str(notes.get("primary", ""))
    champion = dict(notes.get("champions") or {}).get(category)  # type: ignore[call-overload]
    rows = card.summary.loc[(card.summary["category"] == category) & card.summary["budget"].isin(["", primary])]
    compared = card.comparisons.loc[card.comparisons["category"] == category]
    shown = [
        name
        for name in _SHOWN
        if name in set(rows["metric"]) and rows.loc[rows["metric"] == name, "value"].notna().any()
    ]
    models = [_model(rows, compared, name, shown, champion) for name in dict.fromkeys(rows["model"])]
    models.sort(key=lambda one: (one["role"] == "baseline", -(one["scores"].get("hit_rate", {}).get("value") or 0.0)))
    return {
        "category": category,
        "span": card.span,
        "span_meaning": SPAN_MEANING[card.span],
        "primary": primary,
        "origins": notes.get("origins"),
        "confidence": notes.get("confidence"),
        "champion": champion,
        "champion_label": model_label(str(champion)) if champion else None,
        "reason": with_model_labels(str(dict(notes.get("reasons") or {}).get(category, ""))),  # type: ignore[call-overload]
        "metrics": [_metric(name) for name in shown],
        "models": models,
        "verdicts": [with_model_labels(text) for text in verdict_sentences(card, category=category)],
        "verdict": with_model_labels(str(dict(notes.get("suffices") or {}).get(category, ""))),  # type: ignore[call-overload]
        "warning": dict(notes.get("warnings") or {}).get(category),  # type: ignore[call-overload]
        "statements": [str(notes[key]) for key in ("as_of", "claims", "shortened") if notes.get(key)],
        "calibration": _calibration(card, category, champion),
        "gate": dict(notes.get("calibration") or {}).get(category, {}).get(champion),  # type: ignore[call-overload]
        "equity": _equity(card, category, champion),
    }


def _metric(name: str) -> dict[str, Any]:
    facts = METRICS[name]
    return {
        "name": name,
        "label": facts.label,
        "unit": facts.unit,
        "direction": facts.direction,
        "reference": facts.reference,
        "per_cent": name in _PER_CENT,
    }


def _model(
    rows: pd.DataFrame, compared: pd.DataFrame, name: str, shown: list[str], champion: str | None
) -> dict[str, Any]:
    own = rows.loc[rows["model"] == name].drop_duplicates("metric").set_index("metric")
    verdicts = {
        ("deviance" if row["metric"] == "deviance" else "catch"): {
            "verdict": row["verdict"],
            "baseline": row["baseline"],
            "baseline_label": model_label(str(row["baseline"])),
            "difference": _number(row["difference"]),
            "lower": _number(row["lower"]),
            "upper": _number(row["upper"]),
            "smallest_detectable": _number(row["smallest_detectable"]),
        }
        for row in compared.loc[compared["model"] == name].to_dict("records")
    }
    return {
        "model": name,
        "label": model_label(name),
        "role": "baseline" if name in BASELINES else "model",
        "champion": name == champion,
        "scores": {metric: _score(own, metric) for metric in shown if metric in own.index},
        "verdicts": verdicts,
    }


def _score(own: pd.DataFrame, metric: str) -> dict[str, Any]:
    value, lower, upper = (_number(own.loc[metric, key]) for key in ("value", "lower", "upper"))

    def text(number: float | None) -> str:
        if number is None:
            return "\N{EN DASH}"
        return f"{number * 100:.1f}" if metric in _PER_CENT else f"{number:.2f}"

    interval = None if lower is None or upper is None else f"{text(lower)} to {text(upper)}"
    return {"value": value, "lower": lower, "upper": upper, "text": text(value), "interval": interval}


def _calibration(card: Scorecard, category: str, champion: str | None) -> list[dict[str, Any]]:
    table = card.calibration
    own = table.loc[(table["category"] == category) & (table["model"] == champion)]
    columns = ["group", "cells", "expected", "observed", "ratio", "lower", "upper"]
    return [
        {str(key): _number(value) for key, value in row.items()}
        for row in own[[name for name in columns if name in own.columns]].to_dict("records")
    ]


def _equity(card: Scorecard, category: str, champion: str | None) -> list[dict[str, Any]]:
    table = card.equity
    own = table.loc[(table["category"] == category) & (table["model"] == champion)]
    return [
        {str(key): place_name(value) if isinstance(value, str) else _number(value) for key, value in row.items()}
        for row in own.drop(columns=["category", "model"]).to_dict("records")
    ]


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else round(float(value), 6)
