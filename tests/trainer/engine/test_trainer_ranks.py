"""Where a rank is: its network interface, its share of the cores."""

import os

import numpy as np
import pytest
import torch
from rank_helpers import run_ranks

from trainer.engine import ranks
from trainer.engine.ranks import Rank, use_interface_of


@pytest.fixture
def no_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("no_interface")
def test_the_interface_is_the_one_with_the_address() -> None:
    use_interface_of("127.0.0.1")
    assert os.environ["GLOO_SOCKET_IFNAME"] == "lo"
    assert os.environ["NCCL_SOCKET_IFNAME"] == "=lo"


@pytest.mark.usefixtures("no_interface")
def test_what_the_user_named_stays_and_an_unknown_address_names_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_interface_of("203.0.113.7")
    assert "GLOO_SOCKET_IFNAME" not in os.environ
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "ib0")
    use_interface_of("127.0.0.1")
    assert os.environ["GLOO_SOCKET_IFNAME"] == "ib0"


def strictness(deterministic: bool) -> tuple[bool, bool]:
    with ranks.join_ranks(timeout_s=60, deterministic=deterministic):
        told = all(os.environ.get(name) == value for name, value in ranks.DETERMINISTIC.items())
        return torch.are_deterministic_algorithms_enabled(), told


@pytest.mark.parametrize("deterministic", [True, False])
def test_strict_algorithms_are_a_switch(deterministic: bool) -> None:
    assert run_ranks(strictness, 1, deterministic) == [(deterministic, deterministic)]


class ManyRanks(Rank):
    """Eight ranks, four of them on this machine."""

    def gather(self, values):  # type: ignore[no-untyped-def]
        return np.array([list(values)] * 4 + [[0.0] * len(values)] * 4, dtype=np.float64)


@pytest.mark.parametrize(
    ("cores", "allotted", "threads"), [(8, None, 2), (8, "4", 1), (2, None, 1), (64, "32", 8)]
)
def test_a_rank_takes_its_share_of_what_the_job_was_given(
    cores: int, allotted: str | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)
    if allotted:
        monkeypatch.setenv("SLURM_CPUS_ON_NODE", allotted)
    me = ManyRanks(0, 8, torch.device("cpu"), num_threads=1)
    assert ranks._share_of_cores(ranks._count_neighbours(me)) == threads


def test_hosts_are_told_by_rank() -> None:
    hosts = ManyRanks(0, 8, torch.device("cpu"), num_threads=1).gather_hosts()
    assert len(hosts) == 8
    assert hosts[0] == os.uname().nodename[:64]
