"""What a learner expects on average as one feature takes other values and all others stay as they are."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crimepatterns.forecasts.held_out import HeldOut

__all__ = ["partial_dependence"]

_ENDS = (0.01, 0.99)


def partial_dependence(held: HeldOut, features: Sequence[str], *, points: int = 15) -> pd.DataFrame:
    """Tell what is expected on average per cell and period over the values of a feature, on periods not learned from.

    Values run over those that occur, without the lowest and highest hundredth. A feature that goes together with others
    is moved alone, which makes rows that never occur: read the direction, not the size.

    Parameters
    ----------
    held : HeldOut
    features : sequence of str
    points : int
        Values per feature, at most.

    Returns
    -------
    DataFrame
        ``feature``, ``value``, ``expected`` (incidents per cell and period). Friedman 2001,
        https://doi.org/10.1214/aos/1013203451.
    """
    table = held.features
    rows: list[tuple[str, float, float]] = []
    for name in features:
        seen = table[name].to_numpy(dtype=float)
        seen = seen[np.isfinite(seen)]
        if not len(seen):
            continue
        values = np.unique(np.quantile(seen, np.linspace(*_ENDS, points), method="nearest"))
        # All values are told in one go: asking a model costs much, asking it for more rows little.
        moved = pd.concat([table] * len(values), ignore_index=True)
        moved[name] = np.repeat(values.astype(table[name].to_numpy().dtype), len(table))
        expected = held.fitted.expected(moved).reshape(len(values), -1).mean(axis=1)
        rows += [(str(name), float(value), float(mean)) for value, mean in zip(values, expected, strict=True)]
    return pd.DataFrame(rows, columns=["feature", "value", "expected"])
