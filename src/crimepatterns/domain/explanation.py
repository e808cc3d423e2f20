"""Why a forecast expects what it expects: parts that add up to it, and what it would be without the last days."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.forecast import Forecast
from crimepatterns.errors import DomainError

__all__ = ["GROUPS", "CellExplanation", "Explanation"]

GROUPS: tuple[str, ...] = ("long history", "recent events", "neighbours", "season and calendar", "place features")
"""Where an expected count can come from."""

_TOLERANCE = 1e-9
_TOLD = 0.05
"""Groups below this share are not named in the sentence."""


@dataclass(frozen=True)
class CellExplanation:
    """What one cell's expected count is made of.

    Parameters
    ----------
    cell_id, neighbourhood, category, model : str
    start, end : Timestamp
        The periods forecast, half-open.
    expected : float
        Incidents in all periods together.
    mean_cell : float
        What the mean cell expects.
    contributions : mapping of str to float
        Incidents by group, in the order of `GROUPS`; they sum to `expected`.
    without_days : int
    without : float
        What would be expected if the incidents of the last `without_days` days had not happened.
    warning : str
        What must be kept in mind about the category; ends the sentence.
    """

    cell_id: str
    neighbourhood: str
    category: str
    model: str
    start: pd.Timestamp
    end: pd.Timestamp
    expected: float
    mean_cell: float
    contributions: Mapping[str, float]
    without_days: int
    without: float
    warning: str = ""

    def sentence(self) -> str:
        """Say in plain words what is expected, why here, why now, and what recent incidents add."""
        place = f"{self.cell_id} ({self.neighbourhood})" if self.neighbourhood else self.cell_id
        days = (self.end.tz_localize(None) - self.start.tz_localize(None)).days
        times = f", {_number(self.expected / self.mean_cell)} times the mean cell" if self.mean_cell > 0 else ""
        first = (
            f"Cell {place}: {_number(self.expected)} incidents of {self.category} are expected in the {days} days from "
            f"{self.start.day} {self.start:%B %Y}{times}."
        )
        return " ".join([first, *self._because(), self._otherwise(), *([self.warning] if self.warning else [])])

    def to_json(self) -> dict[str, object]:
        """Return everything as plain values."""
        return {
            "cell_id": self.cell_id,
            "neighbourhood": self.neighbourhood,
            "category": self.category,
            "model": self.model,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "expected": self.expected,
            "mean_cell": self.mean_cell,
            "contributions": dict(self.contributions),
            "without_days": self.without_days,
            "without": self.without,
            "sentence": self.sentence(),
        }

    def _because(self) -> list[str]:
        if not self.expected > 0:
            return []
        ranked = sorted(self.contributions.items(), key=lambda one: -one[1])
        named = [(name, part / self.expected) for name, part in ranked if part >= _TOLD * self.expected]
        told = [f"{share * 100:.0f} % {'' if i else 'rests '}{_WORDS[name]}" for i, (name, share) in enumerate(named)]
        return [f"Of this, {_joined(told)}."] if told else []

    def _otherwise(self) -> str:
        change = (self.without - self.expected) / self.expected if self.expected > 0 else 0.0
        if abs(change) < 0.005:
            return f"The last {self.without_days} days make no difference."
        way = "lower" if change < 0 else "higher"
        return (
            f"Without the incidents of the last {self.without_days} days it would be {_number(self.without)}, "
            f"{abs(change) * 100:.0f} % {way}."
        )


@dataclass(frozen=True, eq=False)
class Explanation:
    """The parts of a forecast, summed over its periods.

    Parameters
    ----------
    forecast : Forecast
    contributions : ndarray of float, shape (n_cells, n_groups)
        Expected incidents by group of `GROUPS`: not negative, rows sum to the forecast.
    counterfactual : callable
        From a number of days to the expected incidents, shape (n_cells,), had none happened in those last days. The
        level of the whole city is left as it is.

    Raises
    ------
    DomainError
        If shapes do not fit, a part is negative or not finite, or the parts do not sum to the forecast within 1e-9.
    """

    forecast: Forecast
    contributions: NDArray[np.float64] = field(repr=False)
    counterfactual: Callable[[int], NDArray[np.float64]] = field(repr=False)

    def __post_init__(self) -> None:
        expected = (len(self.forecast.grid), len(GROUPS))
        if self.contributions.shape != expected:
            raise DomainError(f"Explanation needs contributions of shape {expected}, got {self.contributions.shape}.")
        if not np.isfinite(self.contributions).all() or (self.contributions < 0).any():
            raise DomainError("Contributions to a forecast must be finite and not negative.")
        apart = float(np.abs(self.contributions.sum(axis=1) - self.mean).max())
        if apart > _TOLERANCE * max(1.0, float(self.mean.max())):
            raise DomainError(f"Contributions must sum to the forecast within {_TOLERANCE:g}, they are {apart:g} off.")

    @property
    def groups(self) -> Mapping[str, NDArray[np.float64]]:
        """Contribution of each group, shape (n_cells,)."""
        return MappingProxyType(dict(zip(GROUPS, self.contributions.T, strict=True)))

    @property
    def mean(self) -> NDArray[np.float64]:
        """What is expected in all periods together, shape (n_cells,)."""
        return self.forecast.mean.sum(axis=1)

    def without_last_days(self, days: int) -> NDArray[np.float64]:
        """Return what would be expected had nothing happened in the last `days` days, shape (n_cells,).

        Raises
        ------
        DomainError
            If `days` is below 1.
        """
        if days < 1:
            raise DomainError(f"A counterfactual needs at least one day to leave out, got {days}.")
        return self.counterfactual(days)

    def of_cell(self, cell_id: str, *, without_days: int = 7) -> CellExplanation:
        """Explain one cell.

        Raises
        ------
        DomainError
            If there is no such cell.
        """
        grid, made = self.forecast.grid, self.forecast
        found = np.flatnonzero(grid.ids == cell_id)
        if not len(found):
            raise DomainError(f"No cell {cell_id!r}: ids look like {grid.ids[0]!r}.")
        at = int(found[0])
        return CellExplanation(
            cell_id=cell_id,
            neighbourhood=str(grid.neighbourhood[at]),
            category=made.category,
            model=made.model,
            start=made.periods.start,
            end=made.periods.end,
            expected=float(self.mean[at]),
            mean_cell=float(self.mean.mean()),
            contributions=MappingProxyType({name: float(part[at]) for name, part in self.groups.items()}),
            without_days=without_days,
            without=float(self.without_last_days(without_days)[at]),
        )

    def sentence(self, cell_id: str) -> str:
        """Explain one cell in plain words."""
        return self.of_cell(cell_id).sentence()


_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "long history": "on how much happens there in the long run",
        "recent events": "on what happened there lately",
        "neighbours": "on the cells around",
        "season and calendar": "on the present level of the city",
        "place features": "on what kind of place it is",
    }
)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
