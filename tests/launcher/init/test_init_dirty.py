"""`hunmin init` on dirty files: read as the data stage reads them, and what may be wrong is named."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hunmin.errors import InputError
from launcher.init.cell_notes import json_columns, missing_notes
from launcher.init.detected import Hints
from launcher.init.write import Written, init

TEXTS = ("배송이 빨라요", "포장이 엉망이에요", "색이 예뻐요", "소리가 나빠요")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(name: str, content: str | bytes, **hints: Any) -> tuple[Written, str]:
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    made = init([Path(name)], out=Path("my.yaml"), hints=Hints(**hints), ask=None)
    return made, Path("my.yaml").read_text()


def classes(path: str, names: list[str], labels: list[int]) -> None:
    table = pa.table({"text": [f"{TEXTS[i % 4]} {i}" for i in range(len(labels))], "label": labels})
    features = {"info": {"features": {"label": {"_type": "ClassLabel", "names": names}}}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), path)


@pytest.mark.parametrize("task", ["sentiment", None])
@pytest.mark.parametrize("names", [["긍정", "부정"], ["positive", "negative"]])
def test_label_names_of_the_file_win_over_guesses(here: Path, names: list[str], task: str | None) -> None:
    classes("c.parquet", names, [0, 1] * 12)
    made = init([Path("c.parquet")], out=Path("my.yaml"), hints=Hints(task=task), ask=None)
    text = Path("my.yaml").read_text()
    assert 'labels: {"0": 긍정, "1": 부정}' in text
    assert "task: sentiment" in text
    assert "c: labels: 0 = 긍정, 1 = 부정, by the file's own names" in made.decide
    assert f"the file names its labels: 0 {names[0]}, 1 {names[1]}" in made.seen


def test_label_names_of_the_file_are_the_labels_of_a_task_of_its_own(here: Path) -> None:
    classes("c.parquet", ["경제", "문화", "사회"], [0, 1, 2, 2] * 6)
    init([Path("c.parquet")], out=Path("my.yaml"), hints=Hints(task="topic"), ask=None)
    assert 'labels: {"0": 경제, "1": 문화, "2": 사회}' in Path("my.yaml").read_text()
    assert "labels:\n- 경제\n- 문화\n- 사회\n" in Path("tasks/topic.yaml").read_text()


def test_label_names_of_a_card_are_the_labels_of_a_task_of_its_own(here: Path) -> None:
    Path("README.md").write_text(CARD.replace("positive", "경제").replace("negative", "문화"))
    body = "".join(f"{TEXTS[i % 4]} {i},{i % 2}\n" for i in range(24))
    _, config = written("t.csv", "text,label\n" + body, task="topic")
    assert 'labels: {"0": 경제, "1": 문화}' in config
    assert "labels:\n- 경제\n- 문화\n" in Path("tasks/topic.yaml").read_text()


CARD = """\
---
license: mit
dataset_info:
- config_name: default
  features:
  - {name: text, dtype: string}
  - {name: label, dtype: {class_label: {names: {'0': positive, '1': negative}}}}
---
# Reviews
"""
INFO = {"features": {"label": {"_type": "ClassLabel", "names": ["positive", "negative"]}}}


@pytest.mark.parametrize(
    ("beside", "text"),
    [("README.md", CARD), ("data/README.md", CARD), ("data/dataset_info.json", json.dumps(INFO))],
)
@pytest.mark.parametrize("spelled", ["{}", "{}.0"])
def test_label_names_of_the_folder_win_over_guesses(here: Path, beside: str, text: str, spelled: str) -> None:
    Path("data").mkdir()
    Path(beside).write_text(text)
    body = "".join(f"{TEXTS[i % 4]} {i},{spelled.format(i % 2)}\n" for i in range(24))
    made, config = written("data/t.csv", "text,label\n" + body)
    assert 'labels: {"0": 긍정, "1": 부정}' in config
    assert any("24 records read: 24 kept, 0 rejected" in line for line in made.seen)


@pytest.mark.parametrize(
    "text", ["---\n: [\n---\n", "---\ndataset_info: x\n---\n", "# Reviews", CARD.replace("label,", "l,")]
)
def test_a_card_that_names_no_labels_changes_nothing(here: Path, text: str) -> None:
    Path("README.md").write_text(text)
    body = "".join(f"{TEXTS[i % 4]} {i},{i % 2}\n" for i in range(24))
    _, config = written("t.csv", "text,label\n" + body, task="sentiment")
    assert 'labels: {"0": 부정, "1": 긍정}' in config


def test_files_that_name_their_labels_otherwise_are_two_sources(here: Path) -> None:
    classes("a.parquet", ["긍정", "부정"], [0, 1] * 12)
    classes("b.parquet", ["부정", "긍정"], [0, 1] * 12)
    init([Path("a.parquet"), Path("b.parquet")], out=Path("my.yaml"), hints=Hints(), ask=None)
    text = Path("my.yaml").read_text()
    assert 'labels: {"0": 긍정, "1": 부정}' in text
    assert 'labels: {"0": 부정, "1": 긍정}' in text


def test_words_that_may_mean_no_value_are_to_be_decided(here: Path) -> None:
    made, _ = written("t.csv", "질문,답변\n봄은?,따뜻해요\n여름은?,nan\n가을은?,None\n겨울은?,null\n")
    (note,) = [line for line in made.decide if "답변" in line]
    assert "nan 1 times, None 1 times, null 1 times" in note
    assert "add missing: [nan, None, 'null']" in note
    Path("my.yaml").unlink()
    records = [{"instruction": "봄은?", "output": text} for text in ("None", "따뜻해요")]
    made, _ = written("a.jsonl", "\n".join(map(json.dumps, records)))
    assert any("output: nothing but None 1 times" in line for line in made.decide)


def test_a_word_that_is_read_as_no_value_is_said() -> None:
    (note,) = missing_notes(["A"], [{"A": r" \N "}, {"A": "답"}], delimited=True)
    assert r"nothing but \N 1 times among the first 2 rows; they are read as no value" in note
    assert missing_notes(["A"], [{"A": "nano"}, {"A": ""}], delimited=True) == ()


def test_a_column_without_a_name_is_said(here: Path) -> None:
    made, _ = written("t.csv", ",질문,답변\n" + "".join(f"{i},{i}은?,{i}입니다.\n" for i in range(5)))
    assert "not used: 1 without a name, as pandas writes its index" in made.seen


def test_objects_in_the_place_of_texts_are_named_with_the_cure(here: Path) -> None:
    records = [{"instruction": "써 줘.", "output": output} for output in ({"a": 1}, [1], "1")]
    made, _ = written("a.jsonl", "\n".join(map(json.dumps, records)))
    (note,) = [line for line in made.decide if "objects: json" in line]
    assert "output: objects or lists in 2 of the first 3 records" in note


def test_columns_of_json_are_said() -> None:
    rows = [{"a": '{"text": ["가"]}', "b": "[1]"}, {"a": "", "b": "[1"}]
    assert json_columns(["a", "b", "c"], rows) == ["a"]


def test_keys_that_take_turns_are_prompts_and_completions(here: Path) -> None:
    records = [
        {"prompt": None, "question": "말은?", "completion": "히힝", "response": None},
        {"prompt": "양은?", "question": None, "completion": None, "response": "매애"},
        {"prompt": "소는?", "completion": "음매"},
    ]
    made, text = written("p.jsonl", "\n".join(map(json.dumps, records)))
    assert "format: prompt_completion" in text
    assert any("3 kept, 0 rejected" in line for line in made.seen)


@pytest.mark.parametrize("orient", ["columns", "index", "split", "table", "values", "list"])
def test_the_cure_of_a_pandas_layout_makes_a_file_that_is_read(here: Path, orient: str) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"instruction": ["01", "둘은?"], "output": ["하나", "007"]})
    for indent in (None, 1):
        if orient == "list":
            Path("t.json").write_text(json.dumps(frame.to_dict(orient="list"), indent=indent))
        else:
            frame.to_json("t.json", orient=orient, indent=indent)
        with pytest.raises(InputError, match=f"layout orient='{orient}' of pandas") as error:
            init([Path("t.json")], out=Path("my.yaml"), hints=Hints(), ask=None)
    command = shlex.split(str(error.value).partition("turn it: ")[2])
    subprocess.run([sys.executable, *command[1:]], check=True)
    rows = [json.loads(line) for line in Path("new.jsonl").read_text().splitlines()]
    assert [list(row.values()) for row in rows] == [["01", "하나"], ["둘은?", "007"]]


def test_a_python_literal_is_named(here: Path) -> None:
    with pytest.raises(InputError, match=r"Python prints .* json\.dumps"):
        written("a.jsonl", "{'instruction': '봄꽃은?', 'output': '개나리'}\n" * 2)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "t.csv",
            "\ufeffsep=;\r\n리뷰;별점\r\n" + "".join(f"{t};{i % 2 * 4 + 1}\r\n" for i, t in enumerate(TEXTS)),
        ),
        ("t.tsv", "리뷰\t별점\r" + "".join(f"{t}\t{i % 2 * 4 + 1}.0\r" for i, t in enumerate(TEXTS))),
        ("t.jsonl", "".join(f'{{"리뷰": "{t}", "별점": {i % 2 * 4 + 1}.0}},\n' for i, t in enumerate(TEXTS))),
    ],
)
def test_dialects_of_spreadsheets_are_read(here: Path, name: str, content: str) -> None:
    made, text = written(name, content, task="sentiment")
    assert any("4 records read: 4 kept, 0 rejected" in line for line in made.seen)
    assert "columns: {input: 리뷰, label: 별점}" in text


MEANING = (
    [{"question": f"{i}은?", "reasoning_content": f"{i} 차례", "answer": f"{i}입니다."} for i in range(4)],
    [{"question": f"{i}은?", "tools": [{"name": "f"}], "answer": f"{i}입니다."} for i in range(4)],
    [{"question": f"{i}은?", "answer": f"{i}입니다.", "weight": 2} for i in range(4)],
    [
        {"question": f"{i}은?", "choices": [f"가{i}", f"나{i}"], "answer": i % 2, "weight": 2}
        for i in range(4)
    ],
    [{"data": [{"question": f"{i}은?", "answer": f"{i}입니다.", "thinking": "음"} for i in range(4)]}],
    [{"question": f"{i}은?", "reasoning": {"text": "음"}, "answer": f"{i}입니다."} for i in range(4)],
    [{"question": f"{i}은?", "answer": f"{i}입니다.", "thought": "음"} for i in range(4)],
    [{"question": f"{i}은?", "answer": f"{i}입니다.", "loss_weight": 0.5} for i in range(4)],
)


@pytest.mark.parametrize(
    ("records", "field", "path", "told"),
    [
        (MEANING[0], "reasoning", "reasoning_content", "thoughts"),
        (MEANING[1], "tools", "tools", "tools"),
        (MEANING[2], "weight", "weight", "weights"),
        (MEANING[3], "weight", "weight", "weights"),
        (MEANING[4], "reasoning", "thinking", "thoughts"),
        (MEANING[5], "reasoning", "reasoning.text", "thoughts"),
        (MEANING[6], "reasoning", "thought", "thoughts"),
        (MEANING[7], "weight", "loss_weight", "weights"),
    ],
)
def test_keys_that_mean_something_are_a_question_with_the_option_that_reads_them(
    here: Path, records: list[Any], field: str, path: str, told: str
) -> None:
    content = "\n".join(map(json.dumps, records))
    made, text = written("a.jsonl", content)
    assert f"ignore: [{path.split('.')[0]}]" in text
    assert "4 records read: 4 kept, 0 rejected" in made.seen
    (note,) = [line for line in made.decide if "ignore" in line]
    assert f"--column {field}={path} reads it" in note
    Path("my.yaml").unlink()
    made, text = written("a.jsonl", content, columns={field: path})
    assert "ignore" not in text
    assert f"{field}: {path}" in text
    assert any(line.startswith("  rows with") and told in line for line in made.seen)
    assert not any("objects: json" in line for line in made.decide)


def test_words_for_no_value_and_objects_are_named_in_the_columns_of_a_text(here: Path) -> None:
    records = [{"premise": "비", "hypothesis": "눈", "label": "함의"}, {"premise": "null", "hypothesis": [1],
               "label": "모순"}] * 4  # fmt: skip
    made, _ = written("a.jsonl", "\n".join(map(json.dumps, records)))
    assert any("premise: nothing but null 4 times" in line for line in made.decide)
    assert any("hypothesis: objects or lists in 4 of the first 8 records" in line for line in made.decide)


def test_conversations_under_items_may_be_a_text(here: Path) -> None:
    turns = json.dumps([{"from": "human", "value": "안녕"}, {"from": "gpt", "value": "네"}])
    _, text = written("a.jsonl", json.dumps({"items": turns}))
    assert "format: sharegpt" in text
