"""A training that does not fit: what it needs, what there is, and what would fit, the cheapest first."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hunmin.errors import GateError
from hunmin.progress import say
from trainer.config import TrainConfig
from trainer.plan.defaults import GIB, Room, Training, with_ranks

SMALL_LOGITS_MB = 32
MOST_RANKS = 4096


@dataclass(frozen=True)
class Remedy:
    """A change of the config, in the words of a command line."""

    words: str
    train: TrainConfig
    training: Training


def require_fit(train: TrainConfig, training: Training, room: Room) -> None:
    """Refuse what needs more memory than there is; only say so where train.must_fit is off.

    Raises:
        GateError: what a rank needs, what it has, what would fit.
    """
    problem = misfit(train, training, room)
    if problem is None:
        return
    if train.must_fit:
        raise refusal(problem)
    say(f"train: {problem}. It goes on, as train.must_fit is off")


def refusal(problem: str) -> GateError:
    """The end of a training that does not fit; `problem` is what misfit says."""
    return GateError(f"{problem}. train.must_fit=false goes on all the same")


def misfit(train: TrainConfig, training: Training, room: Room) -> str | None:
    """What does not fit, in words, with what would; None where it fits, or the room is not known."""
    if room.fits(training.memory(train), device_type=training.device_type):
        return None
    alone, together = [], [Remedy("", train, training)]
    for remedy in REMEDIES:
        if (one := remedy(train, training, room)) is not None and _fits(one, room):
            alone.append(f"{one.words} ({_need(one)})")
        if (more := remedy(together[-1].train, together[-1].training, room)) is not None:
            together.append(more)
        if not alone and _fits(together[-1], room):
            break
    need = _lacking(Remedy("", train, training), room)
    if alone:
        return f"{need}. What would fit: {'; '.join(alone)}"
    told = " ".join(one.words for one in together[1:])
    if told and _fits(together[-1], room):
        return f"{need}. What would fit, together: {told} ({_need(together[-1])})"
    return (
        f"{need}. Nothing that train can be told makes it fit"
        + (f", not even {told} ({_need(together[-1])})" if told else "")
        + "; take a smaller model, adapters (train.lora.rank=16) or a shorter data.seq_len"
    )


def _fits(one: Remedy, room: Room) -> bool:
    return room.fits(one.training.memory(one.train), device_type=one.training.device_type)


def _need(one: Remedy) -> str:
    need = one.training.memory(one.train)
    if one.training.device_type == "cpu":
        return _gib(need.in_one)
    host = need.host - need.saved_copies
    return _gib(need.peak) + (f" and {_gib(host)} of the host" if host else "")


def _lacking(one: Remedy, room: Room) -> str:
    """What there is too little of."""
    need = one.training.memory(one.train)
    if one.training.device_type == "cpu":
        return f"a rank needs {_gib(need.in_one)} of memory (estimated), and has {_gib(room.device)}"
    if room.device is not None and need.peak > room.device:
        return f"a rank needs {_gib(need.peak)} of its GPU (estimated), which has {_gib(room.device)}"
    host = need.host - need.saved_copies
    return f"a rank needs {_gib(host)} of the host for offload (estimated), and has {_gib(room.host)}"


def _gib(num_bytes: int | None) -> str:
    assert num_bytes is not None, "only what is known can lack"
    return f"{num_bytes / GIB:.1f} GiB" if num_bytes >= GIB else f"{num_bytes / 2**20:.1f} MiB"


def _first_that_fits(candidates: Iterator[Remedy], room: Room) -> Remedy | None:
    """The first that fits, else the last, which spares most."""
    one = None
    for one in candidates:
        if _fits(one, room):
            return one
    return one


def _told(train: TrainConfig, training: Training, **changes: Any) -> Remedy:
    words = " ".join(f"train.{key}={str(value).lower()}" for key, value in changes.items())
    return Remedy(words, train.model_copy(update=changes), training)


def _zero(train: TrainConfig, training: Training, *keys: str) -> Remedy:
    zero = train.zero.model_copy(update=dict.fromkeys(keys, True))
    words = " ".join(f"train.zero.{key}=true" for key in keys)
    return Remedy(words, train.model_copy(update={"zero": zero}), training)


def _smaller_micro_batch(train: TrainConfig, training: Training, room: Room) -> Remedy | None:
    sizes = (train.packs_at_once >> halved for halved in range(1, train.packs_at_once.bit_length()))
    return _first_that_fits((_told(train, training, micro_batch_size=size) for size in sizes), room)


def _recomputation(train: TrainConfig, training: Training, room: Room) -> Remedy | None:
    return None if train.recompute == "all" else _told(train, training, activation_checkpointing="all")


def _chunked_logits(train: TrainConfig, training: Training, room: Room) -> Remedy | None:
    return (
        None
        if train.max_logits_mb <= SMALL_LOGITS_MB
        else _told(train, training, max_logits_mb=SMALL_LOGITS_MB)
    )


def _offload(train: TrainConfig, training: Training, room: Room) -> Remedy | None:
    if training.device_type == "cpu":
        return None
    missing = [key for key in ("offload_optimizer", "offload_param") if not getattr(train.zero, key)]
    steps = (_zero(train, training, *missing[:count]) for count in range(1, len(missing) + 1))
    return _first_that_fits(steps, room)


def _sequence_parallelism(train: TrainConfig, training: Training, room: Room) -> Remedy | None:
    text: Any = training.model.get_text_config()
    now, most = train.sequence_parallel_size, math.gcd(training.world_size, text.num_attention_heads)
    sizes = (size for size in range(now + 1, most + 1) if most % size == 0)
    return _first_that_fits((_told(train, training, sequence_parallel_size=size) for size in sizes), room)


def _more_ranks(train: TrainConfig, training: Training, room: Room) -> Remedy | None:
    """The smallest number that fits, in multiples of the ranks that share a pack; found by halving, as more
    ranks never need more each. Ranks on CPUs share a machine, where more of them need more in all.
    """
    if training.device_type == "cpu":
        return None

    def over(count: int) -> Remedy:
        ranks = count * train.sequence_parallel_size
        return Remedy(f"cluster.num_workers={ranks}", train, with_ranks(training, ranks))

    low, high = training.world_size // train.sequence_parallel_size, MOST_RANKS
    if low >= high or not _fits(over(high), room):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _fits(over(middle), room) else (middle, high)
    return over(high)


REMEDIES: tuple[Callable[[TrainConfig, Training, Room], Remedy | None], ...] = (
    _smaller_micro_batch,
    _recomputation,
    _chunked_logits,
    _offload,
    _sequence_parallelism,
    _more_ranks,
)
