import json
from pathlib import Path
from typing import Any

import pytest
from source_helpers import fields_of, reasons_of

from data_pipeline.config import SourceConfig
from data_pipeline.sources import describe, expand
from hunmin.errors import InputError

QA = {"format": "table", "columns": {"input": "Q", "answer": "A"}}


def words(tmp_path: Path, **settings: Any) -> list[str]:
    source = SourceConfig.model_validate({"name": "s", **settings})
    return describe(expand(source, index=0, base=tmp_path)[0], source)


def test_csv_with_bom_crlf_quotes_and_no_final_newline(read_files: Any, tmp_path: Path) -> None:
    text = '\ufeffQ,A,label\r\n"쉼표, 와 ""따옴표""","두\r\n줄",0\r\n뭐해?,공부해요,2   '
    rows = read_files({"t.csv": text}, **QA)
    assert fields_of(rows, "input", "answer") == [('쉼표, 와 "따옴표"', "두\r\n줄"), ("뭐해?", "공부해요")]
    assert words(tmp_path, path="t.csv", **QA) == [
        "utf-8 with BOM",
        "CRLF",
        "delimiter comma",
        "double quotes around fields",
        "header line: Q, A, label",
    ]


def test_tsv_takes_quotes_as_text_unless_told(read_files: Any, tmp_path: Path) -> None:
    text = 'Q\tA\n"열린 따옴표\t답\n말\t"두 번"\n'
    rows = read_files({"t.tsv": text}, **QA)
    assert fields_of(rows, "input", "answer") == [('"열린 따옴표', "답"), ("말", '"두 번"')]
    assert "quotes are text" in words(tmp_path, path="t.tsv", **QA)
    rows = read_files({"t.tsv": 'Q\tA\n"한\t칸"\t답\n'}, quoted=True, **QA)
    assert fields_of(rows, "input", "answer") == [("한\t칸", "답")]


def test_a_lone_carriage_return_ends_rows_of_csv_only(read_files: Any) -> None:
    rows = read_files({"t.csv": "Q,A\r가,나\r다,라\r"}, **QA)
    assert fields_of(rows, "input", "answer") == [("가", "나"), ("다", "라")]
    rows = read_files({"t.tsv": "Q\tA\r\n가\r나\t다\r\n"}, **QA)
    assert fields_of(rows, "input", "answer") == [("가\r나", "다")]


def test_header_may_be_declared(read_files: Any) -> None:
    rows = read_files({"t.txt": "안녕|네\n잘 가|네\n"}, header=["Q", "A"], delimiter="|", **QA)
    assert fields_of(rows, "input", "answer") == [("안녕", "네"), ("잘 가", "네")]
    rows = read_files({"t.txt": "Q|A\n안녕|네\n"}, header=["Q", "A"], delimiter="|", **QA)
    assert reasons_of(rows) == ["broken_row", None]


@pytest.mark.parametrize(
    ("line", "reason", "words"),
    [
        ("하나", "broken_row", "1 fields, the header has 2"),
        ("하나,둘,셋", "broken_row", "3 fields, the header has 2"),
        ('"닫힌" 뒤,답', "broken_row", "expected after"),
        ("Q,A", "broken_row", "the header stands here as a row"),
        ("질문,", "no_answer", "the answer is empty"),
        (",답", "no_prompt", "Q empty"),
    ],
)
def test_each_rule_rejects_its_row(read_files: Any, line: str, reason: str, words: str) -> None:
    rows = read_files({"t.csv": f"Q,A\n\n앞,답\n{line}\n뒤,답\n"}, **QA)
    assert reasons_of(rows) == [None, reason, None]
    assert rows[1]["detail"].startswith("line 4: ")
    assert words in rows[1]["detail"]


def test_an_open_quote_stops_with_its_line(read_files: Any) -> None:
    with pytest.raises(
        InputError, match=r"t\.csv: the quote opened in the row of line 3 is never closed, .* to line 5;"
    ):
        read_files({"t.csv": 'Q,A\n가,나\n"열림,답\n다,라\n마,바\n'}, **QA)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "q,A\n가,나\n", 'no column Q (columns.input); the header has ["q", "A"]; did you mean q?'),
        ("t.csv", "Q\tA\n가\t나\n", "it holds the sign tab; set the source's delimiter: tab"),
        ("t.csv", "", "empty; needed is a header line"),
        ("t.csv", "Q,Q,A\n가,나,다\n", "the header names Q twice"),
        ("t.txt", "Q,A\n", "a table with the suffix .txt"),
        ("t.json", '[{"Q": "가", "a": "나"}]', "none of the first 1 records has the key A (answer)"),
    ],
)
def test_a_table_that_does_not_fit_the_mapping_stops(
    read_files: Any, name: str, text: str, message: str
) -> None:
    with pytest.raises(InputError) as error:
        read_files({name: text}, **QA)
    assert message in str(error.value)


def test_csv_settings_are_refused_for_json(read_files: Any) -> None:
    with pytest.raises(InputError, match="JSON has no delimiter"):
        read_files({"t.json": "[]"}, delimiter=",", **QA)


RATING = {
    "format": "table",
    "columns": {"input": "review", "label": "rating"},
    "labels": {"1-4": "부정", "9-10": "긍정", "모름": "중립"},
}


@pytest.mark.parametrize(
    ("rating", "label"),
    [("1", "부정"), ("4", "부정"), ("4.0", "부정"), (" 9\u00a0", "긍정"), (10, "긍정"), ("모름 ", "중립")],
)
def test_labels_map_strings_and_inclusive_ranges(read_files: Any, rating: Any, label: str) -> None:
    rows = read_files({"t.json": json.dumps([{"review": "글", "rating": rating}])}, **RATING)
    assert fields_of(rows, "label", "answer") == [(label, label)]
    assert rows[0]["references"] == [label]


@pytest.mark.parametrize(
    ("rating", "reason"),
    [(value, "label_not_mapped") for value in ("0", "5", "11", "4.5", "1-4x")]
    + [("", "no_answer"), (None, "no_answer"), ([1], "wrong_type")],
)
def test_labels_outside_the_mapping_are_rejected(read_files: Any, rating: Any, reason: str) -> None:
    rows = read_files({"t.json": json.dumps([{"review": "글", "rating": rating}])}, **RATING)
    assert reasons_of(rows) == [reason]
    if reason == "label_not_mapped":
        assert (
            rows[0]["detail"] == f'item 1 of the array: label "{rating}" is not among labels: 1-4, 9-10, 모름'
        )


def test_labels_map_the_answer_column_where_there_is_no_label_column(read_files: Any) -> None:
    settings = {"columns": {"input": "Q", "answer": "A"}, "labels": {"true": "예", "false": "아니오"}}
    rows = read_files({"t.jsonl": '{"Q": "참?", "A": true}\n'}, format="table", **settings)
    assert fields_of(rows, "label", "answer") == [("예", "예")]


def test_an_unmapped_label_column_is_the_stripped_answer(read_files: Any) -> None:
    columns = {"input": "Q", "label": "L"}
    rows = read_files({"t.csv": "Q,L\n글,2   \n글,  \n"}, format="table", columns=columns)
    assert fields_of(rows[:1], "label", "answer") == [("2", "2")]
    assert reasons_of(rows) == [None, "no_answer"]


def test_an_answer_column_beside_a_label_column_stays_the_answer(read_files: Any) -> None:
    columns = {"input": "Q", "answer": "why", "label": "L", "rationale": "why"}
    rows = read_files(
        {"t.csv": "Q,why,L\n글,이유,1\n"}, format="table", columns=columns, labels={"1": "긍정"}
    )
    assert fields_of(rows, "label", "answer", "rationale") == [("긍정", "이유", "이유")]


def test_a_few_unknown_bytes_reject_their_row_and_many_stop_the_file(read_files: Any) -> None:
    text = "Q,A\n한글 질문,한글 답\n".encode()
    rows = read_files({"t.csv": text + b"caf\xe9,x\n"}, **QA)
    assert reasons_of(rows) == [None, "bad_encoding"]
    assert rows[1]["detail"].startswith("line 3: byte 0xE9")
    korean = "Q,A\n한글 질문,한글 답\n".encode("cp949")
    with pytest.raises(InputError, match="not utf-8; it reads as cp949: set encoding: cp949"):
        read_files({"t.csv": korean}, **QA)
    assert reasons_of(read_files({"t.csv": korean}, encoding="cp949", **QA)) == [None]


def test_utf_16_is_seen_by_its_mark(read_files: Any, tmp_path: Path) -> None:
    rows = read_files({"t.csv": "Q,A\r\n가,나\r\n".encode("utf-16")}, **QA)
    assert fields_of(rows, "input", "answer") == [("가", "나")]
    assert words(tmp_path, path="t.csv", **QA)[:2] == ["utf-16 with BOM", "CRLF"]
    with pytest.raises(InputError, match="reads as utf-16-le: set encoding"):
        read_files({"t.csv": "Q,A\nquestion,answer\n".encode("utf-16-le")}, **QA)


def test_a_quoted_empty_field_is_a_record_and_a_blank_line_is_none(read_files: Any) -> None:
    settings = {"header": ["A"], "quoted": True, "columns": {"instruction": "=이어 쓰세요.", "answer": "A"}}
    rows = read_files({"t.tsv": '가\n""\n\n  \n나\n'}, format="table", **settings)
    assert reasons_of(rows) == [None, "no_answer", None]
    assert rows[1]["detail"].startswith("line 2: ")


def test_a_document_longer_than_the_csv_default(read_files: Any) -> None:
    long = "가" * 200_000
    rows = read_files({"t.csv": f"Q,A\n{long},답\n"}, **QA)
    assert rows[0]["fields"]["input"] == long
