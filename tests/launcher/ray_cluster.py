"""A Ray cluster of two nodes on one machine, as `ray start` brings it up; nothing of it is left behind."""

import contextlib
import functools
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import ray

CHECKOUT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 120.0


@functools.cache
def can_hide() -> bool:
    """Whether a process can have mounts of its own here: root, with the capability for it."""
    tried = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0"', tempfile.gettempdir()]
    return bool(shutil.which("unshare")) and not subprocess.run(tried, capture_output=True).returncode


class RayCluster:
    """Two raylets with a dashboard. The second sees nothing below `hidden` where `can_hide`."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="hm-ray-", dir="/tmp"))  # short: sockets lie below
        self.hidden = self.root / "hidden"
        self.hidden.mkdir()
        token = self.root / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "HUNMIN_", "SLURM_"))}
        self.environment = kept | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        port, dashboard, client = free_ports(3)
        self.address = f"http://127.0.0.1:{dashboard}"
        self._processes: list[subprocess.Popen[bytes]] = []
        head = ["--head", f"--port={port}", "--include-dashboard=true", f"--dashboard-port={dashboard}"]
        try:
            self._start("head", [*head, f"--ray-client-server-port={client}"], prefix=[])
            self._wait_for(("127.0.0.1", dashboard))
            hide = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {self.hidden} && exec "$@"', "sh"]
            own = ray.util.get_node_ip_address()  # what Ray puts in the place of the loopback
            self._start("second", [f"--address={own}:{port}"], prefix=hide if can_hide() else [])
            self._wait_for_nodes(2)
        except BaseException:
            self.close()
            raise

    def _start(self, name: str, where: list[str], *, prefix: list[str]) -> None:
        (agent,) = free_ports(1)
        temp = self.root / name
        command = [*prefix, sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *where]
        command += [f"--temp-dir={temp}", "--num-cpus=1", "--num-gpus=0", "--object-store-memory=200000000"]
        command += ["--min-worker-port=0", "--max-worker-port=0", f"--dashboard-agent-listen-port={agent}"]
        with (self.root / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, env=self.environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._processes.append(process)

    def _wait_for(self, place: tuple[str, int]) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(place) == 0:
                    return
            self._check(deadline)

    def _wait_for_nodes(self, count: int) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while self.run("ray", "list", "nodes", "--address", self.address).stdout.count("ALIVE") < count:
            self._check(deadline)

    def _check(self, deadline: float) -> None:
        logs = "\n".join(path.read_text(errors="replace")[-1500:] for path in self.root.glob("*.log"))
        if any(process.poll() is not None for process in self._processes) or time.monotonic() > deadline:
            raise RuntimeError(f"Ray did not come up:\n{logs}")
        time.sleep(0.5)

    def run(self, *command: object, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """A command of a user of this cluster, in the checkout."""
        return subprocess.run(
            [*map(str, command)],
            cwd=CHECKOUT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    def hunmin(self, *args: object) -> subprocess.CompletedProcess[str]:
        """A hunmin command."""
        return self.run(sys.executable, "-m", "launcher", *args)

    def close(self) -> None:
        """End both nodes by their ids: `ray stop` would end every Ray of the machine."""
        tree = [
            member
            for process in self._processes
            if process.poll() is None
            for member in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        ]
        for member in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        for process in self._processes:
            process.wait()
        psutil.wait_procs(tree, timeout=30)
        shutil.rmtree(self.root, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Ports that nobody holds."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("0.0.0.0", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
