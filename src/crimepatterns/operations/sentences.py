"""One sentence per finished stage, for the table that ends a run."""

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["sentence_of"]


def sentence_of(stage: str, summary: Mapping[str, Any]) -> str:
    """Say what a stage found; a sentence of its own wins over ours.

    Parameters
    ----------
    stage : str
        Name of the stage.
    summary : mapping
        What the stage returned.
    """
    warned = "".join(f" {text}" for text in (*summary.get("warnings", ()), summary.get("tracking", "")) if text)
    if "sentence" in summary:
        return f"{summary['sentence']}{warned}"
    teller = _TELLERS.get(stage)
    return "" if teller is None else f"{teller(summary)}{warned}"


def _ingest(summary: Mapping[str, Any]) -> str:
    dropped = summary["dropped_personal_columns"]
    personal = f"; dropped as personal: {', '.join(map(str, dropped))}" if dropped else ""
    return f"{summary['rows']:,} rows from {_many(summary['files'], 'file')}{personal}."


def _clean(summary: Mapping[str, Any]) -> str:
    rejected = sum(summary["rejected"].values())
    share = rejected / summary["rows_in"] if summary["rows_in"] else 0.0
    return (
        f"{summary['kept']:,} of {summary['rows_in']:,} rows kept, {rejected:,} rejected ({share * 100:.1f} %), "
        f"{str(summary['first'])[:10]} to {str(summary['last'])[:10]}, "
        f"{_many(len(summary['categories']), 'category', 'categories')}.{_unmapped(summary)}"
    )


def _unmapped(summary: Mapping[str, Any]) -> str:
    """Name the most frequent labels that the city file does not know, each with the known one it is like."""
    if not summary.get("unmapped_rows"):
        return ""
    told = [
        f"{row['label']}" + (f" (like {row['suggestion']}: {row['suggested_category']}?)" if row["suggestion"] else "")
        for row in summary["unmapped"][:3]
    ]
    more = ", ..." if len(summary["unmapped"]) > 3 else ""
    return (
        f" {summary['unmapped_rows']:,} rows carry labels that neither mapping nor crosswalk knows: "
        f"{', '.join(told)}{more}; see crimepatterns taxonomy suggest."
    )


def _train(summary: Mapping[str, Any]) -> str:
    missing = f"; not trained: {', '.join(summary['not_trained'])}" if summary["not_trained"] else ""
    waiting = sum(facts.get("stage") == "candidate" for facts in summary["models"].values())
    gates = f" {waiting} of them wait for their gates (crimepatterns model gate)." if waiting else ""
    return (
        f"{_many(len(summary['models']), 'model')} stored, trained until {str(summary['trained_until'])[:10]}{missing}."
        f"{gates}"
    )


def _evaluate(summary: Mapping[str, Any]) -> str:
    chosen = ", ".join(f"{category}: {model}" for category, model in sorted(summary["champions"].items()))
    return (
        f"{_many(summary['origins'], 'past origin')} of the {summary['span']} span. Champions: {chosen}."
        f"{_enough(summary)}"
    )


def _enough(summary: Mapping[str, Any]) -> str:
    """Say for which categories a plain count suffices."""
    told = sorted(summary.get("suffices", ()))
    return f" The count suffices for {', '.join(told)}." if told else ""


def _forecast(summary: Mapping[str, Any]) -> str:
    start, end = (str(moment)[:10] for moment in summary["period"])
    told = sorted(summary["categories"].items())
    expected = ", ".join(
        f"{category} {facts['expected']:.0f} ({facts['interval'][0]} to {facts['interval'][1]})"
        for category, facts in told
    )
    shifts = _shifts(summary["categories"])
    harm = f" {summary['harm']['sentence']}" if summary.get("harm") else ""
    retired = "".join(f" {category}: {facts['retired']}" for category, facts in told if "retired" in facts)
    premises = f" {summary['premises']}" if summary.get("premises") else ""
    return (
        f"{start} to {end}, expected: {expected}.{premises}{_enough(summary)}{retired}{shifts}{harm}{_instead(summary)}"
    )


def _instead(summary: Mapping[str, Any]) -> str:
    """Name the forecasts that rest on less than they should, the served ones first."""
    told = [
        f"{category} by {model}: {reason}"
        for category, facts in sorted(summary["categories"].items())
        for model, reason in sorted(facts.get("fallbacks", {}).items(), key=lambda one: one[0] != facts["champion"])
    ]
    gaps = [f"{name} is unknown in {share * 100:.0f} % of the cells" for name, share in summary["context_gaps"].items()]
    parts = [*([f"With less to go by: {_first(told)}"] if told else []), *([_first(gaps)] if gaps else [])]
    return "".join(f" {part}." for part in parts)


def _first(told: list[str], most: int = 3) -> str:
    return "; ".join(told[:most]) + (f"; and {len(told) - most} more" if len(told) > most else "")


def _shifts(categories: Mapping[str, Any]) -> str:
    """Tell the shifts of the category that expects most, or why it has none."""
    told = [facts["shifts"] for facts in categories.values() if "shifts" in facts]
    most: Mapping[str, Any] = max(told, key=lambda one: float(one.get("busiest", {}).get("expected", -1.0)), default={})
    return f" {most.get('sentence') or most['note']}" if most else ""


def _plan(summary: Mapping[str, Any]) -> str:
    return (
        f"{_many(summary['places'], 'place')}; {summary['expected_in_hours']:.1f} incidents expected in the planned "
        f"hours, {summary['uncapped_expected_in_hours']:.1f} without the cap per neighbourhood."
    )


def _many(count: int, one: str, more: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"


_TELLERS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "ingest": _ingest,
    "clean": _clean,
    "train": _train,
    "evaluate": _evaluate,
    "judge": _evaluate,
    "forecast": _forecast,
    "plan": _plan,
}
