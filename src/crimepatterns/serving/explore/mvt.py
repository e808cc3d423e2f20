"""Vector tiles of points (MVT 2.1), written with numpy: every feature of a tile in one go.

Source : Mapbox Vector Tile Specification 2.1. A feature is a row of variable-length integers, headers included, so the
rows of all features are one matrix, and its bytes are one operation.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["EXTENT", "point_layer"]

EXTENT = 4096
"""Units along the side of a tile."""

_MOST_BYTES = 5  # of a variable-length integer below 2 ** 35


def point_layer(
    name: str, x: NDArray[np.int64], y: NDArray[np.int64], properties: Mapping[str, NDArray[np.generic] | Sequence[str]]
) -> bytes:
    """Write a tile with one layer of points.

    Parameters
    ----------
    name : str
    x, y : ndarray of int, shape (n,)
        Units of `EXTENT` from the tile's upper left corner.
    properties : mapping of str to array, shape (n,)
        Whole numbers that are not negative, or text.

    Returns
    -------
    bytes
        Empty where there are no points.
    """
    if not len(x):
        return b""
    keys, values, tags = b"", b"", []
    offset = 0
    for position, (key, column) in enumerate(properties.items()):
        which, distinct = _distinct(column)
        keys += _field(0x1A, key.encode())
        values += b"".join(_field(0x22, one) for one in distinct)
        tags += [np.full(len(x), position), which + offset]
        offset += len(distinct)
    body = _field(0x0A, name.encode()) + _features(x, y, tags) + keys + values + bytes([0x28])
    body += _varints(np.array([[EXTENT, 0x78, 2]]))
    return _field(0x1A, body)


def _features(x: NDArray[np.int64], y: NDArray[np.int64], tags: Sequence[NDArray[np.int64]]) -> bytes:
    size = len(x)

    def same(value: int) -> NDArray[np.int64]:
        return np.full(size, value, dtype=np.int64)

    place = [same(9), _zigzag(x), _zigzag(y)]
    tag_bytes = sum((_length(column) for column in tags), same(0))
    place_bytes = sum((_length(column) for column in place), same(0))
    inner = [same(0x12), tag_bytes, *tags, same(0x18), same(1), same(0x22), place_bytes, *place]
    whole = sum((_length(column) for column in inner), same(0))
    return _varints(np.column_stack([same(0x12), whole, *inner]))


def _varints(matrix: NDArray[np.int64]) -> bytes:
    flat = matrix.ravel().astype(np.uint64)
    lengths = _length(flat.astype(np.int64))
    places = np.arange(_MOST_BYTES)
    parts = (flat[:, None] >> (7 * places).astype(np.uint64)) & np.uint64(0x7F)
    parts = parts | np.where(places[None, :] < lengths[:, None] - 1, 0x80, 0).astype(np.uint64)
    return parts.astype(np.uint8)[places[None, :] < lengths[:, None]].tobytes()


def _length(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bytes of each variable-length integer."""
    limits = np.int64(1) << (7 * np.arange(1, _MOST_BYTES, dtype=np.int64))
    return np.searchsorted(limits, values, side="right") + 1


def _zigzag(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return (values << 1) ^ (values >> 63)


def _distinct(column: NDArray[np.generic] | Sequence[str]) -> tuple[NDArray[np.int64], list[bytes]]:
    distinct, which = np.unique(np.asarray(column), return_inverse=True)
    if distinct.dtype.kind in "iu":
        return which, [bytes([0x28]) + _varints(np.array([[int(value)]])) for value in distinct]
    return which, [_field(0x0A, str(value).encode()) for value in distinct]


def _field(header: int, body: bytes) -> bytes:
    return bytes([header]) + _varints(np.array([[len(body)]])) + body
