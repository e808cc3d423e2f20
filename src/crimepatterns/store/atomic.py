"""Write beside, then move: a reader sees the old file or the new one, never half of one."""

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crimepatterns.errors import ArtefactError

__all__ = [
    "append_line",
    "copy_missing",
    "read_json",
    "replacing",
    "replacing_folder",
    "stored_json",
    "write_json",
    "write_text",
]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; move it there when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield beside
        _flush(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`; swap it in when the block ends without an error.

    Should the process die between the two renames of the swap, `path` is absent and its last good state is kept
    under a hidden name, which the next call puts back first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    old = path.with_name(f".{path.name}.old")
    if old.exists():
        # A former run died in its swap: before the second rename restore, after it clean up.
        if path.exists():
            shutil.rmtree(old)
        else:
            old.rename(path)
    for stale in path.parent.glob(f".{path.name}.*.part"):
        shutil.rmtree(stale, ignore_errors=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    beside.mkdir()
    try:
        yield beside
        if path.exists():
            path.rename(old)
        beside.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def append_line(path: Path, line: str) -> int:
    """Append a line to a file that only ever grows; return how many there are once it is on disk.

    The file and its folder are made where they are not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as handle:
        # A line torn by a crash stays as it is; the next one must not be glued to it.
        handle.write(("\n" if torn else "") + line + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    return sum(1 for text in path.read_text(encoding="utf-8").splitlines() if text.strip())


def copy_missing(source: Path, target: Path) -> None:
    """Copy the files of a folder, which need not be there, that another one does not have."""
    for path in sorted(source.rglob("*")):
        own = target / path.relative_to(source)
        if path.is_file() and not own.exists():
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, own)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Mapping[str, Any] | list[Any]) -> None:
    """Write JSON, whole or not at all; sorted keys and a final newline, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, default=str, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises
    ------
    ArtefactError
        If the file is absent or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtefactError(f"{path} is missing: run the stage that makes it.") from error
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{path} is damaged ({error}): run its stage again with --force.") from error


def stored_json(path: Path) -> Any:
    """Read JSON; None where it is absent or damaged."""
    try:
        return read_json(path)
    except ArtefactError:
        return None


def _flush(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
