"""What an analyst decided about a pattern card."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from crimepatterns.domain.pattern import card_id_of
from crimepatterns.errors import DomainError

__all__ = ["DECISIONS", "CardDecision", "DecisionKind"]

DecisionKind = Literal["accept", "rename", "merge", "dismiss"]

DECISIONS: tuple[DecisionKind, ...] = ("accept", "rename", "merge", "dismiss")


@dataclass(frozen=True)
class CardDecision:
    """One decision; a later one about the same card counts.

    Parameters
    ----------
    kind : {"accept", "rename", "merge", "dismiss"}
    members : tuple of str
        Incident ids of the card decided on; of all cards together for a merge.
    by : str
        Who decided.
    at : Timestamp, tz-aware
    title : str
        The new name; needed to rename, optional to merge.
    reason : str

    Raises
    ------
    DomainError
        If the kind is unknown, nobody decided, the time has no zone, there are fewer than two members or a name lacks.
    """

    kind: DecisionKind
    members: tuple[str, ...]
    by: str
    at: pd.Timestamp
    title: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        if self.kind not in DECISIONS:
            raise DomainError(f"A decision must be one of {list(DECISIONS)}, got {self.kind!r}.")
        if not self.by.strip() or self.at.tzinfo is None:
            raise DomainError("A decision needs who decided, and when with a time zone.")
        if len(set(self.members)) < 2:
            raise DomainError(f"A decision is about a card of two or more incidents, got {list(self.members)}.")
        if self.kind == "rename" and not self.title.strip():
            raise DomainError("Renaming a card needs the new name.")

    @property
    def card_id(self) -> str:
        """Stable name of the card decided on."""
        return card_id_of(self.members)

    def sentence(self) -> str:
        """Say what was decided."""
        done = {"accept": "Accepted", "rename": "Named", "merge": "Merged", "dismiss": "Dismissed"}[self.kind]
        return f"{done} by {self.by} on {self.at:%d %b %Y}{f': {self.reason}' if self.reason else ''}."
