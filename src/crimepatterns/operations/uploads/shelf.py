"""The uploads that are kept: one folder each, from the arriving file to the city that it becomes."""

import re
import secrets
import shutil
import subprocess
import sys
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crimepatterns.config import Settings, load_settings
from crimepatterns.errors import ArtefactError, BusyError, ConfigError, MissingInputError, SourceError
from crimepatterns.operations.jobs.desk import settings_text
from crimepatterns.operations.uploads.mapping import Mapping, city_settings
from crimepatterns.operations.uploads.sniffing import ENDINGS, sniff
from crimepatterns.store.atomic import read_json, stored_json, write_json, write_text
from crimepatterns.store.layout import Layout

__all__ = ["Shelf", "Upload"]

_ID = re.compile(r"up-[0-9]{8}-[0-9a-f]{8}")
_PREVIEW_S = 120
_SPARE = 512 << 20


@dataclass(frozen=True)
class Upload:
    """One uploaded file.

    Parameters
    ----------
    upload_id : str
        Also the short name of the city that it becomes.
    name : str
        What its owner calls it; shown, never used as a path.
    kind : str
        A key of `ENDINGS`.
    file : str
        Its name in `folder`.
    size : int
        Bytes.
    by, at : str
    title : str
        Of the city; empty until it is confirmed.
    job_id : str
        The job that makes the city; empty until it is confirmed.
    """

    upload_id: str
    name: str
    kind: str
    file: str
    size: int
    by: str
    at: str
    title: str
    job_id: str
    folder: Path = field(repr=False)

    @property
    def config(self) -> Path:
        """The city file."""
        return self.folder / "city.yaml"

    def facts(self) -> dict[str, Any]:
        """Return everything as plain values, without paths."""
        return {name: value for name, value in asdict(self).items() if name not in {"folder", "file"}}


class Shelf:
    """The uploads below one project folder.

    Parameters
    ----------
    settings : Settings
        Of the server.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder = Layout(settings.root, settings.city).uploads

    def uploads(self) -> list[Upload]:
        """Return all uploads, the newest first."""
        found = [_read(path) for path in self.folder.glob("up-*") if _ID.fullmatch(path.name)]
        return sorted((one for one in found if one is not None), key=lambda one: (one.at, one.upload_id), reverse=True)

    def upload(self, upload_id: str) -> Upload:
        """Return one upload.

        Raises
        ------
        MissingInputError
            If there is none of that name.
        """
        found = _read(self.folder / upload_id) if _ID.fullmatch(upload_id) else None
        if found is None:
            raise MissingInputError(f"No upload {upload_id[:60]!r}: see /upload for those that are there.")
        return found

    @contextmanager
    def arriving(self) -> Iterator[Path]:
        """Yield a hidden name for a file that arrives; whatever lies there in the end is removed.

        Raises
        ------
        BusyError
            If there are as many uploads as may be, or the disk is nearly full.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if len(self.uploads()) >= self._settings.uploads.most:
            raise BusyError("There are as many uploads as uploads.most allows: delete one first.")
        if shutil.disk_usage(self.folder).free < _SPARE + (self._settings.uploads.max_mb << 20):
            raise BusyError("The disk is nearly full: no upload can be taken.")
        part = self.folder / f".{secrets.token_hex(8)}.part"
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)

    def keep(self, part: Path, *, name: str, by: str) -> Upload:
        """Put a file that has arrived onto the shelf.

        Raises
        ------
        SourceError
            If its content is of no kind that is taken, or hostile.
        """
        kind = sniff(part)
        upload_id = f"up-{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(4)}"
        beside = self.folder / f".{upload_id}.part"
        beside.mkdir(mode=0o700)
        try:
            size = part.stat().st_size
            file = f"incidents{ENDINGS[kind]}"
            part.replace(beside / file)
            facts = {
                "name": _shown(name), "kind": kind, "file": file, "size": size, "by": by,
                "at": datetime.now(UTC).isoformat(timespec="seconds"), "title": "", "job_id": "",
            }  # fmt: skip
            write_json(beside / "upload.json", facts)
            beside.rename(self.folder / upload_id)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return self.upload(upload_id)

    def preview(self, upload_id: str, mapping: Mapping | None, timezone: str = "UTC") -> dict[str, Any]:
        """Look at a file in a process of its own; see `preview`.

        Parameters
        ----------
        upload_id : str
        mapping : Mapping or None
            None guesses it.
        timezone : str
            Of a guessed mapping.

        Raises
        ------
        SourceError
            If that process dies or takes too long.
        """
        upload = self.upload(upload_id)
        _check_zone(timezone if mapping is None else mapping.timezone)
        wanted = {
            "city": upload_id,
            "file": upload.file,
            "rows": self._settings.uploads.preview_rows,
            "mapping": None if mapping is None else mapping.model_dump(),
            "timezone": timezone,
        }
        write_json(upload.folder / "wanted.json", wanted)
        write_text(upload.folder / "home.yaml", settings_text(self._settings))
        (upload.folder / "preview.json").unlink(missing_ok=True)
        command = [sys.executable, "-P", "-m", "crimepatterns.operations.uploads.preview", str(upload.folder.resolve())]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PREVIEW_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise SourceError("Looking at the file takes too long: cut it into parts.") from error
        try:
            found: dict[str, Any] = read_json(upload.folder / "preview.json")
        except ArtefactError as error:
            raise SourceError(
                f"The file cannot be read; the process that tried ended with status {done.returncode}."
            ) from error
        return {**found, "problem": _without_paths(found["problem"], upload.folder)}

    def confirm(self, upload_id: str, mapping: Mapping, formats: tuple[str, ...]) -> Settings:
        """Write the city file of an upload, whole or not at all; return its settings.

        Raises
        ------
        ConfigError
            If the mapping makes no city.
        """
        upload = self.upload(upload_id)
        if mapping.lacking:
            raise ConfigError(mapping.lacking)
        _check_zone(mapping.timezone)
        settings = city_settings(self._settings, upload_id, upload.folder / upload.file, mapping, formats)
        write_text(upload.config, settings_text(settings))
        self._change(upload, title=settings.title)
        return settings

    def started(self, upload_id: str, job_id: str) -> Upload:
        """Note which job makes the city."""
        self._change(self.upload(upload_id), job_id=job_id)
        return self.upload(upload_id)

    def city(self, upload_id: str) -> Settings:
        """Return the settings of the city that an upload has become.

        Raises
        ------
        MissingInputError
            If it was never confirmed.
        """
        upload = self.upload(upload_id)
        if not upload.config.exists():
            raise MissingInputError(f"{upload.name} has not been made a city yet: confirm its mapping on /upload.")
        settings = load_settings(upload.config)
        if settings.city != upload_id:
            raise ArtefactError(f"The city file of {upload_id} was changed: delete this upload.")
        # Who may see what is the server's, whatever stands in the file.
        return settings.model_copy(
            update={name: getattr(self._settings, name) for name in ("root", "security", "disclosure", "serving")}
        )

    def delete(self, upload_id: str) -> None:
        """Remove an upload, and with it everything that was made of it; no job may be at work on it."""
        upload = self.upload(upload_id)
        layout = Layout(self._settings.root, upload_id)
        made = [layout.raw, layout.context, layout.results, layout.issued]
        made += [layout.card_decisions.parent, layout.saved_views.parent]
        made += list(layout.processed.parent.glob(f"*{upload_id}*"))
        made += list(layout.models.glob(f"{upload_id}-*"))
        for path in (*made, layout.ledger, upload.folder):
            if path.is_symlink() or path.is_file():
                path.unlink(missing_ok=True)
            elif path.exists():
                shutil.rmtree(path)

    def _change(self, upload: Upload, **changes: str) -> None:
        told = read_json(upload.folder / "upload.json")
        write_json(upload.folder / "upload.json", {**told, **changes})


def _read(folder: Path) -> Upload | None:
    told = stored_json(folder / "upload.json")
    try:
        return None if told is None else Upload(upload_id=folder.name, folder=folder, **told)
    except TypeError:
        return None


def _shown(name: str) -> str:
    """Return the last part of a name as its owner's system wrote it, without anything that cannot be seen."""
    last = re.split(r"[\\/]", name)[-1]
    plain = "".join(letter for letter in last if letter.isprintable()).strip()[:100]
    return plain or "file"


def _check_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ConfigError(f"No time zone {name[:60]!r}: choose one such as America/Chicago.")


def _without_paths(text: str, folder: Path) -> str:
    for known in (str(folder.resolve()), str(folder)):
        text = text.replace(f"{known}/", "")
    return text
