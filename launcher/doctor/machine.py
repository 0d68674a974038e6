"""What this machine gives a run: cores, memory, disk, files, network. Each function reads one thing.

`root` is where the system's own folders hang; tests hang small ones elsewhere. Standard library only.
"""

import os
import resource
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from hunmin.errors import EnvironmentFailure, HunminError, InputError
from hunmin.limits import machine_memory, usable_cores
from launcher.cluster.ray_address import require_answer
from launcher.cluster.ray_folder import folder_for_sockets
from launcher.doctor.findings import GIB, Finding, gib

SECTION = "machine"
MIN_MEMORY = 4 * GIB
MIN_SHM = 1 * GIB  # Docker gives 64 MiB
MIN_DISK = 10 * GIB
MIN_TEMP = 5 * GIB
MIN_FILES = 4096


def machine_probes(run_folder: Path, *, root: Path = Path("/")) -> dict[str, Callable[[], list[Finding]]]:
    """All findings of this file, each to be asked for on its own: one may fail where the next does not."""
    runs_cure, temp_cure = (
        "name a larger disk: export HUNMIN_RUNS=/path/to/runs",
        "export TMPDIR=/path/to/larger/disk",
    )
    return {
        "CPU cores": lambda: [cores(root)],
        "memory": lambda: [memory(root)],
        "shared memory": lambda: [shared_memory(root)],
        "disk for runs": lambda: [disk("disk for runs", run_folder, MIN_DISK, runs_cure)],
        "temporary folder": lambda: [
            disk("temporary folder", Path(tempfile.gettempdir()), MIN_TEMP, temp_cure)
        ],
        "folder for sockets": lambda: [ray_files()],
        "RAY_ADDRESS": ray_address,
        "open files": lambda: [open_files()],
        "network": lambda: network(root),
    }


def cores(root: Path = Path("/")) -> Finding:
    """Cores; a config asks for two unless told otherwise."""
    usable, limits = usable_cores(root)
    found = f"{usable:g} usable ({', '.join(limits)})"
    if usable >= 2:
        return Finding(SECTION, "CPU cores", "ok", found)
    cure = "hunmin run CONFIG cluster.num_cpus=1 cluster.num_workers=1 eval.num_actors=1"
    return Finding(SECTION, "CPU cores", "warning", f"{found}; configs ask for 2 by default", cure)


def memory(root: Path = Path("/")) -> Finding:
    """Memory, with the cgroup's limit."""
    sizes = machine_memory(root)
    if sizes is None:
        return Finding(SECTION, "memory", "ok", "not known (no /proc/meminfo)")
    total, usable, free = sizes.machine, sizes.usable, sizes.free
    found = f"{gib(usable)}, {gib(free)} of them free"
    if usable < total:
        found = f"{gib(usable)} by cgroup or SLURM limit (the machine has {gib(total)})"
    if usable >= MIN_MEMORY:
        return Finding(SECTION, "memory", "ok", found)
    cure = "hunmin run CONFIG cluster.num_workers=1 eval.num_actors=1 eval.batch_size=8"
    return Finding(SECTION, "memory", "warning", f"{found}; less than {gib(MIN_MEMORY)}", cure)


def shared_memory(root: Path = Path("/")) -> Finding:
    """The shared memory that Ray's object store lives in; where it is small Ray falls back to the disk."""
    shm = root / "dev/shm"
    if not shm.is_dir():
        return Finding(SECTION, "shared memory", "warning", "no /dev/shm; Ray's object store uses the disk")
    size = shutil.disk_usage(shm).total
    if size >= MIN_SHM:
        return Finding(SECTION, "shared memory", "ok", f"/dev/shm {gib(size)}")
    found = f"/dev/shm {gib(size)}; Ray's object store falls back to the disk"
    return Finding(SECTION, "shared memory", "warning", found, "docker run --shm-size=4g …")


def disk(what: str, folder: Path, least: int, cure: str) -> Finding:
    """Free space where a folder is or will be, and whether it may be written."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(SECTION, what, "missing", f"{folder}: {there} may not be written", cure)
    free = shutil.disk_usage(there).free
    found = f"{folder}: {gib(free)} free"
    if free < least:
        return Finding(SECTION, what, "warning", f"{found}; less than {gib(least)}", cure)
    return Finding(SECTION, what, "ok", found)


def ray_files() -> Finding:
    """Whether a folder takes Ray's token and sockets; asked of the function that a run asks."""
    try:
        folder = folder_for_sockets()
    except EnvironmentFailure as error:
        return Finding(SECTION, "Ray's files", "missing", str(error), "export TMPDIR=/a/short/path")
    return Finding(SECTION, "Ray's files", "ok", f"{folder} takes a private token, sockets fit below it")


def ray_address() -> list[Finding]:
    """Whether a Ray answers at RAY_ADDRESS, where one is set; asked of the function that a run asks."""
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        return []
    try:
        require_answer(address)
    except HunminError as error:
        status = "wrong" if isinstance(error, InputError) else "missing"
        return [Finding(SECTION, "RAY_ADDRESS", status, str(error), "unset RAY_ADDRESS")]
    return [Finding(SECTION, "RAY_ADDRESS", "ok", f"a Ray answers at {address}")]


def open_files() -> Finding:
    """The limit of open files; Ray opens many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    found = "no limit" if soft == unlimited else f"limit {soft}"
    if soft == unlimited or soft >= MIN_FILES:
        return Finding(SECTION, "open files", "ok", found)
    best = 65536 if hard == unlimited else min(hard, 65536)
    return Finding(SECTION, "open files", "warning", f"{found}; Ray wants {MIN_FILES}", f"ulimit -n {best}")


def network(root: Path = Path("/")) -> list[Finding]:
    """Whether the host's name resolves, and which interface gloo would take from it."""
    name = socket.gethostname()
    named = os.environ.get("GLOO_SOCKET_IFNAME")
    known = [entry for _, entry in socket.if_nameindex()]
    try:
        address = socket.getaddrinfo(name, None, proto=socket.IPPROTO_TCP)[0][4][0]
    except OSError as error:
        cure = f'echo "127.0.1.1 {name}" | sudo tee -a /etc/hosts'
        host = Finding(SECTION, "host name", "warning", f"{name} does not resolve ({error})", cure)
        address = None
    else:
        host = Finding(SECTION, "host name", "ok", f"{name} is {address}")
    what = "gloo's interface"
    if named is not None and named not in known:
        found = f"GLOO_SOCKET_IFNAME is {named}, there are {', '.join(known)}"
        return [host, Finding(SECTION, what, "missing", found, f"export GLOO_SOCKET_IFNAME={known[-1]}")]
    if named is not None:
        return [host, Finding(SECTION, what, "ok", f"{named} (GLOO_SOCKET_IFNAME)")]
    if address is None:
        found = f"not known without the host's name; there are {', '.join(known)}"
        return [host, Finding(SECTION, what, "warning", found, f"export GLOO_SOCKET_IFNAME={known[0]}")]
    interface = _interface_of(str(address), known)
    if interface is None:
        others = [entry for entry in known if entry != "lo"] or known
        found = f"none of {', '.join(known)} has the address {address} of the host's name"
        cure = f"export GLOO_SOCKET_IFNAME={others[0]}"
        return [host, Finding(SECTION, what, "warning", found, cure)]
    alone = " (this machine only; torchrun on several needs GLOO_SOCKET_IFNAME)" if interface == "lo" else ""
    return [host, Finding(SECTION, what, "ok", f"{interface}, {address}{alone}")]


def _interface_of(address: str, known: list[str]) -> str | None:
    """The interface that has an address."""
    if address.startswith("127.") or address == "::1":
        return "lo" if "lo" in known else None
    import fcntl
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        for name in known:
            try:
                packed = fcntl.ioctl(one, 0x8915, struct.pack("256s", name.encode()[:15]))  # SIOCGIFADDR
            except OSError:
                continue
            if socket.inet_ntoa(packed[20:24]) == address:
                return name
    return None
