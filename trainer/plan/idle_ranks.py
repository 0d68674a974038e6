"""Ranks that wait: a step whose packs do not go round is filled with packs that train nothing."""

import math

from trainer.batches.dealing import idle_share

MAX_IDLE_SHARE = 0.05  # of a step's slots, beyond which it is told


def idle_warning(num_packs: int, *, world_size: int, sequence_parallel_size: int = 1) -> str | None:
    """What to change where ranks compute empty packs in every step, with numbers; None where few do.

    Args:
        num_packs: of a step, over all ranks.
        world_size: ranks; each `sequence_parallel_size` of them share their packs.
    """
    groups = world_size // sequence_parallel_size
    idle = idle_share(num_packs, global_batch_size=num_packs, world_size=groups)
    if idle <= MAX_IDLE_SHARE:
        return None
    rounds = math.ceil(num_packs / groups)
    needed = math.ceil(num_packs / rounds) * sequence_parallel_size
    fewer = f"{needed} ranks are as fast (cluster.num_workers), and " if needed < world_size else ""
    return (
        f"{world_size} ranks have room for {rounds * groups} packs a step and get {num_packs}: "
        f"{idle:.0%} of their work is on empty packs; {fewer}a train.global_batch_size of {rounds * groups} "
        "keeps them busy"
    )
