"""Thoughts, calls, tools, weights, parts and roles of turns, as files have them."""

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_helpers import reasons_of

USER = {"role": "user", "content": "부산 날씨 알려 줘."}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "부산"}'}}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "맑음"}
ANSWER = {"role": "assistant", "content": "부산은 맑습니다."}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def messages(read_files: Any, *turns: Any, record: Any = None, **settings: Any) -> Any:
    """What becomes of one record with these turns."""
    line = json.dumps({"messages": list(turns), **(record or {})}, ensure_ascii=False)
    (row,) = read_files({"m.jsonl": line}, format="messages", **settings)
    return row


def said(read_files: Any, *turns: str, **more: Any) -> Any:
    """The same of turns "from: value" of ShareGPT."""
    pairs = [dict(zip(("from", "value"), turn.split(": ", 1), strict=True)) for turn in turns]
    (row,) = read_files({"c.json": json.dumps([{"conversations": pairs, **more}])}, format="sharegpt")
    return row


def answer(read_files: Any, **turn: Any) -> Any:
    """The answer of a conversation of two turns, or its rejection."""
    row = messages(read_files, USER, {"role": "assistant", **turn})
    return row if "reason" in row else row["messages"][1]


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_a_thought_under_its_key(read_files: Any, key: str) -> None:
    assert answer(read_files, content="51입니다.", **{key: " 17+17+17 "}) == {
        "role": "assistant",
        "content": "51입니다.",
        "reasoning": "17+17+17",
    }


@pytest.mark.parametrize(
    ("text", "thought", "rest"),
    [
        ("<think>\n셋.\n</think>\n\n3입니다.", "셋.", "3입니다."),
        ("<think>셋.</think>3입니다.", "셋.", "3입니다."),
        ("셋.\n</think>\n\n3입니다.", "셋.", "3입니다."),  # the prompt had opened it
        ("<think>\n\n</think>\n\n3입니다.", None, "3입니다."),
        ("<think>a</think>\n  들여쓴 줄", "a", "  들여쓴 줄"),
        ("<think>a</think>\n글에 </think> 표시", "a", "글에 </think> 표시"),
        ("표시 </think> 는 끝을 뜻합니다.", None, "표시 </think> 는 끝을 뜻합니다."),
        ("표시 <think>와 </think>\n는 한 쌍입니다.", None, "표시 <think>와 </think>\n는 한 쌍입니다."),
    ],
)
def test_a_thought_in_the_text(read_files: Any, text: str, thought: str | None, rest: str) -> None:
    found = answer(read_files, content=text)
    assert (found.get("reasoning"), found["content"]) == (thought, rest)


@pytest.mark.parametrize(
    ("turn", "reason", "words"),
    [
        ({"content": "<think>셋은 하나"}, "no_answer", "never ends"),
        ({"content": "<think>셋</think>"}, "no_answer", "is empty"),
        (
            {"content": "3", "reasoning": "a", "thinking": "b"},
            "contradiction",
            'reasoning is "a" and thinking',
        ),
        ({"content": "<think>a</think>3", "reasoning": "b"}, "contradiction", "in the text it is"),
        ({"content": "3", "reasoning": {"steps": 1}}, "wrong_type", "the thought of turn 2"),
        ({"content": "3", "reasoning_details": [{"text": "a"}]}, "unsupported_key", "reasoning_details"),
        ({"content": "3", "images": ["a.png"]}, "unsupported_key", "images"),
        ({"content": "3", "weight": "half"}, "wrong_type", "weight of turn 2"),
        ({"content": "3", "weight": -1}, "wrong_type", "needed is 0, a number from"),
        ({"content": "3", "train_detail": [1]}, "unsupported_key", "train_detail"),
        ({"content": "", "tool_calls": [{"type": "custom"}]}, "broken_tool_call", '"custom"'),
        ({"content": "", "tool_calls": [{"function": {"arguments": "{}"}}]}, "broken_tool_call", "no name"),
        ({"content": "", "tool_calls": ["{"]}, "broken_tool_call", "no JSON"),
        (
            {"content": "", "tool_calls": [{"function": {"name": "f", "arguments": "[1]"}}]},
            "broken_tool_call",
            "needed is an object",
        ),
        (
            {"content": [{"type": "image_url", "image_url": "x"}]},
            "not_text",
            "part 1 of the content of turn 2",
        ),
        ({"content": [{"type": "text"}]}, "wrong_type", "has no text"),
        ({"content": None}, "missing_field", "no key value or content"),
    ],
)
def test_what_an_answer_cannot_be(read_files: Any, turn: Any, reason: str, words: str) -> None:
    row = answer(read_files, **turn)
    assert row["reason"] == reason
    assert words in row["detail"]


def test_equal_thoughts_under_two_keys_are_one(read_files: Any) -> None:
    found = answer(
        read_files, content="<think>a</think>3", reasoning="a", thinking="a", reasoning_content=None
    )
    assert (found["reasoning"], found["content"]) == ("a", "3")


def test_parts_of_a_content_are_joined_by_line_ends(read_files: Any) -> None:
    parts = [
        {"type": "thinking", "thinking": "셋"},
        {"type": "text", "text": "답:", "image_url": None},
        {"text": "3"},
        "끝",
    ]
    assert answer(read_files, content=parts) == {
        "role": "assistant",
        "content": "답:\n3\n끝",
        "reasoning": "셋",
    }


def test_calls_results_and_tools_of_openai(read_files: Any) -> None:
    called = {"role": "assistant", "content": None, "tool_calls": [CALL], "function_call": None}
    row = messages(read_files, USER, called, RESULT, ANSWER, record={"tools": [TOOL]})
    assert row["messages"] == [
        USER,
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c1", "name": "weather", "arguments": '{"city": "부산"}'}],
        },
        RESULT,
        ANSWER,
    ]
    assert json.loads(row["tools"]) == [TOOL]
    assert (row["fields"]["instruction"], row["fields"]["answer"]) == (USER["content"], ANSWER["content"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"a":1.50,  "b":1e6}', '{"a":1.50,  "b":1e6}'),
        ({"도시": "부산", "수": [1, None], "단위": None}, '{"도시": "부산", "수": [1, null]}'),
        ('{"단위": null}', '{"단위": null}'),
        ("", "{}"),
        (None, "{}"),
    ],
)
def test_arguments_keep_their_spelling(read_files: Any, arguments: Any, text: str) -> None:
    calls = [{"function": {"name": "f", "arguments": arguments}}]
    found = answer(read_files, content=None, tool_calls=calls)
    assert found["tool_calls"] == [{"id": None, "name": "f", "arguments": text}]


def test_the_older_function_call_and_calls_as_json_text(read_files: Any) -> None:
    old = {"name": "weather", "arguments": '{"city": "부산"}'}
    result = {"role": "function", "name": "weather", "content": "맑음"}
    called = {"role": "assistant", "content": None, "function_call": old}
    row = messages(read_files, USER, called, result, ANSWER, record={"functions": [TOOL["function"]]})
    assert row["messages"][1]["tool_calls"] == [{"id": None, **old}]
    assert row["messages"][2] == {"role": "tool", "content": "맑음", "name": "weather"}
    assert json.loads(row["tools"]) == [TOOL]
    assert answer(read_files, tool_calls=json.dumps([CALL]))["tool_calls"][0]["id"] == "c1"


def test_calls_of_sharegpt_join_the_turn_before_them(read_files: Any) -> None:
    row = said(
        read_files,
        "human: 환율은?",
        "gpt: 찾아볼게요.",
        'function_call: {"name": "fx", "arguments": {"to": "KRW"}}',
        'function_call: [{"name": "fx", "parameters": {"to": "JPY"}}]',
        "observation: 1380, 9",
        "gpt: 1380원, 9엔입니다.",
        tools='[{"name": "fx"}]',
        system="도구를 쓰세요.",
    )
    assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant", "tool", "assistant"]
    assert row["messages"][2]["content"] == "찾아볼게요."
    assert [call["arguments"] for call in row["messages"][2]["tool_calls"]] == [
        '{"to": "KRW"}',
        '{"to": "JPY"}',
    ]
    assert json.loads(row["tools"]) == [{"type": "function", "function": {"name": "fx"}}]


def test_calls_in_tags_at_the_end_of_a_text(read_files: Any) -> None:
    call = '<tool_call>\n{"name": "fx", "arguments": {"to": "KRW"}}\n</tool_call>'
    row = said(
        read_files,
        "human: 환율은?",
        f"gpt: 찾아볼게요.\n{call}\n{call}",
        "tool: <tool_response>\n1380\n</tool_response>",
        "gpt: 1380원입니다.",
    )
    assert row["messages"][1]["content"] == "찾아볼게요."
    assert len(row["messages"][1]["tool_calls"]) == 2
    assert row["messages"][2]["content"] == "1380"
    for text in (f"{call} 라고 씁니다.", "<tool_call>\n<function=f>\n</tool_call>"):
        assert said(read_files, "human: 어떻게?", f"gpt: {text}")["messages"][1]["content"] == text


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        ("{", "no JSON"),
        ({"name": "f"}, "needed is a list"),
        ([{"description": "이름 없음"}], "tool 1 has no name"),
        ([3], "tool 1 is a number"),
    ],
)
def test_tools_that_are_none(read_files: Any, tools: Any, words: str) -> None:
    row = messages(read_files, USER, ANSWER, record={"tools": tools})
    assert (row["reason"], words in row["detail"]) == ("broken_tools", True)


@pytest.mark.parametrize("tools", [None, "", [], "[]", " "])
def test_no_tools(read_files: Any, tools: Any) -> None:
    assert messages(read_files, USER, ANSWER, record={"tools": tools})["tools"] is None


def test_tools_keep_the_spelling_of_the_file(read_files: Any) -> None:
    text = '[{"type": "function", "function": {"name": "f", "max": 1.50}}]'
    assert messages(read_files, USER, ANSWER, record={"tools": text})["tools"] == text


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"weight": 0}, {"train": False}),
        ({"weight": 1}, {}),
        ({"weight": 0.5}, {"weight": 0.5}),
        ({"weight": "0.5", "train": True}, {"weight": 0.5}),
        ({"train": False}, {"train": False}),
        ({"train": "false"}, {"train": False}),
        ({"loss": True}, {}),
        ({"loss": 0, "weight": 1}, {"train": False}),
        ({"weight": None, "loss": float("nan")}, {}),
        ({"weight": 1e6}, {"weight": 1e6}),
    ],
)
def test_weights_of_answers(read_files: Any, given: Any, read: Any) -> None:
    row = messages(read_files, USER, {**ANSWER, **given}, USER, ANSWER)
    assert row["messages"][1] == {**ANSWER, **read}
    assert row["messages"][3] == ANSWER


@pytest.mark.parametrize("weight", [-1, 1e39, 1e-50, "1e7", float("inf"), [1], "많이"])
def test_weights_that_no_shard_holds(read_files: Any, weight: Any) -> None:
    answered = messages(read_files, USER, {**ANSWER, "weight": weight}, USER, ANSWER)
    recorded = messages(read_files, USER, ANSWER, record={"w": weight}, columns={"weight": "w"})
    for row in (answered, recorded):
        assert (row["reason"], "weight of" in row["detail"]) == ("wrong_type", True)


def test_nothing_to_learn_where_every_answer_has_the_weight_0(read_files: Any) -> None:
    row = messages(read_files, USER, {**ANSWER, "weight": 0})
    assert (row["reason"], "weight 0" in row["detail"]) == ("no_answer", True)
    row = messages(read_files, USER, ANSWER, record={"w": 0}, columns={"weight": "w"})
    assert row["reason"] == "no_answer"


def test_weights_of_other_turns(read_files: Any) -> None:
    for harmless in ({"weight": 1}, {"weight": 0}, {"train": False}, {"loss": 0}):
        assert messages(read_files, {**USER, **harmless}, ANSWER)["messages"][0] == USER
    for trained in ({"train": True}, {"weight": 2}):
        row = messages(read_files, {**USER, **trained}, ANSWER)
        assert (row["reason"], "only answers" in row["detail"]) == ("unsupported_key", True)


def test_a_source_names_its_own_keys(read_files: Any) -> None:
    record = {
        "dialogue": [
            {"speaker": "상담사", "text": "무엇을 도와드릴까요?", "learn": 0},
            {"speaker": "고객", "text": "환불이요."},
            {"speaker": "상담사", "text": "네.", "learn": 1},
        ],
        "importance": 0.5,
    }
    (row,) = read_files(
        {"d.jsonl": json.dumps(record)},
        format="sharegpt",
        columns={"messages": "dialogue", "weight": "importance"},
        roles={"상담사": "assistant", "고객": "user"},
        turn_keys={"role": "speaker", "content": "text", "train": "learn"},
    )
    assert row["messages"] == [
        {"role": "assistant", "content": "무엇을 도와드릴까요?", "train": False},
        {"role": "user", "content": "환불이요."},
        {"role": "assistant", "content": "네."},
    ]
    assert (row["weight"], row["unread"]) == (0.5, [])


@pytest.mark.parametrize(
    ("user", "assistant"),
    [("유저", "챗봇"), ("질문", "답변"), ("User", "어시스턴트"), ("user", "ai"), ("prompter", "model")],
)
def test_roles_that_are_known(read_files: Any, user: str, assistant: str) -> None:
    row = said(read_files, f"{user}: 배고파.", f"{assistant}: 밥을 드세요.")
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]


def test_a_role_that_is_not_known_names_the_setting(read_files: Any) -> None:
    row = said(read_files, "고객: 배고파.", "gpt: 밥을 드세요.")
    assert row["reason"] == "unknown_role"
    assert "roles: {고객: user}" in row["detail"]


def test_turns_as_json_text(read_files: Any) -> None:
    for turns in (json.dumps([USER, ANSWER]), [json.dumps(USER), ANSWER]):
        (row,) = read_files({"m.jsonl": json.dumps({"messages": turns})}, format="messages")
        assert row["messages"] == [USER, ANSWER]


def test_half_a_surrogate_pair_in_a_call(read_files: Any) -> None:
    called = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": "\ud83d"}}}]}
    line = json.dumps({"messages": [USER, called]})
    assert reasons_of(read_files({"m.jsonl": line}, format="messages")) == ["bad_encoding"]


def test_objects_of_parquet_lose_the_keys_of_others(read_files: Any) -> None:
    def of(name: str, **arguments: Any) -> Any:
        tools = [{"type": "function", "function": {"name": name, "parameters": {"properties": arguments}}}]
        call = {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}
        return {"tools": tools, "messages": [USER, {"role": "assistant", "tool_calls": [call]}]}

    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([of("a", city="부산"), of("b", unit="도")]), sink)
    rows = read_files({"t.parquet": sink.getvalue()}, format="messages")
    assert [row["messages"][1]["tool_calls"][0]["arguments"] for row in rows] == [
        '{"city": "부산"}',
        '{"unit": "도"}',
    ]
    assert [list(json.loads(row["tools"])[0]["function"]["parameters"]["properties"]) for row in rows] == [
        ["city"],
        ["unit"],
    ]


@pytest.mark.parametrize("content", [{"content": None}, {}, {"content": ""}])
def test_a_tool_that_gives_nothing_back_gives_an_empty_result(read_files: Any, content: Any) -> None:
    result = {"role": "tool", "tool_call_id": "call00001", "name": "f", **content}
    row = messages(
        read_files, {"role": "user", "content": "?"}, result, {"role": "assistant", "content": "!"}
    )
    wanted = {"role": "tool", "content": "", "tool_call_id": "call00001", "name": "f"}
    assert row["messages"][1] == wanted


def test_a_result_under_a_key_that_nobody_reads_is_not_taken_for_an_empty_one(read_files: Any) -> None:
    result = {"role": "tool", "tool_call_id": "call00001", "text": "맑음"}
    row = messages(
        read_files, {"role": "user", "content": "?"}, result, {"role": "assistant", "content": "!"}
    )
    assert row["reason"] == "missing_field"
