"""What a chat template does with a plain answer, a thought and a call, found by handing it some."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from transformers import PreTrainedTokenizerFast

from hunmin.models.chat_templates import TemplateError
from hunmin.models.message_form import MessageForm
from hunmin.models.part_marks import MarkedKind, Marks, mark_after, mark_before
from hunmin.models.rendered_turns import (
    ChatTemplate,
    Conversation,
    Habits,
    PromptMismatch,
    RowRefused,
    Turn,
    common_prefix,
)
from hunmin.models.text_ids import TextEncoder
from hunmin.rows import Message, ToolCall

_QUESTION, _ANSWER, _OTHER, _THOUGHT = "질문 Aa1", "답 Bb2", "끝 Cc3", "생각 Dd4"
_CALL: ToolCall = {"id": "call00001", "name": "get_ee5", "arguments": json.dumps({"ff": "Gg6"})}
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_ee5",
            "description": "Hh7",
            "parameters": {"type": "object", "properties": {"ff": {"type": "string", "description": "Ii8"}}},
        },
    }
]


def habits_of(tokenizer: PreTrainedTokenizerFast, encoder: TextEncoder) -> Habits:
    """A template's habits.

    Raises:
        TemplateError: it leaves out messages, or ends answers with no special token.
    """

    def template(habits: Habits) -> ChatTemplate:
        return ChatTemplate(tokenizer, encoder, habits)

    try:
        habits = Habits(form=_content_form(template, MessageForm(), MessageForm(parts=True)))
        habits = _with_end(template(habits), encoder)
        habits = replace(habits, form=_thought_form(template, habits))
        shown, bare = (_rendered(template(habits), replace(_chat(), tools=tools)) for tools in (_TOOLS, None))
        return _with_calls(template, replace(habits, writes_tools=shown != bare), encoder)
    except RowRefused as refused:
        raise TemplateError(f"data.template cannot be trained on: {refused.detail}") from refused


def check_prompts(template: ChatTemplate) -> None:
    """Whether some kind of answer, plain or with a thought, stands behind the prompt that asks for it.

    Raises:
        TemplateError: none does, or the template asks for nothing and writes a title before an answer.
    """
    mismatches: list[PromptMismatch] = []
    for chat in (_chat(), _chat(thought=_THOUGHT)):
        try:
            turn = template.turn(chat, 1)
        except PromptMismatch as mismatch:
            mismatches.append(mismatch)
            continue
        except RowRefused as refused:
            raise TemplateError(f"data.template cannot be trained on: {refused.detail}") from refused
        title = turn.target.partition(_ANSWER)[0].strip()
        heard = turn.prompt != template.render(chat.first(1))  # of add_generation_prompt
        if heard or not title or mismatches:
            return
        mismatches.append(PromptMismatch(turn.prompt, turn.whole))
        break
    raise TemplateError(f"data.template cannot be trained on: {mismatches[0].detail}")


def prompts_of(tokenizer: PreTrainedTokenizerFast) -> tuple[str, str]:
    """The text with which a template asks for an answer, and what it writes before every kind of answer.

    Raises:
        TemplateError: it cannot be trained on (`habits_of`), or changes what is before an answer with it.
    """
    encoder = TextEncoder(tokenizer)
    template = ChatTemplate(tokenizer, encoder, habits_of(tokenizer, encoder))
    question = _chat().first(1)
    kinds = [_chat(), _chat(_OTHER), _chat(thought=_THOUGHT)]
    if template.habits.call_end is not None:
        kinds.append(_chat("", calls=True))
    base = template.render(question)
    asked = template.render(question, generation=True)
    texts = [text for chat in kinds if (text := _rendered(template, replace(chat, tools=None)))]
    if not all(text.startswith(base) for text in [asked, *texts]):
        raise TemplateError(
            "data.export_template: trained: the template writes a question otherwise once it is answered, so "
            "that no prompt stands before an answer; choose another data.template"
        )
    written = texts[0][: min(common_prefix(texts[0], text) for text in texts[1:])]
    return asked[len(base) :], written[len(base) :]


def marks_of(template: ChatTemplate, added: Collection[str]) -> dict[MarkedKind, Marks]:
    """What the template writes around thoughts and calls; nothing of a kind that it does not write or mark.

    Args:
        added: the tokenizer's added tokens.
    """
    marks: dict[MarkedKind, Marks] = {}
    if turn := _turn(template, _chat(thought=_THOUGHT)):
        asked = template.render(_chat().first(1))
        before, _, behind = f"{turn.prompt}{turn.target}".removeprefix(asked).partition(_THOUGHT)
        before = before.rpartition(_QUESTION)[2]
        marks["thought"] = Marks(mark_before(before), mark_after(behind.partition(_ANSWER)[0], added))
    if template.habits.call_end is not None and (turn := _turn(template, _chat("", calls=True))):
        # What is written before a call's name, but for an empty thought.
        written = turn.target.rpartition(marks["thought"].after if "thought" in marks else "\0")[2]
        before, name, behind = written.partition(_CALL["name"])
        opened = next(iter(before.split()), name)
        marks["call"] = Marks(opened, mark_after(behind.rpartition("Gg6")[2], added))
    return {kind: pair for kind, pair in marks.items() if all(pair)}


@dataclass(frozen=True)
class Probe:
    """The texts that a template is handed."""

    question: str = _QUESTION
    answer: str = _ANSWER
    thought: str = _THOUGHT

    @property
    def call(self) -> ToolCall:
        """The call of an answer that is nothing else."""
        return _CALL


def probe_turns(template: ChatTemplate) -> dict[Literal["plain", "thought", "call"], Turn | None]:
    """An answer of each kind as the template writes it; None of a kind that it does not write."""
    return {
        "plain": _turn(template, _chat()),
        "thought": _turn(template, _chat(thought=_THOUGHT)),
        "call": _turn(template, _chat("", calls=True)) if template.habits.call_end is not None else None,
    }


def _turn(template: ChatTemplate, chat: Conversation) -> Turn | None:
    """The answer as it is trained; None where the template refuses it, or leaves out its thought."""
    try:
        turn = template.turn(chat, 1)
    except RowRefused:
        return None
    return None if turn.thought_dropped else turn


def _chat(answer: str = _ANSWER, thought: str | None = None, calls: bool = False) -> Conversation:
    reply: Message = {"role": "assistant", "content": answer}
    if thought:
        reply["reasoning"] = thought
    if calls:
        reply["tool_calls"] = [_CALL]
    return Conversation([{"role": "user", "content": _QUESTION}, reply], _TOOLS if calls else None)


def _content_form(template, *forms: MessageForm) -> MessageForm:
    """The first form of contents in which the template writes question and answer, each once."""
    problems: list[RowRefused] = []
    for form in forms:
        try:
            text = template(Habits(form=form)).render(_chat())
        except RowRefused as refused:
            problems.append(refused)
            continue
        counts = [text.count(part) for part in (_QUESTION, _ANSWER)]
        if counts == [1, 1]:
            return form
        what = "leaves out or changes" if 0 in counts else "writes twice"
        problems.append(RowRefused("template_mismatch", f"the template {what} the text of a message"))
    raise problems[0]


def _with_end(template: ChatTemplate, encoder: TextEncoder) -> Habits:
    """With what stands behind an answer: what renders of two answers share at their end."""
    one, other = template.render(_chat()), template.render(_chat(_OTHER))
    size = common_prefix(one[::-1], other[::-1])
    tail = one[len(one) - size :]
    first, end = encoder.special_run(tail)
    ended_by = tail[:end] if first < len(tail) else template.next_begins(_chat())
    if not ended_by:
        raise TemplateError(
            f"the chat template ends an answer with {tail!r}, which this tokenizer does not "
            "know as a special token, so a model could not learn to stop; use a template that fits "
            "the tokenizer (data.template: chat), or add the token to the tokenizer"
        )
    return replace(template.habits, tail=tail if first < len(tail) else "", end=ended_by)


def _thought_form(template, habits: Habits) -> MessageForm:
    """The form in which the template writes a thought; as it is where it writes none."""
    for form in (habits.form, replace(habits.form, thought_in_content=True)):
        if _THOUGHT in _rendered(template(replace(habits, form=form)), _chat(thought=_THOUGHT)):
            return form
    return habits.form


def _with_calls(template, habits: Habits, encoder: TextEncoder) -> Habits:
    """With the form in which the template writes calls, and what ends them; as it is where it writes none."""
    for form in _call_forms(habits.form):
        trial = template(replace(habits, form=form, call_end=""))
        text = _rendered(trial, _chat("", calls=True))
        if "get_ee5" in text.partition(_QUESTION)[2] and "Gg6" in text:
            try:
                target = trial.turn(_chat("", calls=True), 1).target
            except RowRefused:
                return trial.habits  # said where a row has calls
            start = encoder.last_special(target)
            return replace(trial.habits, call_end=target[start:])
    return habits


def _call_forms(form: MessageForm) -> Iterable[MessageForm]:
    for as_text in (False, True):
        for no_content in (False, True):
            yield replace(form, arguments_as_text=as_text, no_empty_content=no_content)


def _rendered(template: ChatTemplate, chat: Conversation) -> str:
    """The render; nothing where the template refuses the conversation."""
    try:
        return template.render(chat)
    except RowRefused:
        return ""
