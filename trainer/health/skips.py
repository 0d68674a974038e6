"""Updates that are skipped, on all ranks alike: gradients that are not finite, losses out of the ordinary."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from hunmin.errors import GateError
from hunmin.progress import say
from trainer.checkpoint.checkpoint import TrainState

WINDOW = 32  # steps whose median is the ordinary loss
MIN_STEPS = 8  # before there is one


def loss_ceiling(recent: Sequence[float], *, max_rise: float | None) -> float:
    """The loss above which a step is a spike: `max_rise` nats above the median of the recent steps'; infinite
    where there is none. A pure function of numbers that all ranks have, so they agree.
    """
    if max_rise is None or len(recent) < MIN_STEPS:
        return math.inf
    return statistics.median(recent) + max_rise


def count_update(
    state: TrainState, *, loss: float, applied: bool, is_spike: bool, max_skipped: int
) -> TrainState:
    """The state after a step, whose update was applied or skipped on all ranks.

    Raises:
        GateError: more than `max_skipped` skipped in a row.
    """
    step = state.step + 1
    if applied:
        recent = (*state.recent_losses, loss)[-WINDOW:]
        return replace(
            state, step=step, num_updates=state.num_updates + 1, num_skipped_in_a_row=0, recent_losses=recent
        )
    skipped = state.num_skipped_in_a_row + 1
    why = "the gradient is not finite"
    cure = "lower train.learning_rate"
    if is_spike:
        median = statistics.median(state.recent_losses)
        why = f"the loss {loss:.3f} is far above the median {median:.3f} of recent steps"
        cure = "lower train.learning_rate, or raise train.max_loss_rise if such losses are right"
    say(f"train: step {step}: {why}, the update was skipped ({skipped} in a row)")
    if skipped > max_skipped:
        raise GateError(
            f"step {step}: {skipped} updates in a row were skipped (train.max_skipped_steps is "
            f"{max_skipped}): {why}; {cure}"
        )
    return replace(state, step=step, num_skipped_in_a_row=skipped)
