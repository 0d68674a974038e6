"""Which validation packs are asked: as many as cost a stated share of the training, of every task.

A pure function of the packs, the seed and the config: the same for every world size and machine.
"""

import math
from collections.abc import Sequence

import numpy as np

from hunmin.hashing import stable_hash
from trainer.batches.dealing import steps_per_pass
from trainer.batches.packs import PackFolder, Segments
from trainer.config import TrainConfig


def val_subset(
    val_packs: PackFolder, config: TrainConfig, *, epoch_sizes: Sequence[int], num_steps: int, seed: int
) -> np.ndarray:
    """Indices of the packs that each validation asks, ascending, int64.

    All of them where they cost less than `train.val_share` of the training. Otherwise as many as it pays for,
    and at least so many that each task is in one; tasks have about the shares they have in all packs.
    """
    if config.val_share is None:
        return np.arange(len(val_packs))
    count = affordable_packs(config, epoch_sizes=epoch_sizes, num_steps=num_steps)
    if count >= len(val_packs):
        return np.arange(len(val_packs))
    return choose_packs(val_packs.segments(), num_packs=len(val_packs), count=count, seed=seed)


def affordable_packs(config: TrainConfig, *, epoch_sizes: Sequence[int], num_steps: int) -> int:
    """Packs a validation may ask for all validations together to cost `train.val_share` of the training.

    Counted in forwards of a pack. A backward costs two, or one where weights are frozen and adapters learn
    (Chowdhery et al., 2022, appendix B); recomputation, which hangs on the machine, is not counted.
    """
    assert config.val_share is not None, "without a share all packs are asked"
    forwards_of_training = 3 if config.lora is None else 2
    of_a_pass = sum(epoch_sizes)
    passes, rest = divmod(num_steps, steps_per_pass(epoch_sizes, global_batch_size=config.global_batch_size))
    trained = passes * of_a_pass + min(rest * config.global_batch_size, of_a_pass)
    num_validations = math.ceil(num_steps / config.val_interval)
    return int(config.val_share * trained * forwards_of_training / num_validations)


def choose_packs(segments: Segments, *, num_packs: int, count: int, seed: int) -> np.ndarray:
    """`count` of the packs, more where fewer would leave out a task; indices, ascending, int64.

    First a pack for each task that has none yet, the rarest task first. The others are every n-th of what is
    left, sorted by the task that has most of a pack's tokens and, within it, in an order drawn from the seed.
    """
    rng = np.random.Generator(np.random.PCG64(stable_hash("validation", seed)))
    draw = rng.permutation(num_packs)  # of each pack, its place in the order that was drawn
    is_chosen = np.zeros(num_packs, bool)
    by_task = np.unique(segments.tasks.astype(np.int64) * num_packs + segments.packs)  # (task, pack), in one
    holders = np.split(by_task % num_packs, np.flatnonzero(np.diff(by_task // num_packs)) + 1)
    for packs in sorted(holders, key=len):
        if not is_chosen[packs].any():
            is_chosen[packs[np.argmin(draw[packs])]] = True
    left = np.flatnonzero(~is_chosen)
    main = main_tasks(segments, num_packs=num_packs)
    left = left[np.lexsort((draw[left], main[left]))]
    lacking = max(0, count - int(is_chosen.sum()))
    is_chosen[left[((np.arange(lacking) + 0.5) * len(left) / max(lacking, 1)).astype(np.int64)]] = True
    return np.flatnonzero(is_chosen)


def main_tasks(segments: Segments, *, num_packs: int) -> np.ndarray:
    """Of each pack the task that has most of its tokens, of equal ones the first; int64 (packs,)."""
    num_tasks = int(segments.tasks.max()) + 1
    held, inverse = np.unique(segments.packs * num_tasks + segments.tasks, return_inverse=True)
    tokens = np.bincount(inverse, segments.tokens)
    order = np.lexsort((-held, tokens, held // num_tasks))  # a pack's largest comes last
    found = np.zeros(num_packs, np.int64)
    found[held[order] // num_tasks] = held[order] % num_tasks  # of several assignments the last holds
    return found
