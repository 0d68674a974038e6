"""Which answers of a conversation one rendered row trains; the others are its context."""

from collections.abc import Sequence

import numpy as np

from hunmin.rows import Message, with_values


def by_weight(messages: Sequence[Message]) -> dict[float, list[Message]]:
    """The conversation once for each weight of its trained answers, so that a rendered row has one weight.

    Each ends with the last answer of its weight and trains those. An answer of weight 0 is context in all of
    them; where nothing is trained there is none.

    Args:
        messages: oldest first; `weight` absent is 1. What the row weighs is in them.
    """
    weights = [_weight(message) for message in messages]
    return {
        weight: ending_with(messages, [index for index, own in enumerate(weights) if own == weight])
        for weight in dict.fromkeys(weights)
        if weight > 0
    }


def ending_with(messages: Sequence[Message], turns: Sequence[int]) -> list[Message]:
    """The conversation up to the last of these answers, of which only they are trained."""
    return [
        with_values(message, train=index in turns) for index, message in enumerate(messages[: turns[-1] + 1])
    ]


def without_oldest_exchange(messages: Sequence[Message]) -> list[Message] | None:
    """Without the first question and all that follows it up to the next, tool calls and results included.

    A system message stays. None where there is one question only.
    """
    asked = [index for index, message in enumerate(messages) if message["role"] == "user"]
    if len(asked) < 2:
        return None
    return [*messages[: asked[0]], *messages[asked[1] :]]


def last_question(messages: Sequence[Message]) -> int:
    """The index of the last message of the user."""
    return max(index for index, message in enumerate(messages) if message["role"] == "user")


def _weight(message: Message) -> float:
    """In fp32, as files hold it: a row that is read again has the weights that it had."""
    if message["role"] != "assistant" or not message.get("train"):
        return 0.0
    own = message.get("weight")
    return 1.0 if own is None else float(np.float32(own))
