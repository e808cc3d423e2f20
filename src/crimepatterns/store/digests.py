"""Digests by which a result names the data it rests on."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["incidents_digest", "sha256_bytes", "sha256_file"]

_COLUMNS = ["id", "occurred_from", "known_at", "category", "x", "y"]


def incidents_digest(table: pd.DataFrame) -> str:
    """Digest an incident table, whatever the order of its rows; sha256, 16 hex digits."""
    plain = table[_COLUMNS].assign(category=table["category"].astype(str))
    rows = pd.util.hash_pandas_object(plain, index=False)
    return hashlib.sha256(np.sort(rows.to_numpy()).tobytes()).hexdigest()[:16]


def sha256_bytes(content: bytes) -> str:
    """Digest bytes; 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Digest the content of a file; 64 hex digits."""
    return sha256_bytes(path.read_bytes())
