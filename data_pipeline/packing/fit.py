"""A drawn row as sequences of at most seq_len tokens: one, or several where one cannot train it all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from data_pipeline.augment.draw import Drawn
from data_pipeline.packing.trained_turns import by_weight, ending_with, last_question, without_oldest_exchange
from hunmin.models.renderer import RenderedIds, Renderer, RowRefused
from hunmin.rows import Message, with_values


@dataclass(frozen=True)
class Part:
    """A sequence. `drawn.messages` end with the last answer that it trains; `num_behind` come after that."""

    drawn: Drawn
    ids: RenderedIds
    weight: float = 1.0  # of its trained tokens
    num_behind: int = 0


@dataclass(frozen=True)
class Fitter:
    """Renders within `seq_len` tokens; `shorten`: what is longer loses of its context, else it is refused.

    `tools` are the row's, as JSON text; `train_reasoning`: thoughts are targets too, else context.
    """

    renderer: Renderer
    seq_len: int
    shorten: bool
    tools: str | None = None
    train_reasoning: bool = True

    def fits(self, messages: Sequence[Message]) -> bool:
        """Whether no sequence of the conversation is too long.

        Raises:
            RowRefused: it cannot be rendered.
        """
        return all(len(ids.input_ids) <= self.seq_len for ids in self._renderings(messages))

    def whole(self, drawn: Drawn) -> Part:
        """All of it, for every answer to be asked; the ids are its longest sequence.

        Raises:
            RowRefused: it does not fit, or nothing of it can be trained.
        """
        if self.shorten and not self.fits(drawn.messages):
            drawn = self._shortened(drawn)
        ids = max(self._renderings(drawn.messages), key=lambda one: len(one.input_ids))
        self._require_trainable(ids)
        return Part(drawn, ids)

    def parts(self, drawn: Drawn) -> list[Part | RowRefused]:
        """Its sequences by the last answer that each trains, then what is refused of it.

        Each answer is trained in one of them, and each of them fits by itself.

        Raises:
            RowRefused: nothing of it is to be trained.
        """
        parts: list[Part] = []
        refusals: list[RowRefused] = []
        for weight, messages in by_weight(drawn.messages).items():
            try:
                renderings = self._renderings(messages)
            except RowRefused as refused:
                refusals.append(refused)
                continue
            for ids in renderings:
                own = ending_with(messages, ids.turns) if ids.turns else messages
                num_behind = len(drawn.messages) - len(own)
                try:
                    fitted, ids = self._fitted(replace(drawn, messages=own), ids)
                    parts.append(Part(fitted, ids, weight, num_behind))
                except RowRefused as refused:
                    refusals.append(refused)
        if not parts and not refusals:
            raise RowRefused("no_trained_tokens", "no answer of it is trained")
        parts.sort(key=lambda part: -part.num_behind)
        return [*parts, *refusals]

    def _fitted(self, drawn: Drawn, ids: RenderedIds) -> tuple[Drawn, RenderedIds]:
        """What is rendered as one sequence, `ids`; of a shortened context where that is too long."""
        if self.shorten and len(ids.input_ids) > self.seq_len:
            drawn = self._shortened(drawn)
            ids = self._renderings(drawn.messages)[-1]  # with less before them its answers still share one
        self._require_trainable(ids)
        return drawn, ids

    def _require_trainable(self, ids: RenderedIds) -> None:
        if len(ids.input_ids) > self.seq_len:
            raise RowRefused("too_long", f"{len(ids.input_ids)} tokens, seq_len is {self.seq_len}")
        if not ids.num_trained_tokens:
            raise RowRefused("no_trained_tokens", "every answer was left out by the template")

    def _shortened(self, drawn: Drawn) -> Drawn:
        """Without as many of the oldest exchanges as it takes, then without the end of the last question.
        Answers are never cut.
        """
        messages, transforms = drawn.messages, list(drawn.transforms)
        dropped = 0
        while not self.fits(messages) and (rest := without_oldest_exchange(messages)):
            messages = rest
            dropped += 1
        if dropped:
            transforms.append(f"exchanges_dropped:{dropped}")
        asked = messages[last_question(messages)]["content"]
        low = asked.find("\n\n") + 2 if "\n\n" in asked else len(asked)  # the instruction stays whole
        high = len(asked)
        if not self.fits(messages) and low < high and self.fits(_cut(messages, low)):
            while high - low > 1:  # the beginning of `low` characters fits, that of `high` does not
                middle = (low + high) // 2
                low, high = (middle, high) if self.fits(_cut(messages, middle)) else (low, middle)
            messages = _cut(messages, low)
            transforms.append(f"input_cut:{len(asked) - low}")
        return replace(drawn, messages=messages, transforms=transforms)

    def _renderings(self, messages: Sequence[Message]) -> list[RenderedIds]:
        """The ids of a conversation, once for each run of its trained answers that one sequence can hold.

        They end with the last of those.
        """
        return self.renderer.rows(messages, self.tools, train_reasoning=self.train_reasoning)


def _cut(messages: list[Message], size: int) -> list[Message]:
    """With the first `size` characters of the last question."""
    at = last_question(messages)
    asked = with_values(messages[at], content=messages[at]["content"][:size])
    return [*messages[:at], asked, *messages[at + 1 :]]
