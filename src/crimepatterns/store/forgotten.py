"""Ids of erased records, as digests, so that a feed which still publishes them cannot bring them back."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crimepatterns.store.atomic import read_json, write_json

__all__ = ["Forgotten"]


@dataclass(frozen=True)
class Forgotten:
    """The list of erased ids of one city.

    Ids stand there as SHA-256 of a salt of this file and the id: they can be recognised, but not read. Whoever holds
    the file and can guess ids can try them.

    Parameters
    ----------
    path : Path
        Such as ``data/raw/chicago/.forgotten.json``; it need not be there.
    """

    path: Path

    def add(self, ids: Iterable[str]) -> None:
        """Remember ids; those that are known already change nothing."""
        salt, known = self._read()
        digests = known | {_digest(salt, one) for one in ids}
        if digests != known:
            write_json(self.path, {"salt": salt, "sha256": sorted(digests)})

    def among(self, ids: pa.Array) -> NDArray[np.bool_]:
        """Tell which of these ids were erased, shape (n_ids,)."""
        salt, known = self._read()
        if not known:
            return np.zeros(len(ids), dtype=np.bool_)
        return np.array([one is not None and _digest(salt, one) in known for one in ids.to_pylist()], dtype=np.bool_)

    def _read(self) -> tuple[str, set[str]]:
        if not self.path.exists():
            return secrets.token_hex(16), set()
        stored: dict[str, Any] = read_json(self.path)
        return stored["salt"], set(stored["sha256"])


def _digest(salt: str, one: str) -> str:
    return hashlib.sha256(f"{salt}|{one}".encode()).hexdigest()
