"""What a template writes around thoughts and calls, and the parts that these marks find."""

import json
from typing import Any

import pytest
from tiny_tokenizers import byte_level

from hunmin.models.part_marks import Marks, mark_after, mark_before, spans_of
from hunmin.models.renderer import Renderer

HEAD = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' }}{%- if m.role == 'assistant' %}"
    "{%- if m.reasoning_content %}{{- '<think>\n' + m.reasoning_content + '\n</think>\n\n' }}{%- endif %}"
)
ASKS = "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
CALLS = (
    "{%- for call in m.tool_calls or [] %}{{- '<tool_call>\n' + ({'name': call.function.name, 'arguments': "
    "call.function.arguments} | tojson) + '\n</tool_call>' }}{%- endfor %}"
)
END = "{{- m.content }}{%- else %}{{- m.content }}{%- endif %}{{- '<|im_end|>\n' }}{%- endfor %}" + ASKS
# template -> its marks
TEMPLATES = {
    "thoughts and calls": (
        HEAD + END.replace("{%- else", CALLS + "{%- else", 1),
        {"thought": ("<think>", "</think>"), "call": ("<tool_call>", "<|im_end|>")},
    ),
    "no calls": (HEAD + END, {"thought": ("<think>", "</think>")}),
    "channels": (
        "{%- for m in messages %}{%- if m.role == 'assistant' %}{%- if m.reasoning_content %}"
        "{{- '<|start|>assistant<|channel|>analysis<|message|>' + m.reasoning_content + '<|end|>' }}"
        "{%- endif %}{%- for call in m.tool_calls or [] %}{{- '<|start|>assistant<|channel|>commentary to=' "
        "+ call.function.name + '<|message|>' + (call.function.arguments | tojson) + '<|call|>' }}"
        "{%- endfor %}"
        "{%- if m.content %}{{- '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' }}"
        "{%- endif %}{%- else %}{{- '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}"
        "{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}",
        {
            "thought": ("<|start|>assistant<|channel|>analysis<|message|>", "<|end|>"),
            "call": ("<|channel|>commentary", "<|call|>"),
        },
    ),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_marks_are_found_by_trying(name: str) -> None:
    template, wanted = TEMPLATES[name]
    found: Any = Renderer(byte_level(template)).part_marks
    assert {kind: tuple(pair) for kind, pair in found.items()} == wanted


def test_an_added_token_ends_a_part_before_any_stretch() -> None:
    assert mark_before("a\n<x> \n") == "<x>"
    assert mark_before(" ") == ""
    assert mark_after("\n</t>\n\nanswer<|e|>", added=()) == "</t>"
    assert mark_after('"}}\n</t><|e|>', added=("<|e|>", "</t>")) == "</t>"
    assert mark_after(" ", added=("<|e|>",)) == ""


def test_spans_hold_the_mark_before_and_not_the_one_behind() -> None:
    marks: Any = {"thought": Marks("<t>", "</t>"), "call": Marks("<c>", "</c>")}
    text = "a<t>b <c>x</c> d</t>e<c>f</c><c>g</c><t>open"
    assert [(span.kind, text[span.start : span.end]) for span in spans_of(text, marks)] == [
        ("thought", "<t>b <c>x</c> d"),
        ("call", "<c>f"),
        ("call", "<c>g"),
    ]
    assert list(spans_of(text, {})) == []


def test_they_are_values_of_json() -> None:
    assert json.loads(json.dumps({"thought": Marks("a", "b")})) == {"thought": ["a", "b"]}
