"""The customary names for the history of a hot or a cold spot: which steps were hot, and where that led."""

import numpy as np
from numpy.typing import NDArray

from crimepatterns.errors import PatternError

__all__ = ["CHANGING", "EMERGING_CLASSES", "NO_PATTERN", "name_histories"]

NO_PATTERN = "no pattern"

EMERGING_CLASSES = (
    "new",
    "consecutive",
    "intensifying",
    "persistent",
    "diminishing",
    "sporadic",
    "oscillating",
    "historical",
)
"""Each is followed by ``hot spot`` or ``cold spot``; in the order of the rules."""

CHANGING = ("new", "consecutive", "sporadic", "oscillating", "historical")
"""Names that say that something changed from one step to another."""

_NEARLY_ALWAYS = 0.9


def name_histories(
    hot: NDArray[np.bool_],
    cold: NDArray[np.bool_],
    rising: NDArray[np.bool_],
    falling: NDArray[np.bool_],
) -> NDArray[np.object_]:
    """Name each cell's history by the rules of emerging hot spot analysis.

    Parameters
    ----------
    hot, cold : ndarray of bool, shape (n_cells, n_steps)
        Steps in which a cell was a hot or a cold spot, never both.
    rising, falling : ndarray of bool, shape (n_cells,)
        Cells with a trend.

    Returns
    -------
    ndarray of str, shape (n_cells,)
        Such as ``new hot spot``; `NO_PATTERN` for the rest.

    Raises
    ------
    PatternError
        If the shapes do not fit, or a step is hot and cold.
    """
    if hot.shape != cold.shape or hot.ndim != 2 or rising.shape != hot.shape[:1] or falling.shape != hot.shape[:1]:
        raise PatternError(f"Histories need matching arrays, got {hot.shape}, {cold.shape}, {rising.shape}.")
    if (hot & cold).any():
        raise PatternError("A step cannot be hot and cold at the same time.")
    as_hot = _named(hot, cold, rising, falling, "hot spot")
    as_cold = _named(cold, hot, falling, rising, "cold spot")
    # At most one of the two applies: each needs the last step, or nine steps in ten.
    return np.where(as_hot == NO_PATTERN, as_cold, as_hot)


def _named(
    on: NDArray[np.bool_],
    opposite: NDArray[np.bool_],
    stronger: NDArray[np.bool_],
    weaker: NDArray[np.bool_],
    kind: str,
) -> NDArray[np.object_]:
    steps = on.shape[1]
    count, last = on.sum(axis=1), on[:, -1]
    nearly_always = count >= _NEARLY_ALWAYS * steps
    # Length of the unbroken run that ends with the last step.
    run = np.where(on.all(axis=1), steps, np.argmin(on[:, ::-1], axis=1))
    rules = {
        "new": last & (count == 1),
        "consecutive": last & (run >= 2) & (run == count) & ~nearly_always,
        "intensifying": last & nearly_always & stronger,
        "persistent": last & nearly_always & ~stronger & ~weaker,
        "diminishing": last & nearly_always & weaker,
        "sporadic": last & ~nearly_always & ~opposite.any(axis=1),
        "oscillating": last & ~nearly_always & opposite.any(axis=1),
        "historical": ~last & nearly_always,
    }
    names = [f"{name} {kind}" for name in rules]
    return np.asarray(np.select(list(rules.values()), names, default=NO_PATTERN), dtype=object)
