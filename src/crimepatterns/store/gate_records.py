"""What the gates said of each version of a model: a line each, sealed by the log of stages."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crimepatterns.errors import ModelError, UntrustedModelError
from crimepatterns.store.atomic import write_text
from crimepatterns.store.digests import sha256_bytes
from crimepatterns.store.model_stages import ModelStages, log_gates, manifest_digest, read_changes, read_stages

__all__ = ["current_record", "keep_record", "leave_to_promote", "read_records"]

_FILE = "gates.jsonl"


def keep_record(home: Path, record: Mapping[str, Any], *, served: bool, reason: str) -> ModelStages:
    """Keep what the gates said of ``record["version"]``, and serve it where `served`.

    The record is written before the log that seals it: a process that dies in between leaves a line that counts as not
    written.

    Parameters
    ----------
    home : Path
        Folder of the model.
    record : mapping
        JSON-able; ``version`` and ``beside`` (the champion then) name what was compared.
    served : bool
    reason : str
        For the log.
    """
    line = json.dumps(
        {**record, "manifest": manifest_digest(home, str(record["version"]))}, sort_keys=True, ensure_ascii=False
    )
    kept = [text for text, _ in _sealed(home)]
    write_text(home / _FILE, "".join(f"{text}\n" for text in (*kept, line)))
    return log_gates(home, str(record["version"]), record=sha256_bytes(line.encode()), served=served, reason=reason)


def read_records(home: Path) -> list[dict[str, Any]]:
    """Read what the gates said of a model's versions, the oldest first; each with ``at`` and ``change``, its line.

    Raises
    ------
    UntrustedModelError
        If a record was altered or is gone, or the log of stages was.
    """
    return [{**json.loads(line), **told} for line, told in _sealed(home)]


def current_record(home: Path, version: str) -> dict[str, Any] | None:
    """Return the last record of a version as it lies there, beside the champion of now; None where there is none."""
    champion = read_stages(home).champion
    for record in reversed(read_records(home)):
        if record["version"] == version and record["beside"] == champion:
            return record if record["manifest"] == manifest_digest(home, version) else None
    return None


def leave_to_promote(home: Path, version: str, *, reason: str, despite_gates: bool) -> str:
    """Say by what leave a version may be served: it passed the gates, was signed for, or somebody overrides them.

    Raises
    ------
    ModelError
        If it was not judged beside the champion, was refused, or lacks a reason that is asked for.
    """
    if despite_gates:
        if not reason:
            raise ModelError("--despite-gates needs --reason: it is kept in the log of the model.")
        return "despite the gates"
    champion = read_stages(home).champion
    if champion in (None, version):
        return "nothing is served yet" if champion is None else "served already"
    record = current_record(home, version)
    if record is None:
        raise ModelError(
            f"{home.name} {version} was not judged beside {champion}: run "
            f"`crimepatterns model gate {home.name} --again` first, or promote it with --despite-gates and a --reason."
        )
    if record["state"] == "refused":
        raise ModelError(
            f"{home.name} {version} was {record['sentence']} See `crimepatterns model show {home.name}`; "
            "--despite-gates with a --reason serves it all the same."
        )
    if record["state"] == "needs a signature" and not reason:
        raise ModelError(f"{home.name} {version} {record['sentence']} Give --reason, and --by who signs.")
    return "signed" if record["state"] == "needs a signature" else "passed the gates"


def _sealed(home: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return every line that the log of stages seals, with when and by which change."""
    path = home / _FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    by_digest = {sha256_bytes(line.encode()): line for line in lines}
    found = []
    for change in read_changes(home):
        if not change.gates:
            continue
        if change.gates not in by_digest:
            raise UntrustedModelError(
                f"{path} does not hold what the gates said at change {change.number} of {change.at}: it was altered. "
                "Restore it from a backup."
            )
        found.append((by_digest[change.gates], {"at": change.at, "change": change.number}))
    return found
