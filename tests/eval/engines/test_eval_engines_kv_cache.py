"""Slots hold what transformers' own cache holds, wherever their columns lie."""

import torch
from torch import Tensor
from transformers import DynamicCache, LlamaConfig

from eval.engines._kv_cache import ROOM_TOKENS, Loan, SlotCache, WholeCache, make_cache

CONFIG = LlamaConfig(num_hidden_layers=1)
HEADS, SIZE = 1, 16


class Rows:
    """Random keys of the tokens that rows are given, and what the cache must hold of them."""

    def __init__(self, cache: SlotCache, num_slots: int):
        self.cache, self.generator = cache, torch.Generator().manual_seed(0)
        self.wanted = [torch.zeros(HEADS, 0, SIZE)] * num_slots

    def write(self, slots: list[int], num_new: int) -> Tensor:
        states = torch.randn(len(slots), HEADS, num_new, SIZE, generator=self.generator)
        keys, values = self.cache.states.update(states, -states, 0)
        assert torch.equal(keys, -values)
        for slot, new in zip(slots, states, strict=True):
            self.wanted[slot] = torch.cat([self.wanted[slot], new], dim=1)
        return keys

    def check(self, slots: list[int], keys: Tensor) -> None:
        """These slots, of all that were written."""
        for slot, found in zip(slots, keys, strict=True):
            length = self.wanted[slot].shape[1]
            assert torch.equal(found[:, found.shape[1] - length :], self.wanted[slot])


def test_rows_come_borrow_grow_and_leave() -> None:
    cache = make_cache(CONFIG, num_slots=3)
    assert isinstance(cache, SlotCache)
    rows = Rows(cache, 3)
    cache.make_room(start=0, width=7, num_new=0)
    cache.look(start=cache.end - 7, num_new=7, slots=[0, 2])
    rows.write([0, 2], 7)
    for _ in range(ROOM_TOKENS + 3):  # the room grows on the way
        cache.make_room(start=cache.end - rows.wanted[0].shape[1], width=0, num_new=1)
        cache.look_on(start=cache.end - rows.wanted[0].shape[1])
        keys = rows.write([0, 1, 2], 1)
        rows.check([0, 2], keys[[0, 2]])
        assert cache.states.get_seq_length() + 1 == keys.shape[2]
    begins = rows.wanted[2][:, :5]  # a row of nine tokens takes the place of the one that it begins like
    cache.lend(
        [Loan(2, cache.end - rows.wanted[2].shape[1], target=2, target_start=cache.end - 9, num_tokens=5)]
    )
    rows.wanted[2] = begins
    cache.look(start=cache.end - 9, num_new=4, slots=[2])
    rows.check([2], rows.write([2], 4))
    width = cache.end + 20  # wider than all before
    assert cache.make_room(start=0, width=width, num_new=0) == 20
    rows.wanted[1] = torch.zeros(HEADS, 0, SIZE)
    cache.look(start=0, num_new=width, slots=[1])
    rows.check([1], rows.write([1], width))
    cache.make_room(start=0, width=0, num_new=1)
    cache.look_on(start=0)
    rows.check([0, 1, 2], rows.write([0, 1, 2], 1))
    cache.keep([2, 0])
    rows.wanted = [rows.wanted[2], rows.wanted[0]]
    cache.look_on(start=0)
    rows.check([0, 1], rows.write([0, 1], 1))


def test_room_does_not_grow_with_every_row_that_came() -> None:
    """Columns that no row needs any more are given up: the room is that of the longest row, and some more."""
    cache = SlotCache(CONFIG, num_slots=1)
    rows = Rows(cache, 1)
    for _ in range(20):
        rows.wanted[0] = torch.zeros(HEADS, 0, SIZE)
        cache.make_room(start=cache.end, width=30, num_new=0)
        cache.look(start=cache.end - 30, num_new=30, slots=[0])
        rows.write([0], 30)
        for _ in range(40):
            cache.make_room(start=cache.end - rows.wanted[0].shape[1], width=0, num_new=1)
            cache.look_on(start=cache.end - rows.wanted[0].shape[1])
            rows.check([0], rows.write([0], 1))
    layer = cache.states.layers[0]
    assert all(room.shape[2] <= 30 + 40 + 1 + ROOM_TOKENS for room in layer._rooms)  # type: ignore[attr-defined]


def test_what_was_cleared_is_zero() -> None:
    cache = SlotCache(CONFIG, num_slots=2)
    rows = Rows(cache, 2)
    cache.make_room(start=0, width=4, num_new=0)
    cache.look(start=0, num_new=4, slots=[0, 1])
    rows.write([0, 1], 4)
    cache.clear([1])
    cache.look_on(start=0)
    keys = rows.write([0, 1], 1)
    rows.check([0], keys[:1])
    assert not keys[1, :, :4].any()


def test_layers_that_count_from_the_first_token_get_no_slots() -> None:
    kinds = {
        "full_attention": SlotCache,
        "sliding_attention": SlotCache,
        "chunked_attention": WholeCache,
        "linear_attention": WholeCache,
    }
    for kind, expected in kinds.items():
        config = LlamaConfig(num_hidden_layers=2)
        config.layer_types = ["full_attention", kind]
        config.sliding_window = config.attention_chunk_size = 8
        assert type(make_cache(config, num_slots=2)) is expected, kind
    assert type(WholeCache(CONFIG).states) is DynamicCache
