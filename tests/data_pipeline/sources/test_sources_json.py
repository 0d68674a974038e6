import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data_pipeline.reasons import READING as REASONS
from hunmin.errors import InputError

GOOD = '{"instruction": "인사해 줘", "input": "", "output": "안녕하세요"}\n'


def alpaca(read_files: Any, text: str | bytes, **more: Any) -> list[dict]:
    return read_files({"a.jsonl": text}, format="alpaca", **more)


def only_reason(read_files: Any, line: str, **more: Any) -> tuple[str, str]:
    """Reason and detail of the second record, after a good one."""
    good, bad = alpaca(read_files, GOOD + line + "\n", **more)
    assert "reason" not in good
    assert (bad["file"], bad["record"], bad["sub_record"]) == ("a.jsonl", 1, 0)
    assert bad["reason"] in REASONS
    assert bad["detail"].startswith("line 2: ")
    return bad["reason"], bad["detail"]


def test_a_row_carries_the_whole_interface(read_files: Any) -> None:
    line = '{"instruction": "더해 줘", "input": "1, 2", "output": "3", "id": 7}\n'
    source = {
        "task": "t",
        "domain": "d",
        "language": "ko",
        "licence": "MIT",
        "synthetic": True,
        "family": "id",
    }
    assert alpaca(read_files, line, **source) == [
        {
            "source": "s",
            "file": "a.jsonl",
            "record": 0,
            "sub_record": 0,
            "task": "t",
            "domain": "d",
            "language": "ko",
            "licence": "MIT",
            "synthetic": True,
            "family_key": "s:7",
            "fields": {
                "instruction": "더해 줘",
                "input": "1, 2",
                "answer": "3",
                "rationale": None,
                "label": None,
                "value": None,
            },
            "messages": None,
            "tools": None,
            "weight": 1.0,
            "unread": [],
            "references": ["3"],
        }
    ]


def test_array_and_lines_give_the_same_rows(read_files: Any) -> None:
    records = [{"instruction": "가", "output": "나"}, {"instruction": "다", "input": "라", "output": "마"}]
    array = read_files({"a.json": json.dumps(records, indent=1)}, format="alpaca")
    lines = read_files({"a.json": "\n".join(map(json.dumps, records))}, format="alpaca")
    assert array == lines
    assert [row["fields"]["input"] for row in lines] == [None, "라"]


def test_empty_file_and_empty_array_hold_nothing(read_files: Any) -> None:
    assert alpaca(read_files, "") == alpaca(read_files, "[]\n") == alpaca(read_files, "\n \n") == []


def test_blank_lines_are_no_records_and_places_are_lines_of_the_file(read_files: Any) -> None:
    rows = alpaca(read_files, f"{GOOD}\n  \n{{broken\n{GOOD}")
    assert [row["record"] for row in rows] == [0, 1, 2]
    assert rows[1]["detail"].startswith("line 4: column 2")


def test_crlf_bom_and_line_separators_inside_text(read_files: Any) -> None:
    line = '{"instruction": "a\u2028b\x85c", "output": "d"}'
    rows = alpaca(read_files, b"\xef\xbb\xbf" + f"{line}\r\n{line}\r\n".encode())
    assert [row["fields"]["instruction"] for row in rows] == ["a\u2028b\x85c"] * 2


@pytest.mark.parametrize(
    ("line", "reason", "words"),
    [
        ('{"instruction": "x", "outp', "broken_json", "column"),
        ("[" * 100_000, "broken_json", "recursion"),
        ("1" * 5000, "broken_json", "limit"),
        ("[1, 2]", "not_an_object", "found a list"),
        ('"text"', "not_an_object", "found a text"),
        ('{"instruction": "x", "ouput": "y"}', "missing_field", "no key output; the record has"),
        ('{"instruction": "x", "ouput": "y"}', "missing_field", "did you mean ouput?"),
        ('{"output": "y"}', "missing_field", "no key instruction"),
        ('{"instruction": "x", "output": ["y"]}', "wrong_type", "output is a list"),
        ('{"instruction": {}, "output": "y"}', "wrong_type", "instruction is an object"),
        ('{"instruction": "x", "output": " \\n\\u00a0"}', "no_answer", "the answer is empty"),
        ('{"instruction": "x", "output": null}', "no_answer", "the answer is empty"),
        ('{"instruction": " ", "input": "", "output": "y"}', "no_prompt", "instruction and input empty"),
        ('{"instruction": "x", "output": "half \\ud83d"}', "bad_encoding", "half a pair U+D83D"),
    ],
)
def test_each_rule_rejects_its_line(read_files: Any, line: str, reason: str, words: str) -> None:
    found, detail = only_reason(read_files, line)
    assert found == reason
    assert words in detail


def test_values_in_details_are_shortened(read_files: Any) -> None:
    _, detail = only_reason(read_files, json.dumps({"instruction": "x", "output": ["long " * 100]}))
    assert len(detail) < 160


def test_numbers_keep_their_json_spelling(read_files: Any) -> None:
    (row,) = alpaca(read_files, '{"instruction": "1+1", "output": 2}')
    assert row["fields"]["answer"] == "2"


def test_columns_rename_keys(read_files: Any) -> None:
    line = '{"instruction": "x", "input": "", "response": "y"}'
    for columns in ({"output": "response"}, {"answer": "response"}):
        (row,) = alpaca(read_files, line, columns=columns)
        assert row["references"] == ["y"]


def test_a_key_that_no_record_has_stops_with_a_hint(read_files: Any) -> None:
    with pytest.raises(
        InputError, match=r'has the key output \(answer\); their keys: .*"outputs".* mean outputs\?'
    ):
        alpaca(read_files, '{"instruction": "x", "outputs": "y"}\n' * 3)


def test_a_broken_array_stops_with_the_place(read_files: Any) -> None:
    with pytest.raises(InputError, match=r"a\.json: broken JSON at line 2, column 2 .* before \"oops"):
        read_files({"a.json": '[{"instruction": "x", "output": "y"},\n oops]'}, format="alpaca")
    with pytest.raises(InputError, match="seems cut off"):
        read_files({"a.json": '[{"instruction": "x", "output": "y"},\n'}, format="alpaca")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "no JSON object among the first 2 records (line 1: column 1"),
        ('["x", "y"]', "item 1 of the array: a text"),
        ('{\n "Definition": "x",\n "Instances": []\n}', "which is format natural_instructions"),
    ],
)
def test_another_kind_of_file_stops(read_files: Any, text: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        alpaca(read_files, text)
    assert words in str(error.value)


def test_filters_and_family(read_files: Any) -> None:
    lines = [
        {"instruction": "x", "output": "y", "lang": lang, "doc": doc} for lang, doc in (("ko ", 1), ("en", 2))
    ]
    text = (
        "\n".join(map(json.dumps, lines)) + '\n{"instruction": "x", "output": "y", "lang": "ko", "doc": ""}'
    )
    rows = alpaca(read_files, text, filters=[{"column": "lang", "values": ["ko"]}], family="doc")
    assert [row.get("reason") for row in rows] == [None, "filtered", "missing_field"]
    assert rows[0]["family_key"] == "s:1"
    assert rows[1]["detail"] == 'line 2: lang is "en", kept are ko'


def test_max_records_counts_rejected_ones_too(read_files: Any) -> None:
    rows = alpaca(read_files, GOOD + "{broken\n" + GOOD, max_records=2)
    assert [row.get("reason") for row in rows] == [None, "broken_json"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
near_records = st.fixed_dictionaries(
    {}, optional={"instruction": json_values, "input": json_values, "output": json_values}
)
any_line = (
    (near_records | json_values).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=30)
    | st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass"))
).map(lambda line: line.replace(b"\n", b" "))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(any_line, max_size=12))
@example(
    found=[b"\xff\xfe", b'{"instruction": "\xff", "output": "x"}', b"\x00", b"\r", b"\x85", b"\xe2\x80\xa8"]
)
def test_rows_and_rejections_are_the_records(read_files: Any, found: list[bytes]) -> None:
    """Whatever the bytes: a line that is not blank gives one row or one rejection, writable as UTF-8."""
    good = GOOD.encode() * 20  # enough known text for the file to count as UTF-8
    rows = alpaca(read_files, good + b"\n".join(found))
    blank = sum(not line.decode("utf-8", "surrogateescape").strip() for line in found)
    assert len(rows) == 20 + len(found) - blank
    assert [row["record"] for row in rows] == list(range(len(rows)))
    for row in rows:
        assert ("reason" in row) != ("fields" in row)
        assert row.get("reason", "broken_json") in REASONS
        json.dumps(row, ensure_ascii=False).encode()
