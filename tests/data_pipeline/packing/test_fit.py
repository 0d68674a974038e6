"""Rows that are too long lose their oldest exchanges whole: a call never stands without its question."""

from types import SimpleNamespace
from typing import Any

from data_pipeline.augment.draw import Drawn
from data_pipeline.packing.fit import Fitter


class Counted:
    """A renderer for which each character is a token."""

    def rows(self, messages: Any, tools: str | None, *, train_reasoning: bool) -> Any:
        ids = [0] * sum(len(message["content"]) for message in messages)
        return [SimpleNamespace(input_ids=ids, num_trained_tokens=1)]


def shortened(messages: Any, seq_len: int) -> tuple[list[str], list[str]]:
    renderer: Any = Counted()
    drawn = Fitter(renderer, seq_len=seq_len, shorten=True).whole(Drawn(messages)).drawn
    return [message["content"] for message in drawn.messages], drawn.transforms


def test_exchanges_with_calls_go_whole_and_the_last_question_is_cut() -> None:
    call = [{"id": None, "name": "f", "arguments": "{}"}]
    messages = [
        {"role": "system", "content": "체계"},
        {"role": "user", "content": "하나"},
        {"role": "assistant", "content": "", "tool_calls": call},
        {"role": "tool", "content": "결과"},
        {"role": "assistant", "content": "답"},
        {"role": "user", "content": "둘\n\n긴 본문"},
        {"role": "assistant", "content": "", "tool_calls": call},
        {"role": "tool", "content": "결과"},
        {"role": "assistant", "content": "답"},
    ]
    assert shortened(messages, 100) == ([message["content"] for message in messages], [])
    whole = ["체계", "둘\n\n긴 본문", "", "결과", "답"]
    assert shortened(messages, 13) == (whole, ["exchanges_dropped:1"])
    assert shortened(messages, 10) == (
        ["체계", "둘\n\n긴 ", "", "결과", "답"],
        ["exchanges_dropped:1", "input_cut:2"],
    )
