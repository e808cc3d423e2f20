"""Access keys: made once and shown once, known again by a slow hash, refused from the moment they are revoked."""

import hashlib
import hmac
import logging
import re
import secrets
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crimepatterns.errors import ConfigError, CrimePatternsError
from crimepatterns.serving.security.roles import Role, role_named
from crimepatterns.store.access_keys import KeyRecord, change_keys, read_keys

__all__ = ["KeyRing", "KnownKey", "create_key", "revoke_key", "usable"]

_FORM = re.compile(r"cp_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
_COST = {"n": 2**14, "r": 8, "p": 1}
"""Cost of the hash: 16 MB and some 50 ms, so that a stolen file is of little use."""

_LOOK_AGAIN_S = 1.0


@dataclass(frozen=True)
class KnownKey:
    """A key that was recognised.

    Parameters
    ----------
    key_id : str
    role : Role
    """

    key_id: str
    role: Role


def create_key(path: Path, *, name: str, role: Role, days: int | None = None) -> tuple[KeyRecord, str]:
    """Make a key and keep its hash.

    Parameters
    ----------
    path : Path
        File of the keys.
    name : str
        For which desk or program.
    role : Role
    days : int, optional
        It expires after so many.

    Returns
    -------
    KeyRecord
    str
        The key itself, which cannot be shown again.
    """
    now = datetime.now(UTC)
    key_id, secret, salt = secrets.token_hex(4), secrets.token_urlsafe(32), secrets.token_bytes(16)
    record = KeyRecord(
        key_id=key_id,
        name=name,
        role=role.label,
        salt=salt.hex(),
        digest=_slow(secret, salt).hex(),
        created=now.isoformat(timespec="seconds"),
        expires=None if days is None else (now + timedelta(days=days)).isoformat(timespec="seconds"),
    )
    change_keys(path, lambda records: [*records, record])
    return record, f"cp_{key_id}_{secret}"


def revoke_key(path: Path, key_id: str) -> KeyRecord:
    """Refuse a key from now on; its record stays.

    Raises
    ------
    ConfigError
        If there is no such key.
    """
    known = {record.key_id: record for record in read_keys(path)}
    if key_id not in known:
        raise ConfigError(f"No key {key_id!r} in {path}, there are {sorted(known)}: see `crimepatterns keys list`.")
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    revoked = replace(known[key_id], revoked=known[key_id].revoked or moment)
    change_keys(path, lambda records: [revoked if one.key_id == key_id else one for one in records])
    return revoked


def usable(record: KeyRecord, *, now: datetime | None = None) -> bool:
    """Whether a key is neither revoked nor expired."""
    moment = now or datetime.now(UTC)
    return record.revoked is None and (record.expires is None or moment < datetime.fromisoformat(record.expires))


class KeyRing:
    """The keys of a running server; a change of the file is seen within a second.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._pepper = secrets.token_bytes(32)
        self._records: dict[str, KeyRecord] = {}
        self._seen: dict[bytes, str] = {}
        self._version: tuple[int, int, int] | None = None
        self._looked = 0.0
        self._look(first=True)

    @property
    def any(self) -> bool:
        """Whether keys were ever made, even if none can be used any more."""
        self._look()
        return bool(self._records)

    def remembered(self, key: str) -> KnownKey | None:
        """Recognise a key that was recognised before, at once; None where the slow look has to tell."""
        self._look()
        return self._known(self._seen.get(self._fast(key)))

    def recognise(self, key: str) -> KnownKey | None:
        """Recognise a key by its slow hash; None where it is not one of ours, revoked or expired."""
        self._look()
        form = _FORM.fullmatch(key)
        record = self._records.get(form[1]) if form else None
        if form is None or record is None:
            return None
        if not hmac.compare_digest(_slow(form[2], bytes.fromhex(record.salt)), bytes.fromhex(record.digest)):
            return None
        with self._guard:
            self._seen[self._fast(key)] = record.key_id
        return self._known(record.key_id)

    def _known(self, key_id: str | None) -> KnownKey | None:
        record = self._records.get(key_id) if key_id is not None else None
        if record is None or not usable(record):
            return None
        role = role_named(record.role)
        return None if role is None else KnownKey(record.key_id, role)

    def _fast(self, key: str) -> bytes:
        """Name a key in memory without keeping it."""
        return hmac.digest(self._pepper, key.encode(), "sha256")

    def _look(self, *, first: bool = False) -> None:
        if not first and time.monotonic() - self._looked < _LOOK_AGAIN_S:
            return
        with self._guard:
            self._looked = time.monotonic()
            try:
                facts = self._path.stat()
                version = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
            except OSError:
                version = None
            if version == self._version and not first:
                return
            self._version = version
            self._seen.clear()
            try:
                self._records = {record.key_id: record for record in read_keys(self._path)}
            except CrimePatternsError as error:
                if first:
                    raise
                # Nobody gets in by a key until the file is in order again.
                self._records = {}
                logging.getLogger("crimepatterns.security").error("%s", error)  # noqa: TRY400  # one line says it all


def _slow(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, dklen=32, maxmem=2**26, **_COST)
