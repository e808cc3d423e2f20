"""Stable 64-bit fingerprints of rows: the same values give the same number on every machine and in every version.

Numbers are mixed with the finaliser of SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195). Among n
rows two different ones share a fingerprint with probability near n**2 / 2**65: less than one in a million for five
million rows.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["coded", "hash_numbers", "hash_text", "mix", "to_hex"]

Hashes = NDArray[np.uint64]

_PROBED, _FEW = 1_024, 128
_NULL = np.uint64(0x9E3779B97F4A7C15)
_HEX = np.array([f"{byte:02x}".encode() for byte in range(256)], dtype="S2").view(np.uint16)


def mix(total: Hashes, value: Hashes) -> Hashes:
    """Fold one more value into running fingerprints, shape (n,) each."""
    # In place, as the arrays are many and each new one costs as much as the arithmetic.
    mixed = np.bitwise_xor(total, value)
    mixed += _NULL
    shifted = np.right_shift(mixed, np.uint64(30))
    mixed ^= shifted
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= np.right_shift(mixed, np.uint64(27), out=shifted)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= np.right_shift(mixed, np.uint64(31), out=shifted)
    return mixed


def hash_numbers(values: NDArray[np.int64] | NDArray[np.float64]) -> Hashes:
    """View numbers as 64 bits each; both zeros are one number and all kinds of not-a-number are one."""
    if values.dtype == np.float64:
        values = np.where(np.isnan(values), np.nan, values + 0.0)
    return np.ascontiguousarray(values).view(np.uint64)


def hash_text(column: pa.Array) -> Hashes:
    """Fingerprint text by its UTF-8 bytes, eight at a time; null differs from the empty text.

    Parameters
    ----------
    column : pyarrow.StringArray or DictionaryArray of strings, shape (n,)
    """
    if pa.types.is_dictionary(column.type):
        codes = column.indices.fill_null(len(column.dictionary)).to_numpy(zero_copy_only=False)
        return np.append(hash_text(column.dictionary), _NULL)[codes]
    if len(column) == 0:
        return np.zeros(0, dtype=np.uint64)
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32)[column.offset : column.offset + len(column) + 1]
    length = np.diff(offsets)
    if length[0] and not column.null_count and (length == length[0]).all():
        return _hash_equal_lengths(column, int(offsets[0]), int(length[0]))
    start, length, size = offsets[:-1].astype(np.int64), length.astype(np.int64), int(offsets[-1])
    padded = np.zeros(size + 8, dtype=np.uint8)
    if size:
        padded[:size] = np.frombuffer(column.buffers()[2], dtype=np.uint8)[:size]
    words = np.ndarray(shape=(size + 1,), dtype="<u8", buffer=padded, strides=(1,))
    total = mix(np.zeros(len(column), dtype=np.uint64), length.astype(np.uint64))
    for k in range(0, int(length.max()), 8):
        rows = np.flatnonzero(length > k)
        rest = np.minimum(length[rows] - k, 8).astype(np.uint64)
        keep = np.uint64(0xFFFFFFFFFFFFFFFF) >> (np.uint64(64) - rest * np.uint64(8))
        total[rows] = mix(total[rows], words[start[rows] + k] & keep)
    if column.null_count:
        total[np.asarray(column.is_null())] = _NULL
    return total


def _hash_equal_lengths(column: pa.Array, start: int, length: int) -> Hashes:
    """Fingerprint texts of one length, as ids often have: they lie side by side and need not be picked one by one."""
    n, words = len(column), -(-length // 8)
    letters = np.frombuffer(column.buffers()[2], dtype=np.uint8)[start : start + n * length].reshape(n, length)
    padded = np.zeros((n, words * 8), dtype=np.uint8)
    padded[:, :length] = letters
    total = mix(np.zeros(n, dtype=np.uint64), np.full(n, length, dtype=np.uint64))
    for k in range(words):
        total = mix(total, np.ascontiguousarray(padded.view("<u8")[:, k]))
    return total


def coded(column: pa.Array) -> pa.Array:
    """Give text whose first values are few different ones as codes and a dictionary, which is quicker to work with."""
    if pa.types.is_dictionary(column.type) or len(column) < _PROBED:
        return column
    few = len(column.slice(0, _PROBED).unique()) <= _FEW
    return column.dictionary_encode() if few else column


def to_hex(hashes: Hashes) -> pa.StringArray:
    """Write fingerprints as 16 hexadecimal digits each, shape (n,)."""
    pairs = _HEX[hashes.astype(">u8").view(np.uint8)]
    offsets = np.arange(len(hashes) + 1, dtype=np.int32) * 16
    return pa.StringArray.from_buffers(len(hashes), pa.py_buffer(offsets), pa.py_buffer(pairs))
