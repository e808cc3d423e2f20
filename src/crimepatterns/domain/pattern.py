"""A crime pattern as analysts define it: similar incidents, why they stand out, and what is not known about them."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import pandas as pd

from crimepatterns.errors import DomainError

__all__ = [
    "IACA_TYPES",
    "CommonFactor",
    "Condition",
    "Distinctiveness",
    "NextWindow",
    "PatternCard",
    "PatternType",
    "Verdict",
    "card_id_of",
]

PatternType = Literal["series", "spree", "hot prey", "hot product", "hot spot", "hot place", "hot setting"]

IACA_TYPES: tuple[PatternType, ...] = (
    "series", "spree", "hot prey", "hot product", "hot spot", "hot place", "hot setting",
)  # fmt: skip
"""The seven types of the International Association of Crime Analysts (2011), Crime pattern definitions for tactical
analysis, Standards, Methods, and Technology Committee White Paper 2011-01. Its series and spree are thought to be the
work of the same people; a card of these types says only that the *events* are alike and close."""

Verdict = Literal["met", "not met", "unknown"]

Status = Literal["candidate", "accepted"]


@dataclass(frozen=True)
class Condition:
    """One of the five conditions that make incidents a pattern.

    Parameters
    ----------
    name : str
    verdict : {"met", "not met", "unknown"}
        Unknown where the file cannot show it: never met by default.
    reason : str
    """

    name: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class CommonFactor:
    """A value that the members share far more often than incidents around them.

    Parameters
    ----------
    field, value : str
    members, of : int
        Members with the value, and members whose value is known.
    base_rate : float
        Share of the value among the other incidents of the same districts and seasons.
    p_value : float
        Exact binomial; describes the members after they were chosen and proves nothing by itself.
    """

    field: str
    value: str
    members: int
    of: int
    base_rate: float
    p_value: float

    @property
    def times(self) -> float:
        """How many times the base rate; infinite where the value does not occur elsewhere."""
        return self.members / self.of / self.base_rate if self.base_rate > 0 else float("inf")

    def __str__(self) -> str:
        """Say it with the base rate."""
        return f"{self.field} {self.value}: {self.members} of {self.of} ({100 * self.base_rate:.1f} % around)"


@dataclass(frozen=True)
class Distinctiveness:
    """How far the members stand out from their surroundings.

    Parameters
    ----------
    observed : int
        Events that share the values in the window of place and time.
    expected : float
        Those that the base rate gives among the incidents of that window.
    p_value : float
        Of at least one so distinct set in the same district and season (in the city for types that know no place) under
        the null hypothesis, all ways of being alike tried.
    q_value : float
        Expected share of false cards among those at least as distinct.
    null : str
    """

    observed: int
    expected: float
    p_value: float
    q_value: float
    null: str

    def sentence(self) -> str:
        """Say it in words."""
        chance = f"p = {self.p_value:.3g}, q = {self.q_value:.3g}; null: {self.null}"
        return f"{self.observed} events where {self.expected_text} are expected ({chance})."

    @property
    def expected_text(self) -> str:
        """The expected number in two digits, whole from ten on."""
        return f"{self.expected:,.0f}" if self.expected >= 10 else f"{self.expected:.2g}"


@dataclass(frozen=True)
class NextWindow:
    """When a further event is likely, if one follows.

    Parameters
    ----------
    start, end : Timestamp
        Civil days, half-open.
    nominal : float
        Intended chance that the next event falls in it.
    events : int
        Dated events on which it rests.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    nominal: float
    events: int

    def sentence(self) -> str:
        """Say it in words."""
        last = self.end - pd.Timedelta(days=1)
        days = f"on {self.start:%a %d %b %Y}" if last <= self.start else f"{self.start:%a %d %b} to {last:%a %d %b %Y}"
        return f"If a further event follows, {100 * self.nominal:.0f} % of windows so made hold it: {days}."


@dataclass(frozen=True, eq=False)
class PatternCard:
    """A detected pattern: alike events, the evidence, and what the file cannot show.

    Parameters
    ----------
    iaca_type : str
        One of `IACA_TYPES`.
    title : str
    members : tuple of str
        Incident ids, at least two, unique.
    evidence : DataFrame, shape (n_members, ...)
        ``id, occurred_from, occurred_until, time_precision, category, x, y`` and the behaviour fields used, in the
        order of `members`; never free text.
    common_factors : tuple of CommonFactor
    distinctiveness : Distinctiveness
    window : NextWindow or None
    window_note : str
        Why there is no window; empty where there is one.
    checklist : tuple of Condition, shape (5,)
    as_of : Timestamp
    parameters : mapping
        Everything needed to find the card again.
    status : {"candidate", "accepted"}
    notes : tuple of str
        What analysts decided.

    Raises
    ------
    DomainError
        If there are fewer than two members, ids repeat, the type is unknown, conditions are not five, or the evidence
        does not list the members.
    """

    iaca_type: PatternType
    title: str
    members: tuple[str, ...]
    evidence: pd.DataFrame = field(repr=False)
    common_factors: tuple[CommonFactor, ...]
    distinctiveness: Distinctiveness
    window: NextWindow | None
    window_note: str
    checklist: tuple[Condition, ...]
    as_of: pd.Timestamp
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    status: Status = "candidate"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.iaca_type not in IACA_TYPES:
            raise DomainError(f"Pattern type must be one of {list(IACA_TYPES)}, got {self.iaca_type!r}.")
        if len(self.members) < 2 or len(set(self.members)) != len(self.members):
            raise DomainError(f"A pattern needs two or more different incidents, got {list(self.members)}.")
        if len(self.checklist) != 5:
            raise DomainError(f"A pattern is judged by five conditions, got {len(self.checklist)}.")
        if list(self.evidence["id"]) != list(self.members):
            raise DomainError("The evidence of a pattern must list its members, in their order.")
        if self.as_of.tzinfo is None:
            raise DomainError("A pattern card needs an as-of date with a time zone.")

    @property
    def card_id(self) -> str:
        """Stable name made from the members alone."""
        return card_id_of(self.members)

    def sentence(self) -> str:
        """Say what the card claims: similar events, never a common person."""
        first, last = self.evidence["occurred_from"].min(), self.evidence["occurred_from"].max()
        shared = "; ".join(str(factor) for factor in self.common_factors[:3]) or "no value far above its base rate"
        return (
            f"{len(self.members)} similar events from {first:%d %b %Y} to {last:%d %b %Y}: {shared}. "
            "The card says that the events are alike, not who is behind them."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the members with the card's id and type."""
        return self.evidence.assign(card=self.card_id, iaca_type=self.iaca_type)


def card_id_of(members: Iterable[str]) -> str:
    """Return the stable name of a set of members, whatever their order.

    Examples
    --------
    >>> card_id_of(["b", "a"]) == card_id_of(["a", "b"])
    True
    """
    text = "\x1f".join(sorted(members))
    return f"P-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
