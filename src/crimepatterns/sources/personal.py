"""Find columns that look as if they were about a person, so that they never reach the disk.

The test reads names only, not values: it must give the same answer for every file of a publisher. It errs towards
dropping; a column is kept by naming it in ``source.keep_columns``.
"""

import re
from collections.abc import Iterable

__all__ = ["personal_columns"]

_PEOPLE = {
    "arrestee", "caller", "complainant", "defendant", "driver", "informant", "juvenile", "minor", "offender",
    "officer", "owner", "perp", "perpetrator", "person", "reportee", "suspect", "susp", "vic", "vict", "victim",
    "witness",
}  # fmt: skip
_CONTACT = {"email", "mail", "mobile", "phone", "telephone", "cell", "tel"}
_NUMBERS = {"passport", "plate", "ssn", "vin", "vrm", "vrn", "nino"}
_FREE_TEXT = {"comment", "memo", "narrative", "note", "remark", "synopsis", "story", "summary", "freetext"}
_TRAITS = {"age", "ethnicity", "gender", "race", "sex"}
_NAME_PARTS = {"alias", "first", "full", "given", "last", "maiden", "middle", "nick"}
_WHOLE_NAMES = {"alias", "firstname", "forename", "fullname", "lastname", "name", "nickname", "surname"}
_COUNTS = {"count", "counts", "initiated", "no", "num", "number", "total"}


def personal_columns(names: Iterable[str]) -> dict[str, str]:
    """Tell which columns look personal, and why.

    Parameters
    ----------
    names : iterable of str
        Column names of a raw table.

    Returns
    -------
    dict of str to str
        Column name to the kind of personal information, in the order of `names`.

    Examples
    --------
    >>> personal_columns(["Date", "Location Name", "VicName", "DOB", "Narrative", "victim_count"])
    {'VicName': 'says something about a person', 'DOB': 'date of birth', 'Narrative': 'free text'}
    """
    found = {}
    for name in names:
        reason = _reason(_words(name))
        if reason:
            found[name] = reason
    return found


def _words(name: str) -> list[str]:
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    words = re.findall(r"[a-z]+", parted.lower())
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in words]


def _reason(words: list[str]) -> str | None:
    have = set(words)
    checks = (
        ("date of birth", have & {"birth", "birthdate", "birthday", "born", "dateofbirth", "dob"}),
        ("says something about a person", have & _PEOPLE and not have & _COUNTS),
        ("name of a person", words[-1:] and words[-1] in _WHOLE_NAMES and len(words) == 1),
        ("name of a person", "name" in have and have & _NAME_PARTS),
        ("telephone or e-mail", have & _CONTACT),
        ("personal number", have & _NUMBERS or ({"licence", "license"} & have and "number" in have)),
        ("free text", have & _FREE_TEXT or {"free", "text"} <= have),
        ("home address", "address" in have and have & {"home", "residence", "residential"}),
        ("personal trait", len(words) == 1 and have & _TRAITS),
    )
    return next((reason for reason, hit in checks if hit), None)
