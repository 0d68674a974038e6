"""What normalization does by what a row is about: references of HTML, "no input", blanks before an answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows_drafts import data_config, draft

from data_pipeline.rows.normalize_rows import normalize_draft
from data_pipeline.rows.validate import validate
from hunmin.language.normalize import says_no_input, unescape_entities


def fields(row: Any) -> tuple[dict[str, Any], list[str]]:
    cleaned, steps = normalize_draft(row)
    return dict(cleaned["fields"]), steps


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        ("그는 &quot;좋다&quot;고 했다", '그는 "좋다"고 했다'),
        ("&#44419;&#xAC00;", "궃가"),
        ("Tom &amp; Jerry&nbsp;&mdash; it&#39;s", "Tom & Jerry — it's"),
        ("두 번 &amp;quot;감싼&amp;quot; 글", '두 번 "감싼" 글'),
        (
            "a?x=1&copy=2&reg=3 AT&T &unknownword; &notified; R&D;",
            "a?x=1&copy=2&reg=3 AT&T &unknownword; &notified; R&D;",
        ),
    ],
)
def test_references_become_their_signs_in_prose(escaped: str, text: str) -> None:
    found, steps = fields(draft("다음을 요약해 주세요.", answer=escaped, asked=escaped))
    assert found["input"] == found["answer"] == text
    assert ("html_entities" in steps) == (text != escaped)


@pytest.mark.parametrize(
    ("instruction", "answer"),
    [
        ("HTML에서 작은따옴표를 어떻게 쓰나요?", "&#39; 라고 씁니다."),
        ("따옴표를 넣어 줘.", "```js\ns = '&quot;'\n```\n입니다."),
        ("따옴표는?", "`&quot;` 입니다."),
        ("꺾쇠를 화면에 보이려면?", "<p>&lt;b&gt;</p>"),
        ("따옴표를 바꾸는 함수를 짜 줘.", "def f(s):\n    return s.replace('&quot;', '')"),
    ],
)
def test_references_stay_in_code_and_where_markup_is_the_subject(instruction: str, answer: str) -> None:
    found, steps = fields(draft(instruction, answer=answer))
    assert (found["answer"], steps) == (answer, [])


@given(st.text(alphabet="&#;amp0123xA lt가`", max_size=40))
def test_unescaping_twice_changes_nothing_more(text: str) -> None:
    once = unescape_entities(text)
    assert unescape_entities(once) == once
    assert unescape_entities(text, spared=[(0, len(text))]) == text


NO_INPUT = [
    "Noinput",
    "No input.",
    "<No Input>",
    "<noinput>",
    "no_input",
    "[No input provided]",
    "(입력 없음)",
    "N/A",
]


@pytest.mark.parametrize("text", [*NO_INPUT, "&lt;noinput&gt;"])
def test_an_input_that_says_that_there_is_none_is_none(text: str) -> None:
    found, steps = fields(draft("시를 써 주세요.", asked=text))
    assert found["input"] is None
    assert "no_input" in steps


@pytest.mark.parametrize(
    "text", ["No input devices were found.", "입력", "none of them", "There is no input."]
)
def test_a_text_that_speaks_of_input_stays(text: str) -> None:
    assert not says_no_input(text)
    assert fields(draft("번역해 주세요.", asked=text))[0]["input"] == text


def test_no_input_without_an_instruction_is_refused() -> None:
    row, _ = normalize_draft(draft(None, asked="No input."))
    assert row["fields"]["input"] == "No input."
    refusal = validate(row, config=data_config(), task_labels=(), has_bank=True, task_bounds=None)
    assert refusal is not None
    assert refusal[0] == "placeholder"


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (" 서울입니다.", "서울입니다."),
        ("\n\n   The capital is Seoul.\nIt is large.", "The capital is Seoul.\nIt is large."),
        ("    정답", "정답"),
        ("    return a + b", "    return a + b"),
        ("    for x in xs:\n        print(x)", "    for x in xs:\n        print(x)"),
        ("\n    if (a == b) {\n    }", "    if (a == b) {\n    }"),
        ("  - 하나\n  - 둘", "  - 하나\n  - 둘"),
    ],
)
def test_the_blanks_before_prose_go_and_those_before_code_stay(answer: str, kept: str) -> None:
    assert fields(draft(answer=answer))[0]["answer"] == kept
    chat, _ = normalize_draft(draft(messages=[("user", "답은?"), ("assistant", answer)]))
    assert chat["messages"] is not None
    assert chat["messages"][1]["content"] == kept


def test_the_blanks_stay_where_code_was_asked_for() -> None:
    row = draft("이어서 완성해 주세요.", asked="def f(x):\n    # 두 배", answer="    x * 2")
    assert fields(row)[0]["answer"] == "    x * 2"


def test_a_function_has_one_name_in_tools_calls_and_results() -> None:
    name = "cafe\u0301\u202e"
    row = draft(messages=[("user", "커피?"), ("assistant", ""), ("tool", "있음"), ("assistant", "있습니다.")])
    turns: Any = row["messages"]
    turns[1]["tool_calls"] = [{"id": "c1", "name": name, "arguments": f'{{"q": "{name}"}}'}]
    turns[2] |= {"tool_call_id": "c1", "name": name}
    row["tools"] = f'[{{"type": "function", "function": {{"name": "{name}"}}}}]'
    cleaned, _ = normalize_draft(row)
    found: Any = cleaned["messages"]
    assert found[1]["tool_calls"] == [{"id": "c1", "name": "café", "arguments": '{"q": "café"}'}]
    assert found[2]["name"] == "café"
    assert cleaned.get("tools") == '[{"type": "function", "function": {"name": "café"}}]'
