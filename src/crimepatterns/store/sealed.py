"""Files that a manifest vouches for: the bytes that are checked are the bytes that are read."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from crimepatterns.errors import ArtefactError
from crimepatterns.store.atomic import read_json

__all__ = ["checked_content", "stated_digests"]


def checked_content(path: Path, digest: str | None) -> bytes:
    """Read a file whole and check it.

    Parameters
    ----------
    path : Path
    digest : str or None
        SHA-256 that it must have, 64 hex digits; None checks nothing.

    Raises
    ------
    ArtefactError
        If it is not there or not the file that was saved.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read ({error.strerror}): run the stage that makes it.") from error
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise ArtefactError(f"{path} is not the file that was saved: run its stage again with --force.")
    return content


def stated_digests(manifest: Path) -> Mapping[str, str] | None:
    """Return the digests that a manifest states under ``outputs``, by file; None where there is no manifest.

    Raises
    ------
    ArtefactError
        If the manifest is damaged.
    """
    if not manifest.exists():
        return None
    stated = read_json(manifest)
    outputs = stated.get("outputs") if isinstance(stated, dict) else None
    if not isinstance(outputs, dict):
        raise ArtefactError(f"{manifest} states no digests: run its stage again with --force.")
    return {str(name): str(digest) for name, digest in outputs.items()}
