"""What counts as a span that a rewording must leave as it is."""

import pytest

from hunmin.language.protected import protected, quoted_spans


@pytest.mark.parametrize(
    ("text", "language", "spans"),
    [
        ("Run `ls -l` at https://a.org/x?b=1.", "en", {"`ls -l`", "https://a.org/x?b=1."}),
        ("Write to Kim Minsu about NASA and iPhone.", "en", {"Kim", "Minsu", "NASA", "iPhone"}),
        ("Use at least three of 3.5 kg.", "en", {"at least", "three", "3.5 kg"}),
        ("Say 'hello' to {name} and <b>.", "en", {"'hello'", "{name}", "<b>"}),
        (
            "세 문장으로, 50자 이내로 Python을 “쉽게” 설명하세요.",
            "ko",
            {"세 문장", "50자", "이내", "Python", "“쉽게”"},
        ),
    ],
)
def test_spans(text: str, language: str, spans: set[str]) -> None:
    assert set(protected(text, language=language)) == spans


def test_first_words_are_no_names() -> None:
    assert not protected("Write it. Then stop it.\nCount it.", language="en")


def test_spans_are_counted() -> None:
    assert protected("`a`, `a`: 2%", language="en") == {"`a`": 2, "2%": 1}


def test_code_is_quoted() -> None:
    assert quoted_spans('x "a" `b`') == [(2, 5), (6, 9)]
