"""Indoor or outdoor, domestic or not: selections that a file allows where it has the column."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.incidents import INCIDENT_COLUMNS, Incidents
from crimepatterns.errors import PatternError

__all__ = ["Filtered", "behaviour_column", "by_domestic", "by_premise"]

_YES = frozenset({"true", "t", "yes", "y", "1", "domestic"})
_NO = frozenset({"false", "f", "no", "n", "0", "not domestic", "non-domestic"})


@dataclass(frozen=True, eq=False)
class Filtered:
    """A selection, and what it left out.

    Parameters
    ----------
    incidents : Incidents
        Those asked for.
    left_out : int
        Incidents of the other kind.
    unknown : int
        Incidents whose value is empty or of neither kind; they are not in the selection.
    parameters : mapping
    """

    incidents: Incidents = field(repr=False)
    left_out: int
    unknown: int
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def sentence(self) -> str:
        """Say what was chosen and how many could not be told."""
        total = len(self.incidents) + self.left_out + self.unknown
        told = f"{len(self.incidents):,} of {total:,} incidents are {self.parameters['keep']}"
        return f"{told}; {self.unknown:,} cannot be told and are left out." if self.unknown else f"{told}."


def by_premise(
    incidents: Incidents,
    *,
    column: str,
    indoor: Collection[str],
    outdoor: Collection[str],
    keep: Literal["indoor", "outdoor"],
) -> Filtered:
    """Keep incidents indoors or outdoors by the kind of place that the file gives.

    Parameters
    ----------
    incidents : Incidents
    column : str
        The file's column of premises.
    indoor, outdoor : collection of str
        Its values of each kind, in any case; values in neither are unknown and never guessed.
    keep : {"indoor", "outdoor"}

    Raises
    ------
    PatternError
        If the file has no such column (the available ones are named), a value stands on both sides, or no value of
        either list occurs.
    """
    values = behaviour_column(incidents, column, wanted="premise").str.casefold()
    sides = {"indoor": {v.casefold() for v in indoor}, "outdoor": {v.casefold() for v in outdoor}}
    if keep not in sides:
        raise PatternError(f"keep must be indoor or outdoor, got {keep!r}.")
    both = sorted(sides["indoor"] & sides["outdoor"])
    if both:
        raise PatternError(f"Premises {both} stand under indoor and outdoor: decide for one.")
    return _filtered(incidents, values, sides, keep, column)


def by_domestic(incidents: Incidents, *, column: str, keep: Literal["domestic", "not domestic"]) -> Filtered:
    """Keep domestic incidents, or leave them out, by the file's own mark.

    Parameters
    ----------
    incidents : Incidents
    column : str
        The file's column, with values such as true and false, yes and no, Y and N, 1 and 0.
    keep : {"domestic", "not domestic"}

    Raises
    ------
    PatternError
        If the file has no such column, or none of its values is a yes or a no.
    """
    values = behaviour_column(incidents, column, wanted="domestic").str.casefold()
    sides = {"domestic": set(_YES), "not domestic": set(_NO)}
    if keep not in sides:
        raise PatternError(f"keep must be domestic or not domestic, got {keep!r}.")
    return _filtered(incidents, values, sides, keep, column)


def behaviour_column(incidents: Incidents, column: str, *, wanted: str) -> pd.Series:
    """Return a further column of the file as text, empty where it tells nothing.

    Raises
    ------
    PatternError
        If the file has no such column: the message names those that it has.
    """
    if column not in incidents.table.columns:
        own = [str(name) for name in incidents.table.columns if name not in INCIDENT_COLUMNS]
        has = f"it has {own}" if own else "it has none beyond those of every file"
        raise PatternError(
            f"The file has no column {column!r} for {wanted}; {has}: name one of them, or add it under columns.extra."
        )
    text = incidents.table[column].astype("string").fillna("").astype(object).map(str)
    return text.str.strip()


def _filtered(
    incidents: Incidents, values: pd.Series, sides: Mapping[str, Collection[str]], keep: str, column: str
) -> Filtered:
    other = next(name for name in sides if name != keep)
    chosen: NDArray[np.bool_] = values.isin(sides[keep]).to_numpy(dtype=bool)
    rest: NDArray[np.bool_] = values.isin(sides[other]).to_numpy(dtype=bool)
    if len(incidents) and not (chosen | rest).any():
        seen = values.value_counts().index[:8].tolist()
        raise PatternError(f"No value of {column!r} is {keep} or {other}; the most frequent are {seen}.")
    picked = Incidents(incidents.table.loc[chosen].reset_index(drop=True), incidents.area, incidents.provenance)
    unknown = int((~chosen & ~rest).sum())
    used = MappingProxyType({"column": column, "keep": keep, "values": tuple(sorted(sides[keep]))})
    return Filtered(picked, int(rest.sum()), unknown, used)
