"""From a publisher's labels and codes to categories, and from categories to how an incident came to light."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from crimepatterns.cleaning.crosswalk import Crosswalk, Entry, closest, fold
from crimepatterns.domain.incidents import DISCOVERY

__all__ = ["Placed", "Suggestion", "Taxonomy", "blank"]

_BLANKS = {"", "null", "none", "na", "n/a", "nan", "nat", "<na>", "(null)", "unknown", "-"}
_INITIATED = DISCOVERY[1]
_MOST_REMEMBERED = 100_000


def blank(text: str | None) -> bool:
    """Tell whether a value only says that there is none."""
    return text is None or text.strip().casefold() in _BLANKS


@dataclass(frozen=True)
class Placed:
    """Where one label went.

    Parameters
    ----------
    category : str or None
        None where the label is blank, or unmapped labels are rejected.
    by : str
        ``mapping``, ``code`` or ``label`` (of the crosswalk); ``nothing`` where neither knows it.
    police_initiated : bool
        Whether such incidents mostly come to light through police activity.
    """

    category: str | None
    by: Literal["mapping", "code", "label", "nothing"]
    police_initiated: bool


@dataclass(frozen=True)
class Suggestion:
    """A known label that is like an unknown one, and the category it stands for."""

    label: str
    category: str


@dataclass(frozen=True, eq=False)
class Taxonomy:
    """The offence mapping of a city.

    Parameters
    ----------
    mapping : mapping of str to str
        The city's own: label to category. It goes before the crosswalk.
    unmapped : str
        What becomes of a label that neither knows: ``keep`` it in lower case, ``other``, or ``reject``.
    police_initiated : tuple of str or None
        Categories found by police activity; None takes what the tables say.
    fixed_category : str or None
        One category for a file that has no column for it.
    crosswalk : Crosswalk or None
    discovery : mapping of str to str
        Category to how it comes to light, where `police_initiated` is None and the crosswalk is silent.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    unmapped: str = "keep"
    police_initiated: tuple[str, ...] | None = ()
    fixed_category: str | None = None
    crosswalk: Crosswalk | None = None
    discovery: Mapping[str, str] = field(default_factory=dict)

    @property
    def asks(self) -> bool:
        """Whether labels are expected to be known: there is a mapping or a crosswalk."""
        return bool(self.mapping) or self.crosswalk is not None

    @property
    def reads_codes(self) -> bool:
        """Whether a code beside the label can decide."""
        return self.crosswalk is not None and self.crosswalk.has_codes

    def place(self, label: str | None, code: str | None = None) -> Placed:
        """Find the category of one label.

        The mapping goes first; then the code, unless it says no more than "other" where the label says more; then the
        label, which may itself be a code.
        """
        found = self._placed.get((label, code))
        if found is None:
            found = self._place(label, code)
            if len(self._placed) < _MOST_REMEMBERED:
                self._placed[label, code] = found
        return found

    def categorise(self, label: str | None) -> str | None:
        """Return the category of one label; None where it is blank, or unmapped labels are rejected."""
        return self.place(label).category

    def is_mapped(self, label: str) -> bool:
        """Tell whether the mapping or the crosswalk knows this label."""
        return self.place(label).by != "nothing"

    def fixed(self) -> Placed:
        """Return the category that stands for every row."""
        category = self.fixed_category
        return Placed(category, "mapping", category is not None and self._initiated(category, None))

    def suggest(self, label: str) -> Suggestion | None:
        """Return the most similar label of the mapping and the crosswalk, or None."""
        known = [*self.mapping, *(self.crosswalk.known_labels if self.crosswalk is not None else ())]
        found = closest(label, known)
        category = None if found is None else self.categorise(found)
        return None if found is None or category is None else Suggestion(found, category)

    def _place(self, label: str | None, code: str | None) -> Placed:
        if label is None or blank(label):
            return Placed(None, "nothing", False)
        entry, by = self._entry(label, code)
        mapped = self._folded.get(fold(label))
        if mapped is not None:
            return Placed(mapped, "mapping", self._initiated(mapped, entry))
        if entry is not None:
            return Placed(entry.category, by, self._initiated(entry.category, entry))
        category = {"keep": fold(label), "other": "other"}.get(self.unmapped)
        return Placed(category, "nothing", category is not None and self._initiated(category, None))

    def _entry(self, label: str, code: str | None) -> tuple[Entry | None, Literal["code", "label"]]:
        if self.crosswalk is None:
            return None, "label"
        said = self.crosswalk.of_label(label)
        if code is not None and not blank(code):
            coded = self.crosswalk.of_code(code)
            if coded is not None and (said is None or coded.category != "other"):
                return coded, "code"
        return (said, "label") if said is not None else (self.crosswalk.of_code(label), "code")

    def _initiated(self, category: str, entry: Entry | None) -> bool:
        if self.police_initiated is not None:
            return category.casefold() in self._named
        how = self.discovery.get(category.casefold())
        if entry is not None and (category == entry.category or how is None):
            how = entry.discovery
        return how == _INITIATED

    @cached_property
    def _placed(self) -> dict[tuple[str | None, str | None], Placed]:
        """Answers so far: the same few labels and codes come again in every batch."""
        return {}

    @cached_property
    def _named(self) -> frozenset[str]:
        return frozenset(name.casefold() for name in self.police_initiated or ())

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {fold(label): category for label, category in self.mapping.items()}
