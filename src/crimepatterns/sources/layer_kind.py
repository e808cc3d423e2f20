"""Tell whether a file is the map layer that its name says, before a library opens it.

The reading library recognises some hundred kinds of files by their content, among them small texts that only point to
other files or to addresses on the network. Only four kinds are let through.
"""

from pathlib import Path

from crimepatterns.errors import SourceError

__all__ = ["check_layer"]

_FIRST_BYTES = {".gpkg": b"SQLite format 3\x00", ".shp": b"\x00\x00\x27\x0a", ".fgb": b"fgb"}
_SAMPLE = 4_096


def check_layer(path: Path) -> None:
    """Refuse a layer whose content is of another kind than its name says.

    Raises
    ------
    SourceError
        If it is.
    """
    with path.open("rb") as handle:
        sample = handle.read(_SAMPLE)
    wanted = _FIRST_BYTES.get(path.suffix.lower())
    if wanted is None:
        # GeoJSON, and whatever else was declared a layer: JSON or one of the others.
        text = sample.removeprefix(b"\xef\xbb\xbf").lstrip()
        fine = text.startswith((b"{", b"\x1e{", *_FIRST_BYTES.values()))
    else:
        fine = sample.startswith(wanted)
    if not fine:
        raise SourceError(
            f"{path} cannot be read as a map layer: expected GeoJSON, GeoPackage, a shapefile or FlatGeobuf, and the "
            "content that its ending says."
        )
