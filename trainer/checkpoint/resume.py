"""Where a run goes on: the newest checkpoint that is sound. Its files are verified by all ranks together."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from hunmin.errors import ArtifactError
from hunmin.progress import Heartbeat, no_heartbeat, say
from trainer.checkpoint import kept
from trainer.checkpoint.checkpoint import Checkpoint, TrainState, folder_of
from trainer.engine.long_work import together
from trainer.engine.ranks import Rank

NONE = -1
SEEN_WITHIN_S, LOOK_EVERY_S = 90.0, 1.0


def resume_point(
    checkpoints: Path, me: Rank, *, alive: Heartbeat = no_heartbeat
) -> tuple[Checkpoint | None, TrainState]:
    """The checkpoint to go on from, and the state that goes on; later ones are removed. Collective."""
    step = _newest_sound(checkpoints, me, alive)
    if me.is_first:
        kept.discard_after(checkpoints, step)
    if step == NONE:
        return None, TrainState()
    found = Checkpoint(folder_of(checkpoints, step))
    if me.is_first:
        kept.say_if_unsealed(found)
    return found, _without_lost_best(checkpoints, found.state, me)


def _newest_sound(checkpoints: Path, me: Rank, alive: Heartbeat) -> int:
    steps = _whole(checkpoints) if me.is_first else iter(())
    while (step := int(me.gather([next(steps, NONE)])[0, 0])) != NONE:
        mine = partial(_fault, folder_of(checkpoints, step), (me.index, me.world_size))
        faults = [fault for fault in me.gather_texts(together(me, mine, alive=alive)) if fault]
        if not faults:
            return step
        if me.is_first:
            kept.say_passed_over(faults[0])
    return NONE


def _whole(checkpoints: Path) -> Iterator[int]:
    """The candidates that lack no file; says which it passes over."""
    for step in kept.candidates(checkpoints):
        try:
            Checkpoint(folder_of(checkpoints, step)).check_sizes()
        except ArtifactError as error:
            kept.say_passed_over(error)
        else:
            yield step


def _fault(folder: Path, share: tuple[int, int], alive: Heartbeat) -> str:
    """What is wrong with a rank's share of a checkpoint's files; nothing: an empty text."""
    try:
        _once_seen(folder, share, alive).verify(share=share, alive=alive)
    except ArtifactError as error:
        return str(error)
    return ""


def _once_seen(folder: Path, share: tuple[int, int], alive: Heartbeat) -> Checkpoint:
    """The checkpoint, which the first rank sees as a whole, once this one sees its share of the files.

    A network file system may show it to other nodes later (nfs(5), acdirmax): what they do not see yet must
    not be taken for damaged, and removed.
    """
    until = time.monotonic() + SEEN_WITHIN_S
    while True:
        try:
            found = Checkpoint(folder)
            found.check_sizes(share=share)
            return found
        except ArtifactError:
            if time.monotonic() > until:
                raise
        alive()
        time.sleep(LOOK_EVERY_S)


def _without_lost_best(checkpoints: Path, state: TrainState, me: Rank) -> TrainState:
    """The state; its best step is forgotten where that checkpoint is gone.

    It went when a later one was better, and that one was not sound. Collective: the first rank looks.
    """
    is_gone = state.best_step is not None and kept.best_folder(checkpoints, state.best_step) is None
    if not me.gather([is_gone])[0, 0]:
        return state
    if me.is_first:
        say(
            f"train: the checkpoint of the best step, {state.best_step}, is gone; the best is chosen anew "
            f"from step {state.step} on"
        )
    return replace(state, best_step=None, best_val_loss=None)
