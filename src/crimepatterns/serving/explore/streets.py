"""Stretches of street and how many incidents lie on each, for those who may see single incidents."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crimepatterns.city import City
from crimepatterns.domain.segments import Segments
from crimepatterns.serving.explore.desk import Asked, Desk
from crimepatterns.serving.explore.record import Record
from crimepatterns.serving.geometry import feature_collection, features, to_degrees
from crimepatterns.serving.names import place_name

__all__ = ["Streets", "city_segments", "city_streets", "count_streets", "streets_geojson"]

_AT_A_TIME = 100_000


@dataclass(frozen=True, eq=False)
class Streets:
    """The streets of a city and the stretch of each incident.

    Parameters
    ----------
    segments : Segments
    stretch : ndarray of int, shape (n_incidents,)
        By line of the table of incidents; -1 where no street is near enough.
    """

    segments: Segments
    stretch: NDArray[np.int32] = field(repr=False)


def city_segments(desk: Desk) -> Segments:
    """Cut the streets of the settings into stretches, once per record.

    Raises
    ------
    NotApplicableError
        If the settings name no file of streets.
    ConfigError
        If the file cannot be used.
    """
    from crimepatterns.pattern_methods.opening import open_segments

    return desk.kept("segments", lambda: open_segments(City(desk.results.settings)))


def city_streets(desk: Desk) -> Streets:
    """Find the nearest stretch of every incident, once per record; errors as `city_segments`."""
    record = desk.record()
    return desk.kept("streets", lambda: _snap(record, city_segments(desk), desk.results.settings.patterns.snap_m))


def _snap(record: Record, segments: Segments, most_m: float) -> Streets:
    found = record.room.columns("SELECT x, y FROM exact ORDER BY line")
    # Records repeat their places: each is looked for once, and some at a time.
    places, which = np.unique(found["x"] + 1j * found["y"], return_inverse=True)
    stretch = np.full(len(places), -1, dtype=np.int32)
    for start in range(0, len(places), _AT_A_TIME):
        some = slice(start, start + _AT_A_TIME)
        snapped = segments.assign(places[some].real, places[some].imag, max_distance_m=most_m)
        stretch[some][snapped.inside] = snapped.segment[snapped.inside]
    return Streets(segments, stretch[which])


def streets_geojson(streets: Streets) -> dict[str, Any]:
    """Return the stretches; a feature's id is its number in the counts."""
    table = streets.segments.table
    facts = [
        {"street": place_name(str(street)), "name": place_name(str(hood or "")), "m": round(float(metres))}
        for street, hood, metres in zip(table["street_id"], table["neighbourhood"], table["length_m"], strict=True)
    ]
    return feature_collection(features(to_degrees(table.geometry), facts))


def count_streets(streets: Streets, asked: Asked) -> dict[str, Any]:
    """Count the incidents of a question by stretch.

    Returns
    -------
    dict
        ``index`` (numbers of stretches with incidents), ``counts``, and ``off``: incidents near no street.
    """
    sql = f"SELECT line FROM exact WHERE {asked.condition.sql}"  # noqa: S608
    lines = asked.record.room.columns(sql, asked.condition.bound, chosen=asked.condition.chosen)["line"]
    counts = np.bincount(streets.stretch[np.asarray(lines, dtype=np.int64)] + 1, minlength=1)
    index = np.flatnonzero(counts[1:])
    return {"index": index.tolist(), "counts": counts[1:][index].tolist(), "off": int(counts[0])}
