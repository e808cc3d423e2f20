"""Access keys on disk: who a key was made for, its role and its slow hash; the key itself is kept nowhere."""

import json
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from crimepatterns.errors import ArtefactError, ConfigError
from crimepatterns.store.exclusive import exclusive

__all__ = ["KeyRecord", "change_keys", "read_keys"]

_OTHERS = stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH


@dataclass(frozen=True)
class KeyRecord:
    """What is kept of one key.

    Parameters
    ----------
    key_id : str
        Its public part, eight hexadecimal digits.
    name : str
        A desk or a program, such as ``night shift``.
    role : str
    salt, digest : str
        Hexadecimal; the slow hash of its secret part.
    created : str
        Moment, ISO 8601.
    expires, revoked : str or None
        Moments from which it is refused.
    """

    key_id: str
    name: str
    role: str
    salt: str
    digest: str
    created: str
    expires: str | None = None
    revoked: str | None = None


def read_keys(path: Path) -> tuple[KeyRecord, ...]:
    """Read the keys; there are none where there is no file.

    Raises
    ------
    ConfigError
        If others than its owner (and group) can read the file, or it cannot be read.
    ArtefactError
        If it is damaged.
    """
    try:
        with path.open(encoding="utf-8") as handle:
            mode = stat.S_IMODE(os.fstat(handle.fileno()).st_mode)
            if mode & _OTHERS:
                raise ConfigError(
                    f"The keys in {path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`."
                )
            return tuple(KeyRecord(**record) for record in json.load(handle))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(f"The keys in {path} cannot be read ({error.strerror}).") from error
    except (ValueError, TypeError) as error:
        raise ArtefactError(
            f"{path} is damaged ({error}): put a backup back, or remove it and create the keys anew."
        ) from error


def change_keys(path: Path, change: Callable[[tuple[KeyRecord, ...]], Sequence[KeyRecord]]) -> None:
    """Change the keys, one process at a time; the file is for its owner alone from its first byte.

    Raises
    ------
    ConfigError, ArtefactError
        As from `read_keys`.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside, lock = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.lock")
    with exclusive(lock):
        records = [asdict(record) for record in change(read_keys(path))]
        with open(beside, "w", opener=_private, encoding="utf-8") as handle:  # the opener sets the mode
            json.dump(records, handle, indent=2)
            handle.write("\n")
            handle.flush()
            os.fsync(handle.fileno())
        beside.replace(path)


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)
