"""Answers read in their parts, as today's templates write them."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_templates_of_models import CALLING, CALLS, FILES, NO_CALLS, THINKING, TOOLS, _renderer
from tiny_tokenizers import byte_level

from hunmin.models.answer_parts import AnswerForm, AnswerParts
from hunmin.models.renderer import Renderer
from hunmin.models.written_calls import call_of, calls_in, same_spelling, with_calls

PLAIN_FILES = [file for file in FILES if not file.stem.endswith("_training")]  # the others write the same
WEATHER = call_of("weather", {"city": "서울"})


def generated(renderer: Renderer, messages: Any, index: int, tools: str | None = None) -> list[int]:
    """The ids that a model of this template writes for an answer, without what ends the turn."""
    template = renderer._template
    turn = template.turn(template.conversation(messages, tools), index)
    ids = renderer._encoder.encode(turn.target).input_ids
    return ids[:-1] if ids[-1] in renderer._encoder.special_ids else ids


@pytest.mark.parametrize("file", PLAIN_FILES, ids=lambda file: file.stem)
def test_an_answer_is_told_from_its_thought(file: Path) -> None:
    renderer = _renderer(file, THINKING, None)
    found = renderer.answers.read(generated(renderer, THINKING, 3))
    dropped = renderer._template.turn(renderer._template.conversation(THINKING), 3).thought_dropped
    assert found == AnswerParts("43입니다.", None if dropped else "42에 1을 더하면 43.")


@pytest.mark.parametrize(
    "file", [file for file in PLAIN_FILES if file.stem not in NO_CALLS], ids=lambda file: file.stem
)
def test_calls_are_read_as_the_template_writes_them(file: Path) -> None:
    renderer = _renderer(file, CALLING, TOOLS)
    found = renderer.answers.read(generated(renderer, CALLING, 1, TOOLS))
    assert list(found.calls) == [WEATHER]
    back = renderer.answers.read_back(CALLING[:1], CALLING[1], TOOLS)
    assert back is not None
    assert back.said == with_calls(back.content, [WEATHER])
    answer = renderer.answers.read(generated(renderer, CALLING, 3, TOOLS))
    assert (answer.content.strip(), answer.calls) == ("맑습니다.", ())


@pytest.mark.parametrize(
    ("text", "opened", "content", "thought"),
    [
        ("<think>\n1+1\n</think>\n\n2", False, "2", "1+1"),
        ("<think></think>2", False, "2", None),
        ("<think>1+1", False, "", "1+1"),  # broken off by the limit: there is no answer
        ("1+1</think>2", True, "2", "1+1"),
        ("1+1", True, "", "1+1"),
        ("2", False, "2", None),
        ("the tag <think> opens, </think> closes", False, "the tag <think> opens, </think> closes", None),
        ("2</think>", False, "2</think>", None),
    ],
)
def test_a_thought_is_what_begins_the_answer(
    text: str, opened: bool, content: str, thought: str | None
) -> None:
    assert AnswerForm(opened=opened).parts_of(text) == AnswerParts(content, thought)


def hermes() -> AnswerForm:
    template = (
        "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' + m.content }}"
        "{%- for call in m.tool_calls or [] %}{{- '<tool_call>\n' + "
        "({'name': call.function.name, 'arguments': call.function.arguments} | tojson) + "
        "'\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\n' }}"
        "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
    )
    return Renderer(byte_level(template)).answers._form


def written(*calls: object) -> str:
    return "\n".join(f"<tool_call>\n{json.dumps(call)}\n</tool_call>" for call in calls)


def test_several_calls_are_read_in_order_behind_the_text() -> None:
    busan = {"name": "weather", "arguments": {"city": "부산", "days": 2}}
    text = "찾아볼게요.\n" + written({"name": "weather", "arguments": {"city": "서울"}}, busan)
    found = hermes().parts_of(text)
    assert found == AnswerParts("찾아볼게요.", None, [WEATHER, call_of("weather", busan["arguments"])])
    assert calls_in(found.said) == list(found.calls)
    assert found.said.startswith("찾아볼게요.\n<tool_call>")


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "weather", "argum',  # broken off
        '<tool_call>\n{"arguments": {}}\n</tool_call>',
        '<tool_call>\n{"name": "weather", "arguments": [1]}\n</tool_call>',
        '{"name": "weather", "arguments": {"city": "서울"}}',  # without the template's own mark
    ],
)
def test_what_no_server_would_take_for_a_call_is_text(text: str) -> None:
    assert hermes().parts_of(text) == AnswerParts(text)


def test_calls_survive_being_written_as_one_text() -> None:
    spaced = same_spelling(CALLS)
    assert spaced == [WEATHER]
    assert (
        with_calls("", spaced) == '<tool_call>{"name": "weather", "arguments": {"city": "서울"}}</tool_call>'
    )


@pytest.mark.parametrize(
    "text",
    [
        *("{}", '{"name": 3, "arguments": {}}', '{"name": "f", "arguments": [1]}', '{"name": "f"}', "{]}"),
        '{"name": "f", "arguments": ' + '{"a":' * 100_000 + "1" + "}" * 100_001,
    ],
)
def test_a_line_that_only_looks_like_a_call_is_none(text: str) -> None:
    assert calls_in(f"<tool_call>{text}</tool_call>") == []
    assert hermes().parts_of(f"<tool_call>{text}</tool_call>").calls == ()
