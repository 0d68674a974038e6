"""Answers as the chat template writes them, as texts: what asks for each, and what is trained behind it.

The template decides. A turn's prompt is what it writes for the messages before the turn with
`add_generation_prompt`, as a server asks; the turn's target is what it writes behind that prompt once the
answer is there: a thought, the answer, calls, and what ends the turn. So the prompt that is trained is the
prompt that is served, whatever a template moves, trims, splits or drops.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jinja2 import TemplateError as JinjaError
from jinja2 import TemplateSyntaxError
from transformers import PreTrainedTokenizerFast

from hunmin.errors import one_line
from hunmin.models.chat_templates import TemplateError
from hunmin.models.jinja_sandbox import RenderEndless, RenderFailed, rendered
from hunmin.models.message_form import MessageForm, texts_and_names_of, with_call_ids, with_texts
from hunmin.models.text_ids import TextEncoder
from hunmin.rows import Message

AnyMessage = Message | Mapping[str, Any]
_OTHER_ANSWER = "\ue0f0"  # private use: no answer begins with it
_SHOWN = 120  # characters of a text in a message


class RowRefused(Exception):
    """A row that cannot be rendered exactly. Carries a reason code of rejected.parquet and a detail."""

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class PromptMismatch(RowRefused):
    """The prompt that the template writes for generation does not stand before the answer in training."""

    def __init__(self, served: str, trained: str):
        first = max(0, common_prefix(served, trained) - 40)
        super().__init__(
            "template_mismatch",
            f"the template asks for an answer with {served[first:][:_SHOWN]!r} and writes one as "
            f"{trained[first:][:_SHOWN]!r}; set the template's own switch (data.template_options, such as "
            "{enable_thinking: false}), or let the exported template ask as it is trained "
            "(data.export_template: trained), or choose another data.template",
        )


@dataclass(frozen=True)
class Habits:
    """What chat templates do not agree on, as found by trying (template_probe.py).

    Attributes:
        form: the form in which it takes messages.
        tail: all that it writes behind the last answer.
        end: the special tokens that end an answer.
        call_end: those that end an answer of calls; None where it does not write calls.
        writes_tools: it shows the tools that a row has.
    """

    form: MessageForm = field(default_factory=MessageForm)
    tail: str = ""
    end: str = ""
    call_end: str | None = None
    writes_tools: bool = False


@dataclass(frozen=True)
class Conversation:
    """Messages and tools to be rendered. `masked`: users' special tokens are masked in them (text_ids.py)."""

    messages: Sequence[AnyMessage]
    tools: list[Any] | None = None
    masked: bool = False

    def first(self, count: int) -> "Conversation":
        """Its first messages."""
        return replace(self, messages=self.messages[:count])

    def and_then(self, message: AnyMessage) -> "Conversation":
        """It, with one more message."""
        return replace(self, messages=[*self.messages, message])


@dataclass(frozen=True)
class Turn:
    """An answer in its render: `whole` begins with prompt + target."""

    index: int  # of the message
    prompt: str
    target: str  # the thought, the answer, its calls, and what ends the turn
    trained_from: int  # the character of `target` where training begins
    whole: str
    thought_dropped: bool  # the template does not write the thought of this answer


class ChatTemplate:
    """A tokenizer's chat template, applied to conversations."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, encoder: TextEncoder, habits: Habits):
        self._tokenizer, self._encoder, self.habits = tokenizer, encoder, habits

    def conversation(self, messages: Sequence[AnyMessage], tools: str | None = None) -> Conversation:
        """Messages to be rendered; the text of special tokens in them is masked.

        Raises:
            RowRefused: the template has no place for its calls; the tools are not JSON; or the texts hold the
                characters that masks are made of.
        """
        if self.habits.call_end is None and any(message.get("tool_calls") for message in messages):
            raise RowRefused("template_without_calls", "the template writes no tool_calls")
        texts = [text for message in messages for text in texts_and_names_of(message)] + (
            [tools] if tools else []
        )
        masked = self._encoder.has_special(texts)
        if masked and self._encoder.has_mask(texts):
            raise RowRefused("template_mismatch", "special tokens' text beside private characters U+F0000")
        if masked:
            messages = [with_texts(message, self._encoder.mask) for message in messages]
            tools = tools and self._encoder.mask(tools)
        try:
            schemas = json.loads(tools) if tools else None
        except ValueError as error:
            raise RowRefused("template_mismatch", f"the row's tools are not JSON: {error}") from error
        return Conversation(messages, schemas or None, masked)

    def turn(self, chat: Conversation, index: int, *, train_reasoning: bool = True) -> Turn:
        """The answer at `index` after its prompt.

        Raises:
            PromptMismatch: the prompt is not what stands before the answer.
            RowRefused: the template does not hold the answer as it is.
        """
        message = chat.messages[index]
        calls = message.get("tool_calls") or []
        prompt = self.render(chat.first(index), generation=True)
        whole = self.render(chat.first(index + 1))
        if not whole.startswith(prompt):
            raise PromptMismatch(prompt, whole)
        target = self._ended(chat, index, whole[len(prompt) :])
        if len(prompt) + len(target) > len(whole):  # the template ends an answer with nothing
            whole = prompt + target
        answer = (message["content"] or "").rpartition("</think>")[2]  # a thought may be split off the text
        for text in (answer, *(call["name"] for call in calls)):
            if text.strip() not in target:
                raise RowRefused("template_mismatch", f"the template leaves out or changes message {index}")
        thought = (message.get("reasoning") or "").strip()
        shown = bool(thought) and thought in target
        trained_from = 0
        if shown and not train_reasoning:
            trained_from = self._behind_thought(chat, index, len(prompt), target)
        return Turn(index, prompt, target, trained_from, whole, bool(thought) and not shown)

    def check_context(self, chat: Conversation, text: str) -> None:
        """Whether a render holds all that is asked in the conversation, and called and given back by tools.

        Answers that are context are the template's business, as thoughts before them are.

        Raises:
            RowRefused: the template leaves out or changes a message.
        """
        for index, message in enumerate(chat.messages):
            needed = [call["name"] for call in message.get("tool_calls") or []]
            if message["role"] != "assistant":
                needed.append(message["content"].strip())
            if not all(one in text or _as_json(one) in text for one in needed):
                raise RowRefused("template_mismatch", f"the template leaves out or changes message {index}")

    def next_begins(self, chat: Conversation) -> str:
        """The special tokens that begin the turn behind a conversation's last answer; perhaps none."""
        message: AnyMessage = {"role": "user", "content": "질문"}
        for call in (chat.messages[-1].get("tool_calls") or [])[:1]:
            message = {"role": "tool", "content": "답", "tool_call_id": call["id"], "name": call["name"]}
        so_far = self.render(chat)
        try:
            after = self.render(chat.and_then(message))
        except RowRefused:
            return ""
        rest = after[len(so_far) :] if after.startswith(so_far) else ""
        first, end = self._encoder.special_run(rest)
        return "" if rest[:first].strip() else rest[first:end]

    def render(self, chat: Conversation, *, generation: bool = False) -> str:
        """The template's text; `generation`: with the prompt for the next answer.

        Raises:
            RowRefused: the template refuses the conversation, or acts upon a special token in a text.
        """
        text = self._apply(chat, generation=generation)
        if chat.masked:
            unmask = self._encoder.unmask
            tools = chat.tools and json.loads(unmask(json.dumps(chat.tools, ensure_ascii=False)))
            bare = Conversation([with_texts(message, unmask) for message in chat.messages], tools)
            if self._apply(bare, generation=generation) != unmask(text):
                raise RowRefused(
                    "template_mismatch", "a text spells a special token that the template acts upon"
                )
        return text

    def _ended(self, chat: Conversation, index: int, written: str) -> str:
        """What the template writes for an answer, up to the end of its turn.

        That is the end of a plain answer; else, behind calls, the last special token. Where the template
        ends a turn with nothing, the special token that begins the next turn ends it, as it does for the
        models that are trained so (GLM).

        Raises:
            RowRefused: no special token ends it.
        """
        if self.habits.tail and written.endswith(self.habits.tail):
            return written[: -len(self.habits.tail)] + self.habits.end
        end = self._encoder.last_special_end(written)
        if end and not written[end:].strip():
            return written[:end]
        usual = self.habits.call_end if chat.messages[index].get("tool_calls") else self.habits.end
        added = (not self.habits.tail and usual) or self.next_begins(chat.first(index + 1))
        if not added:
            raise RowRefused("template_mismatch", f"no special token ends message {index}")
        return written + added

    def _behind_thought(self, chat: Conversation, index: int, start: int, target: str) -> int:
        """Where the answer begins behind its thought: another answer after the same thought shares what is
        before.
        """
        other = {**chat.messages[index], "content": _OTHER_ANSWER, "tool_calls": None}
        return common_prefix(target, self.render(chat.first(index).and_then(other))[start:])

    def _cure(self, chat: Conversation) -> str:
        """What to do where a template, such as Mistral's, refuses nothing but the ids of calls."""
        ids = [str(call.get("id")) for message in chat.messages for call in message.get("tool_calls") or []]
        plain = {one: f"{number:09d}" for number, one in enumerate(dict.fromkeys(ids), start=1)}
        if not ids or list(plain) == list(plain.values()):
            return ""
        try:
            self._apply(replace(chat, messages=[with_call_ids(message, plain) for message in chat.messages]))
        except RowRefused:
            return ""
        return f"; with ids of nine digits for its calls (now {ids[0]}) it takes it: write such into the file"

    def _apply(self, chat: Conversation, *, generation: bool = False) -> str:
        def apply() -> str:
            text = self._tokenizer.apply_chat_template(
                [self.habits.form.of(message) for message in chat.messages],
                tools=chat.tools,
                tokenize=False,
                add_generation_prompt=generation,
            )
            assert isinstance(text, str)
            return text

        try:
            return rendered(apply, failures=(JinjaError,))
        except TemplateSyntaxError as error:
            raise TemplateError(
                f"data.template, line {error.lineno}: not a Jinja template ({error})"
            ) from error
        except RenderEndless as error:
            raise TemplateError(f"data.template: {error}") from error
        except JinjaError as error:  # a template's own refusal, such as of a system message, too
            raise RowRefused(
                "template_mismatch", f"the template refuses it: {error}{self._cure(chat)}"
            ) from error
        except RenderFailed as error:  # of an expression in the template
            raise RowRefused("template_mismatch", f"the template fails on it: {one_line(error)}") from error


def _as_json(text: str) -> str:
    """A text as it stands within JSON, in which templates such as Llama 3.1's write what tools give back."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def common_prefix(one: str, other: str) -> int:
    """How many characters two texts share at their beginning."""
    differ = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differ, min(len(one), len(other)))
