"""Style sheets, scripts and fonts: the files below ``static/``, by name, with the hashed names of the bundle."""

import json
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from crimepatterns.serving.failures import UnknownNameError
from crimepatterns.serving.payloads import Payload, PayloadCache

__all__ = ["Assets", "Bundle"]

_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Bundle:
    """Addresses of the front-end build; empty where it was not built.

    Parameters
    ----------
    scripts, styles, fonts : tuple of str
    """

    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    fonts: tuple[str, ...] = ()


class Assets:
    """The static files of one folder.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cache = PayloadCache()

    def payload(self, name: str) -> Payload:
        """Return a file by its name below the folder.

        Raises
        ------
        UnknownNameError
            If no such file lies there; names are looked up in the folder's listing, never joined to a path.
        """
        listed = {
            path.relative_to(self._folder).as_posix(): path
            for path in self._folder.rglob("*")
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(self._folder).parts)
        }
        if name not in listed:
            raise UnknownNameError(f"No file {name[:80]!r} among the static files.")
        path = listed[name]
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return self._cache.get(name, [path], lambda: Payload.of(path.read_bytes(), kind))

    @property
    def bundle(self) -> Bundle:
        """What the page loads from the front-end build."""
        manifest = self._folder / "bundle" / "manifest.json"
        if not manifest.exists():
            return Bundle()
        return self._cache.get("manifest", [manifest], lambda: _read_bundle(manifest))


def _read_bundle(manifest: Path) -> Bundle:
    entries: dict[str, dict[str, object]] = json.loads(manifest.read_text(encoding="utf-8"))
    entry = next(one for one in entries.values() if one.get("isEntry"))
    prefix = "/static/bundle/"
    styles, fonts = entry.get("css", []), entry.get("assets", [])
    return Bundle(
        (prefix + str(entry["file"]),),
        tuple(prefix + str(name) for name in styles if isinstance(styles, list)) if isinstance(styles, list) else (),
        tuple(prefix + str(name) for name in fonts if str(name).endswith(".woff2")) if isinstance(fonts, list) else (),
    )
