"""What may follow what in a conversation with tools, and turns that are joined."""

from typing import Any

import pytest

from data_pipeline.rows.turn_order import drop_unanswered, join_turns, turn_faults


def turn(role: str, content: str = "말", **more: Any) -> Any:
    return {"role": role, "content": content, **more}


def call(*ids: str | None, content: str = "") -> Any:
    calls = [{"id": one, "name": f"f{number}", "arguments": "{}"} for number, one in enumerate(ids)]
    return turn("assistant", content, tool_calls=calls)


def result(call_id: str | None = None, **more: Any) -> Any:
    return turn("tool", "맑음", **({"tool_call_id": call_id} if call_id else {}), **more)


USER, ANSWER = turn("user"), turn("assistant")


@pytest.mark.parametrize(
    "messages",
    [
        [USER, call("a"), result("a"), ANSWER],
        [USER, call("a", "b"), result("b"), result("a"), ANSWER],
        [USER, call(None), result(), ANSWER, USER, ANSWER],
        [USER, call(None, None), result(), ANSWER],  # one result of all
        [USER, call(None, None), result(name="f1"), result(name="f0"), ANSWER],
        [USER, call("a", content="찾아볼게요."), result(), ANSWER],
        [USER, call("a"), turn("tool", "", tool_call_id="a"), call("b"), result("b"), ANSWER],
        [turn("system"), USER, call("a")],
    ],
)
def test_orders_that_are_right(messages: Any) -> None:
    assert turn_faults(messages) == []


@pytest.mark.parametrize(
    ("messages", "reason", "words"),
    [
        ([USER, result("a"), ANSWER], "tool_order", "no call waits for it"),
        ([USER, call("a"), result("b"), ANSWER], "tool_order", "answers the call 'b', and the call f0 (a)"),
        (
            [USER, call("a"), ANSWER],
            "tool_order",
            "message 2 is assistant, and the call f0 (a) has no result",
        ),
        ([USER, call("a", "b"), result("a"), ANSWER], "tool_order", "f1 (b) has no result"),
        ([USER, call("a"), result("a"), result("a"), ANSWER], "tool_order", "no call waits"),
        ([USER, call("a"), USER, ANSWER], "tool_order", "message 2 is user"),
        ([USER, call("a"), result("a"), USER, ANSWER], "role_order", "is user, expected assistant"),
        ([USER, call("a"), result("a")], "empty_answer", "no answered turn"),
        ([USER, turn("assistant", "")], "empty_answer", "message 1"),
    ],
)
def test_orders_that_are_not(messages: Any, reason: str, words: str) -> None:
    found = turn_faults(messages)
    assert found[0] is not None
    assert found[0][0] == reason
    assert words in found[0][1]


def test_results_that_nobody_read_go() -> None:
    messages = [USER, call("a", "b"), result("a")]
    assert drop_unanswered(messages) == (messages[:2], ["unanswered_turn_dropped"])


def test_turns_of_one_speaker_are_joined_and_a_greeting_goes() -> None:
    messages = [
        turn("system", "짧게"),
        turn("assistant", "어서 오세요."),
        turn("user", "저기"),
        turn("user", "있나요?"),
        turn("assistant", "네."),
        turn("assistant", "있습니다."),
    ]
    assert join_turns(messages) == (
        [turn("system", "짧게"), turn("user", "저기\n있나요?"), turn("assistant", "네.\n있습니다.")],
        ["greeting_dropped", "turns_joined"],
    )


@pytest.mark.parametrize(
    "messages",
    [
        [USER, ANSWER, turn("assistant", train=False)],
        [USER, ANSWER, turn("assistant", weight=0.5)],
        [USER, ANSWER, turn("assistant", reasoning="생각")],
        [USER, ANSWER, call("a"), result("a"), result("b")],
        [call("a"), result("a"), ANSWER],
        [USER, ANSWER],
    ],
)
def test_turns_that_mean_something_of_their_own_stay(messages: Any) -> None:
    assert join_turns(messages) == (messages, [])
