"""Text normalization: NFC, line ends, invisible characters, outer white space. What changed is named."""

import html
import re
import unicodedata
from collections.abc import Sequence
from html.entities import html5

# Control characters but tab and line feed; zero-width space and BOM; code points that are no characters. The
# zero-width joiner and non-joiner stay: emoji and Persian words are spelled with them.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\ufeff\ufdd0-\ufdef\ufffe\uffff]")
# What no reader sees, so that a text says one thing on the screen and another to a model: signs that turn the
# direction (https://trojansource.codes), invisible operators and anchors, the soft hyphen.
_UNSEEN = re.compile(
    "[\u00ad\u061c\u180e\u200e\u200f\u202a-\u202e\u2060-\u206f\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_SELECTORS = re.compile("([\ufe00-\ufe0f\U000e0100-\U000e01ef])[\ufe00-\ufe0f\U000e0100-\U000e01ef]+")
# The flags of England, Scotland and Wales are a black flag and tags: letters of a region, then the end tag.
_FLAG = re.compile("(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)")

# References of HTML with their semicolon; without it, &copy=1 is a part of an address.
ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_NO_INPUT = re.compile(
    r"no[ _-]?inputs?(?: (?:is )?(?:provided|required|needed|given|necessary))?|n/a|not applicable"
    r"|입력 ?(?:값 ?)?없음",
    re.IGNORECASE,
)
_EDGES = " \t\n.!<>()[]{}*_-'\""


def unescape_entities(text: str, *, spared: Sequence[tuple[int, int]] = ()) -> str:
    """The text with the signs that HTML's references stand for, &quot; and &#44419;, also escaped twice.

    Args:
        spared: (start, end) of pieces that stay as they are.
    """
    pieces, end = [], 0
    for start, stop in [*sorted(spared), (len(text), len(text))]:
        if stop > end:
            pieces += [_unescaped(text[end : max(start, end)]), text[max(start, end) : stop]]
            end = stop
    return "".join(pieces)


def _unescaped(text: str) -> str:
    while True:  # each round makes it shorter
        after = ENTITY.sub(_sign_of, text)
        if after == text:
            return text
        text = after


def _sign_of(reference: re.Match[str]) -> str:
    # A name by the table only: `unescape` would take &notified; for &not and a rest.
    known = reference[0][1] == "#" or reference[0][1:] in html5
    return html.unescape(reference[0]).replace("\u00a0", " ") if known else reference[0]


def says_no_input(text: str) -> bool:
    """Whether it is one of the spellings of "no input": <noinput>, No input., 입력 없음."""
    return len(text) < 40 and _NO_INPUT.fullmatch(text.strip(_EDGES)) is not None


def normalize_text(text: str, *, answer: bool = False) -> tuple[str, list[str]]:
    """The normalized text and the names of the steps that changed it.

    Of an `answer` the indentation of the first line stays (code); only blank lines before it go.
    """
    steps = (
        ("line_ends", lambda s: s.replace("\r\n", "\n").replace("\r", "\n")),
        ("control_characters", lambda s: _CONTROL.sub("", s)),
        ("invisible_characters", without_unseen),
        # After these, which may stand between a letter and its mark.
        ("nfc", lambda s: unicodedata.normalize("NFC", s)),
        ("outer_space", (lambda s: re.sub(r"^(?:[^\S\n]*\n)+", "", s).rstrip()) if answer else str.strip),
    )
    changed = []
    for name, step in steps:
        after = step(text)
        if after != text:
            changed.append(name)
        text = after
    return text, changed


def without_unseen(text: str) -> str:
    """The text without what is not seen: direction signs, tags outside a flag, a second selector."""
    if text.isascii():
        return text
    if _UNSEEN.search(text):
        # Every other piece is a flag; what is between two flags loses what is not seen.
        pieces = _FLAG.split(text)
        text = "".join(piece if index % 2 else _UNSEEN.sub("", piece) for index, piece in enumerate(pieces))
    return _SELECTORS.sub(r"\1", text)
