"""What every picture of a pattern says below it: the finding, the null hypothesis, what was known when, and the run."""

from collections.abc import Mapping
from typing import Any

from crimepatterns.visuals.names import category_label, run_note

__all__ = ["pattern_caption", "pattern_title"]


def pattern_caption(facts: Mapping[str, Any], *more: str) -> str:
    """Join the sentence of a result, how it was made, its null hypothesis, its as-of date and the date of the run.

    Parameters
    ----------
    facts : mapping
        Those inside the file of the result.
    *more : str
        Sentences about how it was made.
    """
    null = f" Null hypothesis: {facts['null']}." if facts.get("null") else ""
    kept = f" Only {', '.join(facts['filter'])}." if facts.get("filter") else ""
    known = f" As known on {str(facts['as_of'])[:10]}." if facts.get("as_of") else ""
    how = "".join(f" {sentence}" for sentence in more if sentence)
    return f"{facts['sentence']}{how}{null}{kept}{known}{run_note(str(facts.get('run_date', '')))}"


def pattern_title(what: str, facts: Mapping[str, Any], place: str) -> str:
    """Say what, of which category, and where."""
    return f"{what} of {category_label(str(facts['category']))} in {place}"
