"""Which labels the raw records of a city carry, what the city file makes of them, and which tables would know more."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import yaml

from crimepatterns.cleaning.labelling import LabelCounts
from crimepatterns.cleaning.taxonomy import Placed, Suggestion, Taxonomy, blank
from crimepatterns.cleaning.values import as_text
from crimepatterns.cleaning_run.opening import open_job
from crimepatterns.config import Settings
from crimepatterns.config.taxonomy_tables import crosswalk_names, open_crosswalk
from crimepatterns.errors import NotApplicableError
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawStore

__all__ = ["LabelAdvice", "advise_on_labels"]

_MOST_PROPOSED = 40
_MOST_COMPARED = 200
"""So many labels, the most frequent ones, are compared letter by letter: a column of free text has thousands."""


@dataclass(frozen=True)
class LabelAdvice:
    """What is known of a city's labels.

    Parameters
    ----------
    rows : int
        Raw rows with a label.
    known : int
        Those that the mapping and the crosswalk of the city file know.
    tables : tuple of (str, float)
        Shipped crosswalks with the share of the rows they know by themselves, the best first.
    unknown : tuple of dict
        Labels the city file does not know: ``label``, ``rows``, and the ``suggestion`` with its ``category`` and
        ``table``, each None where nothing is like it.
    proposal : str
        Lines for the city file, in YAML.
    """

    rows: int
    known: int
    tables: tuple[tuple[str, float], ...]
    unknown: tuple[dict[str, Any], ...]
    proposal: str


def advise_on_labels(settings: Settings) -> LabelAdvice:
    """Count the labels of the current raw copies and look for each unknown one in every table there is.

    Raises
    ------
    MissingInputError
        If nothing has been ingested.
    NotApplicableError
        If the city has one fixed category.
    """
    layout = Layout(settings.root, settings.city)
    job, _ = open_job(settings, layout, RawStore(layout.raw).current())
    if job.columns.category is None:
        raise NotApplicableError(
            f"{settings.title} has no column of labels: every row is {settings.taxonomy.fixed_category!r} "
            "(taxonomy.fixed_category)."
        )
    crosswalks = {name: Taxonomy(crosswalk=open_crosswalk(name)) for name in crosswalk_names()}
    counts = {name: LabelCounts(taxonomy) for name, taxonomy in crosswalks.items()}
    own = LabelCounts(job.taxonomy)
    for labels, codes in _labels(job.parts, job.columns.category, job.columns.offence):
        for counted in (own, *counts.values()):
            counted.add(labels, codes)
    rows = _rows(own, known=None)
    shares = {name: _rows(counted, known=True) / max(rows, 1) for name, counted in counts.items()}
    tables = tuple(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
    best = _best(settings.taxonomy.crosswalk, tables)
    unknown = tuple(_unknown(own, crosswalks, first=best))
    return LabelAdvice(rows, _rows(own, known=True), tables, unknown, _proposal(best, unknown, crosswalks))


def _best(named: str | None, tables: tuple[tuple[str, float], ...]) -> str | None:
    """Keep the table of the city file, unless a shipped one knows more of the rows than it."""
    leader, share = tables[0]
    if named is not None:
        return leader if share > dict(tables).get(named, 1.0) else named
    return leader if share > 0 else None


def _labels(parts: Any, category: str, offence: str | None) -> Iterator[tuple[pa.DictionaryArray, pa.Array | None]]:
    for part in parts:
        if part.withdraws:
            continue
        for batch in part.read():
            labels = as_text(batch.column(category)).dictionary_encode()
            yield labels, None if offence is None else as_text(batch.column(offence))


def _rows(counted: LabelCounts, *, known: bool | None) -> int:
    """Count rows with a label: those that are known, or all."""
    return sum(
        size
        for (label, placed), size in counted.counts.items()
        if not blank(label) and (known is None or (placed.by != "nothing") == known)
    )


def _unknown(own: LabelCounts, crosswalks: dict[str, Taxonomy], *, first: str | None) -> Iterator[dict[str, Any]]:
    """Yield unknown labels, the most frequent first, with what the likeliest table says of them."""
    order = sorted(crosswalks, key=lambda name: name != first)
    counts = [(size, label) for (label, placed), size in own.counts.items() if placed.by == "nothing"]
    listed = [(size, label) for size, label in counts if not blank(label)]
    tables: list[tuple[Taxonomy, str | None]] = [(crosswalks[name], name) for name in order]
    for place, (size, label) in enumerate(sorted(listed, key=lambda item: (-item[0], item[1]))):
        # A table that knows the label itself goes before one that knows a similar label.
        said = ((label, placed.category, name) for placed, name in _exact(label, tables))
        near = ((like.label, like.category, name) for like, name in _similar(label, [(own.taxonomy, None), *tables]))
        suggestion, category, table = next(said, None) or (place < _MOST_COMPARED and next(near, None)) or (None,) * 3
        yield {"label": label, "rows": size, "suggestion": suggestion, "category": category, "table": table}


def _exact(label: str, tables: list[tuple[Taxonomy, str | None]]) -> Iterator[tuple[Placed, str | None]]:
    placed = ((taxonomy.place(label), name) for taxonomy, name in tables)
    return ((one, name) for one, name in placed if one.by != "nothing")


def _similar(label: str, tables: list[tuple[Taxonomy, str | None]]) -> Iterator[tuple[Suggestion, str | None]]:
    found = ((taxonomy.suggest(label), name) for taxonomy, name in tables)
    return ((like, name) for like, name in found if like is not None)


def _proposal(best: str | None, unknown: tuple[dict[str, Any], ...], crosswalks: dict[str, Taxonomy]) -> str:
    """Write lines for the city file: the best table, and a line for each label that only a similar one explains."""
    lines = ["taxonomy:"] + ([f"  crosswalk: {best}"] if best is not None else [])
    table = crosswalks.get(best or "")
    left = [row for row in unknown if table is None or not table.is_mapped(row["label"])]
    if left:
        lines.append("  mapping:")
    for row in left[:_MOST_PROPOSED]:
        key = yaml.safe_dump(row["label"], default_style='"', width=10_000).strip()
        if row["category"] is None:
            lines.append(f"    # {key}: ?   # {row['rows']:,} rows, nothing is like it")
        else:
            exact = row["suggestion"] == row["label"]
            why = f"as in {row['table']}" if exact else f"like {row['suggestion']}"
            lines.append(f"    {key}: {row['category']}   # {row['rows']:,} rows, {why}")
    return "\n".join(lines) + "\n"
