"""Delimited text of any delimiter and encoding, plain or packed, streamed as text columns.

Values arrive as text, untouched; an empty one arrives as null. A row whose number of fields differs from the header's
is not lost: it arrives as a row of nulls with its text in the column `UNREADABLE`, so that cleaning can account for it.
"""

import codecs
import csv
import gzip
import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pacsv

from crimepatterns.domain.protocols import RawTable
from crimepatterns.errors import SourceError
from crimepatterns.sources.archive import LimitedGzip, checked_members
from crimepatterns.sources.decoding import decode_column, guess_encoding, looks_binary

__all__ = ["UNREADABLE", "read_csv"]

UNREADABLE = "_unreadable"
"""Column that holds the text of rows that do not fit the header; null in every other row."""

_BLOCK = 4 << 20
_SAMPLE = 1 << 18
_DELIMITERS = (",", ";", "\t", "|")
_MAX_KEPT_TEXT = 500
_MAX_LINES = 1_000
_BYTE_ENCODINGS = {"utf-8", "ascii", "cp1252", "iso8859-1", "iso8859-15"}
_READ_ERRORS = (pa.ArrowInvalid, OSError, EOFError, zlib.error, zipfile.BadZipFile, UnicodeError, RuntimeError)


@dataclass(frozen=True)
class _Dialect:
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    blank_lines: int
    mark: int
    only_header: bool


def read_csv(path: Path, *, delimiter: str | None = None, encoding: str | None = None) -> RawTable:
    """Read delimited text, plain, gzipped or in a zip archive with one or several such files.

    Parameters
    ----------
    path : Path
    delimiter, encoding : str, optional
        Detected from the beginning of the file where not given.

    Raises
    ------
    SourceError
        If the file is empty, binary, damaged, or its members have different headers. Damage far inside the file is
        raised while the batches are read.
    """
    members = _members(path)
    first = _dialect(path, members[0], delimiter, encoding)
    columns = (*first.header, UNREADABLE)
    return RawTable(columns, _batches(path, members, first, delimiter, encoding))


def _batches(
    path: Path, members: list[str | None], first: _Dialect, delimiter: str | None, encoding: str | None
) -> Iterator[pa.RecordBatch]:
    for member in members:
        dialect = first if member == members[0] else _dialect(path, member, delimiter, encoding)
        if dialect.header != first.header:
            raise SourceError(
                f"{_label(path, member)} has the header {_short(dialect.header)}, but {members[0]} has "
                f"{_short(first.header)}: files in one archive must have the same columns."
            )
        try:
            yield from _member_batches(path, member, dialect)
        except _READ_ERRORS as error:
            raise SourceError(_explain(path, member, error)) from error


def _member_batches(  # noqa: C901  # one stream from opening to the rows that do not fit
    path: Path, member: str | None, dialect: _Dialect
) -> Iterator[pa.RecordBatch]:
    if dialect.only_header:
        return
    odd: list[str] = []
    swallowed: list[int] = []

    def keep_odd(row: pacsv.InvalidRow) -> str:
        if row.text.count("\n") > _MAX_LINES:
            swallowed.append(row.text.count("\n"))
        odd.append(f"{row.actual_columns} fields instead of {row.expected_columns}: {row.text[:_MAX_KEPT_TEXT]}")
        return "skip"

    names = [str(i) for i in range(len(dialect.header))]
    schema = pa.schema([(name, pa.string()) for name in (*dialect.header, UNREADABLE)])
    with _opened(path, member) as binary:
        stream = _as_ascii_superset(binary, dialect)
        try:
            reader = pacsv.open_csv(
                pa.PythonFile(stream, mode="r"),
                read_options=pacsv.ReadOptions(
                    column_names=names, skip_rows=dialect.blank_lines, skip_rows_after_names=1, block_size=_BLOCK
                ),
                parse_options=pacsv.ParseOptions(
                    delimiter=dialect.delimiter, newlines_in_values=True, invalid_row_handler=keep_odd
                ),
                convert_options=pacsv.ConvertOptions(
                    check_utf8=False,
                    column_types=dict.fromkeys(names, pa.binary()),
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid as error:
            # No complete row at all: either there is none, or an open quote makes the whole file one odd row.
            if "Empty CSV" not in str(error):
                raise
            reader = ()
        for batch in reader:
            if batch.num_rows:
                values = [decode_column(column, dialect.encoding) for column in batch.columns]
                yield pa.record_batch([*values, pa.nulls(batch.num_rows, pa.string())], schema=schema)
            if odd:
                yield _odd_rows(odd, schema)
                odd.clear()
        if swallowed:
            raise SourceError(
                f"{_label(path, member)} has a quote that is never closed: it swallows {max(swallowed)} lines."
            )
        if odd:
            yield _odd_rows(odd, schema)


def _odd_rows(odd: list[str], schema: pa.Schema) -> pa.RecordBatch:
    nulls = [pa.nulls(len(odd), pa.string())] * (len(schema) - 1)
    texts = [text.encode("utf-8", "replace").decode("utf-8") for text in odd]
    return pa.record_batch([*nulls, pa.array(texts, pa.string())], schema=schema)


# -- what kind of text it is ------------------------------------------------------------------------------------------


def _dialect(path: Path, member: str | None, delimiter: str | None, encoding: str | None) -> _Dialect:
    label = _label(path, member)
    try:
        with _opened(path, member) as stream:
            sample = stream.read(_SAMPLE)
    except _READ_ERRORS as error:
        raise SourceError(_explain(path, member, error)) from error
    if not sample.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n"):
        raise SourceError(f"{label} is empty: expected a header and rows of incidents.")
    if looks_binary(sample):
        raise SourceError(
            f"{label} is not text: expected CSV, Parquet, Excel or a map layer; check source.format or export it again."
        )
    chosen = _known_encoding(encoding) if encoding else guess_encoding(sample)
    mark = 3 if sample.startswith(codecs.BOM_UTF8) else 0
    text = codecs.getincrementaldecoder(chosen)("replace").decode(sample[mark:]).lstrip("\ufeff")
    if chosen not in _BYTE_ENCODINGS:
        mark = 0
    elif encoding is None:
        # Guessed single-byte text may hold UTF-8 as well: each value is tried as UTF-8 first.
        chosen = "utf-8"
    lines = text.splitlines(keepends=True)
    blank = next(i for i, line in enumerate(lines) if line.strip()) if any(line.strip() for line in lines) else 0
    body = "".join(lines[blank:])
    separator = delimiter or _guess_delimiter(body)
    if len(separator) != 1:
        raise SourceError(f"source.delimiter must be one character, got {separator!r}.")
    try:
        header = next(csv.reader(io.StringIO(body), delimiter=separator))
    except (csv.Error, StopIteration) as error:
        raise SourceError(f"{label} has no readable header ({error}): check source.delimiter.") from error
    only_header = len(sample) < _SAMPLE and not any(line.strip() for line in lines[blank + 1 :])
    return _Dialect(chosen, separator, _unique(header), blank, mark, only_header)


def _known_encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise SourceError(
            f"source.encoding {name!r} is not known: use a name such as utf-8, cp1252 or utf-16."
        ) from error


def _guess_delimiter(text: str) -> str:
    """Choose the delimiter that cuts most lines into the same number, more than one, of fields."""
    best, best_score = ",", 0.0
    for candidate in _DELIMITERS:
        sizes = []
        try:
            for row in csv.reader(io.StringIO(text), delimiter=candidate):
                if row:
                    sizes.append(len(row))
                if len(sizes) == 60:
                    break
        except csv.Error:
            continue
        common, times = Counter(sizes).most_common(1)[0] if sizes else (0, 0)
        # A delimiter must also cut the header; decimal commas in the rows do not.
        score = times / len(sizes) * (1 + min(common, 50) / 100) if common > 1 and sizes[0] > 1 else 0.0
        if score > best_score:
            best, best_score = candidate, score
    return best


def _unique(header: list[str]) -> tuple[str, ...]:
    """Give every column a name of its own: ``column_3`` for an empty one, ``Date (2)`` for the second ``Date``."""
    names: list[str] = []
    for i, cell in enumerate(header, start=1):
        name = cell.strip().replace("\x00", "") or f"column_{i}"
        repeated, k = name, 2
        while repeated in names or repeated == UNREADABLE:
            repeated, k = f"{name} ({k})", k + 1
        names.append(repeated)
    return tuple(names)


# -- opening ----------------------------------------------------------------------------------------------------------


def _members(path: Path) -> list[str | None]:
    """List the text files of an archive in order of their names; one None for a file that is not an archive."""
    with path.open("rb") as handle:
        magic = handle.read(4)
    if magic[:2] != b"PK":
        if path.suffix.lower() == ".zip":
            raise SourceError(f"{path} is not a zip archive or is damaged: fetch it again.")
        return [None]
    try:
        names = [info.filename for info in checked_members(path)]
    except _READ_ERRORS as error:
        raise SourceError(f"{path} is a damaged zip archive ({_one_line(error)}): fetch it again.") from error
    texts = sorted(name for name in names if name.lower().endswith((".csv", ".tsv", ".txt")))
    if not texts:
        raise SourceError(f"{path} holds no .csv, .tsv or .txt file, only {_short(names)}.")
    return list(texts)


@contextmanager
def _opened(path: Path, member: str | None) -> Iterator[IO[bytes]]:
    """Open a file, a gzipped file or a member of an archive as bytes; nothing is unpacked to disk."""
    if member is not None:
        with zipfile.ZipFile(path) as archive, archive.open(member) as inner:
            yield inner
        return
    with path.open("rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        if not packed:
            yield plain
            return
        with gzip.GzipFile(fileobj=plain) as unpacked:
            yield LimitedGzip(plain, unpacked, str(path))  # type: ignore[misc]


def _as_ascii_superset(stream: IO[bytes], dialect: _Dialect) -> IO[bytes]:
    if dialect.mark:
        stream.read(dialect.mark)
    if dialect.encoding in _BYTE_ENCODINGS:
        return stream
    return io.BufferedReader(_Transcoded(stream, dialect.encoding), _BLOCK)


class _Transcoded(io.RawIOBase):
    """Bytes of another encoding, read as UTF-8."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            chunk = self._stream.read(_SAMPLE)
            self._ready = self._decoder.decode(chunk, final=not chunk).lstrip("\ufeff").encode("utf-8")
            if not chunk:
                break
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


def _explain(path: Path, member: str | None, error: BaseException) -> str:
    label = _label(path, member)
    if "straddling" in str(error):
        return f"{label} holds a field longer than {_BLOCK >> 20} MB: probably a quote that is never closed."
    if isinstance(error, zipfile.BadZipFile | zlib.error | EOFError | gzip.BadGzipFile):
        return f"{label} is damaged or cut off ({_one_line(error)}): fetch it again."
    return f"{label} cannot be read ({_one_line(error)})."


def _label(path: Path, member: str | None) -> str:
    return str(path) if member is None else f"{path} ({member})"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _short(names: object) -> str:
    listed = list(names)  # type: ignore[call-overload]
    return f"{listed[:6]}" + (f" and {len(listed) - 6} more" if len(listed) > 6 else "")
