"""gettext catalogues: translations, and the entries that are none yet or no more."""

from typing import Any

import pytest
from source_helpers import fields_of, reasons_of

from hunmin.errors import InputError

HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
PO = (
    HEADER
    + """\
#: a.rst:1
msgid "Hello."
msgstr "안녕하세요."

msgid ""
"Two "
"lines\\n"
msgstr ""
"두 "
"줄\\n"

msgid "Not yet."
msgstr ""

#, fuzzy
msgid "Changed."
msgstr "예전 글."

#~ msgid "Gone."
#~ msgstr "사라짐."

msgctxt "menu"
msgid "Open"
msgstr "열기"
"""
)


def catalogue(read_files: Any, text: str | bytes = PO, **more: Any) -> list[dict]:
    return read_files({"t.po": text}, format="gettext", **more)


def test_entries_and_why_some_are_left_out(read_files: Any) -> None:
    rows = catalogue(read_files, languages=["en", "ko"])
    assert reasons_of(rows) == [
        None,
        None,
        "empty_translation",
        "fuzzy_entry",
        "obsolete_entry",
        None,
    ]
    kept = [row for row in rows if "reason" not in row]
    assert fields_of(kept, "input", "answer") == [
        ("Hello.", "안녕하세요."),
        ("Two lines\n", "두 줄\n"),
        ("Open", "열기"),
    ]
    assert {row["language"] for row in kept} == {"ko"}
    assert rows[2]["detail"] == 'line 16: "Not yet."'


def test_both_directions_and_two_rejections_for_each_entry_left_out(read_files: Any) -> None:
    rows = catalogue(read_files, languages=["en", "ko"], directions="both")
    assert len(rows) == 12
    assert fields_of(rows[:2], "input", "answer") == [("Hello.", "안녕하세요."), ("안녕하세요.", "Hello.")]
    assert [row["language"] for row in rows[:2]] == ["ko", "en"]
    assert rows[0]["family_key"] == rows[1]["family_key"]
    assert sorted(row["sub_record"] for row in rows if row.get("reason") == "fuzzy_entry") == [0, 1]


PLURAL = 'msgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] "{}"\n'


def test_plural_forms(read_files: Any) -> None:
    rows = catalogue(read_files, HEADER + PLURAL.format("파일 %d개"))
    assert fields_of(rows, "input", "answer") == [("%d files", "파일 %d개")]
    rows = catalogue(read_files, HEADER + PLURAL.format("%d Datei") + 'msgstr[1] "%d Dateien"\n')
    assert fields_of(rows, "input", "answer") == [("%d file", "%d Datei"), ("%d files", "%d Dateien")]
    assert [row["sub_record"] for row in rows] == [0, 1]
    assert reasons_of(catalogue(read_files, HEADER + PLURAL.format(""))) == ["empty_translation"]


def test_line_separators_inside_a_message_and_unknown_bytes(read_files: Any) -> None:
    rows = catalogue(read_files, HEADER + 'msgid "a\u2028b\x85c"\nmsgstr "가\x0c나"\n')
    assert fields_of(rows, "input", "answer") == [("a\u2028b\x85c", "가\x0c나")]
    rows = catalogue(read_files, PO.encode() + b'\nmsgid "x"\nmsgstr "caf\xe9"\n')
    assert reasons_of(rows).count("bad_encoding") == 1


def test_crlf_and_a_legacy_encoding(read_files: Any) -> None:
    rows = catalogue(read_files, PO.replace("\n", "\r\n"))
    assert sum("reason" not in row for row in rows) == 3
    legacy = PO.replace("utf-8", "EUC-KR").encode("cp949")
    assert fields_of(catalogue(read_files, legacy, encoding="cp949")[:1], "answer") == [("안녕하세요.",)]
    with pytest.raises(InputError, match="set encoding: cp949"):
        catalogue(read_files, legacy)


@pytest.mark.parametrize("text", ['msgid "a"b"\nmsgstr "b"\n', "just text\n", 'msgstr "b"\n'])
def test_what_is_no_catalogue_stops(read_files: Any, text: str) -> None:
    with pytest.raises(InputError, match=r"t\.po: no gettext catalogue"):
        catalogue(read_files, text)


def test_an_empty_file_and_a_bare_header_hold_nothing(read_files: Any) -> None:
    assert catalogue(read_files, "") == catalogue(read_files, HEADER) == []


def test_a_broken_catalogue_stops_with_its_line(read_files: Any) -> None:
    with pytest.raises(InputError, match=r"t\.po: no gettext catalogue \(line 21: .*quote.*\); repair"):
        catalogue(read_files, PO.replace('"예전 글."', '"예전 "글."'))
