"""Tell what an uploaded file is from its content; its name is never believed."""

import codecs
import zipfile
from pathlib import Path

from crimepatterns.errors import SourceError
from crimepatterns.sources.archive import checked_members
from crimepatterns.sources.decoding import looks_binary

__all__ = ["ENDINGS", "sniff"]

ENDINGS = {"csv": ".csv", "gzip": ".csv.gz", "zip": ".zip", "geojson": ".geojson", "parquet": ".parquet"}
"""Kind to the ending under which it is kept."""

_SAMPLE = 65_536
_UNPACKED_TIMES = 100
_TAKEN = "CSV (plain, gzipped or zipped), GeoJSON and Parquet are taken."


def sniff(path: Path) -> str:
    """Return the kind of a file: a key of `ENDINGS`.

    Raises
    ------
    SourceError
        If it is none of them, or hostile.
    """
    with path.open("rb") as handle:
        head = handle.read(_SAMPLE)
        handle.seek(max(0, path.stat().st_size - 4))
        tail = handle.read()
    if not head.strip(codecs.BOM_UTF8 + b" \t\r\n"):
        raise SourceError("The file is empty: expected a header and rows of incidents.")
    if head.startswith(b"PAR1"):
        if tail != b"PAR1":
            raise SourceError("This Parquet file is cut off: upload it again.")
        return "parquet"
    if head.startswith(b"PK"):
        return _zipped(path)
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{"):
        return "geojson"
    if looks_binary(head):
        raise SourceError(f"The file is not text and of no kind that is known here: {_TAKEN}")
    return "csv"


def _zipped(path: Path) -> str:
    try:
        members = checked_members(path, nested=True)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise SourceError("This zip archive is damaged or cut off: upload it again.") from error
    except SourceError as error:
        raise SourceError(str(error).replace(str(path), "The archive")) from error
    names = [info.filename for info in members]
    if "[Content_Types].xml" in names:
        raise SourceError(f"This is an Excel or Office file: save it as CSV. {_TAKEN}")
    if not any(name.lower().endswith((".csv", ".tsv", ".txt")) for name in names):
        raise SourceError(f"The archive holds no .csv, .tsv or .txt file. {_TAKEN}")
    if sum(info.file_size for info in members) > _UNPACKED_TIMES * max(path.stat().st_size, 1 << 20):
        raise SourceError(f"The archive unpacks to more than {_UNPACKED_TIMES} times its size: refused.")
    return "zip"
