"""From bytes to text: guess an encoding, and decode columns in which some values are in another one."""

import codecs

import numpy as np
import pyarrow as pa

__all__ = ["decode_column", "guess_encoding", "looks_binary"]

_MAGIC = (
    b"\x89PNG",
    b"\x7fELF",
    b"%PDF",
    b"GIF8",
    b"\xff\xd8\xff",
    b"PAR1",
    b"SQLite format 3",
    b"PK\x03\x04",
    b"\xd0\xcf\x11\xe0",
)


def looks_binary(sample: bytes) -> bool:
    """Tell whether bytes are not text in any encoding; single stray control characters are forgiven."""
    if sample.startswith(_MAGIC):
        return True
    if guess_encoding(sample).startswith("utf-16"):
        return False
    values = np.frombuffer(sample, dtype=np.uint8)
    control = (values < 32) & ~np.isin(values, [9, 10, 12, 13, 26])
    return bool(control.mean() > 0.02)


def guess_encoding(sample: bytes) -> str:
    """Guess the encoding from the beginning of a file: a byte order mark, valid UTF-8, else Windows-1252 or Latin-1."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    values = np.frombuffer(sample[: len(sample) // 2 * 2], dtype=np.uint8)
    if len(values) >= 8:
        nul_even, nul_odd = (values[0::2] == 0).mean(), (values[1::2] == 0).mean()
        if nul_odd > 0.3 and nul_even < 0.05:
            return "utf-16-le"
        if nul_even > 0.3 and nul_odd < 0.05:
            return "utf-16-be"
    try:
        # Incremental, so that a character cut in two at the end of the sample is no fault.
        codecs.getincrementaldecoder("utf-8")("strict").decode(sample)
    except UnicodeDecodeError:
        # Windows-1252 leaves five bytes undefined; a text that uses them is taken as Latin-1.
        undefined = {0x81, 0x8D, 0x8F, 0x90, 0x9D}
        return "iso8859-1" if undefined & set(sample) else "cp1252"
    return "utf-8"


def decode_column(column: pa.Array, encoding: str) -> pa.Array:
    """Turn a binary column into text; values that are not valid in `encoding` are read as Windows-1252.

    Parameters
    ----------
    column : pyarrow.BinaryArray, shape (n,)
    encoding : str

    Returns
    -------
    pyarrow.StringArray, shape (n,)
    """
    if _is_ascii(column):
        return column.view(pa.string())
    if encoding in {"utf-8", "ascii"} or encoding.startswith("utf-16"):
        try:
            return column.cast(pa.string())
        except pa.ArrowInvalid:
            encoding = "utf-8"
    return pa.array([_decode(value.as_py(), encoding) for value in column], pa.string())


def _is_ascii(column: pa.Array) -> bool:
    buffer = column.buffers()[2]
    return buffer is None or not (np.frombuffer(buffer, dtype=np.uint8) & 0x80).any()


def _decode(value: bytes | None, encoding: str) -> str | None:
    if value is None:
        return None
    for candidate in (encoding, "cp1252"):
        try:
            return value.decode(candidate)
        except UnicodeDecodeError:
            continue
    return value.decode("iso8859-1")
