"""Lengths of rows: which ranges hold for a row, and whether it keeps them.

The bare wording is counted: the row's own instruction, before a prefix, a wrapper and the input come to it.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from data_pipeline.config import BoundsConfig
from data_pipeline.reasons import LENGTH_OUT_OF_BOUNDS, Refusal
from data_pipeline.rows.checks.exchange import Exchange

Range: TypeAlias = tuple[int, int]  # characters, both ends allowed
Bounds: TypeAlias = dict[str, Range]  # of instruction, input, answer

_WIDE: Bounds = {"instruction": (1, 20_000), "input": (0, 200_000), "answer": (1, 200_000)}
PROFILES: dict[str, Bounds] = {
    "default": _WIDE,
    "instruction_data": _WIDE | {"instruction": (5, 200), "answer": (3, 2000)},
    "sft": _WIDE | {"answer": (10, 1000)},
}


def ranges_of(bounds: BoundsConfig, task_bounds: Mapping[str, Sequence[int]] | None) -> Bounds:
    """The ranges of a row: an explicit one wins over its task's, which wins over the profile's."""
    ranges = dict(PROFILES[bounds.profile])
    for name, (low, high) in (task_bounds or {}).items():
        ranges[name] = (low, high)
    for name in ranges:
        explicit: Range | None = getattr(bounds, name)
        if explicit is not None:
            ranges[name] = explicit
    return ranges


def length_out_of_bounds(exchange: Exchange, ranges: Bounds, *, in_chat: bool) -> Refusal:
    """Refuse a text outside its range. Absent instructions and inputs, and labels, have no length.

    A user's turn of several lines holds its input too, so it may be as long as both together.
    """
    low, high = ranges["instruction"]
    if in_chat and "\n" in exchange.instruction:
        high += ranges["input"][1]
    texts = [("instruction", exchange.instruction, low, high), ("input", exchange.input, *ranges["input"])]
    if not exchange.is_label:
        texts.append(("answer", exchange.answer, *ranges["answer"]))
    for name, text, low, high in texts:
        if text and not low <= len(text) <= high:
            detail = f"{exchange.where}{name} has {len(text)} characters, allowed {low} to {high}"
            return LENGTH_OUT_OF_BOUNDS, detail
    return None
