"""What a request for a forecast asks for, read by hand: the framework's own reading takes longer than the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crimepatterns.serving.failures import UnreadableRequestError
from crimepatterns.serving.model_server.selections import Selection, selection_of

__all__ = ["FORECAST_DESCRIPTION", "ForecastQuery", "read_forecast_query"]

_LONGEST = 200
_LONGEST_LIST = 60_000
_MEANING = {
    "neighbourhood": "Only cells of this neighbourhood.",
    "bbox": "Only cells whose centroid lies in west,south,east,north, degrees.",
    "cells": "Only these cells, ids with commas between them; not together with the two above.",
    "model": "Another model than the champion; /v1/info lists them.",
    "horizon_days": "To be sure of the length of the forecast: another than the stored one is refused.",
}

FORECAST_DESCRIPTION: dict[str, Any] = {
    "parameters": [
        {"name": "category", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Slug."},
        *(
            {
                "name": name,
                "in": "query",
                "required": False,
                "schema": {"type": "integer", "minimum": 1} if name == "horizon_days" else {"type": "string"},
                "description": meaning,
            }
            for name, meaning in _MEANING.items()
        ),
    ]
}
"""The parameters, for the description of the API."""


@dataclass(frozen=True)
class ForecastQuery:
    """A request for a forecast.

    Parameters
    ----------
    selection : Selection
    model : str or None
    horizon_days : int or None
    """

    selection: Selection
    model: str | None
    horizon_days: int | None


def read_forecast_query(asked: Mapping[str, str]) -> ForecastQuery:
    """Read the parameters of a request; unknown ones are refused, since a misspelt one would give the whole city.

    Raises
    ------
    UnreadableRequestError
        If one is unknown, too long or cannot be read.
    """
    unknown = next((name for name in asked if name not in _MEANING), None)
    if unknown is not None:
        raise UnreadableRequestError(f"No parameter {unknown[:60]!r} here: there are {list(_MEANING)}.")
    for name, value in asked.items():
        longest = _LONGEST_LIST if name == "cells" else _LONGEST
        if len(value) > longest:
            raise UnreadableRequestError(f"{name} must have at most {longest} characters.")
    days = asked.get("horizon_days")
    if days is not None and not (days.isascii() and days.isdigit() and len(days) <= 4):
        raise UnreadableRequestError(f"horizon_days must be a number of days, got {days[:20]!r}.")
    return ForecastQuery(
        selection=selection_of(asked.get("neighbourhood"), asked.get("bbox"), asked.get("cells")),
        model=asked.get("model"),
        horizon_days=None if days is None else int(days),
    )
