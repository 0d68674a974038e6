"""A key-value cache that does not copy itself for every token.

transformers' dynamic layer concatenates all keys and values with each new token's. This one writes into room
kept behind them. Measured with a 9M Llama on one CPU thread, tokens/s: equal at batch 16, 1.25 times at 32,
1.4 times at 64.
"""

from typing import Any

from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

ROOM_TOKENS = 128  # reserved at a time


class RoomyLayer(DynamicLayer):
    """A dynamic layer whose keys and values, (B, heads, T, head_size), are the front of larger tensors."""

    _key_room: Tensor
    _value_room: Tensor

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Begin with no token and no room."""
        super().lazy_initialization(key_states, value_states)
        self._key_room, self._value_room = key_states[:, :, :0], value_states[:, :, :0]

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any):
        """Append the new states and return all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[2]
        if end > self._key_room.shape[2]:
            self._key_room = _enlarged(self._key_room, start=start, end=end)
            self._value_room = _enlarged(self._value_room, start=start, end=end)
        self._key_room[:, :, start:end] = key_states
        self._value_room[:, :, start:end] = value_states
        self._look(end)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows of the batch, and their room."""
        if not self.is_initialized:  # a layer that shares another's keys and values stays empty
            return
        length = self.get_seq_length()
        self._key_room, self._value_room = self._key_room[indices], self._value_room[indices]
        self._look(length)

    def _look(self, length: int) -> None:
        self.keys, self.values = self._key_room[:, :, :length], self._value_room[:, :, :length]


def _enlarged(room: Tensor, *, start: int, end: int) -> Tensor:
    batch, heads, _, size = room.shape
    out = room.new_empty(batch, heads, end + ROOM_TOKENS, size)
    out[:, :, :start] = room[:, :, :start]
    return out


def make_cache(config: PreTrainedConfig) -> DynamicCache:
    """A dynamic cache for the model. Only layers of full attention are ours, others stay as they come."""
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
