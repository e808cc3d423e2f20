"""Pattern cards with what was decided about them, kept until an analysis or a decision changes them."""

from typing import TYPE_CHECKING, Any

from crimepatterns.errors import MissingInputError
from crimepatterns.serving.results import ALL, Results

if TYPE_CHECKING:
    from crimepatterns.domain.pattern import PatternCard
    from crimepatterns.pattern_methods.card_file import CardFile

__all__ = ["card_file", "card_rows"]


def card_file(results: Results) -> "CardFile":
    """Return the cards of the last analysis with all decisions.

    Raises
    ------
    MissingInputError
        If cards were never looked for.
    ArtefactError
        If a file is damaged.
    """
    path = results.layout.patterns / ALL / "cards.json"
    if not path.exists():
        raise MissingInputError("No pattern cards yet: run `crimepatterns patterns --method cards`.")
    return results.cache.get("cards", [path, results.layout.card_decisions], lambda: _open(results))


def card_rows(results: Results) -> dict[str, Any]:
    """Return what a page lists about the cards.

    Returns
    -------
    dict
        ``cards`` and ``dismissed`` (each with the values of its bulletin), ``lost``, ``skipped`` and ``window``.

    Raises
    ------
    MissingInputError, ArtefactError
        As `card_file`.
    """
    file = card_file(results)
    facts = file.stored.facts
    return {
        "cards": [_row(card) for card in file.decided.cards],
        "dismissed": [_row(card) for card in file.decided.dismissed],
        "lost": [{"title": one.title or one.card_id, "sentence": one.sentence()} for one in file.lost],
        "skipped": {str(kind): str(why) for kind, why in facts["skipped"].items()},
        "window": facts["window"],
        "run_date": facts["run_date"],
    }


def _row(card: "PatternCard") -> dict[str, Any]:
    from crimepatterns.reports.bulletin import bulletin_values

    return bulletin_values(card, rows=8)


def _open(results: Results) -> "CardFile":
    from crimepatterns.operations.cards import open_cards

    file = open_cards(results.settings)
    _ = file.decided, file.lost  # read now, while the cache holds the versions of both files
    return file
