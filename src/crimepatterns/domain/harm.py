"""How much harm an incident stands for: weights by category or offence, from a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.incidents import Incidents
from crimepatterns.errors import DomainError

__all__ = ["HarmWeights", "Weighed"]


@dataclass(frozen=True, eq=False)
class Weighed:
    """Incidents with their harm.

    Parameters
    ----------
    weights : ndarray of float64, shape (n,)
        In the unit of the table; nan where the table says nothing.
    missing : mapping of str to int
        Category to the number of its incidents without a weight, the most frequent first.
    unit : str
    """

    weights: NDArray[np.float64] = field(repr=False)
    missing: Mapping[str, int]
    unit: str

    @property
    def share_missing(self) -> float:
        """Share of the incidents without a weight; 0 where there are none."""
        return float(np.isnan(self.weights).mean()) if len(self.weights) else 0.0

    @property
    def total(self) -> float:
        """Harm of the incidents that have a weight."""
        return float(np.nansum(self.weights))

    def __str__(self) -> str:
        """Say what is missing in one sentence."""
        if not self.missing:
            return f"Every incident has a weight, in {self.unit}."
        named = ", ".join(f"{name} ({count:,})" for name, count in list(self.missing.items())[:5])
        more = f" and {len(self.missing) - 5} more" if len(self.missing) > 5 else ""
        return f"{100 * self.share_missing:.1f} % of the incidents have no weight and count for nothing: {named}{more}."


@dataclass(frozen=True, eq=False)
class HarmWeights:
    """A table of harm.

    Parameters
    ----------
    name : str
    by_category : mapping of str to float
        Category to weight; compared without regard to case.
    by_offence : mapping of str to float
        The finer label of an incident to weight; goes before the category.
    unit : str
    about : str
        Source, date and limits.

    Raises
    ------
    DomainError
        If a weight is negative or not finite, or the table is empty.
    """

    name: str
    by_category: Mapping[str, float]
    by_offence: Mapping[str, float] = field(default_factory=dict)
    unit: str = "days"
    about: str = ""

    def __post_init__(self) -> None:
        if not self.by_category and not self.by_offence:
            raise DomainError(f"Harm table {self.name} has no weight: expected at least one category or offence.")
        for label, weight in [*self.by_category.items(), *self.by_offence.items()]:
            if not (np.isfinite(weight) and weight >= 0):
                raise DomainError(f"Harm table {self.name}: the weight of {label!r} must be >= 0, got {weight}.")

    def of_categories(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return the weight of each category, shape (n,); nan where the table says nothing."""
        return _look_up(names, self.by_category)

    def of(self, incidents: Incidents) -> Weighed:
        """Weigh incidents: by their offence where the table names it, else by their category."""
        category = pd.Categorical(incidents.table["category"])
        names = [str(name) for name in category.categories]
        # A missing label has the code -1, which finds the nan at the end.
        weights = np.append(self.of_categories(names), np.nan)[category.codes]
        if self.by_offence:
            offence = pd.Categorical(incidents.table["offence"])
            finer = np.append(_look_up([str(name) for name in offence.categories], self.by_offence), np.nan)
            weights = np.where(np.isnan(finer[offence.codes]), weights, finer[offence.codes])
        without = np.bincount(category.codes[np.isnan(weights) & (category.codes >= 0)], minlength=len(names))
        ordered = sorted(zip(names, without.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
        return Weighed(weights, {name: count for name, count in ordered if count}, self.unit)


def _look_up(names: Sequence[str], table: Mapping[str, float]) -> NDArray[np.float64]:
    folded = {_fold(label): float(weight) for label, weight in table.items()}
    return np.array([folded.get(_fold(name), np.nan) for name in names], dtype=np.float64)


def _fold(label: str) -> str:
    return " ".join(label.split()).casefold()
