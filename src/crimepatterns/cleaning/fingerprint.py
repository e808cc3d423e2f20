"""Stable 64-bit fingerprints of rows: the same values give the same number on every machine and in every version.

Numbers are mixed with the finaliser of SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195). Among n
rows two different ones share a fingerprint with probability near n**2 / 2**65: less than one in a million for five
million rows.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["SeenBefore", "hash_numbers", "hash_text", "mix", "to_hex"]

Hashes = NDArray[np.uint64]

_PREFIX_BITS = 24
_NULL = np.uint64(0x9E3779B97F4A7C15)
_HEX = np.array([f"{byte:02x}".encode() for byte in range(256)], dtype="S2").view(np.uint16)


def mix(total: Hashes, value: Hashes) -> Hashes:
    """Fold one more value into running fingerprints, shape (n,) each."""
    mixed = (total ^ value) + _NULL
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


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
    start, length = offsets[:-1].astype(np.int64), np.diff(offsets).astype(np.int64)
    size = int(offsets[-1])
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


def to_hex(hashes: Hashes) -> pa.StringArray:
    """Write fingerprints as 16 hexadecimal digits each, shape (n,)."""
    pairs = _HEX[hashes.astype(">u8").view(np.uint8)]
    offsets = np.arange(len(hashes) + 1, dtype=np.int32) * 16
    return pa.StringArray.from_buffers(len(hashes), pa.py_buffer(offsets), pa.py_buffer(pairs))


class SeenBefore:
    """Remembers fingerprints, eight bytes each, and tells for each new one how often it came before."""

    def __init__(self) -> None:
        self._runs: list[Hashes] = []
        self._prefixes = np.zeros(1 << _PREFIX_BITS, dtype=bool)

    def add(self, hashes: Hashes) -> NDArray[np.int64]:
        """Count earlier occurrences of each fingerprint, in this call and before, and remember all of them.

        Returns
        -------
        ndarray of int64, shape (n,)
            0 at the first occurrence.
        """
        # Only a fingerprint that shares its first bits with an earlier one, or is there twice in this call, can have
        # come before; all others are new.
        ordered = np.sort(hashes)
        prefix = (hashes >> np.uint64(64 - _PREFIX_BITS)).astype(np.intp)
        maybe = self._prefixes[prefix]
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if twice.size:
            maybe |= twice[np.minimum(np.searchsorted(twice, hashes), len(twice) - 1)] == hashes
        counts = np.zeros(len(hashes), dtype=np.int64)
        rows = np.flatnonzero(maybe)
        counts[rows] = self._count(hashes[rows])
        self._prefixes[prefix] = True
        self._remember(ordered)
        return counts

    def _count(self, hashes: Hashes) -> NDArray[np.int64]:
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(ordered) else np.zeros(0, int)
        before = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.append(starts, len(ordered))))
        for run in self._runs:
            before += np.searchsorted(run, ordered, side="right") - np.searchsorted(run, ordered)
        counts = np.empty(len(hashes), dtype=np.int64)
        counts[order] = before
        return counts

    def _remember(self, ordered: Hashes) -> None:
        # Runs of falling size, merged when two are alike: few runs to search, and each value moves O(log n) times.
        if len(ordered):
            self._runs.append(ordered)
        while len(self._runs) > 1 and len(self._runs[-1]) * 2 >= len(self._runs[-2]):
            last = self._runs.pop()
            self._runs[-1] = np.sort(np.concatenate([self._runs[-1], last]), kind="stable")
