"""The ledger of the judge span: one line per opening, only ever appended."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crimepatterns.errors import ArtefactError

__all__ = ["append_opening", "read_ledger"]


def append_opening(path: Path, record: Mapping[str, Any]) -> int:
    """Append one opening and return how many there are now; the line is on disk before this returns.

    Parameters
    ----------
    path : Path
        ``ledger/<city>.jsonl``, made where it is not there.
    record : mapping
        JSON-able: when, which commit, which settings, which data, which scores.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(dict(record), sort_keys=True, default=str, ensure_ascii=False)
    torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as handle:
        # A line torn by a crash stays as it is; the next one must not be glued to it.
        handle.write(("\n" if torn else "") + line + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    return sum(1 for text in path.read_text(encoding="utf-8").splitlines() if text.strip())


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """Read all openings, the oldest first; none where the judge span was never opened.

    Raises
    ------
    ArtefactError
        If a line is not JSON: the ledger is evidence and is not repaired silently.
    """
    if not path.exists():
        return []
    records = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not text.strip():
            continue
        try:
            records.append(json.loads(text))
        except ValueError as error:
            raise ArtefactError(
                f"{path}, line {number} is damaged: restore the ledger from version control."
            ) from error
    return records
