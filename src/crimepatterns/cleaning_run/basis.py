"""What an earlier build left to go on from, and whether a new one may: same rules, same tables, new ones only behind.

A build writes into the manifest of its version which raw copies it cleaned by which rules, what each of its files
holds, and what it remembers. The next build reads it back here.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from crimepatterns.cleaning.job import CleaningJob
from crimepatterns.cleaning.kept_facts import KeptFacts
from crimepatterns.cleaning.place_counts import PlaceFacts
from crimepatterns.cleaning.tally import Tally
from crimepatterns.cleaning.taxonomy import Taxonomy
from crimepatterns.cleaning_run.memory import PLACES, SEEN, Memory
from crimepatterns.domain.area import StudyArea
from crimepatterns.errors import ArtefactError
from crimepatterns.store.raw import RawEntry
from crimepatterns.store.snapshots import read_manifest
from crimepatterns.version import __version__

__all__ = ["STATE", "Basis", "Built", "NoBasis", "find_basis", "rules_digest"]

STATE = ".state"
"""Hidden folder of a version, for what is of use to the next build only."""


@dataclass(frozen=True)
class NoBasis:
    """Why everything is cleaned anew."""

    reason: str


@dataclass(frozen=True)
class Built:
    """What a build knows of its version.

    Parameters
    ----------
    tally : Tally
    files : dict of str to KeptFacts
        Incident files, as seen from the version's folder.
    rejected : list of str
        Files of rejected rows.
    sizes : dict of str to int
        Bytes of all files that hold records.
    places : PlaceFacts
    seen, place_counts : Memory
    """

    tally: Tally
    files: dict[str, KeptFacts]
    rejected: list[str]
    sizes: dict[str, int]
    places: PlaceFacts
    seen: Memory
    place_counts: Memory

    @property
    def kept(self) -> KeptFacts:
        """Figures about all kept rows."""
        return sum(self.files.values(), KeptFacts())

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {
            "tally": self.tally.to_json(),
            "files": {name: facts.to_json() for name, facts in self.files.items()},
            "rejected": self.rejected,
            "sizes": self.sizes,
            "places": vars(self.places),
            "seen": self.seen.kept,
            "place_counts": self.place_counts.kept,
        }

    @classmethod
    def from_json(cls, version: Path, taxonomy: Taxonomy, plain: Mapping[str, Any]) -> "Built":
        """Read what `to_json` gave."""
        return cls(
            Tally.from_json(taxonomy, plain["tally"]),
            {name: KeptFacts.from_json(facts) for name, facts in plain["files"].items()},
            plain["rejected"],
            plain["sizes"],
            PlaceFacts(**plain["places"]),
            Memory(version / STATE, SEEN, plain["seen"]),
            Memory(version / STATE, PLACES, plain["place_counts"]),
        )


@dataclass(frozen=True)
class Basis:
    """An earlier build that a new one goes on from.

    Parameters
    ----------
    version : Path
        Its folder.
    parts : int
        Raw tables that it holds.
    built : Built
    """

    version: Path
    parts: int
    built: Built

    @classmethod
    def none(cls, job: CleaningJob) -> "Basis":
        """Begin with nothing."""
        nowhere = Path()
        seen, places = (Memory(nowhere, kind, []) for kind in (SEEN, PLACES))
        return cls(nowhere, 0, Built(Tally(job.taxonomy), {}, [], {}, PlaceFacts(), seen, places))


def find_basis(version: Path | None, job: CleaningJob, entries: Sequence[RawEntry], digest: str) -> Basis | NoBasis:
    """Read the current version, if a new build may go on from it.

    Parameters
    ----------
    version : Path or None
        Folder of the current version.
    job : CleaningJob
        Of all raw copies that count now.
    entries : sequence of RawEntry
        Those copies.
    digest : str
        Of the rules that hold now, from `rules_digest`.
    """
    if version is None:
        return NoBasis("there is no earlier result")
    try:
        manifest = read_manifest(version)
        cleaning = manifest.get("cleaning")
        if cleaning is None:
            return NoBasis(f"the earlier result has format {manifest['format']}")
        reason = _why_not(cleaning, job, entries, digest)
        if reason:
            return NoBasis(reason)
        built = Built.from_json(version, job.taxonomy, cleaning["built"])
        _check_files(version, built)
        return Basis(version, len(cleaning["entries"]), built)
    except (ArtefactError, KeyError, TypeError, ValueError, AttributeError) as error:
        return NoBasis(f"the earlier result cannot be used ({error})")


def record_of(built: Built, job: CleaningJob, entries: Sequence[RawEntry], digest: str) -> dict[str, Any]:
    """Return what the manifest says of a build, for `find_basis`."""
    return {
        "rules": digest,
        "entries": [_identity(entry) for entry in entries],
        "raw_columns": job.raw_columns,
        "built": built.to_json(),
    }


def rules_digest(job: CleaningJob, area: StudyArea, *, latest: str | None) -> str:
    """Digest everything but the rows that decides what becomes of a row; sha256, 16 hex digits.

    `latest` is the setting; where it is not given, each raw copy has its own.
    """
    rules = replace(job.rules, latest=latest or "")
    named = area.neighbourhoods
    parts = [(str(name), shape.wkb_hex) for name, shape in zip(named["name"], named.geometry, strict=True)]
    where = (area.polygon.wkb_hex, area.crs, area.timezone, parts)
    plain = [__version__, _plain(job.columns), _plain(rules), _plain(job.taxonomy), where]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def _why_not(cleaning: Mapping[str, Any], job: CleaningJob, entries: Sequence[RawEntry], digest: str) -> str:
    known = cleaning["entries"]
    if cleaning["rules"] != digest:
        return "settings, study area or program have changed"
    if known != [_identity(entry) for entry in entries[: len(known)]]:
        return "raw copies were changed, exchanged or erased from"
    if cleaning["raw_columns"] != job.raw_columns:
        return "new raw copies have further columns"
    fresh = entries[len(known) :]
    if not job.rules.drop_duplicates and any(entry.replaces or entry.withdraws for entry in fresh):
        return "records are replaced while duplicates are kept"
    return ""


def _check_files(version: Path, built: Built) -> None:
    for name, size in built.sizes.items():
        path = version / name
        if not path.is_file() or path.stat().st_size != size:
            raise ArtefactError(f"{name} is gone or damaged")
    built.seen.open()
    built.place_counts.open()


def _identity(entry: RawEntry) -> list[Any]:
    what = [entry.file, entry.sha256, entry.rows, entry.replaces, entry.withdraws]
    return [*what, entry.source_name, entry.fetched_at[:10]]


def _plain(value: Any) -> Any:
    """Turn settings of any depth into JSON-able values, in a fixed order."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return [[str(key), _plain(value[key])] for key in sorted(value, key=str)]
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted(str(one) for one in value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
