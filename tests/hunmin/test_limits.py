"""Cores and memory within cgroups of both versions and SLURM's allotment."""

from pathlib import Path

import pytest

from hunmin.limits import MIB, cpu_quota, machine_memory, usable_cores

GIB = 2**30
MEMINFO = {"proc/meminfo": "MemTotal: 67108864 kB\nMemAvailable: 33554432 kB\n"}  # 64 and 32 GiB
VERSION_2 = {
    "proc/self/cgroup": "0::/user/job\n",
    "sys/fs/cgroup/user/job/cpu.max": "max 100000\n",
    "sys/fs/cgroup/user/cpu.max": "150000 100000\n",
    "sys/fs/cgroup/user/job/memory.max": f"{4 * GIB}\n",
    "sys/fs/cgroup/user/job/memory.current": f"{3 * GIB}\n",
    "sys/fs/cgroup/user/job/memory.stat": f"anon 1\ninactive_file {GIB}\n",
    "sys/fs/cgroup/user/memory.max": "max\n",
}
VERSION_1 = {
    "proc/self/cgroup": "4:cpu,cpuacct:/job\n3:memory:/job\n",
    "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "150000\n",
    "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
    "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{4 * GIB}\n",
    "sys/fs/cgroup/memory/job/memory.usage_in_bytes": f"{3 * GIB}\n",
    "sys/fs/cgroup/memory/job/memory.stat": f"inactive_file 5\ntotal_inactive_file {GIB}\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
}


def hang(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(autouse=True)
def _outside_of_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_CPUS_ON_NODE", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("files", [VERSION_2, VERSION_1], ids=["version 2", "version 1"])
def test_cgroup_limits_count(tmp_path: Path, files: dict[str, str]) -> None:
    root = hang(tmp_path, files | MEMINFO)
    assert cpu_quota(root) == 1.5
    found = machine_memory(root)
    assert found is not None
    assert (found.machine, found.usable) == (64 * GIB, 4 * GIB)
    assert found.free == 2 * GIB, "files that may be dropped from memory are free"


def test_without_a_limit_the_machine_counts(tmp_path: Path) -> None:
    found = machine_memory(hang(tmp_path, MEMINFO))
    assert found is not None
    assert (found.machine, found.usable, found.free) == (64 * GIB, 64 * GIB, 32 * GIB)
    assert machine_memory(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    ("told", "usable"),
    [
        ({"SLURM_MEM_PER_NODE": "8192"}, 8 * GIB),
        ({"SLURM_MEM_PER_NODE": "0"}, 64 * GIB),
        ({"SLURM_MEM_PER_CPU": "1000", "SLURM_CPUS_ON_NODE": "4"}, 4000 * MIB),
    ],
)
def test_slurm_allots_memory(
    told: dict[str, str], usable: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    found = machine_memory(hang(tmp_path, MEMINFO))
    assert found is not None
    assert found.usable == usable
    assert found.free <= usable


def test_slurm_allots_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "1")
    cores, limits = usable_cores(tmp_path)
    assert cores == 1
    assert limits[-1] == "1 by SLURM" or limits == ["1 in the machine"]
