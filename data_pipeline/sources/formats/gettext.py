"""gettext catalogues (.po): a message and its translation, read by polib."""

import re
from collections.abc import Iterator

import polib

from data_pipeline import reasons
from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.records import Draft, Record, Reject, Unit, short
from data_pipeline.sources.files.text_files import open_text
from data_pipeline.sources.formats import LANGUAGES, SourceFormat, text_in_the_shape
from data_pipeline.sources.values.pairs import Pair, parse_pair
from hunmin.errors import InputError

# polib cuts text by str.splitlines, which knows more line ends than a catalogue has: they are put aside as
# half surrogates that no decoder makes.
_ASIDE = {char: chr(0xDC00 + i) for i, char in enumerate("\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")}
_BACK = {half: char for char, half in _ASIDE.items()}


def catalogue_records(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """The entries of a catalogue, obsolete ones too; the header is none.

    Raises:
        InputError: the file is no catalogue; with the line.
    """
    path = unit.paths[0]
    with open_text(path, encoding=source.encoding) as handle:
        text = _swapped(handle.read().replace("\r\n", "\n"), _ASIDE)
    try:
        entries = sorted(polib.pofile(text, wrapwidth=0), key=lambda entry: entry.linenum or 0)
    except (OSError, UnicodeError, ValueError) as error:
        place = re.search(r"\((line \d+)\)(.*)\Z", str(error))  # polib's message begins with the whole text
        found = place[1] + place[2] if place else type(error).__name__
        raise InputError(f"{path}: no gettext catalogue ({found}); repair it there") from error
    if text.strip() and not entries and "msgid" not in text:
        raise InputError(f"{path}: no gettext catalogue: it has no msgid at all")
    for entry in entries:
        yield Record(f"line {entry.linenum}", entry)


def parse_entry(entry: polib.POEntry, source: SourceConfig) -> list[Draft]:
    """A draft for each direction of each form: of a plural entry the singular and the plural.

    A language with one form for all numbers pairs it with the plural.
    """
    if entry.obsolete:
        raise Reject(reasons.OBSOLETE_ENTRY, short(entry.msgid))
    if not any(form.strip() for form in _forms(entry)):
        raise Reject(reasons.EMPTY_TRANSLATION, short(entry.msgid))
    if entry.fuzzy:
        raise Reject(reasons.FUZZY_ENTRY, short(entry.msgid))
    if not entry.msgid.strip():
        raise Reject(reasons.NO_PROMPT, "msgid is empty")
    pairs = [(_swapped(one, _BACK), _swapped(other, _BACK)) for one, other in _pairs(entry)]
    return [draft for pair in pairs for draft in parse_pair(pair, source)]


def _swapped(text: str, other: dict[str, str]) -> str:
    """The text with some characters put for others, hardly any of which it ever holds."""
    for char in other.keys() & set(text):
        text = text.replace(char, other[char])
    return text


def _forms(entry: polib.POEntry) -> list[str]:
    plural: dict[int, str] = entry.msgstr_plural
    return [plural[number] for number in sorted(plural)] if plural else [entry.msgstr]


def _pairs(entry: polib.POEntry) -> list[Pair]:
    forms = [form for form in _forms(entry) if form.strip()]
    if not entry.msgid_plural:
        return [(entry.msgid, forms[0])]
    plural = (entry.msgid_plural, forms[-1])
    return [plural] if len(forms) == 1 else [(entry.msgid, forms[0]), plural]


FORMAT = SourceFormat(
    records=catalogue_records,
    parse=parse_entry,
    settings=LANGUAGES,
    describe=text_in_the_shape("gettext catalogue"),
    needs_wordings=lambda source: True,
    from_hub=False,
)
