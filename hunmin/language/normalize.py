"""Text normalization: NFC, line ends, control characters, outer white space. What changed is named."""

import re
import unicodedata

# Control characters but tab and line feed; zero-width space and BOM. The zero-width joiner stays: emoji.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\ufeff]")


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
