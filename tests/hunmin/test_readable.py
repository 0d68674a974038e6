"""Rows as people read them: every part of a message, masks, and what is left out of a long text."""

from hypothesis import given
from hypothesis import strategies as st

from hunmin.readable import MAX_CHARS, Part, parts_of, parts_of_messages, shortened, shown, transcript
from hunmin.rows import Message

CALL = {"id": "1", "name": "weather", "arguments": '{"city": "부산"}'}


def test_every_part_of_a_conversation_is_told() -> None:
    messages: list[Message] = [
        {"role": "system", "content": "짧게 답하세요."},
        {"role": "user", "content": "부산 날씨는?"},
        {"role": "assistant", "content": "", "reasoning": "찾아봐야겠다.", "tool_calls": [CALL]},  # type: ignore[list-item]
        {"role": "tool", "content": "맑음", "tool_call_id": "1", "name": "weather"},
        {"role": "assistant", "content": "맑습니다.", "reasoning": None, "tool_calls": None},
    ]
    assert parts_of_messages(messages) == [
        Part("system", "짧게 답하세요."),
        Part("user", "부산 날씨는?"),
        Part("thought", "찾아봐야겠다."),
        Part("call", 'weather({"city": "부산"})'),
        Part("tool", "맑음"),
        Part("answer", "맑습니다."),
    ]


def test_a_row_of_fields_is_told_as_a_conversation() -> None:
    fields = {"instruction": "더해 주세요.", "input": "1, 2", "answer": "3", "rationale": "1 + 2 = 3"}
    row = {"fields": fields, "messages": None}
    assert (
        transcript(parts_of(row)) == "user: 더해 주세요.\n\n1, 2\nthought: 1 + 2 = 3\nanswer: 3"  # type: ignore[arg-type]
    )


def test_what_is_shown_is_masked_before_it_is_cut() -> None:
    text = "가" * (MAX_CHARS - 510) + " 010-1234-5678 " + "나" * 2000 + " 끝이 잘"
    told = shown(text)
    assert "1234" not in told
    assert "[전화번호]" in told
    assert told.endswith("끝이 잘")


@given(text=st.text(max_size=300), limit=st.integers(4, 200))
def test_a_shortened_text_keeps_its_ends_and_says_what_it_lacks(text: str, limit: int) -> None:
    short = shortened(text, max_chars=limit)
    if len(text) <= limit:
        assert short == text
        return
    head, _, rest = short.partition(f"\n[… {len(text) - limit:,} characters left out …]\n")
    assert len(head) + len(rest) == limit
    assert rest
    assert text.startswith(head)
    assert text.endswith(rest)
