"""What a run tells of a served forecast: how many incidents are expected, and where most."""

from typing import Any

import numpy as np

from crimepatterns.domain.forecast import Forecast

__all__ = ["summary_of"]


def summary_of(made: Forecast, *, most: int) -> dict[str, Any]:
    """Return ``champion``, ``expected`` and the `most` cells that expect most, of the first period."""
    mean = made.mean[:, 0]
    # Equal cells are told apart by their id, so that the list never changes by chance.
    order = np.lexsort((made.grid.ids.astype(str), -mean))[:most]
    return {
        "champion": made.model,
        "expected": round(float(mean.sum()), 2),
        "top_cells": [
            {
                "cell_id": str(made.grid.ids[i]),
                "neighbourhood": str(made.grid.neighbourhood[i]),
                "expected": round(float(mean[i]), 3),
            }
            for i in order
        ],
    }
