"""Names as people write them."""

import re
from datetime import date

from markupsafe import Markup, escape

__all__ = [
    "chance_text",
    "code_text",
    "count_text",
    "day_text",
    "model_label",
    "p_text",
    "place_name",
    "with_model_labels",
    "with_place_names",
]

_MODELS = {
    "count": "Count, whole record",
    "recent_count": "Recent count",
    "count_eb": "Shrunk count",
    "kde": "Kernel density",
    "seasonal": "Seasonal count",
    "random_forest": "Random forest",
    "gradient_boosting": "Gradient boosting",
}


def model_label(name: str) -> str:
    """Return what the page calls a model; an unknown one keeps its name with spaces."""
    return _MODELS.get(name, name.replace("_", " ").capitalize())


def place_name(name: str) -> str:
    """Return a place name in normal case where the file shouts it: ``NEAR NORTH SIDE`` becomes ``Near North Side``."""
    if not name.isupper() or len(name) < 4:
        return name
    titled = re.sub(r"[^\W\d_]+", lambda word: word.group().capitalize(), name.lower())
    return re.sub(r"(?<=')S\b", "s", titled)


def with_model_labels(text: str) -> str:
    """Rewrite the models' short names in a sentence where they cannot be taken for ordinary words."""
    for name, label in _MODELS.items():
        if "_" in name:
            text = re.sub(rf"\b{name}\b", label.lower(), text)
    return text[:1].upper() + text[1:]


def with_place_names(text: str, names: frozenset[str]) -> str:
    """Rewrite every shouted place name in a sentence; longer names first."""
    for name in sorted((one for one in names if one.isupper() and len(one) > 3), key=len, reverse=True):
        text = re.sub(rf"\b{re.escape(name)}\b", place_name(name), text)
    return text


def chance_text(share: float) -> str:
    """Write a chance in per cent; one that is nearly nothing is not written as nothing."""
    return "< 1 %" if share < 0.005 else f"{share * 100:.0f} %"


def count_text(value: float) -> str:
    """Write an expected count with as many digits as it bears: 1,182 or 3.4 or 0.07."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def day_text(day: date) -> str:
    """Write a day: 1 January 2026."""
    return f"{day.day} {day:%B %Y}"


def p_text(value: float) -> str:
    """Write a p- or q-value; a very small one is not written as nothing."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def code_text(text: str, *, options: str = "") -> Markup:
    """Write a sentence for a page: what stands between backticks is code, and our own commands get their options."""

    def code(part: str) -> str:
        return f"<code>{escape(part + options if part.startswith('crimepatterns ') else part)}</code>"

    parts = enumerate(text.split("`"))
    return Markup("".join(code(part) if k % 2 else str(escape(part)) for k, part in parts))  # noqa: S704
