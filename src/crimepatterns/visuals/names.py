"""Names as people write them on a picture."""

import re

__all__ = ["category_label", "model_label", "place_label", "run_note"]

_MODELS = {
    "count": "Count, whole record",
    "recent_count": "Recent count",
    "count_eb": "Shrunk count",
    "kde": "Kernel density",
    "seasonal": "Seasonal count",
    "random_forest": "Random forest",
    "gradient_boosting": "Gradient boosting",
}


def category_label(category: str) -> str:
    """Return what a title calls a category; ``all`` becomes ``all incidents``."""
    return "all incidents" if category == "all" else category


def model_label(name: str) -> str:
    """Return what a legend calls a model; an unknown one keeps its name with spaces."""
    return _MODELS.get(name, name.replace("_", " ").capitalize())


def place_label(name: str, *, longest: int = 26) -> str:
    """Return a place name in normal case where the file shouts it, shortened where it is too long."""
    if name.isupper() and len(name) > 3:
        name = re.sub(r"[^\W\d_]+", lambda word: word.group().capitalize(), name.lower())
        name = re.sub(r"(?<=')S\b", "s", name)
    return name if len(name) <= longest else name[: longest - 1].rstrip() + "…"


def run_note(run_date: str) -> str:
    """Return the end of a caption that dates the run; empty where it is not known."""
    return f" Run {run_date}." if run_date else ""
