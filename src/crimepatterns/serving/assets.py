"""Style sheets, scripts and fonts: the files below ``static/``, by name, with the hashed names of the bundle."""

import json
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crimepatterns.serving.failures import UnknownNameError
from crimepatterns.serving.payloads import Payload, PayloadCache

__all__ = ["Assets", "Bundle"]

_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Bundle:
    """Addresses of one entry of the front-end build; empty where it was not built.

    Parameters
    ----------
    scripts, imports, styles, fonts : tuple of str
        Imports are the modules that the scripts need: a browser that is told of them fetches all at once.
    """

    scripts: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
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

    def bundle(self, entry: str) -> Bundle:
        """Return what a page loads from the front-end build.

        Parameters
        ----------
        entry : str
            Name of an entry in ``vite.config.ts``.
        """
        manifest = self._folder / "bundle" / "manifest.json"
        if not manifest.exists():
            return Bundle()
        return self._cache.get(("manifest", entry), [manifest], lambda: _read_bundle(manifest, entry))


def _read_bundle(manifest: Path, entry: str) -> Bundle:
    chunks: dict[str, dict[str, Any]] = json.loads(manifest.read_text(encoding="utf-8"))
    first = next((one for one in chunks.values() if one.get("isEntry") and one["name"] == entry), None)
    if first is None:  # a build older than the page
        return Bundle()
    loaded = [first]
    for one in loaded:
        loaded += [chunks[key] for key in one.get("imports", []) if chunks[key] not in loaded]
    styles = dict.fromkeys(name for one in loaded for name in one.get("css", []))
    fonts = dict.fromkeys(name for one in loaded for name in one.get("assets", []) if name.endswith(".woff2"))
    imports = [one["file"] for one in loaded[1:]]
    return Bundle((_address(first["file"]),), *(tuple(map(_address, names)) for names in (imports, styles, fonts)))


def _address(name: str) -> str:
    return f"/static/bundle/{name}"
