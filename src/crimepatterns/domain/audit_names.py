"""The guard that keeps what people are out of what is predicted about places: it refuses columns by role and by name.

Only the standard library is needed, so that settings can be checked without loading anything.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType

from crimepatterns.errors import AuditColumnError

__all__ = ["is_audit_name", "refuse_audit_columns"]

_WORDS = frozenset(
    {
        # Race and ethnicity.
        "aapi", "aboriginal", "aborigine", "african", "afr", "afro", "aian", "ancestry", "arab", "asian", "bame",
        "bangladeshi", "bipoc", "black", "caste", "caucasian", "chinese", "gypsy", "hisp", "indian", "indigenous",
        "inuit", "latina", "latinx", "maori", "mestizo", "mexican", "minorities", "minority", "negra", "negro", "nhb",
        "nhpi", "nhw", "pakistani", "race", "raca", "rasse", "rassen", "raza", "razza", "roma", "romany", "somali",
        "traveller", "turkish", "white", "wht", "blancas", "blancos", "brancos", "noirs", "pardos", "pretos",
        # Religion, places of worship too.
        "church", "churches", "creed", "faith", "geloof", "gurdwara", "hindu", "jew", "jewish", "juden", "juif",
        "kirche", "kirchen", "moslem", "mosque", "muslim", "muslime", "musulman", "sikh", "synagogue", "worship",
        # Nationality.
        "birthplace", "herkomst",
        # Income.
        "armoede", "dochod", "gehalt", "ingreso", "lohn", "poor", "pov", "reddito", "redditi", "renda", "rendimento",
        "renta", "revenu", "wage", "wealth",
    }
)  # fmt: skip

_STEMS = (
    "afroamer", "africanam", "afrodesc", "allochto", "buddhis", "catholic", "christian", "citizenship", "etnia",
    "etnic", "etnis", "ethni", "extranjer", "estrangeir", "etranger", "foreign", "gitan", "indigen", "islam",
    "judaism", "katholi", "konfession", "latino", "mestiz", "multiethn", "nacionalid", "narodowosc", "noncitizen",
    "nonwhite", "protestant", "staatsangeh", "stranier", "vreemdeling", "wyznan", "affluen", "deprivation",
    "deprived", "earner", "earning", "hardship", "harship", "indkomst", "inkomen", "inkomst", "inntekt", "pauvret",
    "pobreza", "povert", "salair", "salar", "ubostw",
)  # fmt: skip

_PARTS = (
    "armut", "auslander", "auslaender", "einkommen", "ethnic", "herkunft", "hispanic", "immigr", "income", "indvandr",
    "innvandr", "invandr", "migrant", "migrationshinter", "nationalit", "poverty", "racial", "religi",
)  # fmt: skip
"""Found anywhere in a word."""

_BEFORE = (
    "average", "avg", "hh", "mean", "med", "median", "n", "nh", "non", "num", "p", "pct", "perc", "percent",
    "percentage", "pop", "pr", "prop", "proportion", "rate", "ratio", "share", "taux", "total", "tot",
)  # fmt: skip
_AFTER = (
    "anteil", "avg", "cnt", "count", "index", "mean", "med", "median", "num", "p", "pct", "perc", "percent",
    "percentage", "pop", "popn", "population", "prop", "quote", "rate", "ratio", "s", "share", "tot", "total",
)  # fmt: skip
"""What may be glued to a telling word, as in ``pctblack`` and ``whitepop``."""

_GLUED_INCOME = re.compile(r"^(?:med|median|hh|pc|percap|percapita|perc|mean|avg|fam|family|h)+inc$")

_PAIRS = (
    ({"national"}, {"origin", "origins"}),
    ({"country", "place"}, {"birth"}),
    ({"born"}, {"abroad", "overseas", "outside"}),
    ({"non"}, {"citizen", "citizens"}),
    ({"inc"}, {"cap", "capita", "fam", "family", "hh", "household", "med", "median", "pc", "percap"}),
)
"""Words that are harmless alone and telling together."""

_HARMLESS = (
    ({"race", "races"}, {"boat", "car", "cars", "course", "courses", "day", "horse", "track", "tracks", "way"}),
    ({"boat", "dog", "foot", "horse", "road", "street"}, {"race", "races"}),
    ({"black", "white"}, {"bin", "bins", "friday", "ice", "line", "lines", "market", "spot", "spots", "water"}),
    ({"poor"}, {"condition", "conditions", "drainage", "light", "lighting", "lights", "repair", "road", "roads",
                "surface", "surfaces", "visibility"}),
    ({"church"}, {"avenue", "lane", "rd", "road", "square", "st", "street"}),
    ({"foreign"}, {"exchange"}),
    ({"pov"}, {"camera", "cameras"}),
)  # fmt: skip
"""Pairs of neighbouring words that speak of something else."""

_BLOCK = {
    "addr",
    "address",
    "face",
    "fid",
    "group",
    "grp",
    "id",
    "len",
    "length",
    "name",
    "no",
    "num",
    "number",
    "side",
}


def refuse_audit_columns(
    names: Iterable[str], roles: Mapping[str, str] = MappingProxyType({}), *, purpose: str = "a feature"
) -> None:
    """Refuse columns about race, ethnicity, religion, nationality or income, and every column with the role audit.

    Such columns may be used to audit a map (who is exposed to it), never to draw it. A name is looked at word by word,
    in English and the other large languages of Europe, so that ``share_black``, ``MedianIncome``, ``pctWhite`` and
    ``Ausländeranteil`` are found and ``trace``, ``incoming_calls`` and ``racecourse_distance`` are not.

    Parameters
    ----------
    names : iterable of str
    roles : mapping of str to str, optional
        Role of a column by its name; ``audit`` is refused whatever the name.
    purpose : str
        What the column was to become, for the message.

    Raises
    ------
    AuditColumnError
        Naming every refused column.
    """
    refused = [name for name in names if roles.get(name, "").strip().casefold() == "audit" or is_audit_name(name)]
    if refused:
        raise AuditColumnError(
            f"Columns {refused} must not become {purpose}: race, ethnicity, religion, nationality and income, and "
            "columns with role audit, serve to audit a map, never to draw it. Leave them out."
        )


def is_audit_name(name: str) -> bool:
    """Tell whether a column name speaks of race, ethnicity, religion, nationality or income.

    A name cannot tell everything: an abbreviation nobody has seen passes. Give such a column the role ``audit``.
    """
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("ø", "o").replace("ł", "l"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    # Mixed case may part words, as in MedianIncome, or only hide them, as in InCoMe.
    return any(_speaks([word for word in re.split(r"[^a-z]+", text.lower()) if word]) for text in {plain, parted})


def _speaks(words: list[str]) -> bool:
    telling = _without_harmless(words)
    have = set(words)
    return (
        any(_tells(word) for word in telling)
        or any(have & first and have & second for first, second in _PAIRS)
        or ("blk" in have and not have & _BLOCK)
        or {"per", "c", "inc"} <= have
    )


@lru_cache(maxsize=4096)
def _tells(word: str) -> bool:
    return (
        any(kernel in _WORDS or kernel.startswith(_STEMS) for kernel in _kernels(word))
        or any(part in word for part in _PARTS)
        or _GLUED_INCOME.match(word) is not None
    )


def _kernels(word: str) -> set[str]:
    """Return a word and what is left of it without the measures that are glued to it; at least three letters."""
    found, fresh = {word}, {word}
    while fresh:
        fresh = {
            rest
            for one in fresh
            for rest in (
                *(one[len(part) :] for part in _BEFORE if one.startswith(part)),
                *(one[: -len(part)] for part in _AFTER if one.endswith(part)),
            )
            if len(rest) >= 3
        } - found
        found |= fresh
    return found


def _without_harmless(words: list[str]) -> list[str]:
    drop: set[int] = set()
    for i, (first, second) in enumerate(pairwise(words)):
        if any(first in ones and second in others for ones, others in _HARMLESS):
            drop |= {i, i + 1}
    return [word for i, word in enumerate(words) if i not in drop]
