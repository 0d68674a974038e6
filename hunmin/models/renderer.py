"""Messages to token ids: one renderer for training and for generation.

Prompts and targets are the template's (rendered_turns.py). Ids are those of the whole render, tokenized as
one text, as `apply_chat_template(tokenize=True)` does. Where a token would span the end of a prompt, the text
is tokenized apart there, as it is at generation; so the ids before an answer are those that are served.
Behind a prompt, a token is trained if it begins in trained text.

A template may write a turn otherwise once others follow it (Qwen3 leaves out earlier thoughts). The
conversation then becomes several rows, each with the turns that it holds as they are served.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from transformers import PreTrainedTokenizerFast

from hunmin.models.answer_parts import AnswerReader
from hunmin.models.chat_templates import TemplateError
from hunmin.models.content_spans import content_spans
from hunmin.models.part_marks import MarkedKind, Marks
from hunmin.models.rendered_turns import AnyMessage, ChatTemplate, Conversation, Turn, common_prefix
from hunmin.models.rendered_turns import PromptMismatch as PromptMismatch
from hunmin.models.rendered_turns import RowRefused as RowRefused
from hunmin.models.template_probe import check_prompts, habits_of, marks_of
from hunmin.models.text_ids import TextEncoder, TextIds
from hunmin.rows import Message
from hunmin.schema import IGNORE_INDEX

CHECKED_EVERY = 1000  # conversations: one of so many is tokenized by transformers too


@dataclass(frozen=True)
class RenderedIds:
    """A row as ids. `labels` is aligned with `input_ids`, IGNORE_INDEX where not trained."""

    input_ids: list[int]
    labels: list[int]
    turns: tuple[int, ...] = ()  # indices of the answers that are trained in it
    dropped_thoughts: tuple[int, ...] = ()  # of trained answers whose thought the template does not write
    dropped_tools: bool = False  # the row has tools that the template does not write

    @property
    def num_trained_tokens(self) -> int:
        """Tokens that are targets."""
        return sum(label != IGNORE_INDEX for label in self.labels)


@dataclass(frozen=True)
class Piece:
    """A stretch of a rendered row: a message's content, or the template's own text before a message.

    `offsets[i]` are the characters of `text` that token i stands for; tokens that share a character have
    the same ones. A token that begins in one piece and ends in the next belongs to the next.
    """

    message: int  # the index of the message; one more than the last for the text at the end
    is_content: bool
    text: str  # as the template writes it: stripped, where the template strips
    input_ids: list[int]
    offsets: list[tuple[int, int]]


@dataclass(frozen=True)
class _Row:
    """A rendered row with the text it was made of."""

    rendered: RenderedIds
    ids: TextIds
    text: str  # users' special tokens masked
    num_messages: int


class Renderer:
    """Renders messages with the tokenizer's chat template.

    Attributes:
        end_of_turn_id: the token that ends an answer.
        stop_ids: what ends an answer, or an answer of calls, at generation.

    Raises:
        TemplateError: on construction, where the template cannot be trained on; says why and what to do.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self._tokenizer, self._num_rendered = tokenizer, 0
        self._encoder = TextEncoder(tokenizer)
        self._template = ChatTemplate(tokenizer, self._encoder, habits_of(tokenizer, self._encoder))
        check_prompts(self._template)
        habits = self._template.habits
        ends = [self._encoder.encode(end).input_ids[-1] for end in (habits.end, habits.call_end) if end]
        self.end_of_turn_id = ends[0]
        eos = tokenizer.eos_token_id
        self.stop_ids = sorted({*ends} | ({eos} if isinstance(eos, int) else set()))
        probe: list[Message] = [{"role": "user", "content": "질문"}, {"role": "assistant", "content": "답"}]
        self.check_against_transformers(probe)

    def encode_fast(self) -> None:
        """Tokenize by gigatoken from now on (fast_ids.py).

        Raises:
            InputError: it is not installed.
            FastIdsDiffer: it is not exact for this tokenizer; `rows` raises it too, for a text.
        """
        self._encoder.encode_fast()

    def encode_slowly(self) -> None:
        """Tokenize by tokenizers from now on."""
        self._encoder.encode_slowly()

    def rows(
        self, messages: Sequence[Message], tools: str | None = None, *, train_reasoning: bool = True
    ) -> list[RenderedIds]:
        """Ids and labels of a conversation: one row, or several where the template rewrites earlier turns.

        Every assistant message with `train` true is a target in exactly one row, together with what ends its
        turn; the rows are in the order of the conversation.

        Args:
            messages: oldest first.
            tools: JSON text of the list of function schemas that the model may call.
            train_reasoning: thoughts are targets too; else they are context of their answers.

        Raises:
            PromptMismatch: an answer does not stand behind the prompt that asks for it.
            RowRefused: the template does not hold the messages as they are, or an answer does not survive
                tokenization.
            TemplateError: transformers gives other ids for it; asked of the first and of every
                CHECKED_EVERY-th conversation.
        """
        rows = self._rows(messages, tools, train_reasoning)
        if self._num_rendered % CHECKED_EVERY == 0:
            self.check_against_transformers(messages, tools)
        self._num_rendered += 1
        return [row.rendered for row in rows]

    def prompt(self, messages: Sequence[AnyMessage], tools: str | None = None) -> list[int]:
        """The ids before the next answer, in training and from a server; the last message is no answer.

        Raises:
            RowRefused: the template does not take the messages.
        """
        chat = self._template.conversation(messages, tools)
        return self._encoder.encode(
            self._template.render(chat, generation=True), masked=chat.masked
        ).input_ids

    @cached_property
    def part_marks(self) -> dict[MarkedKind, Marks]:
        """What the template writes around thoughts and calls, for showing rows to people."""
        return marks_of(self._template, self._tokenizer.get_added_vocab())

    @cached_property
    def answers(self) -> AnswerReader:
        """Reads what a model wrote: its thought, its answer, its calls."""
        return AnswerReader(self._template, self._tokenizer)

    def pieces_with_offsets(
        self, messages: Sequence[Message], tools: str | None = None, *, row: int = -1
    ) -> list[Piece]:
        """A conversation in its pieces: their ids, joined, are those of `rows(messages)[row]`.

        Raises:
            RowRefused: the template does not hold the contents as they are.
        """
        made = self._rows(messages, tools, True)[row]
        chat = self._template.conversation(messages, tools)
        spans = content_spans(self._template, chat.first(made.num_messages), made.text)
        return _pieces(spans, self._encoder.unmask(made.text) if chat.masked else made.text, made.ids)

    def check_against_transformers(self, messages: Sequence[Message], tools: str | None = None) -> None:
        """Compare the ids of a conversation with those of `apply_chat_template(tokenize=True)`.

        One with the text of a special token in it is not compared: here that stays text.

        Raises:
            TemplateError: they differ; with the first difference.
        """
        chat = self._template.conversation(messages, tools)
        if chat.masked:
            return
        text = self._template.render(chat)
        ours = self._encoder.encode_exactly(text)
        form = self._template.habits.form
        theirs: Any = self._tokenizer.apply_chat_template(
            [form.of(m) for m in chat.messages], tools=chat.tools, tokenize=True, return_dict=False
        )
        if ours != theirs:
            at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), len(ours))
            other, own = (self._tokenizer.convert_ids_to_tokens(ids[at : at + 3]) for ids in (theirs, ours))
            raise TemplateError(
                f"this tokenizer's apply_chat_template gives {len(theirs)} ids for a row that has "
                f"{len(ours)} by its tokenizer.json, {other} for {own} at token {at} of {text[:80]!r}; "
                "other programs would ask otherwise than was trained: use a tokenizer whose two parts agree"
            )

    def _rows(self, messages: Sequence[Message], tools: str | None, train_reasoning: bool) -> list[_Row]:
        """From the last turn on: each row holds the turns that its render holds as they are served."""
        chat = self._template.conversation(messages, tools)
        wanted = [at for at, m in enumerate(messages) if m.get("train") and m["role"] == "assistant"]
        left = [self._template.turn(chat, at, train_reasoning=train_reasoning) for at in wanted]
        size = len(messages)
        text = left[-1].whole if left and left[-1].index == size - 1 else self._template.render(chat)
        self._template.check_context(chat, text)
        ids = self._encoder.encode(text, masked=chat.masked)
        if not left:
            return [_Row(self._labelled(chat, ids, {}), ids, text, size)]
        rows: list[_Row] = []
        while left:
            held = self._held(chat, text, ids, left)
            if left[-1] not in held and text == left[-1].whole:
                ids, last = self._cut(chat, left[-1])
                held = self._held(chat, text, ids, left[:-1]) | last
            if held:
                rows.append(_Row(self._labelled(chat, ids, held), ids, text, size))
                left = [turn for turn in left if turn not in held]
            if left:
                text, size = left[-1].whole, left[-1].index + 1
                ids = self._encoder.encode(text, masked=chat.masked)
        return rows[::-1]

    def _held(self, chat: Conversation, text: str, ids: TextIds, turns: Sequence[Turn]) -> dict[Turn, int]:
        """The turns that a render holds as they are served, with the numbers of their prompts' tokens."""
        held: dict[Turn, int] = {}
        for turn in turns:
            if text.startswith(turn.prompt) and text.startswith(turn.target, len(turn.prompt)):
                size = self._prompt_size(chat, ids, turn.prompt)
                if size is not None:
                    held[turn] = size
        return held

    def _prompt_size(self, chat: Conversation, ids: TextIds, prompt: str) -> int | None:
        """How many tokens of a whole render are the prompt's; None where the prompt alone has others.

        A special token keeps apart what stands on either side of it, so the end of the prompt decides.
        """
        start = self._encoder.last_special(prompt)
        end = self._encoder.encode_end(prompt[start:], masked=chat.masked)
        first = ids.special_at(start) if start else 0
        return first + len(end) if ids.input_ids[first : first + len(end)] == end else None

    def _cut(self, chat: Conversation, turn: Turn) -> tuple[TextIds, dict[Turn, int]]:
        """A row tokenized apart at the end of its prompt, which a token would span."""
        prompt = self._encoder.encode(turn.prompt, masked=chat.masked)
        lead = self._template.habits.end  # a special token, behind which a text goes on as it is
        rest = self._encoder.encode(lead + turn.whole[len(turn.prompt) :], masked=chat.masked)
        skipped = rest.token_from(len(lead))
        shift = len(turn.prompt) - len(lead)
        input_ids = prompt.input_ids + rest.input_ids[skipped:]
        ids = TextIds(
            input_ids,
            lambda: prompt.offsets + [(start + shift, end + shift) for start, end in rest.offsets[skipped:]],
            lambda: self._encoder.specials(turn.whole, input_ids),
        )
        return ids, {turn: len(prompt.input_ids)}

    def _labelled(self, chat: Conversation, ids: TextIds, turns: Mapping[Turn, int]) -> RenderedIds:
        """The ids with the targets of some turns, whose prompts' numbers of tokens are given."""
        labels = [IGNORE_INDEX] * len(ids.input_ids)
        for turn, size in turns.items():
            first = size
            last = len(turn.prompt) + len(turn.target) - 1  # of a special token
            end = ids.special_at(last) + 1
            target = self._encoder.unmask(turn.target) if chat.masked else turn.target
            self._check_decodes(ids.input_ids[first:end], target)
            if turn.trained_from:
                first = max(first, ids.token_from(len(turn.prompt) + turn.trained_from))
            labels[first:end] = ids.input_ids[first:end]
        return RenderedIds(
            ids.input_ids,
            labels,
            turns=tuple(turn.index for turn in turns),
            dropped_thoughts=tuple(turn.index for turn in turns if turn.thought_dropped),
            dropped_tools=bool(chat.tools) and not self._template.habits.writes_tools,
        )

    def _check_decodes(self, ids: list[int], target: str) -> None:
        """The trained ids must give the target back, but for the space that SentencePiece puts before it."""
        # As the tokenizer's own `decode`, whose look at every id for tensors takes longer than the decoding.
        decoded = self._tokenizer.backend_tokenizer.decode(ids, skip_special_tokens=False)
        if decoded == target or decoded == f" {target}" or f" {decoded}" == target:
            return
        at = common_prefix(decoded, target)
        raise RowRefused(
            "undecodable_text",
            f"the tokenizer loses {target[at]!r} (U+{ord(target[at]):04X}) at character {at}"
            if at < len(target)
            else f"the tokenizer adds {decoded[at:]!r} at the end",
        )


def _pieces(spans: Sequence[tuple[int, int, int]], text: str, ids: TextIds) -> list[Piece]:
    """Pieces from the spans (message, start, end) of contents, in order."""
    borders: list[tuple[int, bool, int, int]] = []
    at = 0
    for message, start, end in spans:
        borders += [(message, False, at, start), (message, True, start, end)]
        at = end
    last = spans[-1][0] + 1 if spans else 0
    borders.append((last, False, at, len(text)))
    pieces: list[Piece] = []
    token = 0
    for number, (message, is_content, start, end) in enumerate(borders):
        until = ids.tokens_to(end) if number < len(borders) - 1 else len(ids.input_ids)
        offsets = [
            (max(0, first - start), max(0, min(behind, end) - start))
            for first, behind in ids.offsets[token:until]
        ]
        pieces.append(Piece(message, is_content, text[start:end], ids.input_ids[token:until], offsets))
        token = max(token, until)
    return pieces
