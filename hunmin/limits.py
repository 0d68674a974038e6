"""What this process may use of its machine: cores and memory, within affinity, cgroups and SLURM's --mem.

`root` is where the system's own folders hang; tests hang small ones elsewhere. Standard library only.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
NO_LIMIT = 1 << 60  # version 1 writes a huge number where it sets none
MIB = 2**20


@dataclass(frozen=True)
class MachineMemory:
    """Bytes: of the machine, what of it this process may use, and what of that is free now."""

    machine: int
    usable: int
    free: int


def usable_cores(root: Path = ROOT) -> tuple[float, list[str]]:
    """Cores that this process may use, and what limits them in words."""
    machine = os.cpu_count() or 1
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    usable, limits = float(mine), [f"{machine} in the machine"]
    if mine < machine:
        limits.append(f"{mine} by affinity")
    for limit, name in ((cpu_quota(root), "cgroup quota"), (_slurm_cores(), "SLURM")):
        if limit is not None and limit < usable:
            usable = limit
            limits.append(f"{limit:g} by {name}")
    return usable, limits


def machine_memory(root: Path = ROOT) -> MachineMemory | None:
    """The memory of this process' machine; None where the system does not tell (no /proc/meminfo)."""
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    sizes = {name: int(value.split()[0]) * 1024 for name, value in (line.split(":", 1) for line in lines)}
    machine = sizes["MemTotal"]
    free = sizes.get("MemAvailable", machine)
    usable = machine
    for limit, used in _memory_limits(root):
        usable, free = min(usable, limit), min(free, max(0, limit - used))
    return MachineMemory(machine, usable, free)


def cpu_quota(root: Path = ROOT) -> float | None:
    """Cores' worth of time that cgroups (version 1 or 2) give this process; None: as much as there is."""
    quotas = []
    for folder in _cgroup_folders(root, "cpu"):
        quota, period = _words(folder / "cpu.max", 2) or (
            *(_words(folder / "cpu.cfs_quota_us", 1) or ["max"]),
            *(_words(folder / "cpu.cfs_period_us", 1) or ["0"]),
        )
        if quota.isdigit() and int(period):
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _memory_limits(root: Path) -> Iterator[tuple[int, int]]:
    """Bytes that each cgroup above this process, and SLURM, allow, and what is used of them; files that the
    system would drop from memory are not counted as used.
    """
    for folder in _cgroup_folders(root, "memory"):
        for limit_file, used_file in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit = _number(folder / limit_file)
            if limit is not None and limit < NO_LIMIT:
                used = _number(folder / used_file) or 0
                yield limit, max(0, used - _droppable(folder / "memory.stat"))
    if (allotted := _slurm_memory()) is not None:
        yield allotted, 0  # what the job uses of it is known to its cgroup alone


def _droppable(stat: Path) -> int:
    """Bytes of files in memory that nothing holds there."""
    try:
        values = dict(line.split(" ", 1) for line in stat.read_text().splitlines() if " " in line)
    except OSError:
        return 0
    return int(values.get("total_inactive_file", values.get("inactive_file", "0")))


def _cgroup_folders(root: Path, controller: str) -> list[Path]:
    """The folders of this process' cgroup and of all above it, the nearest first."""
    found: list[Path] = []
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / (controller if controllers else "")
        at = top / path.lstrip("/")
        found += [folder for folder in (at, *at.parents) if folder.is_relative_to(top)]
    return found


def _slurm_cores() -> float | None:
    """Cores of this node that SLURM gave the job: not every SLURM binds a job to its cores."""
    told = os.environ.get("SLURM_CPUS_ON_NODE", "")
    return float(told) if told.isdigit() else None


def _slurm_memory() -> int | None:
    """Bytes of this node that --mem or --mem-per-cpu gave the job; 0 there means all of it."""
    of_node, of_cpu = (os.environ.get(f"SLURM_MEM_PER_{what}", "") for what in ("NODE", "CPU"))
    if of_node.isdigit() and int(of_node):
        return int(of_node) * MIB
    cores = _slurm_cores()
    return int(of_cpu) * int(cores) * MIB if of_cpu.isdigit() and int(of_cpu) and cores else None


def _number(path: Path) -> int | None:
    words = _words(path, 1)
    return int(words[0]) if words and words[0].isdigit() else None


def _words(path: Path, count: int) -> list[str] | None:
    try:
        words = path.read_text().split()
    except OSError:
        return None
    return words if len(words) == count else None
