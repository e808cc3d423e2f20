"""Vector tiles of incidents: sums in small squares from afar, single ones at street zoom for who may see them."""

import gzip
import hashlib

import numpy as np

from crimepatterns.serving.explore.desk import Asked
from crimepatterns.serving.explore.filters import Condition
from crimepatterns.serving.explore.mvt import EXTENT, point_layer
from crimepatterns.serving.explore.record import Record, View
from crimepatterns.serving.failures import UnknownNameError
from crimepatterns.serving.payloads import Payload

__all__ = ["EXACT_ZOOM", "MEDIA_TYPE", "tile_payload"]

EXACT_ZOOM = 15
"""Zoom from which single incidents are shown."""

MEDIA_TYPE = "application/vnd.mapbox-vector-tile"

_BINS = 64
_MOST_ZOOM = 20


def tile_payload(asked: Asked, *, z: int, x: int, y: int) -> Payload:
    """Make a tile; its layer ``incidents`` has points with ``n``, and ``id``, ``category``, ``date`` from `EXACT_ZOOM`.

    A point at the edge of two tiles is in one of them: the sum over all tiles of a zoom is the total.

    Raises
    ------
    UnknownNameError
        If there is no such tile.
    """
    if not (0 <= z <= _MOST_ZOOM and 0 <= x < 2**z and 0 <= y < 2**z):
        raise UnknownNameError(f"There is no tile {z}/{x}/{y}.")
    side = 2.0**z
    record, view = asked.record, asked.view
    boxed = asked.condition.also(
        "east >= ? AND east < ? AND south >= ? AND south < ?", x / side, (x + 1) / side, y / side, (y + 1) / side
    )
    exact = view.exact and z >= EXACT_ZOOM
    body = _points(record, view, boxed, side, x, y) if exact else _bins(record, view, boxed, side, x, y)
    # Empty tiles of two questions differ in their tag: MapLibre (6.17) draws no frame for a tile whose tag it knows,
    # and a map whose last tile came so is never told to be idle.
    tag = hashlib.sha256(repr(asked.filters).encode() + body).hexdigest()[:24]
    return Payload(body, gzip.compress(body, 5, mtime=0), tag, MEDIA_TYPE)


def _bins(record: Record, view: View, asked: Condition, side: float, x: int, y: int) -> bytes:
    sql = (
        "SELECT least(floor((east * ? - ?) * ?), ?)::INTEGER AS across, "  # noqa: S608
        "least(floor((south * ? - ?) * ?), ?)::INTEGER AS down, sum(n)::BIGINT AS n, "
        "sum(east * n) / sum(n) AS east, sum(south * n) / sum(n) AS south "
        f"FROM {view.table} WHERE {asked.sql} GROUP BY across, down ORDER BY across, down"
    )
    values = [side, x, _BINS, _BINS - 1, side, y, _BINS, _BINS - 1, *asked.bound]
    found = record.room.columns(sql, values, chosen=asked.chosen)
    place = _units(found["east"], side, x), _units(found["south"], side, y)
    return point_layer("incidents", *place, {"n": np.asarray(found["n"], dtype=np.int64)})


def _points(record: Record, view: View, asked: Condition, side: float, x: int, y: int) -> bytes:
    sql = (
        "SELECT id, category, strftime(occurred, '%Y-%m-%d %H:%M') AS moment, n::BIGINT AS n, east, south "  # noqa: S608
        f"FROM {view.table} WHERE {asked.sql} ORDER BY line"
    )
    found = record.room.columns(sql, asked.bound, chosen=asked.chosen)
    place = _units(found["east"], side, x), _units(found["south"], side, y)
    names = np.array(view.labels.categories, dtype=object)[np.asarray(found["category"], dtype=np.int64)]
    told = {"id": found["id"].astype(str), "category": names.astype(str), "date": found["moment"].astype(str)}
    return point_layer("incidents", *place, {"n": np.asarray(found["n"], dtype=np.int64), **told})


def _units(position: np.ndarray, side: float, tile: int) -> np.ndarray:
    return np.clip(np.floor((np.asarray(position) * side - tile) * EXTENT), 0, EXTENT - 1).astype(np.int64)
