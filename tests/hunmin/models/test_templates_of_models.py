"""The chat templates of today's models, as trl carries them: every answer is trained, as it is served."""

import json
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pytest
from tiny_tokenizers import byte_level

from hunmin.models.part_marks import spans_of
from hunmin.models.renderer import Renderer, RowRefused
from hunmin.models.served_template import settle_template
from hunmin.rows import Message
from hunmin.schema import IGNORE_INDEX
from tests.needs import lacking

_spec = find_spec("trl")
if _spec is None or _spec.origin is None:
    lacking("trl's chat templates are not installed: make test installs requirements-templates.lock")
FILES = sorted(Path(str(_spec and _spec.origin)).parent.glob("chat_templates/*.jinja"))

DAY = date(2026, 1, 2)
CALLS: Any = [{"id": "call00001", "name": "weather", "arguments": '{"city": "서울"}'}]
TOOLS = json.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "도시의 날씨",
                "parameters": {
                    "type": "object",
                    "properties": {"city": {"type": "string", "description": "도시"}},
                    "required": ["city"],
                },
            },
        }
    ],
    ensure_ascii=False,
)


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def answer(text: str, **more: Any) -> Message:
    return cast(Message, {"role": "assistant", "content": text, "train": True, **more})


PLAIN = [user("하나 다음은?"), answer("둘입니다.")]
MULTI = [*PLAIN, user("그 다음은?"), answer("셋입니다.")]
THINKING = [
    user("17 더하기 25는?"),
    answer("42입니다.", reasoning="17에 25를 더하면 42."),
    user("거기에 1을 더하면?"),
    answer("43입니다.", reasoning="42에 1을 더하면 43."),
]
CALLING: list[Message] = [
    user("서울의 날씨는?"),
    answer("", tool_calls=CALLS),
    {"role": "tool", "content": "맑음", "tool_call_id": "call00001", "name": "weather"},
    answer("맑습니다."),
    user("고마워요."),
    answer("천만에요."),
]
ROWS: dict[str, tuple[list[Message], str | None]] = {
    "plain": (PLAIN, None),
    "multi": (MULTI, None),
    "thinking": (THINKING, None),
    "calling": (CALLING, TOOLS),
}
# They take no tool's turn, or write no call; what they do with one is said by `template_without_calls`.
NO_CALLS = {
    *("cohere", "cohere2", "deepseek_r1_distill", "gemma", "gemma3", "idefics3", "lfm2", "llama3"),
    *("llava_next", "phi3", "phi3_5", "qwen2_5_vl", "smolvlm"),
}


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_answer_is_trained_behind_the_prompt_that_is_served(file: Path, kind: str) -> None:
    messages, tools = ROWS[kind]
    renderer = _renderer(file, messages, tools)
    if kind == "calling" and file.stem.removesuffix("_training") in NO_CALLS:
        with pytest.raises(RowRefused, match="template_without_calls"):
            renderer.rows(messages, tools)
        return
    rows = renderer.rows(messages, tools)
    trained = [turn for row in rows for turn in row.turns]
    assert sorted(trained) == [at for at, message in enumerate(messages) if message.get("train")]
    for row in rows:
        for turn in row.turns:
            prompt = _served(renderer, messages[:turn], tools)
            assert prompt == renderer.prompt(messages[:turn], tools)
            assert row.input_ids[: len(prompt)] == prompt
            target = _target(renderer, row.labels[len(prompt) :])
            assert messages[turn]["content"] in target
            thought = messages[turn].get("reasoning")
            assert not thought or thought in target or turn in row.dropped_thoughts
            for call in messages[turn].get("tool_calls") or []:
                assert call["name"] in target
                assert "서울" in target


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_thought_as_context_leaves_the_answer(file: Path) -> None:
    renderer = _renderer(file, THINKING, None)
    for row in renderer.rows(THINKING, train_reasoning=False):
        for turn in row.turns:
            start = next(at for at in range(len(row.labels)) if row.labels[at] != IGNORE_INDEX)
            target = _target(renderer, row.labels[start:]).strip()
            if turn == row.turns[0]:
                assert target.startswith(THINKING[turn]["content"])
                assert str(THINKING[turn].get("reasoning")) not in target


def _renderer(file: Path, messages: list[Message], tools: str | None) -> Renderer:
    """As the data stage makes it for a corpus of such rows, asked to export a template that fits."""
    tokenizer = byte_level(file.read_text(encoding="utf-8"))
    return settle_template(tokenizer, options=None, day=DAY, ask_as_trained=True, sample=[(messages, tools)])


def _served(renderer: Renderer, messages: list[Message], tools: str | None) -> Any:
    """The ids of the exported tokenizer's own prompt."""
    form = renderer._template.habits.form
    return renderer._tokenizer.apply_chat_template(
        [form.of(message) for message in messages],
        tools=json.loads(tools) if tools else None,
        add_generation_prompt=True,
        return_dict=False,
    )


def _target(renderer: Renderer, labels: list[int]) -> str:
    """The trained text from the first label on, up to the first that is none."""
    end = labels.index(IGNORE_INDEX) if IGNORE_INDEX in labels else len(labels)
    return str(renderer._tokenizer.decode(labels[:end]))


@pytest.mark.parametrize("kind", ["thinking", "calling"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_marks_find_the_thoughts_and_calls_of_an_answer(file: Path, kind: str) -> None:
    messages, tools = ROWS[kind]
    renderer = _renderer(file, messages, tools)
    marks = renderer.part_marks
    if kind == "calling" and file.stem.removesuffix("_training") in NO_CALLS:
        assert "call" not in marks
        return
    for row in renderer.rows(messages, tools):
        for turn in row.turns:
            text = str(renderer._tokenizer.decode(row.input_ids))
            found = [text[span.start : span.end] for span in spans_of(text, marks)]
            thought = None if turn in row.dropped_thoughts else messages[turn].get("reasoning")
            assert not thought or any(thought in part for part in found)
            for call in messages[turn].get("tool_calls") or []:
                assert any(call["name"] in part and "서울" in part for part in found)
