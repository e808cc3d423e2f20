"""A reader of vector tiles with points, written from the specification (MVT 2.1), apart from the product's writer."""

from typing import Any


def decoded(tile: bytes) -> list[dict[str, Any]]:
    """Return the features of a tile's layers: ``at`` in units of the extent, and ``properties``."""
    found = []
    for number, value in _fields(tile):
        if number == 3:
            found += _layer(value)
    return found


def _layer(body: bytes) -> list[dict[str, Any]]:
    keys: list[str] = []
    values: list[Any] = []
    features = []
    for number, value in _fields(body):
        if number == 3:
            keys.append(value.decode())
        elif number == 4:
            values.append(_value(value))
        elif number == 2:
            features.append(value)
        elif number == 15:
            assert value == 2
        elif number == 5:
            assert value == 4096
    return [_feature(one, keys, values) for one in features]


def _feature(body: bytes, keys: list[str], values: list[Any]) -> dict[str, Any]:
    fields = dict(_fields(body))
    assert fields[3] == 1  # a point
    tags, geometry = _packed(fields[2]), _packed(fields[4])
    assert geometry[0] == 9  # move to, once
    at = tuple((one >> 1) ^ -(one & 1) for one in geometry[1:])
    pairs = zip(tags[::2], tags[1::2], strict=True)
    return {"at": at, "properties": {keys[key]: values[value] for key, value in pairs}}


def _value(body: bytes) -> Any:
    ((number, value),) = _fields(body)
    return value.decode() if number == 1 else value


def _packed(body: bytes) -> list[int]:
    found, at = [], 0
    while at < len(body):
        value, at = _varint(body, at)
        found.append(value)
    return found


def _fields(body: bytes) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    at = 0
    while at < len(body):
        header, at = _varint(body, at)
        if header & 7 == 0:
            value, at = _varint(body, at)
            found.append((header >> 3, value))
        else:
            assert header & 7 == 2
            length, at = _varint(body, at)
            found.append((header >> 3, body[at : at + length]))
            at += length
    return found


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
