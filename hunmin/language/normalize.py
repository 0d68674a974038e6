"""Text normalization: NFC, line ends, control characters, outer white space. What changed is named."""

import html
import re
import unicodedata
from collections.abc import Sequence
from html.entities import html5

# Control characters but tab and line feed; zero-width space and BOM. The zero-width joiner stays: emoji.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\ufeff]")

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
        # After the control characters, which may stand between a letter and its mark.
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
