"""What a rank's last words mean: another start, or less memory."""

import re

import pytest
import torch
from ray.train.v2.api.exceptions import WorkerGroupError

from hunmin.errors import EnvironmentFailure, GateError
from trainer.health.lost_ranks import is_full, is_loss, known_failure, memory_advice
from trainer.ray_workers import RanksLost, _cause

# As PyTorch, NCCL, CUDA and gloo print them.
GONE = [
    "Connection closed by peer [127.0.0.1]:41372",
    "NCCL error in: ProcessGroupNCCL.cpp:3690, remote process exited or there was a network error, NCCL "
    "version 2.27.5\nncclRemoteError: A call failed possibly due to a network error or a remote process "
    "exiting prematurely.",
    "[Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=41, OpType=ALLREDUCE) ran for "
    "600026 milliseconds before timing out.",
    "NCCL communicator was aborted on rank 2.",
    "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.",
    "CUDA error: uncorrectable ECC error encountered\nCUDA kernel errors might be asynchronously reported",
]
FULL = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.02 "
    "GiB is free. Of the allocated memory 75.31 GiB is allocated by PyTorch, and 1.20 GiB is reserved by "
    "PyTorch but unallocated."
)
BUGS = [
    "CUDA error: device-side assert triggered",
    "shape '[2, 3]' is invalid for input of size 5",
    "KeyError: 'x'",
]


PLANNED = {"parameters": 16 << 30, "activations": 40 << 30, "logits": 0, "states": 20 << 30, "peak": 61 << 30}


def told(*causes: BaseException) -> BaseException:
    failed = WorkerGroupError("ranks failed", dict(enumerate(causes)))  # type: ignore[arg-type]
    return _cause(failed, lambda: PLANNED)


@pytest.mark.parametrize("message", GONE)
def test_a_rank_that_lost_another_is_started_again(message: str) -> None:
    assert is_loss(message)
    assert not is_full(message)
    assert isinstance(told(RuntimeError(message), RuntimeError(message)), RanksLost)
    assert isinstance(known_failure(RuntimeError(message), dict), EnvironmentFailure), "by torchrun"


def test_full_memory_is_one_message_with_what_helps_and_no_restart() -> None:
    others = RuntimeError(GONE[1])  # the other rank only lost its neighbour
    cause = told(others, torch.OutOfMemoryError(FULL))
    assert isinstance(cause, GateError)
    assert (
        "(allocated 75.31 GiB of 79.11 GiB); planned were 61.00 GiB at most: activations 40.00 GiB, "
        "parameters 16.00 GiB; in this order would help: "
    ) in str(cause)
    order = [
        "micro_batch_size",
        "activation_checkpointing",
        "max_logits_mb",
        "offload_optimizer",
        "num_workers",
    ]
    assert str(known_failure(torch.OutOfMemoryError(FULL), lambda: PLANNED)) == str(cause), "by torchrun"
    places = [str(cause).index(word) for word in order]
    assert places == sorted(places)


def test_without_a_plan_the_advice_is_the_same() -> None:
    with_plan, without = memory_advice(FULL, PLANNED), memory_advice(FULL, {})
    assert without == re.sub(r"; planned were [^;]*", "", with_plan)


@pytest.mark.parametrize("message", BUGS)
def test_a_bug_stays_one(message: str) -> None:
    assert not is_loss(message)
    assert not is_full(message)
    assert isinstance(told(RuntimeError(message)), WorkerGroupError)
    assert known_failure(RuntimeError(message), dict) is None
