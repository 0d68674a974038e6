"""Opening text files: compression, byte order mark, encoding and line ends, detected from the first bytes."""

import codecs
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, TextIO

import pyarrow as pa

from hunmin.errors import InputError

HEAD_BYTES = 1 << 16
MAX_LINE_CHARS = 1 << 26  # of one line, or one JSON value: it stands in memory whole
MAX_UNPACKED_RATIO = 100  # gzip packs text to a fifth, and the same line over and over to a thousandth
FREE_UNPACKED_BYTES = 1 << 24  # allowed whatever the file's size
_ANY_TEXT = "".join(map(chr, range(32, 127))).replace("\\", "") + "\n"  # that every encoding of text has
_BOMS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig", "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16"),
)
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"  # the magic numbers of what is unpacked here
PACKED_SUFFIXES = {".gz": "gzip", ".zst": "zstd"}
_NOT_TEXT = {
    GZIP: "twice packed gzip",
    ZSTD: "twice packed zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
}
_UNKNOWN = re.compile("[\udc80-\udcff]")  # bytes as `surrogateescape` spells them
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_GUESSES = ("utf-8", "cp949", "utf-16-le", "utf-16-be")


@dataclass(frozen=True)
class TextDialect:
    """How a text file is written."""

    codec: str  # what open() gets
    encoding: str  # in words, for the report
    bom: bool
    line_ends: str  # LF, CRLF, "CRLF and LF", CR, or "one line"
    empty: bool
    packed: str | None = None  # gzip or zstd

    def words(self) -> list[str]:
        """For `describe`."""
        packed = [self.packed] if self.packed else []
        if self.empty:
            return [*packed, "empty file"]
        return [*packed, f"{self.encoding} with BOM" if self.bom else self.encoding, self.line_ends]


def suffix_of(path: str) -> str:
    """The suffix that says what a file holds, that of its compression left away: `.csv` of `a.csv.gz`."""
    stem, suffix = os.path.splitext(path)
    return (os.path.splitext(stem)[1] if suffix.lower() in PACKED_SUFFIXES else suffix).lower()


def packing_of(path: str) -> str | None:
    """Gzip or zstd, by the first bytes: a suffix may say nothing."""
    with open(path, "rb") as handle:
        head = handle.read(4)
    return "gzip" if head.startswith(GZIP) else "zstd" if head.startswith(ZSTD) else None


def is_bomb(*, packed: int, unpacked: int) -> bool:
    """Whether so many bytes are more than what text of so many packed ones unpacks to."""
    return unpacked > max(FREE_UNPACKED_BYTES, MAX_UNPACKED_RATIO * packed)


class _Unpacked(io.RawIOBase):
    """A stream as it is unpacked; refuses where little is unpacked to far more than text shrinks by."""

    def __init__(self, path: str, raw: IO[bytes], stream: Any):
        self._path, self._raw, self._stream = path, raw, stream
        self._given = 0

    def readable(self) -> bool:
        """It is."""
        return True

    @property
    def is_cleared(self) -> bool:
        """Whether so much was packed that what is free whatever the size is no more than the ratio allows."""
        return MAX_UNPACKED_RATIO * self._raw.tell() >= FREE_UNPACKED_BYTES

    def readinto(self, buffer: Any) -> int:
        """The next bytes."""
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._given += len(data)
        if is_bomb(packed=self._raw.tell(), unpacked=self._given):
            raise InputError(
                f"{self._path}: its first {self._raw.tell()} bytes unpack to {self._given}, more than "
                f"{MAX_UNPACKED_RATIO} times as many; if that is meant, unpack it and name the unpacked file"
            )
        return len(data)


def refuse_bomb(path: str) -> None:
    """Unpack as much of a packed file as shows whether it is a bomb; of one that is none, a few hundred kB.

    Raises:
        InputError: it is one.
    """
    with open_bytes(path) as handle:
        stream = getattr(handle, "raw", None)
        while isinstance(stream, _Unpacked) and not stream.is_cleared and handle.read(1 << 20):
            continue


@contextmanager
def open_bytes(path: str) -> Iterator[IO[bytes]]:
    """Open for reading, unpacked as it streams.

    Raises:
        InputError: the packed file is damaged or cut off, or a bomb.
    """
    packed = packing_of(path)
    with open(path, "rb") as raw:
        try:
            if packed == "gzip":
                yield io.BufferedReader(_Unpacked(path, raw, gzip.GzipFile(fileobj=raw)), HEAD_BYTES)
            elif packed == "zstd":
                stream = pa.CompressedInputStream(raw, "zstd")  # type: ignore[arg-type]
                yield io.BufferedReader(_Unpacked(path, raw, stream), HEAD_BYTES)
            else:
                yield raw
        except (EOFError, zlib.error, pa.ArrowException, OSError) as error:
            if packed is None or getattr(error, "errno", None) is not None:  # not of the unpacking
                raise
            raise InputError(
                f"{path}: a {packed} file that cannot be unpacked, and not text ({error}); "
                "copy or make it again"
            ) from error


def text_dialect(path: str, *, encoding: str) -> TextDialect:
    """Look at the head of a file. A byte order mark says more than the config and wins.

    Raises:
        InputError: the head is no text in this encoding, or the file is a packed bomb.
        LookupError: there is no such encoding.
    """
    require_text_encoding(encoding)
    refuse_bomb(path)
    with open_bytes(path) as handle:
        head = handle.read(HEAD_BYTES)
    for magic, kind in _NOT_TEXT.items():
        if head.startswith(magic):
            raise InputError(f"{path}: a {kind} file, not text; unpack or convert it first")
    codec, name, bom = encoding, encoding, False
    for mark, with_mark, spelled in _BOMS:
        if head.startswith(mark):
            codec, name, bom = with_mark, spelled, True
            break
    text = _decode(head, codec)
    _check_head(path, text, head, name)
    crlf = text.count("\r\n")
    lf = text.count("\n") - crlf
    line_ends = " and ".join(word for word, count in (("CRLF", crlf), ("LF", lf)) if count)
    if not line_ends:
        line_ends = "CR" if "\r" in text else "one line"
    return TextDialect(codec, name, bom, line_ends, empty=not text, packed=packing_of(path))


def require_text_encoding(encoding: str) -> None:
    """Whether a file can be read in this encoding; Python lists some that make no text of it.

    Raises:
        LookupError: it cannot, or there is no such encoding.
    """
    try:
        data = _ANY_TEXT.encode(encoding)
        text = codecs.getincrementaldecoder(encoding)("surrogateescape").decode(data, True)
    except (UnicodeError, ValueError, TypeError) as error:
        raise LookupError(f"{encoding} is no encoding of text") from error
    if text != _ANY_TEXT:
        raise LookupError(f"{encoding} is no encoding of text")


def _decode(head: bytes, codec: str) -> str:
    """The head as text, unknown bytes as lone surrogates, a character cut off at the end left away."""
    try:
        return codecs.getincrementaldecoder(codec)("surrogateescape").decode(head, False)
    except UnicodeError:  # UTF-16 without its mark, or with an unknown byte below 0x80
        return codecs.getincrementaldecoder("ascii")("surrogateescape").decode(head, False)


def _check_head(path: str, text: str, head: bytes, encoding: str) -> None:
    """A few unknown bytes reject their records; a head full of them means another encoding."""
    unknown = len(_UNKNOWN.findall(text))
    known = len(_BEYOND_ASCII.findall(text)) - unknown
    nul = text.count("\0")
    if unknown <= known and not nul > len(text) // 10:
        return
    what = (
        f"{unknown} bytes of the first {len(head)} are" if unknown else "the file is full of NUL characters:"
    )
    fits = [guess for guess in _GUESSES if _fits(head, guess)]
    cure = f"it reads as {' or '.join(fits)}: set encoding: {fits[0]}" if fits else "set its encoding"
    raise InputError(f"{path}: {what} not {encoding}; {cure}, or convert the file to utf-8")


def _fits(head: bytes, encoding: str) -> bool:
    """Whether the head decodes, and to text that a person could have typed."""
    try:
        text = codecs.getincrementaldecoder(encoding)("strict").decode(head, False)
    except UnicodeDecodeError:
        return False
    if encoding.startswith("utf-16"):  # nearly any bytes decode; real text has spaces and line ends
        return "\0" not in text and any(char in text for char in " \n\t,")
    return "\0" not in text


@contextmanager
def open_text(path: str, *, encoding: str, newline: str | None = "\n") -> Iterator[TextIO]:
    r"""Open for reading with the detected dialect; unknown bytes become lone surrogates (see check_unicode).

    Args:
        encoding: the source's, unless the file has a byte order mark.
        newline: "\n" splits at line feeds only, so a lone CR or U+2028 stays in its line; "" is for csv. A
            file whose only line ends are CR is read as if they were line feeds.

    Raises:
        InputError: the file is not text in this encoding.
    """
    dialect = text_dialect(path, encoding=encoding)
    if dialect.line_ends == "CR" and newline == "\n":
        newline = None
    with open_bytes(path) as raw:
        handle = io.TextIOWrapper(raw, encoding=dialect.codec, errors="surrogateescape", newline=newline)
        try:
            yield handle
        except UnicodeError as error:
            raise InputError(
                f"{path}: not {dialect.encoding} ({error}); set encoding to what it is"
            ) from error


def lines(path: str, *, encoding: str) -> Iterator[str]:
    """The lines of a file without their ends, and without a byte order mark where files were put together.

    Raises:
        InputError: the file is not text in this encoding, or a line has more than MAX_LINE_CHARS.
    """
    with open_text(path, encoding=encoding) as handle:
        number = 0
        while line := handle.readline(MAX_LINE_CHARS + 1):
            number += 1
            if len(line) > MAX_LINE_CHARS:
                raise InputError(
                    f"{path}: line {number} has more than {MAX_LINE_CHARS} characters; one record stands "
                    "in memory whole: cut it, or leave it out"
                )
            yield line.removesuffix("\n").removesuffix("\r").removeprefix("\ufeff")
