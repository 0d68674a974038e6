"""What the readers of all formats share: a record as read, a draft made from it, or a rejection."""

import datetime
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, NamedTuple

from data_pipeline import reasons
from hunmin.rows import Message, texts_of

SHORT = 80  # characters of a value that a message shows


class Reject(Exception):
    """A record is not kept. Caught by `read`, which makes a rejection of it; never leaves the package."""

    def __init__(self, reason: str, detail: str, text: str | None = None):
        """`text`: what stands in the file, where no record could be read from it."""
        super().__init__(detail)
        self.reason, self.detail, self.text = reason, detail, text


@dataclass(frozen=True)
class Unit:
    """One file of a source, or one pair of parallel files: what a worker reads at a time."""

    source_index: int
    source: str
    format: str
    file: str  # relative to the source's fixed (non-glob) folder, posix: no machine in it
    paths: tuple[str, ...]  # absolute
    templates: str | None = None  # absolute: the file of the source's templates
    joined: tuple[str, ...] = ()  # absolute: the files whose records are joined to those of `paths`

    def beside(self) -> dict[str, str]:
        """What is read beside `paths`, the same for every file of the source: name -> absolute path."""
        templates = {} if self.templates is None else {"templates": self.templates}
        return templates | {f"joined:{number}": path for number, path in enumerate(self.joined)}


class Spelled(float):
    """A number in the digits of its file: 3.10 counts as 3.1, and is written 3.10."""

    text: str

    def __new__(cls, text: str) -> "Spelled":
        """The number that the text spells."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        """As the file has it."""
        return self.text

    __repr__ = __str__

    def __reduce__(self) -> tuple[type["Spelled"], tuple[str]]:
        """Pickled with its digits."""
        return Spelled, (self.text,)


class Record(NamedTuple):
    """A record as it stands in the file; `value` is a Reject where not even that could be read."""

    place: str  # in words: "line 7", "item 7 of the array"
    value: Any


@dataclass(frozen=True)
class Draft:
    """A row before it knows where it came from."""

    answer: str
    references: list[str]  # the first is the answer
    instruction: str | None = None
    input: str | None = None
    rationale: str | None = None
    label: str | None = None
    value: str | None = None  # the raw label, before `labels` mapped it
    messages: list[Message] | None = None  # of conversations only
    language: str | None = None  # where the format knows better than the source
    family_key: str | None = None
    synthetic: bool = False  # a model wrote it, whatever the source says
    tools: str | None = None  # JSON text: the list of functions that it may call
    weight: float = 1.0  # on all its answers
    unread: tuple[str, ...] = ()  # keys of the record that nobody reads

    def texts(self) -> list[str]:
        """Every text that would reach a row."""
        fields = (self.instruction, self.input, self.rationale, self.label, self.value, self.family_key)
        turns = (text for turn in self.messages or () for text in texts_of(turn))
        return [text for text in (*fields, *self.references, *turns, self.tools) if text is not None]


Outcomes = Sequence[Draft | Reject | None]  # of one record, by sub-record; None where there is none


def short(value: Any) -> str:
    """A value as it is shown in a message: one line of at most SHORT characters."""
    try:
        spelled = (
            value.text if isinstance(value, Spelled) else json.dumps(value, ensure_ascii=False, default=repr)
        )
    except RecursionError:
        spelled = f"{kind_of(value)} that nests too deep to be shown"
    text = printable(spelled)
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"


def whole(value: Any) -> str:
    """A record as it is shown to people: objects and lists as JSON, anything else as it spells itself."""
    is_json = isinstance(value, (dict, list, tuple))
    return printable(json.dumps(value, ensure_ascii=False, default=str) if is_json else str(value))


def printable(text: str) -> str:
    """The text with half surrogate pairs spelled out: what any terminal and Arrow can take."""
    return text.encode(errors="backslashreplace").decode()


def is_absent(value: Any) -> bool:
    """Whether a value says that there is none. Null and NaN mean the same as a key that is not there."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def present_key(record: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    """The first of the keys that has a value, else the first that is there with none, else None."""
    there = [key for key in keys if key in record]
    return next((key for key in there if not is_absent(record[key])), there[0] if there else None)


def scalar_text(value: Any, key: str) -> str:
    """The text of a scalar, numbers and booleans as the file spells them; null and NaN as the empty text.

    Of a number that has no spelling (Parquet) the shortest text is written that gives it back. Dates and
    decimals, which columnar files have, are written as ISO 8601 and in full.
    """
    if isinstance(value, str):
        return value
    if is_absent(value):
        return ""
    if isinstance(value, Spelled):
        return value.text
    if isinstance(value, float) and math.isinf(value):
        raise Reject(reasons.WRONG_TYPE, f"{key} is {value}, which is no number that a text can hold")
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise Reject(reasons.WRONG_TYPE, f"{key} is {kind_of(value)}, needed is a text: {short(value)}")


def kind_of(value: Any) -> str:
    """The JSON name of a value's type."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    names |= {bytes: "bytes"}
    return names.get(type(value), "a number")


def present(text: str | None) -> str | None:
    """The text, or None where there is nothing in it but white space."""
    return text if text is not None and text.strip() else None


def check_unicode(draft: Draft) -> None:
    r"""Refuse text that cannot be written as UTF-8.

    Readers decode with `surrogateescape`, so a byte that the encoding does not know arrives here as a lone
    surrogate; JSON can also spell half a pair ("\ud83d") by itself.
    """
    for text in draft.texts():
        if text.isascii():
            continue
        try:
            text.encode()
        except UnicodeEncodeError as error:
            code = ord(text[error.start])
            found = f"byte 0x{code - 0xDC00:02X}" if 0xDC80 <= code <= 0xDCFF else f"half a pair U+{code:04X}"
            around = text[max(0, error.start - 10) : error.start + 10].encode(errors="replace").decode()
            raise Reject(reasons.BAD_ENCODING, f"{found} in {short(around)}") from error


def did_you_mean(name: str, known: list[str]) -> str:
    """The nearest known name, or the advice to map one."""
    near = get_close_matches(name, known, n=1) or [other for other in known if other.lower() == name.lower()]
    return f"did you mean {near[0]}?" if near else "name the right one in the config, or another format"


def as_object(value: Any) -> dict[str, Any]:
    """The record as an object, or Reject."""
    if isinstance(value, dict):
        return value
    raise Reject(reasons.NOT_AN_OBJECT, f"found {kind_of(value)}, needed is an object: {short(value)}")


def content_key(text: str) -> str:
    """16 hexadecimal digits of the text's sha256: equal for equal texts on every machine."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
