"""The one rank contract, and everything ranks say to each other. The only file with torch.distributed.

A starter sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT; torchrun, srun and Ray Train do.
"""

import hashlib
import os
import random
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import psutil
import torch
import torch.distributed as dist

from hunmin.errors import ConfigError, InputError
from hunmin.limits import usable_cores

_MAX_HOST_BYTES = 64  # HOST_NAME_MAX of Linux
CONTRACT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# Read by cuBLAS when a process first uses a GPU, and by transformers at each call of flash-attn.
DETERMINISTIC = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "FLASH_ATTENTION_DETERMINISTIC": "1"}


@dataclass(frozen=True)
class Rank:
    """A process among the ranks of a run."""

    index: int
    world_size: int
    device: torch.device
    num_threads: int
    hosts: tuple[str, ...] = ()  # by rank; told, never compared
    neighbours: int = 1  # ranks on this machine, this one included
    precision: str = "auto"  # of train.precision
    sequence_parallel_size: int = 1  # ranks that share the tokens of a pack: neighbours
    chosen: tuple[tuple[str, object], ...] = ()  # what the machine chose of the `train` section

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that writes what is written once."""
        return self.index == 0

    @property
    def dtype(self) -> torch.dtype:
        """What forward and backward compute in; with bf16, master weights are fp32."""
        return dtype_of(self.precision, self.device.type)

    @property
    def num_groups(self) -> int:
        """Groups of ranks that share packs; without sequence parallelism each rank is one."""
        return self.world_size // self.sequence_parallel_size

    @property
    def group_index(self) -> int:
        """Which group this rank is in."""
        return self.index // self.sequence_parallel_size

    @property
    def shard_index(self) -> int:
        """Which slice of a pack's tokens is this rank's."""
        return self.index % self.sequence_parallel_size

    def sequence_group(self) -> dist.ProcessGroup:
        """The ranks that share packs with this one. Collective: every rank makes every group."""
        size = self.sequence_parallel_size
        groups = [
            dist.new_group(list(range(first, first + size))) for first in range(0, self.world_size, size)
        ]
        mine = groups[self.group_index]
        assert isinstance(mine, dist.ProcessGroup), "a rank is in its own group"
        return mine

    @property
    def description(self) -> dict[str, object]:
        """What results depend on, up to float reordering; and where the ranks were."""
        return {
            "world_size": self.world_size,
            "device": self.device.type,
            "dtype": str(self.dtype).removeprefix("torch."),
            "num_threads": self.num_threads,
            "hosts": list(self.hosts),
            **dict(self.chosen),
        }

    def gather_hosts(self) -> tuple[str, ...]:
        """The host name of every rank; equal on all ranks. Collective."""
        return self.gather_texts(socket.gethostname(), max_bytes=_MAX_HOST_BYTES)

    def gather_texts(self, text: str, *, max_bytes: int = 512) -> tuple[str, ...]:
        """Everyone's text, cut to max_bytes of UTF-8; equal on all ranks. Collective."""
        rows = self.gather(list(text.encode()[:max_bytes].ljust(max_bytes, b"\0")))
        return tuple(bytes(row.astype(np.uint8)).rstrip(b"\0").decode(errors="replace") for row in rows)

    def gather(self, values: Sequence[float]) -> np.ndarray:
        """Everyone's values, float64 (world_size, len(values)); equal on all ranks. Collective."""
        mine = torch.tensor(values, dtype=torch.float64, device=self.device)
        return self.gather_tensors(mine).cpu().numpy()

    def gather_tensors(self, mine: torch.Tensor) -> torch.Tensor:
        """Everyone's tensors on this rank's device (world_size, ...), which a GPU's rank does not wait for.
        Collective.
        """
        everyone = [torch.empty_like(mine) for _ in range(self.world_size)]
        dist.all_gather(everyone, mine)
        return torch.stack(everyone)

    def add_up(self, tensor: torch.Tensor) -> None:
        """Everyone's tensors summed, in place. Collective."""
        dist.all_reduce(tensor)

    def from_first(self, data: bytes) -> bytes:
        """The first rank's bytes; what the others bring is not looked at. Collective."""
        size = torch.tensor([len(data)], device=self.device)
        dist.broadcast(size, src=0)
        told = torch.empty(int(size), dtype=torch.uint8, device=self.device)
        if self.is_first:
            told.copy_(torch.from_numpy(np.frombuffer(data, np.uint8).copy()))
        dist.broadcast(told, src=0)
        return told.cpu().numpy().tobytes()

    def barrier(self) -> None:
        """Wait until every rank is here. Collective."""
        self.gather([0.0])


def dtype_of(precision: str, device_type: str) -> torch.dtype:
    """The precision of train.precision; auto: bf16 on a GPU, else fp32."""
    if precision == "auto":
        precision = "bf16" if device_type == "cuda" else "fp32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


@contextmanager
def join_ranks(
    *,
    timeout_s: float,
    precision: str = "auto",
    sequence_parallel_size: int = 1,
    deterministic: bool = True,
) -> Iterator[Rank]:
    """Meet the other ranks, stay together for the block, part.

    A rank that does not answer a collective for `timeout_s` is taken for dead.

    Args:
        deterministic: only operations whose sums are the same in every run; on a GPU slower ones.

    Raises:
        InputError: a variable of the contract is missing.
        ConfigError: the ranks do not divide into groups of sequence_parallel_size.
    """
    missing = [name for name in CONTRACT if name not in os.environ]
    if missing:
        raise InputError(
            f"{', '.join(missing)} not set: a rank must know its place; start it with: "
            "torchrun --nproc-per-node N -m trainer RUN_DIR"
        )
    if deterministic:
        os.environ.update(DETERMINISTIC)
    device = _device(int(os.environ["LOCAL_RANK"]))
    ours = not dist.is_initialized()  # Ray Train has made the group already
    if ours:
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=timedelta(seconds=timeout_s))
    try:
        me = Rank(dist.get_rank(), dist.get_world_size(), device, num_threads=1)
        if me.world_size % sequence_parallel_size:
            raise ConfigError(
                f"train.sequence_parallel_size is {sequence_parallel_size}, which does not divide "
                f"{me.world_size} ranks; change it, or cluster.num_workers"
            )
        neighbours = _count_neighbours(me)
        num_threads = _share_of_cores(neighbours)
        torch.set_num_threads(num_threads)
        _set_deterministic(deterministic)
        yield replace(
            me,
            num_threads=num_threads,
            neighbours=neighbours,
            hosts=me.gather_hosts(),
            precision=precision,
            sequence_parallel_size=sequence_parallel_size,
        )
    finally:
        if ours:
            dist.destroy_process_group()


def seed_everything(*parts: int) -> None:
    """Seed torch, numpy and random by a tuple such as (seed, step, rank)."""
    value = int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big")
    torch.manual_seed(value)
    np.random.seed(value % 2**32)  # for libraries that draw from the global generator
    random.seed(value)


def _device(local_rank: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # A starter may show each rank one GPU only (Ray does) or all of them (torchrun does).
    device = torch.device("cuda", local_rank % torch.cuda.device_count())
    torch.cuda.set_device(device)
    return device


def use_interface_of(ip: str) -> None:
    """Tell gloo and nccl to use the network interface with this address, unless the user named one.

    On their own they take the one that the host's name leads to, or the first that is up; on a host with
    several networks that need not be the one on which the ranks reach each other.
    """
    for name, addresses in psutil.net_if_addrs().items():
        if any(address.address == ip for address in addresses):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
            os.environ.setdefault("NCCL_SOCKET_IFNAME", f"={name}")  # exactly this one, not a prefix
            return


def _count_neighbours(me: Rank) -> int:
    """Ranks on this machine, this one included. Collective.

    A machine is told by its boot, not by its name: containers of one machine have names of their own, and
    share its cores and memory.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    machine = int.from_bytes(hashlib.sha256(boot.encode()).digest()[:6], "big")
    return int((me.gather([machine])[:, 0] == machine).sum())


def _share_of_cores(neighbours: int) -> int:
    """Threads for this rank: the machine's usable cores over the ranks on it. More made it 4x slower."""
    cores, _ = usable_cores()
    return max(1, int(cores) // neighbours)


def _set_deterministic(mode: bool) -> None:
    # Not warn_only, with which SDPA's backward on a GPU keeps its faster kernels and their changing sums.
    torch.use_deterministic_algorithms(mode)
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010  costs time
