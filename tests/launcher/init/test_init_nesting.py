"""Nested records: which list holds the rows, and the paths to their values."""

import json
from pathlib import Path
from typing import Any

import pytest

from data_pipeline.sources import expand, read
from hunmin.errors import InputError
from launcher.config import load
from launcher.init.detected import Hints, parse_columns
from launcher.init.nesting import flat, unfold
from launcher.init.write import init

QA = [{"question": "수도는?", "answers": [{"text": "서울", "answer_start": 0}, {"text": "서울시"}]}]
# name -> (what the file holds, each, columns)
SHAPES: dict[str, tuple[Any, str | None, dict[str, str]]] = {
    "questions in paragraphs in articles": (
        {"version": "1", "data": [{"title": "서울", "paragraphs": [{"context": "서울은 수도.", "qas": QA}]}]},
        "data.paragraphs.qas",
        {"instruction": "question", "input": "context", "answer": "answers.0.text"},
    ),
    "Korean keys with an object on the way": (
        {"데이터": [{"문서": {"본문": "서울은 수도다.", "질의응답": [{"질문": "수도는?", "답변": "서울"}]}}]},
        "데이터.문서.질의응답",
        {"instruction": "질문", "input": "본문", "answer": "답변"},
    ),
    "answers side by side": (
        [{"id": i, "context": "서울은 수도다.", "question": f"{i}?",
          "answers": {"text": ["서울"], "answer_start": [0]}} for i in range(3)],
        None,
        {"instruction": "question", "input": "context", "answer": "answers.text.0"},
    ),
    "labels in an object": (
        [{"sentence1": f"비가 {i}번 왔다", "sentence2": "맑다",
          "labels": {"label": 4.9 - i, "binary-label": i % 2}} for i in range(4)],
        None,
        {"input": "{sentence1}\n\n{sentence2}", "label": "labels.binary-label"},
    ),
    "languages in an object": (
        [{"id": i, "translation": {"en": f"It is {i}.", "ko": f"{i}입니다."}} for i in range(4)],
        None,
        {"input": "translation.ko", "answer": "translation.en"},
    ),
    "sentences, and which of them are the summary": (
        [{"title": "제목", "sentences": ["비가 왔다.", "눈이 왔다.", "맑았다."], "summaries": [0, 2]}],
        None,
        {"input": "sentences.*", "answer": "sentences.@summaries"},
    ),
    "rows under items": (
        {"name": "모음", "items": [{"질문": f"{i}은?", "답변": f"{i}다"} for i in range(3)]},
        "items",
        {"instruction": "질문", "answer": "답변"},
    ),
    "code and its tests": (
        [{"task_id": i, "prompt": f"def f{i}(x):\n", "canonical_solution": "    return x\n",
          "test": "assert 1", "test_list": ["assert f(1)", "assert f(2)"]} for i in range(3)],
        None,
        {"instruction": "prompt", "answer": "canonical_solution"},
    ),
}  # fmt: skip


def source_of(folder: Path, value: Any, hints: Hints = Hints()) -> Any:  # noqa: B008
    """The source of the config that init writes for a JSON file; each of its rows can be read."""
    (folder / "a.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    (folder / "my.yaml").unlink(missing_ok=True)
    init([folder / "a.json"], out=folder / "my.yaml", hints=hints, ask=None)
    config, base = load(folder / "my.yaml", [])
    (source,) = config.data.sources
    rows = [row for unit in expand(source, index=0, base=base) for row in read(unit, source)]
    assert rows
    assert all("reason" not in row for row in rows), rows
    return source


@pytest.mark.parametrize("name", SHAPES)
def test_nested_values_are_reached_by_paths(tmp_path: Path, name: str) -> None:
    value, each, columns = SHAPES[name]
    task = Hints(task="similarity") if name == "labels in an object" else Hints()
    source = source_of(tmp_path, value, task)
    assert (source.format, source.each, source.columns) == ("table", each, columns)


def test_instances_of_an_instruction_are_its_rows(tmp_path: Path) -> None:
    instances = [{"input": "높다", "output": "낮다"}, {"input": "크다", "output": "작다"}]
    for value in (
        {"instruction": "반대말?", "instances": instances},
        [{"instruction": "?", "instances": instances}],
    ):
        source = source_of(tmp_path, value)
        assert (source.format, source.each) == ("alpaca", "instances")


def test_what_the_user_names_is_looked_for_inside(tmp_path: Path) -> None:
    value = {"글들": [{"제목": "하나", "쪽": [{"가": "비가 온다", "나": "젖는다"}]}]}
    given = parse_columns(["input={제목}: {가}", "answer=나"])
    source = source_of(tmp_path, value, Hints(columns=given, task="conversation"))
    assert source.each == "글들.쪽"
    given = parse_columns(["each=글들.쪽", "instruction=가", "answer=나"])
    assert source_of(tmp_path, value, Hints(columns=given)).each == "글들.쪽"
    with pytest.raises(InputError, match=r"--column each=글들.면: no list of rows is there"):
        source_of(tmp_path, value, Hints(columns=given | {"each": "글들.면"}))
    deep = [{"질문": "무엇?", "결과": {"후보들": [{"말": "이것"}]}}]
    given = parse_columns(["answer=결과.후보들.0.말"])
    assert source_of(tmp_path, deep, Hints(columns=given)).columns["answer"] == "결과.후보들.0.말"


def test_lists_of_answers_and_records_that_are_rows_are_not_gone_into() -> None:
    rows = [{"question": "무엇?", "answers": [{"text": "그것"}, {"text": "이것"}]}]
    assert unfold(rows, {}) == (None, rows)
    rows = [{"instruction": "?", "output": "!", "history": [{"question": "?", "answer": "!"}]}]
    assert unfold(rows, {}) == (None, rows)
    assert flat({"a": None, "b": [1, 2.5], "c": {}, "d": [{"e": 1}], "f.g": "x"}) == {
        "a": "", "b.*": "1\n2.5", "f.g": "x"
    }  # fmt: skip


def test_lists_beside_the_one_that_is_read_are_named(tmp_path: Path) -> None:
    value = {name: [{"question": f"{name}?", "answer": "네"}] for name in ("train", "dev")}
    (tmp_path / "a.json").write_text(json.dumps(value))
    written = init([tmp_path / "a.json"], out=tmp_path / "my.yaml", hints=Hints(), ask=None)
    assert (
        "a: the rows under dev are not read; --column each=dev reads them instead, a second source both"
        in (written.decide)
    )


def test_results_after_the_steps_are_told(tmp_path: Path) -> None:
    rows = [{"question": f"{i}+1?", "answer": f"{i}+1 is {i + 1}.\n#### {i + 1}"} for i in range(4)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    written = init([tmp_path / "a.json"], out=tmp_path / "my.yaml", hints=Hints(), ask=None)
    assert any(line.startswith("a: answer: the answers end in ####") for line in written.decide)


def test_rows_inside_the_cells_of_a_table_are_offered_and_read(tmp_path: Path) -> None:
    cells = [json.dumps([{"question": f"{i}은?", "answer": f"{i}입니다."}]) for i in range(4)]
    body = "".join(f'{i},"{cell.replace(chr(34), chr(34) * 2)}"\n' for i, cell in enumerate(cells))
    (tmp_path / "a.csv").write_text("id,qas\n" + body)
    out = tmp_path / "my.yaml"
    with pytest.raises(InputError, match=r"it may be one of\n  --column each=qas"):
        init([tmp_path / "a.csv"], out=out, hints=Hints(), ask=None)
    written = init([tmp_path / "a.csv"], out=out, hints=Hints(columns={"each": "qas"}), ask=None)
    (source,) = load(out, [])[0].data.sources
    assert (source.each, source.columns) == ("qas", {"instruction": "question", "answer": "answer"})
    assert "4 records read: 4 kept, 0 rejected" in written.seen
    assert "not used: id" in written.seen


def test_prompts_and_completions_under_a_key_are_refused_with_the_cure(tmp_path: Path) -> None:
    rows = [{"prompt": f"{i}?", "completion": "네"} if i % 2 else {"question": f"{i}?", "response": "네"}
            for i in range(4)]  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps({"data": rows}))
    with pytest.raises(InputError, match=r"prompts and completions under data; save them alone: python3"):
        init([tmp_path / "a.json"], out=tmp_path / "my.yaml", hints=Hints(), ask=None)


def test_what_no_path_leads_to_is_said_to_be_unused(tmp_path: Path) -> None:
    rows = [{"sentences": ["비가 온다.", "춥다."], "summaries": [0], "parts": [{"x": 1}]} for _ in range(3)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    written = init([tmp_path / "a.json"], out=tmp_path / "my.yaml", hints=Hints(), ask=None)
    assert "not used: parts" in written.seen


TURNS = [{"role": "user", "content": "몇 시야?"}, {"role": "assistant", "content": "세 시입니다."}]


def test_conversations_under_a_key_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"id": i, "dialogue": TURNS} for i in range(3)]))
    out = tmp_path / "my.yaml"
    written = init([tmp_path / "a.json"], out=out, hints=Hints(), ask=None)
    (source,) = load(out, [])[0].data.sources
    assert (source.format, source.columns) == ("messages", {"messages": "dialogue"})
    assert "3 records read: 3 kept, 0 rejected" in written.seen


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n".join([json.dumps(TURNS)] * 3), "each record is one turn"),
        ("\n".join(map(json.dumps, TURNS)), "each record is one turn"),
        (
            "\n".join([json.dumps({"talk": [{"speaker": "질문자", "utterance": "몇 시야?"}] * 2})] * 3),
            "no text that is asked .*speaker",
        ),
    ],
)
def test_turns_that_init_cannot_put_together_are_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(InputError, match=words):
        init([tmp_path / "a.jsonl"], out=tmp_path / "my.yaml", hints=Hints(), ask=None)
