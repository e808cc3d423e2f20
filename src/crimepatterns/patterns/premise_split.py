"""One category as two by the kind of place: what happens in public places has other hours and places than indoors."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import PatternError
from crimepatterns.patterns.filters import behaviour_column

__all__ = ["PREMISE_SIDES", "PremiseSplit", "side_of", "split_by_premise", "whole_category"]

PREMISE_SIDES: tuple[str, ...] = ("outdoor", "indoor")
"""The two targets that a category becomes."""

_UNKNOWN = "premise unknown"


@dataclass(frozen=True, eq=False)
class PremiseSplit:
    """Incidents with the chosen categories told apart by premise.

    Parameters
    ----------
    incidents : Incidents
        All of them; those of a chosen category are called ``theft (outdoor)``, ``theft (indoor)`` or, where the file
        does not tell, ``theft (premise unknown)``.
    counts : mapping of str to mapping of str to int
        Per category: ``outdoor``, ``indoor`` and ``unknown``.
    """

    incidents: Incidents = field(repr=False)
    counts: Mapping[str, Mapping[str, int]]

    def sentence(self) -> str:
        """Say how many of each category are of which side, and how many of neither."""
        return " ".join(
            f"{name}: {found['outdoor']:,} outdoors, {found['indoor']:,} indoors; {found['unknown']:,} of unknown "
            "premise are in neither forecast."
            for name, found in self.counts.items()
        )


def side_of(category: str, side: str) -> str:
    """Name the part of a category on one side.

    Examples
    --------
    >>> side_of("theft", "outdoor")
    'theft (outdoor)'
    """
    return f"{category} ({side})"


def whole_category(name: str) -> str:
    """Name the category of which this is a part; itself where it is whole.

    Examples
    --------
    >>> whole_category("theft (outdoor)"), whole_category("theft")
    ('theft', 'theft')
    """
    for side in (*PREMISE_SIDES, _UNKNOWN):
        if name.endswith(f" ({side})"):
            return name.removesuffix(f" ({side})")
    return name


def split_by_premise(
    incidents: Incidents,
    categories: Sequence[str],
    *,
    column: str,
    indoor: Collection[str],
    outdoor: Collection[str],
) -> PremiseSplit:
    """Tell the incidents of some categories apart by the kind of place that the file gives.

    Parameters
    ----------
    incidents : Incidents
    categories : sequence of str
    column : str
        The file's column of premises.
    indoor, outdoor : collection of str
        Its values of each kind, in any case; values in neither are unknown and never guessed.

    Raises
    ------
    PatternError
        If the file has no such column, a value stands on both sides, or a category has no incident on one of them.
    """
    values = behaviour_column(incidents, column, wanted="premise").str.casefold()
    sides = {"outdoor": {one.casefold() for one in outdoor}, "indoor": {one.casefold() for one in indoor}}
    both = sorted(sides["outdoor"] & sides["indoor"])
    if both:
        raise PatternError(f"Premises {both} stand under indoor and outdoor: decide for one.")
    premise = np.select([values.isin(sides[side]) for side in PREMISE_SIDES], list(PREMISE_SIDES), _UNKNOWN)
    names = incidents.table["category"].astype(str).to_numpy(dtype=object)
    named = names.copy()
    counts: dict[str, dict[str, int]] = {}
    for category in categories:
        own = names == category
        found = {side: int((own & (premise == side)).sum()) for side in (*PREMISE_SIDES, _UNKNOWN)}
        if not all(found[side] for side in PREMISE_SIDES):
            seen = values[own].value_counts().index[:8].tolist()
            raise PatternError(
                f"{category} cannot be split by {column!r}: {found['outdoor']} incidents outdoors, {found['indoor']} "
                f"indoors; its most frequent premises are {seen}."
            )
        named[own] = [side_of(category, side) for side in premise[own]]
        counts[category] = {**{side: found[side] for side in PREMISE_SIDES}, "unknown": found[_UNKNOWN]}
    table = incidents.table.assign(category=named)
    table["category"] = table["category"].astype("category")
    return PremiseSplit(Incidents(table, incidents.area, incidents.provenance), counts)
