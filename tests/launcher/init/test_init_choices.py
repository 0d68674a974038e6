"""Multiple choice: all choices stand in the input, the text of the right one is learned, never its number."""

import json
from pathlib import Path
from typing import Any

import pytest

from data_pipeline.sources import expand, read
from launcher.config import load
from launcher.init.choices import find_choices
from launcher.init.detected import Hints
from launcher.init.write import Written, init

COPA = (
    "ID\tsentence\tquestion\t1\t2\tAnswer\n"
    "1\t새 바지의 허리가 컸다.\t결과\t밑단을 잘랐다.\t벨트를 끼웠다.\t2\n"
    "2\t비가 왔다.\t결과\t우산을 폈다.\t모자를 샀다.\t1\n"
)


def made(folder: Path, file: str, text: str, hints: Hints = Hints()) -> tuple[Written, list[Any]]:  # noqa: B008
    """What init says, and the fields of the rows that its config reads."""
    (folder / file).write_text(text, encoding="utf-8")
    written = init([folder / file], out=folder / "my.yaml", hints=hints, ask=None)
    config, base = load(folder / "my.yaml", [])
    (source,) = config.data.sources
    rows = [row for unit in expand(source, index=0, base=base) for row in read(unit, source)]
    assert all("reason" not in row for row in rows), rows
    return written, [row["fields"] for row in rows if "reason" not in row]


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records)


def test_the_text_of_the_choice_is_learned_and_all_of_them_are_shown(tmp_path: Path) -> None:
    written, rows = made(tmp_path, "a.tsv", COPA)
    assert [row["answer"] for row in rows] == ["벨트를 끼웠다.", "우산을 폈다."]
    assert rows[0]["input"] == "새 바지의 허리가 컸다.\n결과\n\n1. 밑단을 잘랐다.\n2. 벨트를 끼웠다."
    assert rows[0]["label"] is None
    assert any(
        "1, 2 are the choices, the right one is told by Answer (1 means column 1" in line
        for line in written.decide
    )


CITIES = ["서울", "부산", "대구"]
SHAPES: dict[str, tuple[str, str, list[str]]] = {
    "letters": (
        "a.csv",
        "question,A,B,C,answer\n" + "".join(f"도시 {i}?,서울,부산,대구,{'CAB'[i]}\n" for i in range(3)),
        ["대구", "서울", "부산"],
    ),
    "small letters and brackets": (
        "a.csv",
        "question,option_a,option_b,option_c,label\n"
        + "".join(f"도시 {i}?,서울,부산,대구,({'cab'[i]})\n" for i in range(3)),
        ["대구", "서울", "부산"],
    ),
    "letters counted from one": (
        "a.csv",
        "question,answer,A,B,C\n" + "".join(f"도시 {i}?,{3 - i},서울,부산,대구\n" for i in range(3)),
        ["대구", "부산", "서울"],
    ),
    "numbers counted from zero": (
        "a.tsv",
        "context\tchoice1\tchoice2\tchoice3\tlabel\n"
        + "".join(f"나는 {i}번 도시로\t서울 갔다\t부산 갔다\t대구 갔다\t{i}\n" for i in range(3)),
        [f"{city} 갔다" for city in CITIES],
    ),
    "Korean words": (
        "a.csv",
        "문제,보기1,보기2,보기3,정답\n" + "".join(f"도시 {i}?,서울,부산,대구,{i + 1}번\n" for i in range(3)),
        CITIES,
    ),
    "the right one word for word": (
        "a.csv",
        "문제,보기1,보기2,보기3,정답\n"
        + "".join(f"도시 {i}?,서울,부산,대구,{CITIES[i]}\n" for i in range(3)),
        CITIES,
    ),
    "a list": (
        "a.jsonl",
        lines(*({"question": f"도시 {i}?", "choices": CITIES, "answer": i} for i in range(3))),
        CITIES,
    ),
    "a list of objects with letters": (
        "a.jsonl",
        lines(
            *(
                {
                    "question": {
                        "stem": f"도시 {i}?",
                        "choices": [
                            {"label": letter, "text": city}
                            for letter, city in zip("ABC", CITIES, strict=True)
                        ],
                    },
                    "answerKey": "ABC"[i],
                }
                for i in range(3)
            )
        ),
        CITIES,
    ),
    "lists side by side": (
        "a.jsonl",
        lines(
            *(
                {
                    "question": f"{i}?",
                    "choices": {"text": CITIES, "label": list("ABC")},
                    "answerKey": "BCA"[i],
                }
                for i in range(3)
            )
        ),
        ["부산", "대구", "서울"],
    ),
    "columns of a name nobody knows": (
        "a.jsonl",
        lines(
            *({"goal": f"병 {i} 열기", "sol1": "돌린다", "sol2": "깬다", "label": i % 2} for i in range(2))
        ),
        ["돌린다", "깬다"],
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_choices_of_every_shape(tmp_path: Path, name: str) -> None:
    file, text, answers = SHAPES[name]
    _, rows = made(tmp_path, file, text)
    assert [row["answer"] for row in rows] == answers
    assert all(answer in row["input"] for row in rows for answer in answers)


def test_the_users_text_is_asked_with_the_choices(tmp_path: Path) -> None:
    _, rows = made(tmp_path, "a.tsv", COPA, Hints(columns={"input": "sentence"}))
    assert rows[0]["input"] == "새 바지의 허리가 컸다.\n\n1. 밑단을 잘랐다.\n2. 벨트를 끼웠다."


@pytest.mark.parametrize(
    "row",
    [
        {"sentence1": "비가 온다", "sentence2": "맑다", "label": "1"},  # two texts, and how they relate
        {"question": "무엇?", "answer": "그것", "label2": "1", "label3": "0"},
        {"text": "글", "Dictionary 1": "1", "Dictionary 2": "2", "label": "2"},
        {"question": "무엇?", "answer": "둘 다", "option1": "하나", "option2": "둘"},
    ],
)
def test_numbered_columns_that_are_no_choices(row: dict[str, str]) -> None:
    assert find_choices(list(row), [row, row], {}) is None
