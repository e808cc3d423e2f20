"""Tables from a publisher's labels and codes to NIBRS codes and the short categories of this product."""

import csv
import difflib
import io
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from crimepatterns.domain.incidents import DISCOVERY
from crimepatterns.errors import ConfigError

__all__ = ["Crosswalk", "Entry", "Offence", "closest", "fold", "read_crosswalk", "read_offences"]

_KINDS = ("label", "prefix", "code", "range")
_SIMILAR = 0.6
_SAYS_NOTHING = frozenset(
    {
        "and", "crime", "crimes", "for", "law", "laws", "offence", "offences", "offense", "offenses", "other", "police",
        "related", "the", "violation", "violations", "with",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Offence:
    """One NIBRS offence.

    Parameters
    ----------
    code, name : str
    group : str
        A (incidents are reported) or B (only arrests are).
    against : str
        Person, property, society, several, or not a crime.
    category : str
        Short category of this product.
    discovery : str
        How such offences mostly come to light, one of `DISCOVERY`.
    """

    code: str
    name: str
    group: str
    against: str
    category: str
    discovery: str


@dataclass(frozen=True)
class Entry:
    """What a label or code stands for; `nibrs` is empty where there is no such offence."""

    category: str
    discovery: str
    nibrs: str = ""


@dataclass(frozen=True, eq=False)
class Crosswalk:
    """One publisher's table.

    Parameters
    ----------
    name : str
    labels : mapping of str to Entry
        By label as published.
    prefixes : mapping of str to Entry
        By the beginning of a label; the longest that fits counts.
    codes : mapping of str to Entry
    ranges : tuple of (int, int, Entry)
        Numeric codes from - to, both included; the first that fits counts.
    about : str
        What it is, from which facts and of which date.
    """

    name: str
    labels: Mapping[str, Entry] = field(default_factory=dict)
    prefixes: Mapping[str, Entry] = field(default_factory=dict)
    codes: Mapping[str, Entry] = field(default_factory=dict)
    ranges: tuple[tuple[int, int, Entry], ...] = ()
    about: str = ""

    def of_label(self, label: str) -> Entry | None:
        """Look a label up, without regard to case and spaces."""
        folded = fold(label)
        found = self._labels.get(folded)
        if found is not None:
            return found
        return next((entry for beginning, entry in self._prefixes if folded.startswith(beginning)), None)

    def of_code(self, code: str) -> Entry | None:
        """Look a code up, without regard to case and leading zeros; an exact one goes before a range."""
        bare = _bare(code)
        found = self._codes.get(bare)
        if found is None and bare.isascii() and bare.isdigit():
            number = int(bare)
            found = next((entry for low, high, entry in self.ranges if low <= number <= high), None)
        return found

    @property
    def has_codes(self) -> bool:
        """Whether a code column can be used with it."""
        return bool(self.codes or self.ranges)

    @property
    def known_labels(self) -> tuple[str, ...]:
        """Labels as published, for suggestions."""
        return (*self.labels, *self.prefixes)

    @property
    def entries(self) -> list[tuple[str, str, Entry]]:
        """Kind, value and entry of every line."""
        rows = [("label", value, entry) for value, entry in self.labels.items()]
        rows += [("prefix", value, entry) for value, entry in self.prefixes.items()]
        rows += [("code", value, entry) for value, entry in self.codes.items()]
        return rows + [("range", f"{low}-{high}", entry) for low, high, entry in self.ranges]

    @cached_property
    def _labels(self) -> dict[str, Entry]:
        return {fold(label): entry for label, entry in self.labels.items()}

    @cached_property
    def _prefixes(self) -> list[tuple[str, Entry]]:
        folded = [(fold(label), entry) for label, entry in self.prefixes.items()]
        return sorted(folded, key=lambda pair: -len(pair[0]))

    @cached_property
    def _codes(self) -> dict[str, Entry]:
        return {_bare(code): entry for code, entry in self.codes.items()}


def fold(label: str) -> str:
    """Write a label in lower case with single spaces."""
    return " ".join(label.split()).lower()


def closest(label: str, known: Iterable[str]) -> str | None:
    """Return the most similar of the known labels, by letters or by the words they share; None where none is near."""
    wanted, words = fold(label), _words(label)
    best, found = _SIMILAR, None
    for candidate in known:
        folded, theirs = fold(candidate), _words(candidate)
        alike = difflib.SequenceMatcher(None, wanted, folded)
        if not words & theirs and (alike.real_quick_ratio() <= best or alike.quick_ratio() <= best):
            continue
        shared = len(words & theirs) / min(len(words), len(theirs)) if words and theirs else 0.0
        # Words in common count a little less than the same letters; equal words are told apart by the letters.
        score = max(alike.ratio(), 0.85 * shared + 0.1 * alike.ratio() * shared)
        if score > best:
            best, found = score, candidate
    return found


def read_offences(text: str) -> dict[str, Offence]:
    """Read the table of NIBRS offences.

    Raises
    ------
    ConfigError
        If a line does not fit.
    """
    offences = {}
    for number, row in _rows(text, "nibrs", ("code", "name", "group", "against", "category", "discovery")):
        _check(row["discovery"] in DISCOVERY, "nibrs", number, f"discovery must be one of {DISCOVERY}")
        _check(bool(row["code"] and row["category"]), "nibrs", number, "code and category must not be empty")
        offences[row["code"]] = Offence(**{key: row[key] for key in Offence.__dataclass_fields__})
    return offences


def read_crosswalk(name: str, text: str, offences: Mapping[str, Offence]) -> Crosswalk:
    """Read a publisher's table: comment lines with ``#``, then columns kind, value, nibrs, category and discovery.

    Parameters
    ----------
    name : str
        What to call it in messages.
    text : str
        The whole file. The table of NIBRS offences itself is read as codes and names.
    offences : mapping of str to Offence

    Raises
    ------
    ConfigError
        Naming the line that does not fit and what was expected there.
    """
    found: dict[str, dict[str, Entry]] = {kind: {} for kind in _KINDS}
    ranges: list[tuple[int, int, Entry]] = []
    if name == "nibrs":
        entries = {code: Entry(one.category, one.discovery, code) for code, one in offences.items()}
        names = {offences[code].name: entry for code, entry in entries.items()}
        return Crosswalk(name, labels=names, codes=entries, about=_about(text))
    for number, row in _rows(text, name, ("kind", "value", "nibrs", "category", "discovery")):
        kind, value, nibrs = row["kind"], row["value"], row["nibrs"]
        _check(kind in _KINDS, name, number, f"kind must be one of {_KINDS}, got {kind!r}")
        _check(bool(value), name, number, "value must not be empty")
        _check(not nibrs or nibrs in offences, name, number, f"{nibrs!r} is no NIBRS code")
        standard = offences.get(nibrs)
        category = row["category"] or (standard.category if standard else "")
        _check(bool(category), name, number, "either nibrs or category must be given")
        discovery = row["discovery"] or (standard.discovery if standard else DISCOVERY[0])
        _check(discovery in DISCOVERY, name, number, f"discovery must be one of {DISCOVERY}, got {discovery!r}")
        entry = Entry(category, discovery, nibrs)
        if kind == "range":
            ranges.append((*_range(value, name, number), entry))
        else:
            key = _bare(value) if kind == "code" else value
            _check(key not in found[kind], name, number, f"{value!r} stands there twice")
            found[kind][key] = entry
    return Crosswalk(name, found["label"], found["prefix"], found["code"], tuple(ranges), _about(text))


def _bare(code: str) -> str:
    bare = code.strip().upper().removesuffix(".0").lstrip("0")
    return bare or "0"


def _words(label: str) -> frozenset[str]:
    letters = "".join(letter if letter.isalnum() else " " for letter in label.lower())
    return frozenset(word for word in letters.split() if len(word) > 2 and word not in _SAYS_NOTHING)


def _range(value: str, name: str, number: int) -> tuple[int, int]:
    low, dash, high = value.partition("-")
    fits = dash == "-" and low.strip().isdigit() and high.strip().isdigit() and int(low) <= int(high)
    _check(fits, name, number, f"a range must be two whole numbers such as 0310-0340, got {value!r}")
    return int(low), int(high)


def _about(text: str) -> str:
    """Return the comment that opens the file."""
    opening = itertools.takewhile(lambda line: line.startswith("#"), text.removeprefix("\ufeff").splitlines())
    return " ".join(line.removeprefix("#").strip() for line in opening)


def _rows(text: str, name: str, columns: tuple[str, ...]) -> Iterable[tuple[int, dict[str, str]]]:
    """Yield line number and values; the columns may stand in any order."""
    lines = text.removeprefix("\ufeff").splitlines()
    first = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if first is None:
        raise ConfigError(f"Taxonomy table {name} is empty: expected the columns {', '.join(columns)}.")
    # Comments between lines keep their place, so that the number of a line is its number in the file.
    kept = "\n".join("" if line.startswith("#") else line for line in lines[first:])
    reader = csv.DictReader(io.StringIO(kept))
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise ConfigError(
            f"Taxonomy table {name} lacks the columns {', '.join(missing)}; found {', '.join(reader.fieldnames or ())}."
        )
    for row in reader:
        yield first + reader.line_num, {column: (row[column] or "").strip() for column in columns}


def _check(fits: bool, name: str, number: int, expected: str) -> None:
    if not fits:
        raise ConfigError(f"Taxonomy table {name}, line {number}: {expected}.")
