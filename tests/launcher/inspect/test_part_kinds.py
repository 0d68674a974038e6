"""Tokens of thoughts and calls, by the marks around them."""

from typing import Any

from rich.console import Console

from hunmin.models.part_marks import Marks
from launcher.inspect.part_kinds import with_kinds
from launcher.inspect.show_page import _token
from launcher.inspect.token_marks import running_text
from launcher.inspect.tokens import TokenGroup

MARKS: Any = {"thought": Marks("<think>", "</think>"), "call": Marks("<call>", "<|end|>")}


def segment(*parts: tuple[str, bool]) -> list[TokenGroup]:
    """Groups of texts, trained or not; <|..|> are special tokens."""
    return [
        TokenGroup(at, (at,), text, trained, text.startswith("<|"))
        for at, (text, trained) in enumerate(parts)
    ]


def kinds(groups: list[TokenGroup], marks: Any = MARKS) -> list[str]:
    return [f"{group.kind}: {group.text}" for group in with_kinds(groups, marks) if group.kind]


ANSWER = [("<think>", True), ("a", True), ("</think>", True), ("b", True), ("<call>", True), ("f()", True)]
BEGIN = [("<|start|>", False), ("assistant", False)]


def test_a_thought_and_a_call_of_an_answer() -> None:
    groups = segment(
        ("<|start|>", False), ("q", False), ("<|end|>", False), *BEGIN, *ANSWER, ("<|end|>", True)
    )
    assert kinds(groups) == ["thought: <think>", "thought: a", "call: <call>", "call: f()"]


def test_what_an_instruction_spells_is_neither() -> None:
    said = ("use <think> or <call>f()", False)
    groups = segment(("<|start|>", False), said, ("<|end|>", False), *BEGIN, *ANSWER, ("<|end|>", True))
    assert kinds(groups) == ["thought: <think>", "thought: a", "call: <call>", "call: f()"]


def test_a_thought_that_is_context_and_one_that_the_prompt_begins() -> None:
    thought = [("<think>", False), ("a", False), ("</think>", False)]
    assert kinds(segment(*BEGIN, *thought, ("b", True), ("<|end|>", True))) == [
        "thought: <think>",
        "thought: a",
    ]
    begun = [("<think>", False), ("a", True), ("</think>", True), ("b", True), ("<|end|>", True)]
    assert kinds(segment(*BEGIN, *begun)) == ["thought: <think>", "thought: a"]


def test_a_special_token_that_somebody_spells_ends_nothing() -> None:
    spelled = TokenGroup(9, (9,), "<|end|>", True, False)
    groups = [
        *segment(*BEGIN, ("<call>", True), ("f(", True)),
        spelled,
        *segment((")", True), ("<|end|>", True)),
    ]
    assert kinds(groups) == ["call: <call>", "call: f(", "call: <|end|>", "call: )"]


def test_without_marks_everything_is_as_it_was() -> None:
    groups = segment(*BEGIN, *ANSWER)
    assert with_kinds(groups, {}) == groups


def test_each_kind_has_its_colour_in_the_terminal_and_on_the_page() -> None:
    groups = with_kinds(segment(*BEGIN, *ANSWER, ("<|end|>", True)), MARKS)
    text = running_text(groups, colour=True)
    out = Console(force_terminal=True, color_system="standard", width=100, no_color=False)
    with out.capture() as captured:
        out.print(text)
    shown = captured.get()
    assert "\x1b[1;3;33m<think>a" in shown  # bold italic yellow
    assert "\x1b[1;36m<call>f()" in shown
    assert "\x1b[1;32m</think>b" in shown
    assert (
        running_text(groups, colour=False).plain
        == "⟨<|start|>⟩assistant⟦<think>a</think>b<call>f()⟨<|end|>⟩⟧"
    )
    assert 'class="t thought"' in _token(groups[3])
    assert 'class="t call"' in _token(groups[7])
