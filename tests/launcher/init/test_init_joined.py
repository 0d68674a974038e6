"""Questions in one file and their answers in another; questions and answers as two lists."""

import json
from pathlib import Path
from typing import Any

import pytest

from data_pipeline.sources import expand, read
from hunmin.errors import InputError
from launcher.config import load
from launcher.init.detect import detect
from launcher.init.detected import Hints, parse_columns
from launcher.init.question_lists import answer_list, question_list
from launcher.init.write import init

NUMBERS = range(12)
QUESTIONS = [
    {
        "question_id": 81 + i,
        "category": ("쓰기", "수학")[i % 2],
        "turns": [f"여행기 {i}편을 써 줘.", "한 줄로 줄여 줘."],
    }
    for i in NUMBERS
]
ANSWERS = [
    {
        "question_id": 81 + i,
        "model_id": "m",
        "choices": [{"index": 0, "turns": [f"{i}일째에는 비가 왔다.", "비가 왔다."]}],
    }
    for i in reversed(NUMBERS)
]
TEXTS = [{"id": i, "text": f"글 {i}"} for i in NUMBERS]


def write(folder: Path, **files: Any) -> list[Path]:
    paths = []
    for name, records in files.items():
        is_text = isinstance(records, str)
        path = folder / f"{name}.{'csv' if is_text else 'jsonl'}"
        lines = records if is_text else "\n".join(json.dumps(one, ensure_ascii=False) for one in records)
        path.write_text(lines, encoding="utf-8")
        paths.append(path)
    return paths


def made(folder: Path, *paths: Path, **hints: Any) -> tuple[Any, list[Any], list[str]]:
    """(source, rows, what was seen) of the config that is written."""
    written = init(paths, out=folder / "c.yaml", hints=Hints(**hints), ask=None)
    config, base = load(folder / "c.yaml", [])
    (source,) = config.data.sources
    rows = [row for unit in expand(source, index=0, base=base) for row in read(unit, source)]
    return source, rows, written.seen


@pytest.mark.parametrize("swapped", [False, True])
def test_questions_of_two_turns_get_the_answers_of_the_other_file(tmp_path: Path, swapped: bool) -> None:
    paths = write(tmp_path, question=QUESTIONS, answers=ANSWERS[1:])
    source, rows, seen = made(tmp_path, *(reversed(paths) if swapped else paths))
    assert (source.format, source.name, source.path) == ("prompt_completion", "question", "question.jsonl")
    assert source.join is not None
    assert (source.join.path, source.join.keys) == ("answers.jsonl", ("question_id",))
    assert source.columns == {"instruction": "turns", "answer": "joined.choices.0.turns"}
    assert [turn["content"] for turn in rows[0]["messages"]] == [
        "여행기 0편을 써 줘.", "0일째에는 비가 왔다.", "한 줄로 줄여 줘.", "비가 왔다.",
    ]  # fmt: skip
    assert [row.get("reason") for row in rows] == [None] * 11 + ["join_missing"]
    assert "question: answers.jsonl has the answers to question.jsonl: 11 of 12 records have one" in seen[0]


def test_references_of_a_few_questions_do_not_hide_the_other_file(tmp_path: Path) -> None:
    some = [{**one, "reference": ["가", "나"]} if i < 3 else one for i, one in enumerate(QUESTIONS)]
    source, _, _ = made(tmp_path, *write(tmp_path, question=some, answers=ANSWERS))
    assert source.columns["answer"] == "joined.choices.0.turns"


def test_a_question_an_answer_and_a_label_in_two_files(tmp_path: Path) -> None:
    asked = [{"qid": f"q{i}", "question": f"{i} 더하기 1은?"} for i in NUMBERS]
    answers = [{"qid": f"q{i}", "answer": f"답은 {i + 1}입니다."} for i in NUMBERS]
    source, rows, _ = made(tmp_path, *write(tmp_path, asked=asked, answers=answers))
    assert source.columns == {"instruction": "question", "answer": "joined.answer"}
    assert [row["fields"]["answer"] for row in rows[:2]] == ["답은 1입니다.", "답은 2입니다."]


def test_tables_of_texts_and_labels(tmp_path: Path) -> None:
    texts = "id,text\n" + "".join(f"{i},이 영화는 {i}번 보았습니다\n" for i in NUMBERS)
    labels = "id,label\n" + "".join(f"{i},{('부정', '긍정')[i % 2]}\n" for i in NUMBERS)
    source, rows, seen = made(tmp_path, *write(tmp_path, labels=labels, texts=texts))
    assert (source.path, source.task) == ("texts.csv", "sentiment")
    assert source.columns == {"input": "text", "label": "joined.label"}
    assert [row["fields"]["label"] for row in rows[:2]] == ["부정", "긍정"]
    assert not [line for line in seen if "not used" in line]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # Both number their rows from 0: two parts of a corpus, one of which has its labels left out.
        (TEXTS, [{**one, "text": f"배움 {i}", "label": i % 2} for i, one in enumerate(TEXTS)]),
        (TEXTS, [{"id": 100 + i, "label": i % 2} for i in NUMBERS]),
        (TEXTS, [{"id": i // 2, "label": i % 2} for i in NUMBERS]),
    ],
)
def test_what_is_no_pair_is_not_joined(tmp_path: Path, first: Any, second: Any) -> None:
    with pytest.raises(InputError, match=r"first\.jsonl: it is not clear which column"):
        detect(write(tmp_path, first=first, second=second), Hints())


def test_two_files_that_both_answer_are_two_sources(tmp_path: Path) -> None:
    rows = [{"id": i, "instruction": f"{i}?", "output": f"{i}."} for i in NUMBERS]
    (found,) = detect(write(tmp_path, one=rows, two=rows), Hints())  # of one shape: one source of two files
    assert found.source.join is None


def test_questions_and_answers_of_one_file(tmp_path: Path) -> None:
    answers = [one["choices"][0]["turns"] for one in reversed(ANSWERS)]
    both = [{**one, "reference": texts} for one, texts in zip(QUESTIONS, answers, strict=True)]
    source, rows, _ = made(tmp_path, *write(tmp_path, both=both))
    assert (source.format, source.join) == ("prompt_completion", None)
    assert source.columns == {"instruction": "turns", "answer": "reference"}
    assert [len(row["messages"]) for row in rows] == [4] * 12


def test_questions_without_answers_are_named(tmp_path: Path) -> None:
    (path,) = write(tmp_path, question=QUESTIONS)
    with pytest.raises(
        InputError, match=r"turns is a list of questions .*hunmin init .*question\.jsonl ANSWERS"
    ):
        detect([path], Hints())
    columns = parse_columns(["input=turns.*", "label=category"])
    (found,) = detect([path], Hints(columns=columns))
    assert found.source.columns == columns


def test_several_lists_of_answers_are_a_question(tmp_path: Path) -> None:
    records = [{"turns": ["a", "b"], "first": ["x", "y"], "second": ["v", "w"]}] * 3
    (path,) = write(tmp_path, many=records)
    with pytest.raises(InputError, match=r"--column instruction=turns --column answer=first"):
        detect([path], Hints())
    given = parse_columns(["instruction=turns", "answer=second"])
    (found,) = detect([path], Hints(columns=given))
    assert (found.source.format, found.source.columns) == ("prompt_completion", given)


def test_which_lists_are_questions() -> None:
    assert question_list([{"questions": ["a", "b"]}]) == "questions"
    assert question_list([{"question": ["a"]}]) is None  # one is no conversation
    assert question_list([{"sentences": ["a", "b"]}]) is None
    asked = [{"prompt": ["a", "b"], "reference": ["x", "y"], "tags": ["u", "v"]}]
    assert answer_list(Path("f"), "prompt", asked) == "reference"
    assert answer_list(Path("f"), "prompt", [{"prompt": ["a", "b"], "reference": ["x"]}]) is None
