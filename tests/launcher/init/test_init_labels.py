"""What label values stand for: spellings of one answer, numbers, names of the file, what harm is found in."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from hunmin.errors import InputError
from launcher.config import load
from launcher.init.detected import Hints
from launcher.init.label_values import merged_spellings, relation_labels
from launcher.init.write import init

TEXTS = ("오늘 산 가방이 마음에 든다", "배송이 늦어서 화가 났다", "색이 사진과 달라요", "또 사고 싶습니다")


@pytest.mark.parametrize(
    ("values", "answers"),
    [
        ("False FALSE True TRUE", "False False True True"),
        ("0 1 True yes", "False True True True"),
        ("Y y N n", "Y Y N N"),
        ("T F t FALSE", "T F T F"),
        ("참 거짓 1 True", "참 거짓 참 참"),
        ("예 네 아니오 아니요", "예 예 아니오 아니오"),
        ("O X o x", "O X O X"),
        ("1 1.0 0 0.0", "1 1 0 0"),
        ("Positive POSITIVE positive Negative", "Positive Positive Positive Negative"),
        ("0 1", "0 1"),  # of one spelling: what they mean is another question
        ("1 2 3", "1 2 3"),
        ("yes no maybe", "yes no maybe"),
        ("정치 경제", "정치 경제"),
        ("ＴＲＵＥ True False", "True True False"),
    ],
)
def test_spellings_of_one_answer_are_one_answer(values: str, answers: str) -> None:
    found = merged_spellings(Counter(values.split()))
    assert [found[value] for value in values.split()] == answers.split()


@example({"p": 1, "q": 1, "TRUE": 2})  # the case of other words is none of theirs
@given(st.dictionaries(st.text(min_size=1, max_size=5), st.integers(1, 9), max_size=8))
def test_merging_twice_changes_nothing_and_no_value_is_lost(values: dict[str, int]) -> None:
    once = merged_spellings(values)
    assert once.keys() == values.keys()
    again = merged_spellings(Counter(once.values()))
    assert all(again[answer] == answer for answer in once.values())


def test_spellings_of_the_whole_file_stand_in_the_config(tmp_path: Path) -> None:
    values = ("False", "TRUE", "FALSE", "True")
    body = "".join(f"{i}\t{text}\t그런가요?\t{values[i]}\n" for i, text in enumerate(TEXTS))
    (tmp_path / "a.tsv").write_text("ID\tText\tQuestion\tAnswer\n" + body)
    written = init([tmp_path / "a.tsv"], out=tmp_path / "my.yaml", hints=Hints(), ask=None)
    (source,) = load(tmp_path / "my.yaml", [])[0].data.sources
    assert source.labels == {"False": "False", "FALSE": "False", "TRUE": "True", "True": "True"}
    assert any("False and FALSE are one answer" in line for line in written.decide)


def test_bare_numbers_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "comment,grade\n" + "".join(f"{t},{i % 3}\n" for i, t in enumerate(TEXTS * 3))
    )
    written = init([tmp_path / "a.csv"], out=tmp_path / "my.yaml", hints=Hints(task="grade"), ask=None)
    (line,) = [line for line in written.decide if "bare numbers" in line]
    assert 'labels: {"0": …, "1": …, "2": …}' in line


def test_two_texts_that_mean_the_same_get_words_for_0_and_1(tmp_path: Path) -> None:
    body = "".join(f"{text},{text}!,{i % 2}\n" for i, text in enumerate(TEXTS))
    (tmp_path / "a.csv").write_text("question1,question2,is_duplicate\n" + body)
    init([tmp_path / "a.csv"], out=tmp_path / "my.yaml", hints=Hints(), ask=None)
    assert load(tmp_path / "my.yaml", [])[0].data.sources[0].labels == {"0": "다르다", "1": "같다"}
    task = yaml.safe_load((tmp_path / "tasks" / "similarity.yaml").read_text(encoding="utf-8"))
    assert task["labels"] == ["같다", "다르다"]
    assert "같은지" in task["wordings"][0]["text"]


def test_relations_are_words_of_one_language() -> None:
    assert relation_labels({"0": 5, "1": 5, "2": 5}, "en") == (
        {"0": "entailment", "1": "neutral", "2": "contradiction"},
        True,
    )
    assert relation_labels({"함의": 5, "모순": 5}, "ko") == ({"함의": "함의", "모순": "모순"}, False)
    assert relation_labels({"entailment": 50, "neutral": 50, "-": 2}, "en") == (
        {"entailment": "entailment", "neutral": "neutral"},
        False,
    )
    assert relation_labels({"0": 5, "1": 5}, "en") is None
    assert relation_labels({"정치": 5, "경제": 5}, "ko") is None


@pytest.mark.parametrize(
    ("task", "names", "labels"),
    [
        (None, ["contradiction", "entailment", "neutral"], ["contradiction", "entailment", "neutral"]),
        ("mrpc", ["not_equivalent", "equivalent"], ["not_equivalent", "equivalent"]),
        ("binary", ["no", "No", "yes"], ["no", "no", "yes"]),
    ],
)
def test_names_of_the_file_are_what_labels_of_two_texts_say(
    tmp_path: Path, task: str | None, names: list[str], labels: list[str]
) -> None:
    columns = {name: [f"{TEXTS[i % 4]} {name} {i}" for i in range(24)] for name in ("premise", "hypothesis")}
    table = pa.table({**columns, "label": [i % len(names) for i in range(24)]})
    info = {"info": {"features": {"label": {"_type": "ClassLabel", "names": names}}}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(info)}), tmp_path / "a.parquet")
    written = init([tmp_path / "a.parquet"], out=tmp_path / "my.yaml", hints=Hints(task=task), ask=None)
    source = load(tmp_path / "my.yaml", [])[0].data.sources[0]
    assert source.labels == {str(number): label for number, label in enumerate(labels)}
    assert "24 records read: 24 kept, 0 rejected" in written.seen


def test_names_of_the_file_are_shown_where_they_do_not_tell_the_task(tmp_path: Path) -> None:
    info = {"features": {"label": {"_type": "ClassLabel", "names": ["정치", "경제"]}}}
    (tmp_path / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"{t},{i % 2}\n" for i, t in enumerate(TEXTS)))
    with pytest.raises(InputError, match=r"has the values 정치, 경제; what do they tell"):
        init([tmp_path / "a.csv"], out=tmp_path / "my.yaml", hints=Hints(), ask=None)


def test_a_class_whose_texts_are_flagged_as_harmful_is_told_with_its_switches(tmp_path: Path) -> None:
    rude = ("병신 같은 소리 하네", "지랄하고 있네 정말")
    body = "".join(f"{text}\tnone\n" for text in TEXTS) + "".join(f"{text}\thate\n" for text in rude)
    (tmp_path / "a.tsv").write_text("comments\thate\n" + body)
    written = init([tmp_path / "a.tsv"], out=tmp_path / "my.yaml", hints=Hints(task="hate"), ask=None)
    (line,) = [line for line in written.decide if "safety" in line]
    assert line == (
        "a: safety: 2 of 6 rows are flagged as harmful and kept (2 of the 2 labelled hate); safety: drop in "
        "the source drops them, safety: keep flags none"
    )
    text = (tmp_path / "my.yaml").read_text().replace("      licence:", "      safety: keep\n      licence:")
    (tmp_path / "my.yaml").write_text(text)
    assert load(tmp_path / "my.yaml", [])[0].data.sources[0].safety == "keep"
