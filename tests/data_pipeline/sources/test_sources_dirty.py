"""Files as people have them: put together, exported from pandas and Excel, with words for missing values."""

import io
import json
import math
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_helpers import fields_of, reasons_of

from data_pipeline.sources.files.json_text import decode_line, encode
from data_pipeline.sources.files.records import Reject, Spelled
from data_pipeline.sources.values.mapping import map_label, same_value
from hunmin.errors import InputError

ONE, TWO = '{"instruction": "하나?", "output": "1"}', '{"instruction": "둘?", "output": "2"}'
BOM = "\ufeff"
SPLIT = '{"columns": ["instruction", "output"], "index": [0, 1], "data": [["가", "나"], ["다", "라"]]}'
TABLE = '{"schema": {"fields": [{"name": "output"}]}, "data": [{"instruction": "가", "output": "나"}]}'
OPEN = {"format": "table", "columns": {"instruction": "Q", "answer": "A"}}


def alpaca(read_files: Any, text: str, **more: Any) -> list[dict]:
    return read_files({"a.jsonl": text}, format="alpaca", **more)


def answers(rows: list[dict]) -> list[str]:
    assert reasons_of(rows) == [None] * len(rows), rows
    return [answer for (answer,) in fields_of(rows, "answer")]


# ---- numbers

NUMBERS = [
    "3.10",
    "12.50",
    "0.0000001",
    "1e6",
    "1E-7",
    "-0.0",
    "12345678901234567890123",
    "1e999",
    "true",
    "-0",
]


@pytest.mark.parametrize("number", [*NUMBERS, "0.1000000000000000055511151231257827"])
def test_a_number_is_written_as_the_file_spells_it(read_files: Any, number: str) -> None:
    record = f'{{"Q": "?", "n": {{"A": [{number}]}}}}'
    settings = {"format": "table", "columns": {"instruction": "Q", "answer": "n.A.0"}}
    assert answers(read_files({"t.jsonl": record}, **settings)) == [number]
    assert answers(read_files({"t.json": f"[{record}]"}, **settings)) == [number]
    cell = read_files({"t.csv": f'Q,n\n?,"{{""A"": [{number}]}}"\n'}, **settings)
    assert answers(cell) == [number]


@pytest.mark.parametrize("number", ["Infinity", "-Infinity"])
def test_an_infinite_number_is_no_text(read_files: Any, number: str) -> None:
    rows = alpaca(read_files, f'{ONE}\n{{"instruction": "x", "output": {number}}}')
    assert reasons_of(rows) == [None, "wrong_type"]


def parquet(columns: dict[str, pa.Array], metadata: dict | None = None) -> bytes:
    table, sink = pa.table(columns), io.BytesIO()
    if metadata is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
    pq.write_table(table, sink)
    return sink.getvalue()


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
def test_numbers_of_parquet_are_the_shortest_text_that_gives_them_back(read_files: Any, kind: Any) -> None:
    numbers = pa.array([3.1, 0.3, math.nan, None], kind)
    nested = pa.array([{"A": 2.2}] * 4, pa.struct([("A", kind)]))
    file = {"t.parquet": parquet({"Q": pa.array(["?"] * 4), "A": numbers, "n": nested})}
    rows = read_files(file, **OPEN)
    assert reasons_of(rows) == [None, None, "no_answer", "no_answer"]
    assert answers(rows[:2]) == ["3.1", "0.3"]
    assert (
        answers(read_files(file, **OPEN | {"columns": {"instruction": "Q", "answer": "n.A"}})) == ["2.2"] * 4
    )
    fixed = pa.array([[1.1, None]], pa.list_(kind, 2))
    file = {"t.parquet": parquet({"Q": pa.array(["?"]), "A": fixed})}
    assert answers(read_files(file, objects="json", **OPEN)) == ["[1.1, null]"]


# ---- null, NaN and absent


@pytest.mark.parametrize("key", ["instruction", "input", "output"])
@pytest.mark.parametrize("columns", [{}, {"input": "input", "instruction": "instruction"}])
def test_null_nan_and_absent_are_one_thing(read_files: Any, key: str, columns: dict[str, str]) -> None:
    record = {"instruction": "빼 줘.", "input": "9, 2", "output": "7"}
    absent = {name: value for name, value in record.items() if name != key}
    whole = json.dumps(record)
    texts = [json.dumps(one) for one in (absent, record | {key: None}, record | {key: math.nan})]
    rows = alpaca(read_files, "\n".join([whole, *texts]), columns=columns)[1:]
    if key == "output":
        assert reasons_of(rows) == ["missing_field", "no_answer", "no_answer"]
    else:
        assert fields_of(rows, "instruction", "input", "answer") == [
            tuple(absent.get(name) for name in record)
        ] * len(rows)


def test_null_and_nan_are_decided_before_the_choice_between_keys(read_files: Any) -> None:
    records = [
        '{"prompt": null, "question": "말은?", "completion": "히힝", "response": null}',
        '{"prompt": "양은?", "question": NaN, "completion": NaN, "response": "매애"}',
        '{"prompt": "돼지는?", "completion": "꿀꿀"}',
        '{"prompt": null, "question": null, "completion": "꽥꽥"}',
    ]
    rows = read_files({"p.jsonl": "\n".join(records)}, format="prompt_completion")
    assert reasons_of(rows) == [None, None, None, "no_prompt"]
    assert fields_of(rows[:3], "instruction", "answer") == [
        ("말은?", "히힝"),
        ("양은?", "매애"),
        ("돼지는?", "꿀꿀"),
    ]


def test_an_absent_part_of_a_path_is_as_null(read_files: Any) -> None:
    records = [{"Q": "?", "A": "a", "m": m} for m in ({"note": "n"}, {"note": None}, {}, None)]
    settings = {"format": "table", "columns": {"instruction": "Q", "input": "m.note", "answer": "A"}}
    rows = read_files({"t.jsonl": "\n".join(map(json.dumps, records))}, **settings)
    assert fields_of(rows, "input") == [("n",), (None,), (None,), (None,)]


# ---- a key twice


@pytest.mark.parametrize(
    "twice",
    [
        '{"instruction": "x", "output": "1", "output": "2"}',
        '{"instruction": "x", "output": "1", "output": "1"}',
        '{"instruction": "x", "output": 1.50, "output": 1.5}',
        '{"instruction": "x", "output": "1", "meta": [{"a": {"b": 1, "b": 2}}]}',
    ],
)
def test_a_key_that_stands_twice_rejects_its_record(read_files: Any, twice: str) -> None:
    texts = [f"{ONE}\n{twice}\n{TWO}", f"[{ONE}, {twice}, {TWO}]", f"{{\n{ONE[1:]}\n{twice}\n{TWO}"]
    for text in texts:
        rows = alpaca(read_files, text)
        assert reasons_of(rows) == [None, "duplicate_key", None]
        assert "stands 2 times" in rows[1]["detail"]
    assert reasons_of(alpaca(read_files, twice)) == ["duplicate_key"]


def test_a_key_twice_in_an_instance_rejects_the_instance(read_files: Any) -> None:
    instances = '[{"input": "q", "output": "a", "output": "b"}, {"input": "q", "output": "a"}]'
    text = f'{{"Definition": "x", "Instances": {instances}}}'
    rows = read_files({"t.json": text}, format="natural_instructions")
    assert reasons_of(rows) == ["duplicate_key", None]
    with pytest.raises(InputError, match='the key "Definition" stands 2 times'):
        read_files({"t.json": text.replace("{", '{"Definition": "y", ', 1)}, format="natural_instructions")


def test_two_columns_of_one_name_stop(read_files: Any) -> None:
    text = pa.array(["가"])
    sink = io.BytesIO()
    pq.write_table(pa.table([text, text, text], names=["Q", "A", "A"]), sink)
    with pytest.raises(InputError, match=r"t\.parquet: 2 columns are named A; rename all but one"):
        read_files({"t.parquet": sink.getvalue()}, **OPEN)
    with pytest.raises(InputError, match="the header names A twice"):
        read_files({"t.csv": "Q,A,A\n가,나,다\n"}, **OPEN)


# ---- files put together, and how JSON is laid out


@pytest.mark.parametrize(
    "text",
    [
        f"{BOM}{ONE}\n{BOM}{TWO}\n",
        f"{ONE}{TWO}\n",
        f"{ONE}{BOM}{TWO}",
        f"{ONE},\n{TWO},\n",
        f"{ONE} , {TWO}",
        f"{ONE}\r{TWO}\r",
        f"[{ONE}][{TWO}]",
        f"{BOM}[{ONE}]\n{BOM}[{TWO}]\n",
        "\n".join(json.dumps(json.loads(one), indent=2) for one in (ONE, TWO)),
        ",\n".join(json.dumps(json.loads(one), indent=2) for one in (ONE, TWO)),
        BOM.join(json.dumps(json.loads(one), indent=2).replace("\n", "\r") for one in (ONE, TWO)),
    ],
)
def test_files_put_together_are_read(read_files: Any, text: str) -> None:
    rows = alpaca(read_files, text)
    assert fields_of(rows, "instruction", "answer") == [("하나?", "1"), ("둘?", "2")]
    assert read_files(
        {"a.jsonl": text}, format="table", columns={"instruction": "instruction", "answer": "output"}
    )


def test_a_broken_line_is_one_rejection_whatever_else_is_on_it(read_files: Any) -> None:
    lines = [ONE, f"{ONE}{{broken", f"{ONE} text", ",", "1 2", ONE]
    assert reasons_of(alpaca(read_files, "\n".join(lines))) == [None, *["broken_json"] * 4, None]


def test_a_broken_object_over_several_lines_stops_in_its_place(read_files: Any) -> None:
    pretty = json.dumps(json.loads(ONE), indent=2)
    with pytest.raises(InputError, match=r"broken JSON at line 7, column 3 "):
        alpaca(
            read_files,
            f"{pretty}\n{pretty}\n{{\n  output: 1\n}}".replace(f"{pretty}\n{pretty}", f"{pretty}\n{{}}"),
        )


@pytest.mark.parametrize(
    "line", ["{'instruction': '가', 'output': '나'}", '{"instruction": "가", "output": None}']
)
def test_a_python_literal_is_named(read_files: Any, line: str) -> None:
    with pytest.raises(InputError, match=r"Python prints .* json\.dumps"):
        alpaca(read_files, f"{line}\n{line}\n")
    rows = alpaca(read_files, f"{ONE}\n{line}")
    assert reasons_of(rows) == [None, "broken_json"]
    assert "Python prints" in rows[1]["detail"]


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ('{"instruction": {"0": "가", "1": "나"}, "output": {"0": "다", "1": "라"}}', "columns"),
        ('{"0": {"instruction": "가", "output": "다"}, "1": {"instruction": "나", "output": "라"}}', "index"),
        (SPLIT, "split"),
        (SPLIT.replace('"index": [0, 1], ', ""), "split"),
        (TABLE, "table"),
        ('[["가", "나"], ["다", "라"]]', "values"),
    ],
)
def test_pandas_other_layouts_are_named_with_the_cure(read_files: Any, text: str, layout: str) -> None:
    for laid_out in (text, json.dumps(json.loads(text), indent=1)):
        with pytest.raises(InputError) as error:
            alpaca(read_files, laid_out)
        assert f"layout orient='{layout}' of pandas" in str(error.value)
        assert "orient='records', lines=True" in str(error.value)


def test_records_that_look_a_little_like_a_layout_are_records(read_files: Any) -> None:
    record = {"q": {"text": "가"}, "a": {"text": "나"}, "scores": [1, 2], "data": [1, 2]}
    settings = {"format": "table", "columns": {"instruction": "q.text", "answer": "a.text"}}
    assert answers(read_files({"t.json": json.dumps(record)}, **settings)) == ["나"]
    lists = {"q": ["가", "나"], "a": ["다", "라"]}
    settings = {"format": "table", "columns": {"instruction": "q.*", "answer": "a.*"}}
    assert answers(read_files({"t.jsonl": json.dumps(lists)}, **settings)) == ["다\n라"]


# ---- tables


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", f"{BOM}sep=;\r\nQ;A\r\n가;나\r\n다;라\r\n"),
        ("t.csv", '"sep=|"\nQ|A\n가|나\n"다"|라\n'),
        ("t.csv", "SEP=\t\nQ\tA\n가\t나\n다\t라\n"),
        ("t.txt", "sep=;\nQ;A\n가;나\n다;라\n"),
        ("t.tsv", "Q\tA\r가\t나\r다\t라\r"),
        ("t.csv", "Q,A\r가,나\r다,라"),
    ],
)
def test_the_dialects_of_excel_are_read(read_files: Any, name: str, text: str) -> None:
    assert fields_of(read_files({name: text}, **OPEN), "instruction", "answer") == [
        ("가", "나"),
        ("다", "라"),
    ]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_a_header_that_stands_again_is_rejected_and_a_mark_before_it_is_none(
    read_files: Any, name: str
) -> None:
    file = f"{BOM}Q,A\n가,나\n".replace(",", "," if name == "t.csv" else "\t")
    rows = read_files({name: file * 2}, **OPEN)
    assert reasons_of(rows) == [None, "broken_row", None]
    assert rows[1]["detail"] == "line 3: the header stands here as a row"


def test_json_in_cells_is_gone_into_by_paths(read_files: Any) -> None:
    cells = [
        '{""text"": [""가""], ""start"": [3]}',
        "{'text': ['가'], 'start': [3]}",
        "{broken",
        "null",
        "가",
    ]
    text = "Q,answers\n" + "".join(f'?,"{cell}"\n' for cell in cells)
    rows = read_files(
        {"t.csv": text}, format="table", columns={"instruction": "Q", "answer": "answers.text.0"}
    )
    assert reasons_of(rows) == [None, "wrong_type", "wrong_type", "wrong_type", "wrong_type"]
    assert rows[0]["fields"]["answer"] == "가"
    assert "as Python prints it" in rows[1]["detail"]
    items = '[{""q"": ""1"", ""a"": 2.50}, {""q"": ""3"", ""a"": ""4""}]'
    columns = {"instruction": "q", "answer": "a"}
    assert answers(
        read_files({"t.csv": f'list\n"{items}"\n'}, format="table", each="list", columns=columns)
    ) == [
        "2.50",
        "4",
    ]


@pytest.mark.parametrize("word", [r"\N", "nan", " NaN ", "<NA>", "#N/A", "#REF!"])
def test_a_word_that_only_stands_for_nothing_is_no_value_in_a_table(read_files: Any, word: str) -> None:
    rows = read_files({"t.tsv": f"Q\tA\n가\t{word}\n{word}\t나\n"}, **OPEN)
    assert reasons_of(rows) == ["no_answer", "no_prompt"]
    assert answers(read_files({"t.jsonl": json.dumps({"Q": "0/0?", "A": word})}, **OPEN)) == [word]


def test_a_word_that_may_be_an_answer_is_one_unless_declared(read_files: Any) -> None:
    text = "Q,A\n가,None\n나,null\n다,nan\n"
    assert reasons_of(read_files({"t.csv": text}, **OPEN)) == [None, None, "no_answer"]
    assert reasons_of(read_files({"t.csv": text}, missing=["None"], **OPEN)) == ["no_answer", None, None]
    nested = [{"list": [{"Q": "가", "A": one}]} for one in ("None", "답")]
    rows = read_files({"t.jsonl": "\n".join(map(json.dumps, nested))}, missing=["None"], each="list", **OPEN)
    assert reasons_of(rows) == ["no_answer", None]
    labels = {
        "columns": {"input": "Q", "label": "A"},
        "labels": {"nan": "없음", "None": "모름", "null": "빔"},
    }
    assert answers(read_files({"t.csv": text}, **OPEN | labels)) == ["모름", "빔", "없음"]


def test_objects_are_written_as_json_text_where_asked(read_files: Any) -> None:
    text = '{"instruction": "x", "output": {"과일": ["배", 1.50, null, true], "꼴": "\\"a\\"\\n"}}\n' + ONE
    assert reasons_of(alpaca(read_files, text)) == ["wrong_type", None]
    rows = alpaca(read_files, text, objects="json")
    assert answers(rows) == ['{"과일": ["배", 1.50, null, true], "꼴": "\\"a\\"\\n"}', "1"]
    assert read_files({"t.json": '[{"Q": "x", "A": [1.0, "b"]}]'}, objects="json", **OPEN)[0]["fields"][
        "answer"
    ] == ('[1.0, "b"]')


@pytest.mark.parametrize("depth", [150, 900, 100_000])
def test_values_inside_each_other_without_end_are_one_rejection(read_files: Any, depth: int) -> None:
    nested = '{"instruction": "x", "output": ' + "[" * depth + "]" * depth + "}"
    rows = alpaca(read_files, f"{ONE}\n{nested}\n{TWO}", objects="json", missing=["-"])
    assert reasons_of(rows) == [None, None if depth == 150 else "broken_json", None]


# ---- labels


@pytest.mark.parametrize(
    ("value", "key", "same"),
    [
        ("1.0", "1", True),
        ("1", "1.00", True),
        ("01", "1", True),
        ("1e0", "+1", True),
        ("-0", "0", True),
        ("0.1", "0.10", True),
        ("12345678901234567890.0", "12345678901234567891", False),
        ("1.5", "1", False),
        ("TRUE", "true", True),
        ("Yes", "yes", False),
        ("nan", "NaN", False),
        ("1_0", "10", False),
        ("１", "1", False),
        ("true", "1", False),
    ],
)
def test_labels_compare_as_numbers_where_both_are(value: str, key: str, same: bool) -> None:
    assert same_value(value, key) is same_value(key, value) is same


def test_the_key_that_is_spelled_so_wins_and_two_that_mean_it_are_refused() -> None:
    labels = {"1": "하나", "01": "영일", "3-5": "중", "true": "참"}
    assert [map_label(one, labels) for one in ("1", "01", " 4.0", "True")] == ["하나", "영일", "중", "참"]
    with pytest.raises(Reject, match="one label but 1 and 01"):
        map_label("1.0", labels)


def test_filters_compare_as_labels_do(read_files: Any) -> None:
    text = "Q,A,n\n가,나,1.0\n가,나,2\n"
    rows = read_files({"t.csv": text}, filters=[{"column": "n", "values": ["1"]}], **OPEN)
    assert reasons_of(rows) == [None, "filtered"]


CLASSES = {"_type": "ClassLabel", "names": ["긍정", "부정"]}
LABELLED = {"format": "table", "columns": {"input": "Q", "label": "L"}}


def test_label_names_of_the_file_itself_are_read(read_files: Any) -> None:
    columns = {"Q": pa.array(["가", "나", "다", "라"]), "L": pa.array([0, 1, -1, None])}
    file = {"t.parquet": parquet(columns, {"info": {"features": {"L": CLASSES}}})}
    rows = read_files(file, **LABELLED)
    assert reasons_of(rows) == [None, None, "no_answer", "no_answer"]
    assert answers(rows[:2]) == ["긍정", "부정"]
    rows = read_files(file, labels={"0": "좋음", "1": "나쁨"}, **LABELLED)
    assert answers(rows[:2]) == ["좋음", "나쁨"]
    rows = read_files(file, labels={"긍정": "좋음", "부정": "나쁨"}, **LABELLED)
    assert answers(rows[:2]) == ["좋음", "나쁨"]


@pytest.mark.parametrize(
    ("kind", "value", "column", "answer"),
    [
        ({"_type": "Sequence", "feature": CLASSES}, [1, 0], "L.*", "부정\n긍정"),
        ({"_type": "List", "feature": CLASSES}, [1], "L.0", "부정"),
        ([CLASSES], [0], "L.0", "긍정"),
        ({"gold": CLASSES}, {"gold": 1}, "L.gold", "부정"),
        ([{"gold": CLASSES}], [{"gold": 1}], "L.0.gold", "부정"),
    ],
)
def test_label_names_inside_other_values_are_read(
    read_files: Any, kind: Any, value: Any, column: str, answer: str
) -> None:
    columns = {"Q": pa.array(["가"]), "L": pa.array([value])}
    file = {"t.parquet": parquet(columns, {"info": {"features": {"L": kind}}})}
    assert answers(read_files(file, **LABELLED | {"columns": {"input": "Q", "label": column}})) == [answer]


@pytest.mark.parametrize(
    "metadata", [{}, {"info": None}, {"info": {"features": {"L": {"_type": "ClassLabel"}}}}, []]
)
def test_metadata_that_says_nothing_of_labels_changes_nothing(read_files: Any, metadata: Any) -> None:
    columns = {"Q": pa.array(["가"]), "L": pa.array([1])}
    assert answers(read_files({"t.parquet": parquet(columns, metadata)}, **LABELLED)) == ["1"]


# ---- JSON text

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(value=values)
def test_json_text_reads_back(value: Any) -> None:
    assert decode_line(encode(value)) == [value]
    assert encode(value) == json.dumps(value, ensure_ascii=False)


@given(number=st.from_regex(r"-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_json_text_keeps_the_digits_of_any_number(number: str) -> None:
    (value,) = decode_line(f'[{{"n": {number}}}]')
    assert encode(value) == f'[{{"n": {number}}}]'
    assert value[0]["n"] == float(number)
    if isinstance(value[0]["n"], Spelled):
        assert str(value[0]["n"]) == number
