"""Incidents as rows: pages of a table, features of OGC API, files to take away."""

from typing import Any

import numpy as np
import pandas as pd

from crimepatterns.serving.explore.filters import Condition
from crimepatterns.serving.explore.record import Record, View
from crimepatterns.serving.names import place_name

__all__ = ["count_rows", "incident_rows"]

_FOUND = np.array(["reported", "police-initiated"], dtype=object)


def count_rows(record: Record, view: View, asked: Condition) -> int:
    """Return how many rows a question has: incidents, or cells and weeks for the public."""
    sql = f"SELECT count(*) AS n FROM {view.table} WHERE {asked.sql}"  # noqa: S608
    return int(record.room.columns(sql, asked.bound, chosen=asked.chosen)["n"][0])


def incident_rows(
    record: Record, view: View, asked: Condition, *, limit: int | None = None, offset: int = 0, newest: bool = True
) -> pd.DataFrame:
    """Return rows of a question.

    Parameters
    ----------
    record, view, asked : Record, View, Condition
    limit : int, optional
        At most so many rows.
    offset : int
        Leave out so many first.
    newest : bool
        Whether the last incident comes first.

    Returns
    -------
    DataFrame
        ``line``, then ``id``, ``occurred_from``, ``occurred_until``, ``category``, ``offence``, ``discovery`` (the
        public: ``week``, ``category``, ``cell``, ``count``), ``neighbourhood``, ``longitude``, ``latitude``, ``x``
        and ``y``.
    """
    sql = (
        "SELECT line, id, occurred, until, category, offence, found, hood, cell, n, east, south, x, y "  # noqa: S608
        f"FROM {view.table} WHERE {asked.sql} ORDER BY line {'DESC' if newest else 'ASC'} LIMIT ? OFFSET ?"
    )
    most = limit if limit is not None else 2**31
    found = record.room.columns(sql, [*asked.bound, most, offset], chosen=asked.chosen)
    labels = view.labels
    hoods = np.array([*(place_name(name) for name in labels.neighbourhoods), ""], dtype=object)
    category = np.array(labels.categories, dtype=object)[_ints(found["category"])]
    columns: dict[str, Any] = {"line": _ints(found["line"])}
    if view.exact:
        columns |= {
            "id": np.asarray(found["id"], dtype=object),
            "occurred_from": _moments(found["occurred"]),
            "occurred_until": _moments(found["until"]),
            "category": category,
            "offence": np.array([name for _, name in labels.offences], dtype=object)[_ints(found["offence"])],
            "discovery": _FOUND[_ints(found["found"])],
        }
    else:
        columns |= {
            "week": np.datetime_as_string(np.asarray(found["occurred"], dtype="datetime64[D]")).astype(object),
            "category": category,
            "cell": view.grid.ids[_ints(found["cell"])],
            "count": _ints(found["n"]),
        }
    longitude, latitude = _degrees(np.asarray(found["east"]), np.asarray(found["south"]))
    columns |= {
        "neighbourhood": hoods[_ints(found["hood"])],
        "longitude": np.round(longitude, 6),
        "latitude": np.round(latitude, 6),
        "x": np.asarray(found["x"], dtype=float),
        "y": np.asarray(found["y"], dtype=float),
    }
    return pd.DataFrame(columns)


def _ints(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


def _moments(values: Any) -> np.ndarray:
    return np.datetime_as_string(np.asarray(values, dtype="datetime64[m]")).astype(object)


def _degrees(east: np.ndarray, south: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (east - 0.5) * 360, np.degrees(np.arctan(np.sinh((0.5 - south) * 2 * np.pi)))
