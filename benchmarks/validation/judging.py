"""When a test is liberal, and tables of what was measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ["ALLOWED", "CONFIDENCE", "Rate", "lowest_mean", "lowest_share", "table"]

ALLOWED = 0.05
CONFIDENCE = 0.999


@dataclass(frozen=True)
class Rate:
    """A measured share with its lower limit, and the power beside it.

    Parameters
    ----------
    name : str
    value, lowest : float
        Share, and the lower limit of what it can be in truth, one-sided.
    power : float
    limit : float
        The lower limit must not lie above it.
    """

    name: str
    value: float
    lowest: float
    power: float
    limit: float = ALLOWED

    @property
    def liberal(self) -> bool:
        """Whether even the lower limit lies above what is allowed."""
        return self.lowest > self.limit


def lowest_share(found: int, of: int) -> float:
    """Return the exact lower limit (Clopper and Pearson) of a share, one-sided.

    Examples
    --------
    >>> round(lowest_share(75, 1000), 4), lowest_share(0, 10)
    (0.0515, 0.0)
    """
    return float(stats.beta.ppf(1 - CONFIDENCE, found, of - found + 1)) if found else 0.0


def lowest_mean(values: Sequence[float]) -> float:
    """Return the lower limit of the mean of values in [0, 1], by its standard error, one-sided."""
    array = np.asarray(values, dtype=float)
    return max(float(array.mean() - stats.norm.ppf(CONFIDENCE) * array.std(ddof=1) / np.sqrt(len(array))), 0.0)


def table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a Markdown table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
