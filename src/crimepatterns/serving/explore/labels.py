"""Short names for addresses, and numbers for tables, of categories, offences and neighbourhoods."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crimepatterns.domain.disclosure import DisclosureRule
from crimepatterns.serving.names import place_name
from crimepatterns.store.layout import slug

__all__ = ["Labels", "Offence"]


@dataclass(frozen=True)
class Offence:
    """A node of the tree of offences.

    Parameters
    ----------
    code : int
        Its number in the table's column ``category`` or ``offence``.
    name : str
    category : int or None
        Number of the category above; None for a category itself.
    """

    code: int
    name: str
    category: int | None


@dataclass(frozen=True, eq=False)
class Labels:
    """What can be named in a question.

    Parameters
    ----------
    categories : tuple of str
        By number, the most frequent first.
    offences : tuple of (int, str)
        Number of the category, and name; by number.
    neighbourhoods : tuple of str
        By number.
    closed : frozenset of int
        Numbers of categories that are not told.
    """

    categories: tuple[str, ...]
    offences: tuple[tuple[int, str], ...]
    neighbourhoods: tuple[str, ...]
    closed: frozenset[int] = frozenset()
    with_offences: bool = True
    nodes: dict[str, Offence] = field(init=False)
    hoods: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        nodes: dict[str, Offence] = {}
        short = _slugs(self.categories)
        for code, name in enumerate(self.categories):
            if code not in self.closed:
                nodes[short[code]] = Offence(code, name, None)
        below = _slugs([f"{category:06d} {name}" for category, name in self.offences])
        for code, (category, name) in enumerate(self.offences):
            if self.with_offences and category not in self.closed:
                nodes[f"{short[category]}.{below[code].partition('_')[2]}"] = Offence(code, name, category)
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "hoods", {one: code for code, one in enumerate(_slugs(self.neighbourhoods))})

    @classmethod
    def of(cls, counted: pd.DataFrame, neighbourhoods: Sequence[str]) -> "Labels":
        """Give numbers to what a record holds.

        Parameters
        ----------
        counted : DataFrame
            ``category``, ``offence`` and ``count``.
        neighbourhoods : sequence of str
        """
        whole = counted.groupby("category")["count"].sum().reset_index()
        order = whole.sort_values(["count", "category"], ascending=[False, True])["category"]
        categories = tuple(str(name) for name in order)
        code = {name: number for number, name in enumerate(categories)}
        rows = counted.sort_values(["count", "category", "offence"], ascending=[False, True, True])
        pairs = zip(rows["category"], rows["offence"], strict=True)
        offences = tuple(sorted(((code[str(c)], str(o)) for c, o in pairs), key=lambda pair: pair[0]))
        return cls(categories, offences, tuple(neighbourhoods))

    def without(self, rule: DisclosureRule) -> "Labels":
        """Return the same numbers without the names that the public is not told."""
        closed = frozenset(np.flatnonzero(rule.hides(self.categories)).tolist())
        return Labels(self.categories, self.offences, self.neighbourhoods, closed, with_offences=False)

    @property
    def no_offence(self) -> int:
        """Number that stands for an offence that is not told."""
        return len(self.offences)

    def category_codes(self, names: ArrayLike) -> NDArray[np.uint16]:
        """Return the numbers of categories, shape (n,)."""
        return _codes(names, {name: code for code, name in enumerate(self.categories)})

    def offence_codes(self, categories: pd.Series, names: pd.Series) -> NDArray[np.uint16]:
        """Return the numbers of offences, each in its category, shape (n,)."""
        codes = {f"{self.categories[category]}\0{name}": code for code, (category, name) in enumerate(self.offences)}
        return _codes(categories.astype(str) + "\0" + names.astype(str), codes)

    def hood_codes(self, names: ArrayLike) -> NDArray[np.uint16]:
        """Return the numbers of neighbourhoods, shape (n,); those beyond the last stand for none."""
        return _codes(names, {name: code for code, name in enumerate(self.neighbourhoods)}, len(self.neighbourhoods))

    def described(self) -> dict[str, Any]:
        """Return the tree of offences and the neighbourhoods for a page's filters."""
        tree = [
            {
                "slug": short,
                "name": one.name,
                "offences": [
                    {"slug": inner, "name": other.name}
                    for inner, other in self.nodes.items()
                    if other.category == one.code
                ],
            }
            for short, one in self.nodes.items()
            if one.category is None
        ]
        areas = [{"slug": short, "name": place_name(self.neighbourhoods[code])} for short, code in self.hoods.items()]
        return {"categories": tree, "areas": areas}


def _slugs(names: Iterable[str]) -> list[str]:
    seen: dict[str, int] = {}
    made = []
    for name in names:
        short = slug(name)
        seen[short] = seen.get(short, 0) + 1
        made.append(short if seen[short] == 1 else f"{short}_{seen[short]}")
    return made


def _codes(names: Any, codes: dict[str, int], absent: int = 0) -> NDArray[np.uint16]:
    which, words = pd.factorize(np.asarray(names, dtype=object))
    return np.array([codes.get(str(word), absent) for word in words] or [0], dtype=np.uint16)[which]
