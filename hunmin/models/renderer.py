"""Messages to token ids: one renderer for training and for generation.

A row is rendered with a sentinel in the place of every content. That gives the template's own text (the
scaffold) and the places of the contents without searching the text; the result is checked against the
real render. Scaffold and contents are tokenized apart: special tokens only count where the template
wrote them, an answer's ids are exactly the answer's, and the prompt's ids are a prefix of the row's ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError as JinjaError
from jinja2 import TemplateSyntaxError
from transformers import PreTrainedTokenizerFast

from hunmin.models.chat_templates import BUILT_IN, TemplateError, named_template
from hunmin.models.jinja_sandbox import RenderEndless, RenderFailed, rendered
from hunmin.rows import Message
from hunmin.schema import IGNORE_INDEX


class RowRefused(Exception):
    """A row that cannot be rendered exactly. Carries a reason code of rejected.parquet and a detail."""

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class RenderedIds:
    """A row as ids. `labels` is aligned with `input_ids`, IGNORE_INDEX where not trained."""

    input_ids: list[int]
    labels: list[int]
    untrained_turns: tuple[int, ...]  # answers that the template writes otherwise at generation
    turns: tuple[int, ...]  # answers that are targets: indices of the messages

    @property
    def num_trained_tokens(self) -> int:
        """Tokens that are targets."""
        return sum(label != IGNORE_INDEX for label in self.labels)


@dataclass(frozen=True)
class Piece:
    """A stretch of a rendered row: a message's content, or the template's own text before a message.

    `offsets[i]` are the characters of `text` that token i stands for; tokens that share a character have
    the same ones.
    """

    message: int  # the index of the message; one more than the last for the text at the end
    is_content: bool
    text: str  # as the template writes it: stripped, where the template strips
    input_ids: list[int]
    offsets: list[tuple[int, int]]


def template_text(template: str, tokenizer: PreTrainedTokenizerFast, base: Path) -> str:
    """The Jinja text that `data.template` names: the tokenizer's own, a built-in, or a file.

    Raises:
        TemplateError: there is no such template.
    """
    named = named_template(template, base)
    if named is not None:
        return named
    if not isinstance(tokenizer.chat_template, str):
        raise TemplateError(
            "data.template is chat, but the tokenizer has no chat template of its own; "
            f"choose one of {', '.join(BUILT_IN)}, or name a Jinja file"
        )
    return tokenizer.chat_template


class Renderer:
    """Renders messages with the tokenizer's chat template.

    Attributes:
        end_of_turn_id: the token behind an answer.
        stop_ids: what ends an answer at generation.
        same_generation_prompt: whether the template's own `add_generation_prompt` writes the text that
            stands before an answer in training.

    Raises:
        TemplateError: on construction, where the template has no end-of-turn token after an answer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self._tokenizer = tokenizer
        self._specials = set(tokenizer.all_special_ids) | {
            index for index, token in tokenizer.added_tokens_decoder.items() if token.special
        }
        self._scaffold_ids: dict[str, list[int]] = {}
        self._scaffolds: dict[tuple[str, ...], list[str]] = {}  # by the roles of a conversation
        probe: list[Message] = [{"role": "user", "content": "질문"}, {"role": "assistant", "content": "답"}]
        try:
            pieces = self._pieces(probe)
            trained = "".join(scaffold + (content or "") for scaffold, content in pieces[:1]) + pieces[1][0]
            self.same_generation_prompt = self._apply(probe[:1], generation=True) == trained
        except RowRefused as refused:
            raise TemplateError(f"data.template cannot be trained on: {refused.detail}") from refused
        tail = self._encode_scaffold(pieces[-1][0])
        if not tail or tail[0] not in self._specials:
            raise TemplateError(
                f"the chat template ends an answer with {pieces[-1][0]!r}, which this tokenizer does not "
                "know as a special token, so a model could not learn to stop; use a template that fits "
                "the tokenizer (data.template: chat), or add the token to the tokenizer"
            )
        self.end_of_turn_id = tail[0]
        eos = tokenizer.eos_token_id
        self.stop_ids = sorted({tail[0]} | ({eos} if isinstance(eos, int) else set()))

    def row(self, messages: list[Message]) -> RenderedIds:
        """Ids and labels of a whole conversation.

        An assistant message with `train` true is a target together with its end-of-turn token, if the
        template writes the text before it exactly as it does when the answer is to be generated.

        Args:
            messages: [{"role", "content", "train"}], oldest first.

        Raises:
            RowRefused: the template does not hold the contents as they are, or an answer does not
                survive tokenization.
        """
        pieces = self._pieces(messages)
        input_ids: list[int] = []
        labels: list[int] = []
        untrained: list[int] = []
        turns: list[int] = []
        trained_before = False  # the last content was a target: its end-of-turn token is one too
        for index, (scaffold, content) in enumerate(pieces):
            ids = self._encode_scaffold(scaffold)
            if trained_before and (not ids or ids[0] not in self._specials):
                raise RowRefused("template_mismatch", f"no end-of-turn token after message {index - 1}")
            labels += [IGNORE_INDEX] * len(ids)
            if trained_before:
                labels[len(input_ids)] = ids[0]
            input_ids += ids
            if content is None:
                break
            ids = self._encode_content(content)
            trained_before = bool(messages[index].get("train")) and messages[index]["role"] == "assistant"
            if (
                trained_before
                and index < len(messages) - 1
                and not self._same_prompt(messages, index, pieces)
            ):
                trained_before = False
                untrained.append(index)
            if trained_before:
                self._check_decodes(ids, content)
                turns.append(index)
            labels += ids if trained_before else [IGNORE_INDEX] * len(ids)
            input_ids += ids
        return RenderedIds(input_ids, labels, tuple(untrained), tuple(turns))

    def pieces_with_offsets(self, messages: list[Message]) -> list[Piece]:
        """A conversation in its pieces: their ids, joined, are those of `row`.

        Raises:
            RowRefused: the template does not hold the contents as they are.
        """
        pieces: list[Piece] = []
        for index, (scaffold, content) in enumerate(self._pieces(messages)):
            texts = [(False, scaffold)] if content is None else [(False, scaffold), (True, content)]
            pieces += [self._with_offsets(index, is_content, text) for is_content, text in texts]
        return pieces

    def _with_offsets(self, message: int, is_content: bool, text: str) -> Piece:
        encoded = self._tokenizer(
            text, add_special_tokens=False, split_special_tokens=is_content, return_offsets_mapping=True
        )
        return Piece(message, is_content, text, encoded["input_ids"], encoded["offset_mapping"])  # type: ignore[arg-type]

    def prompt(self, messages: list[Message]) -> list[int]:
        """The ids before the next answer, exactly as before it in training; the last message is no answer."""
        pieces = self._pieces([*messages, {"role": "assistant", "content": "답"}])
        ids: list[int] = []
        for scaffold, content in pieces[: len(messages)]:
            ids += self._encode_scaffold(scaffold) + self._encode_content(content or "")
        return ids + self._encode_scaffold(pieces[len(messages)][0])

    def _same_prompt(self, messages: list[Message], index: int, pieces: list) -> bool:
        """Whether the text before answer `index` is the same with and without the messages after it."""
        return self._pieces(messages[: index + 1])[: index + 1] == pieces[: index + 1]

    def _pieces(self, messages: list[Message]) -> list[tuple[str, str | None]]:
        """[(scaffold, content) per message] + [(last scaffold, None)].

        Contents are as the template writes them: stripped, where the template strips.
        """
        plain = [{"role": m["role"], "content": m["content"]} for m in messages]
        nonce = "\ue0f0"
        while any(nonce in m["content"] for m in plain):
            nonce += "\ue0f1"
        real = self._apply(plain)
        key = (nonce, *(m["role"] for m in plain))
        known = self._scaffolds.get(key)
        if known is not None and (pairs := _matching(known, plain, real)):
            return pairs
        scaffolds = self._marked(plain, nonce)  # also where a template writes the time, and it has changed
        if pairs := _matching(scaffolds, plain, real):
            self._scaffolds[key] = scaffolds
            return pairs
        raise RowRefused("template_mismatch", "the template changes the text of a message")

    def _marked(self, plain: list[dict[str, str]], nonce: str) -> list[str]:
        """The template's own texts around contents: one before each message and one behind the last."""
        marks = [f"{nonce}{index}{nonce}" for index in range(len(plain))]
        marked = self._apply([m | {"content": mark} for m, mark in zip(plain, marks, strict=True)])
        scaffolds: list[str] = []
        rest = marked
        for mark in marks:
            before, found, rest = rest.partition(mark)
            if not found:
                raise RowRefused(
                    "template_mismatch", "the template leaves out or reorders a message of this conversation"
                )
            scaffolds.append(before)
        scaffolds.append(rest)
        if nonce in "".join(scaffolds):
            raise RowRefused("template_mismatch", "the template writes a message twice")
        return scaffolds

    def _apply(self, messages: Sequence[Mapping[str, Any]], *, generation: bool = False) -> str:
        def render() -> str:
            text = self._tokenizer.apply_chat_template(
                [dict(m) for m in messages], tokenize=False, add_generation_prompt=generation
            )
            assert isinstance(text, str)
            return text

        try:
            return rendered(render, failures=(JinjaError,))
        except TemplateSyntaxError as error:
            raise TemplateError(
                f"data.template, line {error.lineno}: not a Jinja template ({error})"
            ) from error
        except RenderEndless as error:
            raise TemplateError(f"data.template: {error}") from error
        except (JinjaError, RenderFailed) as error:  # a template's own refusal, as of a system message, too
            raise RowRefused("template_mismatch", f"the template refuses it: {error}") from error

    def _encode_scaffold(self, text: str) -> list[int]:
        if text not in self._scaffold_ids:
            self._scaffold_ids[text] = self._tokenizer.encode(text, add_special_tokens=False)
        return self._scaffold_ids[text]

    def _encode_content(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]  # type: ignore[return-value]

    def _check_decodes(self, ids: list[int], content: str) -> None:
        decoded = self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        if decoded != content:
            at = next(
                (i for i, (a, b) in enumerate(zip(decoded, content, strict=False)) if a != b),
                min(len(decoded), len(content)),
            )
            raise RowRefused(
                "undecodable_text",
                f"the tokenizer loses {content[at : at + 1]!r} (U+{ord(content[at]):04X}) at character {at}"
                if at < len(content)
                else f"the tokenizer adds {decoded[at:]!r} at the end",
            )


def _matching(
    scaffolds: list[str], plain: list[dict[str, str]], real: str
) -> list[tuple[str, str | None]] | None:
    """Scaffolds and contents that make up the real render: contents as they are, or stripped."""
    for form in (str, str.strip):
        pairs = list(zip(scaffolds, [*(form(m["content"]) for m in plain), None], strict=True))
        if "".join(scaffold + (content or "") for scaffold, content in pairs) == real:
            return pairs
    return None
