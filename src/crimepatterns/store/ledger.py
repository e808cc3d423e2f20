"""The ledger of the judge span: one line per opening, only ever appended."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crimepatterns.errors import ArtefactError
from crimepatterns.store.atomic import append_line

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
    return append_line(path, json.dumps(dict(record), sort_keys=True, default=str, ensure_ascii=False))


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
