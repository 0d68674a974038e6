"""Texts made of columns, paths into nested values, and lists of items."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_helpers import fields_of, reasons_of

from data_pipeline.sources.files.records import Reject
from data_pipeline.sources.values.columns import columns_in, text_of, value_at
from hunmin.errors import InputError

RECORD = {
    "premise": "비가 온다.",
    "hypothesis": "땅이 젖는다.",
    "empty": " ",
    "a.b": "with a dot",
    "n": 2.0,
    "instances": [{"input": "하나"}, {"input": "둘"}],
    "sentences": ["첫째", "둘째", "셋째"],
    "summaries": [2, 0],
    "choices": {"text": ["yes", "no"]},
    "label": "1",
}


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("premise", "비가 온다."),
        ("a.b", "with a dot"),
        ("n", "2.0"),
        ("{premise}\n{hypothesis}", "비가 온다.\n땅이 젖는다."),
        ("전제: {premise}", "전제: 비가 온다."),
        ("{{{premise}}}", "{비가 온다.}"),
        ("=요약해 주세요.", "요약해 주세요."),
        ("==", "="),
        ("{empty}{empty}", ""),
        ("instances.1.input", "둘"),
        ("instances.*.input", "하나\n둘"),
        ("sentences.*", "첫째\n둘째\n셋째"),
        ("sentences.@summaries", "셋째\n첫째"),
        ("choices.text.@label", "no"),
        ("{choices.text.0}/{label}", "yes/1"),
    ],
)
def test_what_a_mapping_means(spec: str, text: str) -> None:
    assert text_of(RECORD, spec) == text


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ("premis", "missing_field", "no key premis; the record has"),
        ("premis", "missing_field", "did you mean premise?"),
        ("{premise}{empty}", "missing_field", "empty empty, which"),
        (
            "instances.2.input",
            "missing_field",
            "instances.2.input: no item 2 in a list of 2".replace(" 2 in", ' "2" in'),
        ),
        ("instances.-1.input", "missing_field", "no item"),
        ("instances.0.output", "missing_field", 'no key output among ["input"]'),
        ("instances.0", "wrong_type", "an object"),
        ("sentences", "wrong_type", "a list"),
        ("premise.0", "wrong_type", "0 of a text"),
        ("sentences.@nowhere", "missing_field", "no key nowhere"),
        ("sentences.@premise", "missing_field", "no item"),
    ],
)
def test_what_a_record_does_not_have_rejects_it(spec: str, reason: str, words: str) -> None:
    with pytest.raises(Reject) as error:
        text_of(RECORD, spec)
    assert error.value.reason == reason
    assert words in error.value.detail


@given(
    texts=st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=4), between=st.text(max_size=5)
)
def test_values_arrive_as_they_are_whatever_they_hold(texts: list[str], between: str) -> None:
    record = {f"c{i}": text for i, text in enumerate(texts)}
    spec = "=" + between.replace("{", "{{").replace("}", "}}").join(f"{{{name}}}" for name in record)
    assert text_of(record, spec) == between.join(texts)
    assert columns_in(spec) == list(record)
    assert all(value_at(record, name) == text for name, text in record.items())


def test_composed_columns_of_a_csv_are_checked_against_its_header(read_files: Any) -> None:
    settings = {"format": "table", "columns": {"input": "{p}\n{h}", "label": "l"}}
    rows = read_files({"t.tsv": "p\th\tl\n가\t나\t0\n가\t\t0\n"}, **settings)
    assert fields_of(rows[:1], "input", "answer") == [("가\n나", "0")]
    assert reasons_of(rows) == [None, "missing_field"]
    with pytest.raises(InputError, match=r"no column h \(columns.input\)"):
        read_files({"t.tsv": "p\tx\tl\n가\t나\t0\n"}, **settings)


def test_an_instruction_for_all_needs_an_input(read_files: Any) -> None:
    columns = {"instruction": "=요약해 주세요.", "input": "text", "answer": "short"}
    text = "text,short\n긴 글,짧은 글\n,짧은 글\n"
    rows = read_files({"t.csv": text}, format="table", columns=columns)
    assert fields_of(rows[:1], "instruction", "input") == [("요약해 주세요.", "긴 글")]
    assert reasons_of(rows) == [None, "no_prompt"]
    assert rows[1]["detail"] == "line 3: text empty"


SEED = {
    "id": "t1",
    "instruction": "반대말을 써 줘.",
    "instances": [{"input": "높다", "output": "낮다"}, {"input": "길다"}, {"input": "", "output": "짧다"}],
}


def test_each_item_of_a_list_is_a_row_or_a_rejection(read_files: Any) -> None:
    text = "\n".join(map(json.dumps, [SEED, SEED | {"instances": []}, SEED | {"instances": "x"}]))
    rows = read_files({"t.jsonl": text}, format="alpaca", each="instances", family="id")
    assert [(row["record"], row["sub_record"], row.get("reason")) for row in rows] == [
        (0, 0, None),
        (0, 1, "missing_field"),
        (0, 2, None),
        (1, 0, "no_items"),
        (2, 0, "wrong_type"),
    ]
    assert fields_of([rows[0], rows[2]], "instruction", "input", "answer") == [
        ("반대말을 써 줘.", "높다", "낮다"),
        ("반대말을 써 줘.", None, "짧다"),
    ]
    assert rows[0]["family_key"] == rows[2]["family_key"] == "s:t1"


def test_items_below_items_and_items_that_are_texts(read_files: Any) -> None:
    squad = {
        "data": [
            {"paragraphs": [{"context": "지문", "qas": [{"q": "하나?", "a": "1"}, {"q": "둘?", "a": "2"}]}]}
        ]
    }
    columns = {"input": "{context}\n{q}", "answer": "a"}
    rows = read_files(
        {"s.json": json.dumps(squad, indent=1)}, format="table", each="data.paragraphs.qas", columns=columns
    )
    assert fields_of(rows, "input", "answer") == [("지문\n하나?", "1"), ("지문\n둘?", "2")]
    record = {"topic": "꽃", "poems": ["장미", "국화"]}
    columns = {"instruction": "topic", "answer": "poems"}
    rows = read_files({"p.jsonl": json.dumps(record)}, format="table", each="poems", columns=columns)
    assert fields_of(rows, "answer") == [("장미",), ("국화",)]


def test_filters_and_labels_read_paths_too(read_files: Any) -> None:
    records = [{"q": "?", "meta": {"lang": lang, "score": 9}} for lang in ("ko", "en")]
    rows = read_files(
        {"t.json": json.dumps(records)},
        format="table",
        columns={"input": "q", "label": "meta.score"},
        labels={"9-10": "긍정"},
        filters=[{"column": "meta.lang", "values": ["ko"]}],
        family="{q}/{meta.lang}",
    )
    assert reasons_of(rows) == [None, "filtered"]
    assert rows[0]["fields"]["value"] == "9"
    assert rows[0]["family_key"] == "s:?/ko"


CHOICES = (
    "n,sentence,1,2,answer\n1,비가 와서,우산을 {폈다},창을 열었다,1\n"
    "2,배고파서,잤다, ,2\n3,더워서,잤다,먹었다,3\n"
)


def test_a_label_that_is_mapped_to_a_column_has_the_text_of_the_choice(read_files: Any) -> None:
    columns = {"instruction": "=고르세요.", "input": "{sentence}\n{1}", "answer": "answer"}
    rows = read_files(
        {"c.csv": CHOICES}, format="table", columns=columns, labels={"1": "{1}", "2": "나: {2}"}
    )
    assert reasons_of(rows) == [None, "no_answer", "label_not_mapped"]
    assert fields_of(rows[:1], "answer", "label", "value") == [("우산을 {폈다}", None, "1")]


def test_choices_are_read_by_what_numbers_mean_and_are_no_unread_keys(read_files: Any) -> None:
    records = [{"q": "무엇?", "고른": 1.0, "하나": "가", "둘": {"a": 1}, "남": "x"}]
    (row,) = read_files(
        {"c.json": json.dumps(records)},
        format="table",
        columns={"instruction": "q", "answer": "고른"},
        labels={"0": "{하나}", "1": "{둘}"},
        objects="json",
    )
    assert row["fields"]["answer"] == '{"a": 1}'
    assert row["unread"] == ["남"]


def test_a_key_that_holds_the_index_of_an_item_is_read(read_files: Any) -> None:
    records = [{"글": ["가나", "다라"], "고른": [1, 0], "남": "x"}]
    columns = {"input": "글.*", "answer": "글.@고른"}
    (row,) = read_files(
        {"c.json": json.dumps(records)}, format="table", task="summarization", columns=columns
    )
    assert (row["fields"]["answer"], row["unread"]) == ("다라\n가나", ["남"])


def test_columns_that_labels_name_must_be_there(read_files: Any) -> None:
    columns = {"input": "sentence", "label": "answer"}
    with pytest.raises(InputError, match=r"no column 세 \(labels\.1\)"):
        read_files({"c.csv": CHOICES}, format="table", task="pick", columns=columns, labels={"1": "{세}"})
    records = [{"sentence": "글", "answer": 1}]
    with pytest.raises(InputError, match=r"the key 세 \(labels: 1\)"):
        read_files(
            {"c.json": json.dumps(records)},
            format="table",
            task="pick",
            columns=columns,
            labels={"1": "{세}"},
        )


def test_an_answer_with_braces_beside_a_label_stays_as_it_is(read_files: Any) -> None:
    columns = {"input": "sentence", "label": "answer", "answer": "1"}
    rows = read_files({"c.csv": CHOICES}, format="table", task="pick", columns=columns, labels={"1": "하나"})
    assert fields_of(rows[:1], "answer", "label") == [("우산을 {폈다}", "하나")]
