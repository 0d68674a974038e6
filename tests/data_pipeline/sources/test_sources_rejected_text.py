"""What a reader could not make a row of is kept as it stands in the file."""

from typing import Any

ALPACA = {"format": "alpaca"}
TABLE = {"format": "table", "columns": {"input": "text", "answer": "answer"}, "task": "t"}


def texts(rows: list[Any]) -> list[str]:
    return [row["text"] for row in rows if "reason" in row]


def test_a_line_that_is_not_json(read_files: Any) -> None:
    good = '{"instruction": "하나", "output": "둘"}'
    assert texts(read_files({"a.jsonl": f'{good}\n{{"instruction": "따옴표\n'}, **ALPACA)) == [
        '{"instruction": "따옴표'
    ]


def test_a_record_that_cannot_be_a_row_is_told_as_json(read_files: Any) -> None:
    lines = '{"instruction": "하나", "output": "둘"}\n{"instruction": "셋", "output": ""}\n["목록"]\n'
    assert texts(read_files({"a.jsonl": lines}, **ALPACA)) == [
        '{"instruction": "셋", "output": ""}',
        '["목록"]',
    ]


def test_rows_of_a_table_that_do_not_fit(read_files: Any) -> None:
    lines = 'text,answer\n하나,둘\n셋,넷,다섯\n"여"섯,일곱\ntext,answer\n여덟,아홉\n'
    assert texts(read_files({"a.csv": lines}, **TABLE)) == ["셋,넷,다섯", '"여"섯,일곱', "text,answer"]


def test_a_quoted_row_over_two_lines(read_files: Any) -> None:
    lines = 'text,answer\n하나,둘\n"셋\n넷" 다섯,여섯\n일곱,여덟\n'
    assert texts(read_files({"a.csv": lines}, **TABLE)) == ['"셋\n넷" 다섯,여섯']


def test_unknown_bytes_are_spelled_out(read_files: Any) -> None:
    bad = '{"instruction": "셋", "output": "넷'.encode() + b"\xff" + b'"}\n'
    data = '{"instruction": "하나", "output": "둘"}\n'.encode() * 50 + bad
    assert texts(read_files({"a.jsonl": data}, **ALPACA)) == ['{"instruction": "셋", "output": "넷\\udcff"}']


def test_both_sides_of_a_pair(read_files: Any) -> None:
    files = {"a.ko": "안녕\n\n", "a.en": "Hello\nBye\n"}
    source = {"format": "parallel", "path": ["a.ko", "a.en"], "task": "t", "languages": ["ko", "en"]}
    assert texts(read_files(files, **source)) == ['["", "Bye"]']
