"""The file of analysts' decisions about pattern cards: one line per decision, only ever appended, except to erase."""

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pandas as pd

from crimepatterns.domain.card_decision import CardDecision
from crimepatterns.errors import ArtefactError, DomainError
from crimepatterns.store.atomic import append_line, write_text

__all__ = ["append_decision", "erase_members", "read_decisions"]


def append_decision(path: Path, decision: CardDecision) -> int:
    """Append one decision and return how many there are now; the line is on disk before this returns.

    Parameters
    ----------
    path : Path
        A ``.jsonl`` file, made where it is not there.
    decision : CardDecision
    """
    return append_line(path, _line(decision))


def read_decisions(path: Path) -> tuple[CardDecision, ...]:
    """Read all decisions, the oldest first; none where nothing was decided.

    Raises
    ------
    ArtefactError
        If a line is damaged or belongs to another card than it says: decisions are not repaired silently.
    """
    if not path.exists():
        return ()
    found = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not text.strip():
            continue
        try:
            read = json.loads(text)
            decision = CardDecision(
                read["kind"],
                tuple(read["members"]),
                read["by"],
                pd.Timestamp(read["at"]),
                read.get("title", ""),
                read.get("reason", ""),
            )
        except (ValueError, KeyError, TypeError, DomainError) as error:
            raise ArtefactError(
                f"{path}, line {number} is damaged ({error}): restore the file from a backup."
            ) from error
        if read.get("card") != decision.card_id:
            raise ArtefactError(
                f"{path}, line {number} is damaged (the members are those of {decision.card_id}, not of "
                f"{read.get('card')}): restore the file from a backup."
            )
        found.append(decision)
    return tuple(found)


def erase_members(path: Path, ids: Collection[str]) -> int:
    """Take expunged incidents out of all decisions and return how many decisions named one.

    A decision about fewer than two remaining incidents is about nothing and goes as well.

    Raises
    ------
    ArtefactError
        If the file is damaged.
    """
    expunged, kept, touched = set(ids), [], 0
    for decision in read_decisions(path):
        left = tuple(member for member in decision.members if member not in expunged)
        touched += len(left) < len(decision.members)
        if len(set(left)) >= 2:
            kept.append(_line(replace(decision, members=left)))
    if touched:
        write_text(path, "".join(f"{line}\n" for line in kept))
    return touched


def _line(decision: CardDecision) -> str:
    written = {
        "kind": decision.kind,
        "card": decision.card_id,
        "members": sorted(set(decision.members)),
        "by": decision.by,
        "at": decision.at.isoformat(),
        "title": decision.title,
        "reason": decision.reason,
    }
    return json.dumps(written, sort_keys=True, ensure_ascii=False)
