"""A real SLURM on one machine: munged, slurmctld and N slurmd, every node in namespaces of its own.

Each node has its own network address, host name, processes, /tmp and /dev/shm; the rest of the disk is
shared, as on a cluster with a shared file system. A node is one process, the first of its process namespace,
so killing it ends all that ran there, and its network interfaces with it. Needs root.

`python slurm_cluster.py ROLE ROOT ADDRESS` is that first process; tests use `SlurmCluster`.
"""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAMS = {  # program: Debian package
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "munged": "munge",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}
PLUGINS = Path("/usr/lib") / f"{os.uname().machine}-linux-gnu" / "slurm-wlm"
NAMESPACES = ("--net", "--uts", "--ipc", "--pid", "--mount")
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
CONTROLLER = "10.77.0.1"
START_LIMIT_S = 60.0

SLURM_CONF = """\
ClusterName=hunmintest
SlurmctldHost=login({controller})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5,socket={root}/run/munge.sock
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/slurmd-%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1000
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0,batch_sched_delay=0
ReturnToService=1
SlurmctldTimeout=10
SlurmdTimeout=30
KillWait=30
MinJobAge=3600
PropagateResourceLimits=NONE
AccountingStorageType=accounting_storage/none
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=30 State=UP
"""


@functools.cache
def missing_for_slurm() -> str | None:
    """Why there can be no cluster here, or None."""
    if os.geteuid() != 0:
        return "a real SLURM in namespaces needs root"
    packages = [package for name, package in PROGRAMS.items() if not shutil.which(name, path=SYSTEM_PATH)]
    if not PLUGINS.is_dir():
        packages.append("slurm-wlm-basic-plugins")
    if packages:
        return f"needs the system packages {' '.join(dict.fromkeys(packages))}"
    cable = (
        "ip link add br0 type bridge && ip link add v0 type veth peer name v1 && ip link set v0 master br0"
    )
    mounts = "mount --make-rprivate / && mount -t tmpfs tmpfs /dev/shm && mount -t proc proc /proc"
    tried = subprocess.run(
        ["unshare", *NAMESPACES, "--fork", "sh", "-c", f"hostname n0 && {mounts} && {cable}"],
        env=os.environ | {"PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"no namespaces with a network here: {tried.stderr.strip()}" if tried.returncode else None


class SlurmCluster:
    """A running cluster; `close` leaves nothing of it. Nodes are n1, n2, ...; commands run on `login`."""

    HUNMIN = (sys.executable, "-m", "launcher")

    def __init__(self, num_nodes: int, *, cpus: int = 2, memory_mb: int = 6000):
        self._links_before = _links()
        self.root = Path(tempfile.mkdtemp(prefix="hm-slurm-", dir="/tmp"))  # short: sockets lie below
        self.shared = self.root / "shared"  # for runs; the rest of /tmp is private to each node
        self.nodes = {f"n{i}": f"10.77.0.{10 + i}" for i in range(1, num_nodes + 1)}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._inits: dict[str, int] = {}
        self._write_files(cpus, memory_mb)
        try:
            self._start("login", CONTROLLER)
            for name, address in self.nodes.items():
                self._start(name, address)
                self._connect(name)
            self._wait_until_idle()
        except BaseException:
            self.close()
            raise

    def _write_files(self, cpus: int, memory_mb: int) -> None:
        self.root.chmod(0o755)  # munged wants its socket reachable for everyone
        for name in ("etc", "run", "log", "state", "shared"):
            (self.root / name).mkdir(mode=0o755)
        key = self.root / "etc" / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        lines = [
            f"NodeName={name} NodeAddr={address} CPUs={cpus} RealMemory={memory_mb} State=UNKNOWN"
            for name, address in self.nodes.items()
        ]
        conf = SLURM_CONF.format(root=self.root, controller=CONTROLLER, nodes="\n".join(lines))
        self.conf.write_text(conf)
        (self.root / "etc" / "cgroup.conf").write_text("CgroupAutomount=no\nIgnoreSystemd=yes\n")
        names = {"localhost": "127.0.0.1", "login": CONTROLLER, **self.nodes}
        # As on Debian, a host finds its own name on its loopback alone.
        for own in ("login", *self.nodes):
            known = names | ({} if own == "login" else {own: "127.0.1.1"})
            hosts = "".join(f"{address} {name}\n" for name, address in known.items())
            (self.root / "etc" / f"hosts-{own}").write_text(hosts)
        # A name that is not in hosts fails at once: c10d asks for the name of every peer.
        (self.root / "etc" / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")

    @property
    def conf(self) -> Path:
        """The cluster's slurm.conf."""
        return self.root / "etc" / "slurm.conf"

    def _start(self, name: str, address: str) -> None:
        log = (self.root / "log" / f"{name}.out").open("wb")
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES, "--fork", "--kill-child=KILL"]
        command += [sys.executable, __file__, name, str(self.root), address]
        with log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment()
            )
        self._processes[name] = process
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        self._wait(f"{name} to start", lambda: bool(children.read_text().split()))
        self._inits[name] = int(children.read_text().split()[0])
        self._wait(f"{name} to be set up", (self.root / "run" / f"{name}.ready").exists)

    def _connect(self, name: str) -> None:
        """A cable from the node to the bridge in the login node."""
        link = f"ip link add v-{name} type veth peer name eth0 netns {self._inits[name]}"
        script = f"{link} && ip link set v-{name} master br0 up"
        subprocess.run(["nsenter", "-t", str(self._inits["login"]), "--net", "sh", "-c", script], check=True)

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "RAY_", "HUNMIN_"))}
        munge = str(self.root / "run" / "munge.sock")
        return kept | {"SLURM_CONF": str(self.conf), "MUNGE_SOCKET": munge}

    def _wait(self, what: str, done, limit_s: float = START_LIMIT_S) -> None:
        deadline = time.monotonic() + limit_s
        while not done():
            dead = [name for name, process in self._processes.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                logs = [p for p in sorted((self.root / "log").iterdir()) if p.is_file()]
                tails = "\n".join(f"{p.name}: {p.read_text(errors='replace')[-600:]}" for p in logs)
                raise RuntimeError(f"SLURM: waited for {what}; ended: {dead or 'none'}\n{tails}")
            time.sleep(0.02)

    def _wait_until_idle(self) -> None:
        def idle() -> bool:
            states = self.run(["sinfo", "-h", "-N", "-o", "%T"]).stdout.split()
            return states == ["idle"] * len(self.nodes)

        self._wait("idle nodes", idle)

    def run(
        self, command: Sequence[object], *, node: str = "login", timeout_s: float = 300, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """A command on a node, with the checkout as its working folder."""
        enter = ["nsenter", "-t", str(self._inits[node]), *NAMESPACES, f"--wd={CHECKOUT}", "--"]
        return subprocess.run(
            [*enter, *map(str, command)],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env=self._environment() | env,
        )

    def hunmin(self, *args: object, timeout_s: float = 300, **env: str) -> subprocess.CompletedProcess[str]:
        """A hunmin command on the login node."""
        return self.run([*self.HUNMIN, *args], timeout_s=timeout_s, **env)

    def job(self, job_id: str) -> dict[str, str]:
        """What SLURM knows of a job: JobState, ExitCode, ..."""
        shown = self.run(["scontrol", "show", "job", "-o", job_id]).stdout
        return dict(item.split("=", 1) for item in shown.split() if "=" in item)

    def processes(self) -> list[int]:
        """Processes of the nodes beside the daemons' own: what jobs have left running."""
        found = []
        for status in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"SLURM_CONF={self.conf}".encode() in status.read_bytes().split(b"\0"):
                    environment = status.read_bytes()
                    if b"SLURM_JOB_ID=" in environment:
                        found.append(int(status.parent.name))
            except OSError:
                continue
        return found

    def close(self) -> None:
        """End every node, and what ran there, and remove the folder."""
        for process in self._processes.values():
            process.kill()  # with it its child, the first of the node, and so all of the node
        for name, process in self._processes.items():
            process.wait(timeout=30)
            init = self._inits.get(name)
            deadline = time.monotonic() + 30
            while init is not None and _alive(init) and time.monotonic() < deadline:
                time.sleep(0.02)
        shutil.rmtree(self.root, ignore_errors=True)

    def leftovers(self) -> list[str]:
        """What `close` should have removed and did not."""
        left = [f"process {pid} of {name}" for name, pid in self._inits.items() if _alive(pid)]
        left += [f"process {pid}" for pid in self.processes()]
        if self.root.exists():
            left.append(str(self.root))
        return left + [f"network link {name}" for name in sorted(_links() - self._links_before)]


def _links() -> set[str]:
    """The network interfaces of this machine."""
    return {path.name for path in Path("/sys/class/net").iterdir()}


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # the first process of a machine may reap late


def _call(*command: object) -> None:
    subprocess.run([*map(str, command)], check=True)


def be_node(name: str, root: Path, address: str) -> None:
    """The first process of a node: its mounts, its name, its daemons; then it reaps orphans."""
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    _call("hostname", name)
    _call("mount", "--make-rprivate", "/")
    _call("mount", "--bind", root / "etc" / f"hosts-{name}", "/etc/hosts")
    _call("mount", "--bind", root / "etc" / "resolv.conf", "/etc/resolv.conf")
    _private_tmp(name, root)
    _call("mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", "/dev/shm")
    _call("mount", "-t", "proc", "proc", "/proc")
    _call("ip", "link", "set", "lo", "up")
    if name == "login":
        _call("ip", "link", "add", "br0", "type", "bridge")
    (root / "run" / f"{name}.ready").touch()
    interface = "br0" if name == "login" else "eth0"
    while subprocess.run(["ip", "link", "show", interface], capture_output=True).returncode:
        time.sleep(0.02)
    _call("ip", "addr", "add", f"{address}/24", "dev", interface)
    _call("ip", "link", "set", interface, "up")
    if name == "login":
        run = root / "run"
        _spawn(
            *("munged", "--foreground", f"--key-file={root}/etc/munge.key", f"--socket={run}/munge.sock"),
            *(f"--pid-file={run}/munged.pid", f"--log-file={root}/log/munged.log"),
            f"--seed-file={run}/munge.seed",
        )
        while not (run / "munge.sock").exists():
            time.sleep(0.02)
        # By these names: slurmctld compares its own with a list, and Debian's real file is slurmctld-wlm.
        _spawn("slurmctld", "-D", "-i", "-f", os.environ["SLURM_CONF"])
    else:
        _spawn("slurmd", "-D", "-N", name, "-f", os.environ["SLURM_CONF"])
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(0.1)


def _private_tmp(name: str, root: Path) -> None:
    """A /tmp that only this node sees, but for the cluster's folder and what Python needs."""
    mine = root / f"tmp-{name}"
    mine.mkdir()
    mine.chmod(0o1777)
    for shared in {root, CHECKOUT, Path(sys.prefix)}:
        if shared.is_relative_to("/tmp"):
            inside = mine / shared.relative_to("/tmp")
            inside.mkdir(parents=True, exist_ok=True)
            _call("mount", "--bind", shared, inside)
    _call("mount", "--rbind", mine, "/tmp")


def _spawn(*command: str) -> None:
    subprocess.Popen(command, start_new_session=True)


if __name__ == "__main__":
    be_node(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
