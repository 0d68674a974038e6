"""Keys and values of a fixed number of rows that come and go: the rows' last tokens share a column.

A row that has ended leaves its slot to a new one, whose tokens are written so that they end at the same
column; the others are neither moved nor copied. Each next token takes a column of room kept behind them.
transformers' dynamic layer concatenates all keys and values with each new token's, and cannot replace a row.

Shapes: B slots, H heads, T columns of room, D head_size; K rows of a forward, S tokens of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer, get_layer_types_and_kwargs

ROOM_TOKENS = 128  # reserved at a time

# Layers that see of all earlier tokens what their mask says. A sliding window is in the mask, which counts
# columns: a row has no gap. Other layers keep a state, or count from a row's first token; "dummy" keeps none.
_BY_MASK = {"full_attention", "sliding_attention", "dummy"}


@dataclass(frozen=True)
class Loan:
    """The row in one slot begins with `num_tokens` that the row to come into another begins with too."""

    source: int  # slot
    source_start: int  # column of its first token
    target: int
    target_start: int
    num_tokens: int


@dataclass
class Window:
    """Where a forward reads and writes, for all layers: its last `num_new` columns are written."""

    num_slots: int
    num_columns: int = 0  # T
    start: int = 0  # the first column that it sees
    end: int = 0  # behind the last one, for every row
    num_new: int = 0
    slots: Tensor | None = None  # of its rows, int64 (K,) on the CPU; None: all, in order


class SlotLayer(DynamicLayer):
    """Keys and values of a layer, (B, H, T, D) each. What was not written is zero: no mask hides a NaN."""

    def __init__(self, window: Window):
        super().__init__()
        self._window = window
        self._rooms: list[Tensor] = []  # for keys and for values, whose heads may differ in size

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any):
        """Write the new states, (K, H, S, D), and return all that the forward sees of its rows."""
        window, new_states = self._window, (key_states, value_states)
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._rooms = [
                states.new_zeros(window.num_slots, states.shape[1], window.num_columns, states.shape[3])
                for states in new_states
            ]
        rows = slice(None) if window.slots is None else window.slots
        for room, states in zip(self._rooms, new_states, strict=True):
            room[rows, :, window.end - window.num_new : window.end] = states
        keys, values = (room[rows, :, window.start : window.end] for room in self._rooms)
        return keys, values

    def get_seq_length(self) -> int:
        """Columns before the new ones, as the forward sees them: masks are made from it."""
        return self._window.end - self._window.num_new - self._window.start

    def move(self, start: int, *, shift: int) -> None:
        """Lay the columns from `start` on `shift` columns further right, in the room that there is now."""
        for index, room in enumerate(self._rooms):
            moved = room.new_zeros(*room.shape[:2], self._window.num_columns, room.shape[3])
            kept = room[:, :, start : self._window.end - shift]
            moved[:, :, start + shift : self._window.end] = kept
            self._rooms[index] = moved

    def lend(self, loans: Sequence[Loan]) -> None:
        """Copy the beginnings of rows; all are read before one is written."""
        for room in self._rooms:
            begun = [room[one.source, :, one.source_start :][:, : one.num_tokens].clone() for one in loans]
            for one, states in zip(loans, begun, strict=True):
                room[one.target, :, one.target_start :][:, : one.num_tokens] = states

    def clear(self, slots: Sequence[int]) -> None:
        """Forget what stands in these slots."""
        for room in self._rooms:
            room[list(slots)] = 0

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these slots."""
        self._rooms = [room[indices] for room in self._rooms]


class SlotCache:
    """The cache of a model whose rows come and go, and the columns of its rows."""

    refills: ClassVar[bool] = True

    def __init__(self, config: PreTrainedConfig, *, num_slots: int):
        """Empty."""
        self._window = Window(num_slots)
        self.states = DynamicCache(config=config)  # what forwards take
        self.states.layers = [
            SlotLayer(self._window) if isinstance(layer, DynamicLayer) else layer
            for layer in self.states.layers
        ]

    @property
    def end(self) -> int:
        """The column behind the last token of every row."""
        return self._window.end

    def make_room(self, *, start: int, width: int, num_new: int) -> int:
        """Let rows of `width` tokens end where the others do, and `num_new` columns follow.

        What stands before column `start` is lost. Returns by how many columns to the right the rest moved.
        """
        window = self._window
        if width <= window.end and window.end + num_new <= window.num_columns:
            return 0
        end = max(window.end - start, width)
        shift, window.end, window.num_columns = end - window.end, end, end + num_new + ROOM_TOKENS
        for layer in self._used():
            layer.move(start, shift=shift)
        return shift

    def look(self, *, start: int, num_new: int, slots: Sequence[int]) -> int:
        """The next forward holds the rows of these slots from column `start` on, and writes their last ones.

        Returns the first column that it sees.
        """
        self._window.start, self._window.num_new = start, num_new
        all_in_order = list(slots) == list(range(self._window.num_slots))
        self._window.slots = None if all_in_order else torch.tensor(slots)
        return start

    def look_on(self, *, start: int) -> int:
        """The same for all rows, and for one more column behind their end."""
        self._window.start, self._window.num_new, self._window.slots = start, 1, None
        self._window.end += 1
        return start

    def lend(self, loans: Sequence[Loan]) -> None:
        """Copy what rows that come share with others."""
        for layer in self._used() if loans else ():
            layer.lend(loans)

    def clear(self, slots: Sequence[int]) -> None:
        """Forget the rows of these slots."""
        for layer in self._used():
            layer.clear(slots)

    def keep(self, slots: Sequence[int]) -> None:
        """Keep these slots, numbered anew in this order."""
        self._window.num_slots = len(slots)
        for layer in self._used():
            layer.batch_select_indices(torch.tensor(slots))

    def _used(self) -> list[SlotLayer]:
        return [
            layer for layer in self.states.layers if isinstance(layer, SlotLayer) and layer.is_initialized
        ]


class WholeCache:
    """As SlotCache, for a model that keeps more than keys and values: rows come all at once, padded."""

    refills: ClassVar[bool] = False

    def __init__(self, config: PreTrainedConfig):
        """Empty."""
        self.states = DynamicCache(config=config)
        self.end = 0

    def make_room(self, *, start: int, width: int, num_new: int) -> int:
        """The first rows end at `width`; layers make room themselves."""
        self.end = max(self.end, width)
        return 0

    def look(self, *, start: int, num_new: int, slots: Sequence[int]) -> int:
        """A forward sees all there is."""
        return 0

    def look_on(self, *, start: int) -> int:
        """The same, and one more column."""
        self.end += 1
        return 0

    def lend(self, loans: Sequence[Loan]) -> None:
        """No row comes to one that is there."""

    def clear(self, slots: Sequence[int]) -> None:
        """No other row will lie there."""

    def keep(self, slots: Sequence[int]) -> None:
        """Keep these rows."""
        self.states.batch_select_indices(torch.tensor(slots))


def make_cache(config: PreTrainedConfig, *, num_slots: int) -> SlotCache | WholeCache:
    """An empty cache; rows may come and go where all that a layer keeps are keys and values, seen by mask."""
    kinds, _ = get_layer_types_and_kwargs(config.get_text_config(decoder=True))
    return SlotCache(config, num_slots=num_slots) if set(kinds) <= _BY_MASK else WholeCache(config)
