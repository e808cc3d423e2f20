"""Which version of a model is served: a log of stages that is only ever added to, each line sealing the ones before.

The last line is the pointer. A line names the versions in each stage, their manifests' digests and the digest of the
line before. Number and digest of the last line are also kept beside all models. So an altered or shortened log, or an
old copy put back in its place, is refused. Whoever can write to both files can deceive a reader; a running server also
remembers the number it has seen.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from crimepatterns.errors import ModelError, UntrustedModelError
from crimepatterns.store.atomic import read_json, write_json, write_text
from crimepatterns.store.digests import sha256_bytes, sha256_file

__all__ = [
    "ModelStages",
    "StageChange",
    "check_staged",
    "log_gates",
    "manifest_digest",
    "name_candidate",
    "promote",
    "prune",
    "read_changes",
    "read_stages",
    "remember",
    "roll_back",
]

Action = Literal["candidate", "promote", "roll back", "gates"]

_LOG = "stages.jsonl"
_SEEN = ".stages.json"
_NOTHING = "0" * 64


@dataclass(frozen=True)
class StageChange:
    """One line of the log.

    Parameters
    ----------
    number : int
        1 for the first.
    at : str
        When, ISO 8601, UTC.
    action : {"candidate", "promote", "roll back", "gates"}
    candidate, champion, previous : str or None
        Versions after the change: trained and waiting, served, and served before that.
    reason : str
        Why, and by whom.
    manifests : mapping of str to str
        SHA-256 of the manifest of each version that has a stage.
    before : str
        SHA-256 of the line before.
    gates : str
        SHA-256 of the record of what the gates said of a version; empty where they were not asked.
    """

    number: int
    at: str
    action: Action
    candidate: str | None
    champion: str | None
    previous: str | None
    reason: str
    manifests: Mapping[str, str] = field(repr=False)
    before: str = field(repr=False)
    gates: str = field(default="", repr=False)

    def line(self) -> str:
        """Return the line as it stands in the log."""
        told = {key: value for key, value in vars(self).items() if key != "gates" or value}
        return json.dumps({**told, "manifests": dict(self.manifests)}, sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True)
class ModelStages:
    """The versions of one model that have a stage.

    Parameters
    ----------
    candidate, champion, previous : str or None
    number : int
        Changes so far; rises with each.
    manifests : mapping of str to str
        SHA-256 of the manifest of each of them.
    """

    candidate: str | None = None
    champion: str | None = None
    previous: str | None = None
    number: int = 0
    manifests: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def stage_of(self, version: str) -> str:
        """Name the stage of a version; empty where it has none."""
        return next((name for name in ("champion", "candidate", "previous") if getattr(self, name) == version), "")


def read_changes(home: Path) -> list[StageChange]:
    """Read the log of a model's folder, the oldest change first; empty before the first.

    Raises
    ------
    UntrustedModelError
        If a line was altered, lines are missing, or the log is older than one that was there before.
    """
    path = home / _LOG
    changes = _chained(path)
    seen = _seen(home.parent).get(home.name, {"number": 0, "line": _NOTHING})
    highest = int(seen["number"])
    # A log that is longer by a line was written by a process that died before it could say so.
    if highest and len(changes) >= highest and _digest(changes[highest - 1]) != seen["line"]:
        raise UntrustedModelError(f"{path}, line {highest} was altered: restore it from a backup.")
    if len(changes) < highest:
        raise UntrustedModelError(
            f"{path} holds {len(changes)} changes but {highest} were made: an old copy was put in its place. "
            "Restore it from a backup, or promote a version again after removing the line of "
            f"{home.name} from {home.parent / _SEEN}."
        )
    return changes


def read_stages(home: Path) -> ModelStages:
    """Read which versions of a model have a stage; see `read_changes` for errors."""
    changes = read_changes(home)
    if not changes:
        return ModelStages()
    last = changes[-1]
    return ModelStages(last.candidate, last.champion, last.previous, last.number, last.manifests)


def check_staged(home: Path, version: str, stages: ModelStages) -> None:
    """Refuse a version whose manifest is not the one that was given its stage.

    Raises
    ------
    UntrustedModelError
        If it was altered since.
    """
    known = stages.manifests.get(version)
    if known is not None and manifest_digest(home, version) != known:
        raise UntrustedModelError(
            f"{home / version} is not the version that was given its stage: roll back with "
            f"`crimepatterns model roll-back {home.name}`, or train it again."
        )


def name_candidate(home: Path, version: str, *, reason: str) -> ModelStages:
    """Let a version wait for promotion; the first of a model is served at once, since there is nothing to replace."""
    stages = read_stages(home)
    if version in (stages.champion, stages.candidate):
        if stages.manifests.get(version) == manifest_digest(home, version):
            return stages
        # The same settings on the same records, made again: the version keeps its stage.
        return _append(home, "candidate", (stages.candidate, stages.champion, stages.previous), f"{reason}; made again")
    champion = stages.champion if stages.champion is not None and _is_there(home, stages.champion) else None
    if champion is None:
        return _append(home, "promote", (None, version, stages.previous), f"{reason}; first version of this model")
    return _append(home, "candidate", (version, champion, stages.previous), reason)


def promote(home: Path, version: str, *, reason: str) -> ModelStages:
    """Serve a version from now on; what was served becomes the previous one.

    Raises
    ------
    ModelError
        If there is no such version.
    """
    stages = read_stages(home)
    _must_be_there(home, version)
    return stages if version == stages.champion else _promoted(home, stages, version, reason)


def log_gates(home: Path, version: str, *, record: str, served: bool, reason: str) -> ModelStages:
    """Seal what the gates said of a version, and serve it from now on where they let it pass.

    Parameters
    ----------
    home : Path
    version : str
    record : str
        SHA-256 of the record.
    served : bool
    reason : str

    Raises
    ------
    ModelError
        If there is no such version.
    """
    stages = read_stages(home)
    _must_be_there(home, version)
    if not served or version == stages.champion:
        staged = (stages.candidate, stages.champion, stages.previous)
        return _append(home, "gates", staged, reason, gates=record)
    return _promoted(home, stages, version, reason, gates=record)


def _promoted(home: Path, stages: ModelStages, version: str, reason: str, *, gates: str = "") -> ModelStages:
    candidate = None if version == stages.candidate else stages.candidate
    return _append(home, "promote", (candidate, version, stages.champion), reason, gates=gates)


def roll_back(home: Path, *, reason: str) -> ModelStages:
    """Serve the previous version again; what was served becomes the candidate.

    Raises
    ------
    ModelError
        If there is no previous version, or it is gone.
    """
    stages = read_stages(home)
    if stages.previous is None:
        raise ModelError(f"Model {home.name} has no previous version to go back to: promote one by name.")
    _must_be_there(home, stages.previous)
    return _append(home, "roll back", (stages.champion, stages.previous, None), reason)


def prune(home: Path, *, keep: int) -> list[str]:
    """Name the versions that can go: neither in a stage nor among the `keep` newest; the caller removes them."""
    versions = sorted(path.parent.name for path in home.glob("[!.]*/manifest.json"))
    stages = read_stages(home)
    free = [version for version in versions if not stages.stage_of(version)]
    return free[: max(0, len(free) - keep)]


def remember(home: Path) -> None:
    """Hold to the log that lies there now, after a backup was put back on purpose.

    Raises
    ------
    UntrustedModelError
        If its lines do not follow one another.
    """
    changes = _chained(home / _LOG)
    seen = {name: last for name, last in _seen(home.parent).items() if name != home.name}
    if changes:
        seen[home.name] = {"number": len(changes), "line": _digest(changes[-1])}
    write_json(home.parent / _SEEN, seen)


# -- the log ---------------------------------------------------------------------------------------------------------


def _append(home: Path, action: Action, staged: Sequence[str | None], reason: str, *, gates: str = "") -> ModelStages:
    """Write the log anew with one more line, whole or not at all, then the number that it reached."""
    changes = read_changes(home)
    before = _digest(changes[-1]) if changes else _NOTHING
    candidate, champion, previous = staged
    manifests = {version: manifest_digest(home, version) for version in staged if version and _is_there(home, version)}
    at = datetime.now(UTC).isoformat(timespec="seconds")
    change = StageChange(len(changes) + 1, at, action, candidate, champion, previous, reason, manifests, before, gates)
    write_text(home / _LOG, "".join(f"{one.line()}\n" for one in (*changes, change)))
    last = {"number": change.number, "line": _digest(change)}
    write_json(home.parent / _SEEN, {**_seen(home.parent), home.name: last})
    return ModelStages(candidate, champion, previous, change.number, manifests)


def _chained(path: Path) -> list[StageChange]:
    """Read a log whose every line seals the one before; whether it is the newest is not asked."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    changes: list[StageChange] = []
    before = _NOTHING
    for number, line in enumerate(lines, start=1):
        change = _parsed(line, path)
        if change.number != number or change.before != before:
            raise UntrustedModelError(
                f"{path}, line {number} does not follow the one before: restore it from a backup."
            )
        changes.append(change)
        before = sha256_bytes(line.encode())
    return changes


def _digest(change: StageChange) -> str:
    return sha256_bytes(change.line().encode())


def _parsed(line: str, path: Path) -> StageChange:
    try:
        change = StageChange(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise UntrustedModelError(
            f"{path} holds a line that is no stage ({error}): restore it from a backup."
        ) from error
    if change.line() != line:
        raise UntrustedModelError(f"{path} holds a line that this product did not write: restore it from a backup.")
    return change


def _seen(models: Path) -> dict[str, Any]:
    path = models / _SEEN
    return dict(read_json(path)) if path.is_file() else {}


def manifest_digest(home: Path, version: str) -> str:
    """Return the SHA-256 of a version's manifest, which holds the digests of its files."""
    return sha256_file(home / version / "manifest.json")


def _is_there(home: Path, version: str) -> bool:
    return (home / version / "manifest.json").is_file()


def _must_be_there(home: Path, version: str) -> None:
    if not _is_there(home, version):
        known = sorted(path.parent.name for path in home.glob("[!.]*/manifest.json"))
        raise ModelError(f"Model {home.name!r} has no version {version!r}: found {known}.")
