"""A batch that refills: where an answer ends the next prompt comes in, and what prompts share is read once.

What happens when depends on the prompts and the answers alone, never on time: the same call answers the same
bits, wherever and however often it is made. Not yet run on a GPU.

Shapes: B slots, K rows of a forward, S tokens of each, T columns that it sees, V vocabulary.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from eval.engines._kv_cache import Loan, make_cache
from eval.engines._prefixes import Share, cut_alike, cut_waves
from hunmin.errors import one_line

REFILL_SHARE = 0.125  # of the slots that must be free: prompts that come together share their forwards
SHRINK_SHARE = 0.5  # of the slots that must be free, when no prompt waits, for the batch to become smaller

Pick = Callable[[Tensor, list[int]], list[int]]  # (logits_KV, indices of prompts) -> the next token of each
OnToken = Callable[[int, int], None]  # (index of a prompt, token)


class ModelFailure(Exception):
    """The model raised; in words."""


@dataclass(eq=False)
class Row:
    """A prompt that came into the batch, and its answer so far."""

    prompt: int  # its index
    slot: int
    start: int  # column of its first token
    ids: list[int] = field(default_factory=list)
    ended: bool = False
    stopped: bool = False  # by the model, not by the limit
    error: str | None = None  # why it has no answer


class Batch:
    """The prompts of one call, at most `num_slots` of them at a time.

    When the model raises, the rows that are in it end with that `error`; when a row's logits are no numbers,
    that row does. The others go on.
    """

    def __init__(
        self,
        model: Any,
        prompts: Sequence[list[int]],
        *,
        num_slots: int,
        max_new_tokens: int,
        stop_ids: set[int],
        device: str,
        pick: Pick,
        on_token: OnToken | None = None,
    ):
        """`on_token` is told each token of an answer as it comes; what it raises ends the call."""
        self._model, self._prompts, self._device = model, prompts, device
        self._num_slots, self._max_new_tokens, self._stop_ids = num_slots, max_new_tokens, stop_ids
        self._pick, self._on_token = pick, on_token
        self._waiting = deque(range(len(prompts)))
        self._rows: dict[int, Row] = {}  # of the prompts that came
        self._empty()

    def answer(self) -> list[Row]:
        """The ended rows of all prompts, in their order."""
        while self._waiting or self._alive():
            try:
                if self._waiting and self._may_refill():
                    self._refill()
                else:
                    self._step()
            except ModelFailure as failure:
                for row in self._rows.values():
                    if not row.ended:
                        row.ended, row.error = True, str(failure)
                self._empty()
        return [self._rows[index] for index in range(len(self._prompts))]

    def _empty(self) -> None:
        """Begin with no row, and no more slots than prompts."""
        self._slots: list[Row | None] = [None] * min(self._num_slots, len(self._waiting))
        self._cache = make_cache(self._model.config, num_slots=len(self._slots))

    def _alive(self) -> list[Row]:
        """The rows that go on, by slot."""
        return [row for row in self._slots if row is not None and not row.ended]

    def _may_refill(self) -> bool:
        num_free = len(self._slots) - len(self._alive())
        return num_free == len(self._slots) or (
            self._cache.refills and num_free >= REFILL_SHARE * len(self._slots)
        )

    def _refill(self) -> None:
        """Read the next prompts into the free slots; each gets its first token."""
        if not self._cache.refills:
            self._empty()
        there = [row for row in self._slots if row is not None and row.error is None]
        free = [slot for slot, row in enumerate(self._slots) if row is None or row.ended]
        coming = list(islice(self._waiting, len(free)))
        self._make_room(there, width=max(len(self._prompts[prompt]) for prompt in coming))
        for slot, prompt in zip(free, coming, strict=False):
            self._waiting.popleft()
            row = Row(prompt, slot, start=self._cache.end - len(self._prompts[prompt]))
            self._rows[prompt] = self._slots[slot] = row
        for wave in self._waves(there, coming):
            # A lender may have failed since. Only the first wave borrows from rows whose slots are taken.
            shares = {
                prompt: share if self._sound(share.lender) else Share() for prompt, share in wave.items()
            }
            self._lend(shares)
            unread = {one: len(self._prompts[one]) - share.num_tokens for one, share in shares.items()}
            for together in cut_alike(unread) if self._cache.refills else [coming]:
                self._read([self._rows[prompt] for prompt in together], max(unread[one] for one in together))

    def _waves(self, there: Sequence[Row], coming: Sequence[int]) -> list[dict[int, Share]]:
        if not self._cache.refills:
            return [dict.fromkeys(coming, Share())]
        return cut_waves(
            {row.prompt: self._prompts[row.prompt] for row in there},
            {prompt: self._prompts[prompt] for prompt in coming},
        )

    def _sound(self, prompt: int | None) -> bool:
        return prompt is not None and self._rows[prompt].error is None

    def _lend(self, shares: Mapping[int, Share]) -> None:
        """Copy what prompts borrow."""
        loans = []
        for prompt, share in shares.items():
            if share.lender is not None:
                source, target = self._rows[share.lender], self._rows[prompt]
                loans.append(Loan(source.slot, source.start, target.slot, target.start, share.num_tokens))
        with _failures():
            self._cache.lend(loans)

    def _read(self, rows: Sequence[Row], num_tokens: int) -> None:
        """Read the last tokens of these rows' prompts, as many of each.

        Of a prompt that has fewer unread some are read again: as cheap as a pad, and no gap in its row.
        """
        last = [self._prompts[row.prompt][-num_tokens:] for row in rows]
        start = self._cache.look(
            start=min(row.start for row in rows), num_new=num_tokens, slots=[row.slot for row in rows]
        )
        ids_KS = [[0] * (num_tokens - len(ids)) + ids for ids in last]
        self._take(rows, self._logits(ids_KS, starts=[row.start for row in rows], start=start))

    def _step(self) -> None:
        """One more token for every row that goes on."""
        if not self._waiting:
            self._shrink()
        alive = self._alive()
        self._make_room(alive, num_new=1)
        start = self._cache.look_on(start=min(row.start for row in alive))
        # Slots without such a row are computed too. They must see a column, whichever: the last one.
        rows = [None if row is None or row.ended else row for row in self._slots]
        logits_BV = self._logits(
            [[row.ids[-1] if row else 0] for row in rows],
            starts=[row.start if row else self._cache.end - 1 for row in rows],
            start=start,
        )
        self._take(alive, logits_BV[torch.tensor([row.slot for row in alive])])

    def _logits(self, ids_KS: list[list[int]], *, starts: list[int], start: int) -> Tensor:
        """What the model says after the last tokens, (K, V); `start` is the first column that is seen."""
        columns_T = torch.arange(start, self._cache.end, device=self._device)
        starts_K1 = torch.tensor(starts, device=self._device)[:, None]
        with _failures():
            return self._model(
                input_ids=torch.tensor(ids_KS, device=self._device),
                attention_mask=(columns_T >= starts_K1).long(),
                position_ids=(columns_T[-len(ids_KS[0]) :] - starts_K1).clamp(min=0),
                past_key_values=self._cache.states,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]

    def _take(self, rows: Sequence[Row], logits_KV: Tensor) -> None:
        """Give the rows their next tokens, and end those that are done."""
        is_sound = logits_KV.amax(-1).isfinite().tolist()
        if not all(is_sound):
            failed = [row for row, sound in zip(rows, is_sound, strict=True) if not sound]
            for row in failed:
                row.ended, row.error = True, "its logits are no numbers"
            self._cache.clear([row.slot for row in failed])
            rows = [row for row, sound in zip(rows, is_sound, strict=True) if sound]
            logits_KV = logits_KV[torch.tensor(is_sound)]
        for row, token in zip(rows, self._pick(logits_KV, [row.prompt for row in rows]), strict=True):
            row.stopped = token in self._stop_ids
            if not row.stopped:
                row.ids.append(token)
                if self._on_token is not None:
                    self._on_token(row.prompt, token)
            row.ended = row.stopped or len(row.ids) >= self._max_new_tokens

    def _make_room(self, rows: Sequence[Row], *, width: int = 0, num_new: int = 0) -> None:
        """Room for prompts of `width` tokens, or for new columns; of what is there these rows are kept."""
        start = min([row.start for row in rows], default=self._cache.end)
        with _failures():
            shift = self._cache.make_room(start=start, width=width, num_new=num_new)
        for slot, row in enumerate(self._slots):
            if row is not None:
                if shift and row.start < start:
                    self._slots[slot] = None
                row.start += shift

    def _shrink(self) -> None:
        """Leave out slots without a row that goes on, where they are so many that the copy pays."""
        alive = self._alive()
        if len(alive) <= (1 - SHRINK_SHARE) * len(self._slots):
            with _failures():
                self._cache.keep([row.slot for row in alive])
            for slot, row in enumerate(alive):
                row.slot = slot
            self._slots = [*alive]


@contextmanager
def _failures() -> Iterator[None]:
    """What the model raises, as a failure of the rows that are in the batch."""
    try:
        yield
    except Exception as error:
        raise ModelFailure(f"{type(error).__name__}: {one_line(error)}") from error
