"""The guard that keeps what people are out of what is predicted about places."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from crimepatterns.errors import ForecastError

__all__ = ["is_audit_name", "refuse_audit_columns"]

_WORDS = frozenset(
    {
        "african", "afro", "arab", "asian", "asians", "black", "blacks", "caucasian", "chinese", "faith", "gypsy",
        "hindu", "hispanic", "hispanics", "indian", "indigenous", "jew", "jewish", "jews", "latina", "latino",
        "latinos", "latinx", "minorities", "minority", "muslim", "muslims", "pakistani", "poor", "race", "races",
        "roma", "romany", "sikh", "traveller", "wage", "wages", "white", "whites",
    }
)  # fmt: skip
_STEMS = (
    "buddhis", "christian", "citizenship", "deprivation", "earning", "ethnic", "foreign", "hardship", "immigra",
    "income", "islam", "migrant", "nationalit", "noncitizen", "nonwhite", "poverty", "racial", "relig", "salar",
)  # fmt: skip


def refuse_audit_columns(
    names: Iterable[str], roles: Mapping[str, str] = MappingProxyType({}), *, purpose: str = "a feature"
) -> None:
    """Refuse columns about race, ethnicity, religion, nationality or income, and every column with the role audit.

    Such columns may be used to audit a map (who is exposed to it), never to draw it. The name is looked at word by
    word, so that ``share_black``, ``MedianIncome`` and ``pct-foreign-born`` are found and ``trace`` is not.

    Parameters
    ----------
    names : iterable of str
    roles : mapping of str to str, optional
        Role of a column by its name; ``audit`` is refused whatever the name.
    purpose : str
        What the column was to become, for the message.

    Raises
    ------
    ForecastError
        Naming every refused column.
    """
    refused = [name for name in names if roles.get(name) == "audit" or is_audit_name(name)]
    if refused:
        raise ForecastError(
            f"Columns {refused} must not become {purpose}: race, ethnicity, religion, nationality and income, and "
            "columns with role audit, serve to audit a map, never to draw it. Leave them out."
        )


def is_audit_name(name: str) -> bool:
    """Tell whether a column name speaks of race, ethnicity, religion, nationality or income."""
    split_case = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    words = [word for word in re.split(r"[^a-z]+", split_case.lower()) if word]
    return any(word in _WORDS or word.startswith(_STEMS) for word in words)
