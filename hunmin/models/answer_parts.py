"""What a model wrote, in its parts: a thought, the answer proper, calls of tools.

Where a template puts them is found by handing it some (template_probe.py), so that an answer is read as it
was trained. A template that writes no thought of its own gets <think> tags, which models know from elsewhere.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerFast

from hunmin.models.part_marks import mark_after, mark_before
from hunmin.models.rendered_turns import ChatTemplate, RowRefused
from hunmin.models.template_probe import Probe, probe_turns
from hunmin.models.written_calls import ReadCalls, reader_of, with_calls
from hunmin.rows import Message, ToolCall


class AnswerParts(NamedTuple):
    """The parts of an answer. `content` holds no special tokens; calls that cannot be read stay in it."""

    content: str
    thought: str | None = None
    calls: Sequence[ToolCall] = ()

    @property
    def said(self) -> str:
        """Content and calls as one text, which metrics compare (written_calls.with_calls)."""
        return with_calls(self.content, self.calls)


@dataclass(frozen=True)
class AnswerForm:
    """How a template writes an answer.

    Attributes:
        opens: what stands before a thought.
        ends: what stands behind it.
        opened: the prompt ends with `opens`, so that the answer begins within its thought.
        leads: texts of which one may stand before the content, such as the title of a channel.
        call: what the first call begins with, and what reads the calls; None where there is no such reader.
    """

    opens: str = "<think>"
    ends: str = "</think>"
    opened: bool = False
    leads: tuple[str, ...] = ()
    call: tuple[str, ReadCalls] | None = None
    specials: Collection[str] = field(default=(), repr=False)

    def parts_of(self, text: str) -> AnswerParts:
        """The parts of an answer as it was generated, special tokens included."""
        thought, rest = self._split(text)
        thought = self.bare(thought).strip() or None if thought else None
        rest = next((rest.strip()[len(one) :] for one in self.leads if rest.strip().startswith(one)), rest)
        if self.call is not None and (at := rest.find(self.call[0])) >= 0:
            try:
                if calls := self.call[1](rest[at:]):
                    return AnswerParts(self.bare(rest[:at]).strip(), thought, calls)
            except (ValueError, RecursionError):  # no call, as a server would see it: its text is the answer
                pass
        return AnswerParts(self.bare(rest).strip(), thought)

    def _split(self, text: str) -> tuple[str | None, str]:
        """The thought, None where there is none, and what is behind it: nothing where it never ends."""
        begun = text.lstrip().startswith(self.opens)
        if not (begun or self.opened):
            return None, text
        thought, _, rest = text.partition(self.ends)
        return thought.strip().removeprefix(self.opens), rest

    def bare(self, text: str) -> str:
        """Without special tokens."""
        if not self.specials:
            return text
        return re.sub("|".join(map(re.escape, sorted(self.specials, key=len, reverse=True))), "", text)


def form_of(template: ChatTemplate, tokenizer: PreTrainedTokenizerFast) -> AnswerForm:
    """The form in which a template writes answers, by what it writes for those that it is handed."""
    added, probe = tokenizer.get_added_vocab(), Probe()
    specials = {str(one) for one in tokenizer.all_special_tokens}
    specials |= {one.content for one in tokenizer.added_tokens_decoder.values() if one.special}
    turns = probe_turns(template)
    found: dict[str, Any] = {"specials": specials}
    leads = set[str]()
    if turn := turns["plain"]:
        # Where a template asks with nothing, as behind a tool's result, a model writes its title by itself.
        title = turn.prompt.rpartition(probe.question)[2].removeprefix(template.habits.end)
        leads |= {turn.target.partition(probe.answer)[0], title}
    if turn := turns["thought"]:
        before, _, behind = turn.target.partition(probe.thought)
        behind = behind.partition(probe.answer)[0]
        ends = mark_after(behind, added)
        opens = before.strip() or mark_before(turn.prompt)
        if opens and ends:
            found |= {"opens": opens, "ends": ends, "opened": not before.strip()}
            leads = {lead for lead in leads if opens not in lead} | {behind.partition(ends)[2]}
    if turn := turns["call"]:
        written = turn.target.rpartition(found.get("ends", "</think>"))[2]
        mark = next(iter(written.partition(probe.call["name"])[0].split()), "") or probe.call["name"]
        if read := reader_of(written, probe.call):
            found["call"] = (mark, read)
    found["leads"] = tuple(sorted(filter(None, {lead.strip() for lead in leads}), key=len, reverse=True))
    return AnswerForm(**found)


class AnswerReader:
    """Reads generated ids, as the tokenizer's template writes answers."""

    def __init__(self, template: ChatTemplate, tokenizer: PreTrainedTokenizerFast):
        self._template, self._tokenizer = template, tokenizer
        self._form = form_of(template, tokenizer)

    @property
    def reads_calls(self) -> bool:
        """Whether calls can be read at all as this template writes them."""
        return self._form.call is not None

    def read(self, ids: Sequence[int]) -> AnswerParts:
        """The parts of an answer; `ids` without what ends the turn."""
        raw = self._decode(ids, bare=False)
        parts = self._form.parts_of(raw)
        if parts == AnswerParts(self._form.bare(raw).strip()):  # nothing but an answer
            return AnswerParts(self._decode(ids, bare=True))
        return parts

    def num_tokens(self, text: str) -> int:
        """How many tokens a text has by itself."""
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def read_back(
        self, messages: Sequence[Message], answer: Message, tools: str | None
    ) -> AnswerParts | None:
        """An answer with calls as it is read where a model writes it exactly so; None where it cannot be.

        A template may write a call with less than it was given (numbers and texts alike, no empty arguments).
        """
        try:
            chat = self._template.conversation([*messages, answer], tools)
            target = self._template.turn(chat, len(messages)).target
        except RowRefused:
            return None
        parts = self._form.parts_of(target)
        names = [call["name"] for call in parts.calls]
        return parts if names == [call["name"] for call in answer.get("tool_calls") or []] else None

    def _decode(self, ids: Sequence[int], *, bare: bool) -> str:
        text = self._tokenizer.decode(list(ids), skip_special_tokens=bare, clean_up_tokenization_spaces=False)
        return str(text)
