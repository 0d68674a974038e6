"""Inside a SLURM allocation: Ray up on every node, `hunmin run` as its driver, all of it down again.

    python -m launcher.cluster.allocation RUN_DIR MAX_REQUEUES [SRUN_FLAG …]   the batch script, on one node
    python -m launcher.cluster.allocation node DIR                            a task of its srun, on each

The nodes meet in DIR, a private folder of the run on the shared disk: the token that every Ray process of the
job must show, and the head's address. A node lives as long as its standard input, which srun brings from the
batch process; so whatever ends that process ends the nodes.

`scancel` sends SIGTERM to every process of the job at once. Ray must outlive the driver, which still saves:
the nodes block the signal, and the driver alone acts on it. Before the time limit SLURM sends SIGUSR1 to the
batch process alone: the run saves in the same way, and the job starts again.
"""

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import psutil

from hunmin.artifact import write_json
from hunmin.errors import EnvironmentFailure, HunminError, InputError, StopRequested
from hunmin.limits import machine_memory
from hunmin.progress import say
from launcher.cluster.job_end import (
    OF_A_HUMAN,
    OF_PREEMPTION,
    OF_THE_LIMIT,
    Attempt,
    Verdict,
    judge,
    progress_of,
)
from launcher.cluster.ray_cluster import use_token_in
from launcher.cluster.ray_folder import folder_for_sockets

START_LIMIT_S = float(os.environ.get("HUNMIN_START_LIMIT_S", "300"))  # Python from a slow disk takes minutes
DRIVER_LIMIT_S = 60.0  # for a driver to end when its Ray is gone


def main(run_dir: Path, max_requeues: int, srun_flags: list[str]) -> int:
    """The batch script: one attempt, and what follows from how it ended. The exit code of the attempt."""
    before = progress_of(run_dir)
    stop = _StopFlag()
    code, lost_hosts = _attempt(run_dir, srun_flags, stop)
    attempts = _note_attempt(
        run_dir,
        Attempt(
            number=int(os.environ.get("SLURM_RESTART_COUNT", "0")),
            exit_code=code,
            stopped_by=stop.by,
            progressed=progress_of(run_dir) != before,
            lost_hosts=lost_hosts,
        ),
    )
    verdict = judge(attempts, max_requeues=max_requeues)
    if verdict.requeue:
        _start_again(verdict)
    elif code:
        say(f"the job does not start again: {verdict.why}")
    return code


def _attempt(run_dir: Path, srun_flags: list[str], stop: "_StopFlag") -> tuple[int, list[str]]:
    """Ray up, the run, all down: the exit code of the driver, or of what went wrong around it; lost hosts."""
    hosts = _hosts_of_job()
    (run_dir / "submit").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=run_dir / "submit", prefix="job-") as folder:  # mode 0700
        meeting = Path(folder)
        token = use_token_in(meeting)
        try:
            _require_shared(run_dir, token, len(hosts), stop)
            return _run_on(hosts, run_dir, meeting, srun_flags, stop), []
        except HunminError as error:
            print(f"hunmin: {error}", file=sys.stderr, flush=True)
            return error.exit_code, _lost_hosts(meeting)


def _note_attempt(run_dir: Path, attempt: Attempt) -> list[Attempt]:
    """The job's attempts up to this one, which stand in RUN/submit/attempts.json by job."""
    path, job_id = run_dir / "submit" / "attempts.json", os.environ["SLURM_JOB_ID"]
    noted = json.loads(path.read_text()) if path.exists() else {}
    noted.setdefault(job_id, []).append(asdict(attempt))
    write_json(path, noted)
    return [Attempt(**one) for one in noted[job_id]]


def _start_again(verdict: Verdict) -> None:
    """Hand the job back to SLURM, which ends this attempt and queues the next."""
    job_id = os.environ["SLURM_JOB_ID"]
    if verdict.exclude:
        say(f"without {', '.join(verdict.exclude)}, lost twice")
        hosts = ",".join(verdict.exclude)
        subprocess.run(["scontrol", "update", f"JobId={job_id}", f"ExcNodeList={hosts}"], check=False)
    say(f"job {job_id} starts again: {verdict.why}")
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # of the requeue itself
    done = subprocess.run(["scontrol", "requeue", job_id], capture_output=True, text=True, check=False)
    if done.returncode:
        say(f"SLURM does not queue it again ({done.stderr.strip()}); submit the same command to continue")


class _StopFlag:
    """A signal that asks for the end: remembered with who sent it, and handed on to the driver."""

    def __init__(self) -> None:
        self.driver: subprocess.Popen[bytes] | None = None
        self.by: str | None = None
        signal.signal(signal.SIGTERM, self._act)
        signal.signal(signal.SIGUSR1, self._act)

    @property
    def is_set(self) -> bool:
        """Whether one has come."""
        return self.by is not None

    def _act(self, number: int, frame: object) -> None:
        if self.by is None:  # the first says why
            near_limit = number == signal.SIGUSR1
            self.by = OF_THE_LIMIT if near_limit else OF_PREEMPTION if _is_preempted() else OF_A_HUMAN
        if self.driver is not None:
            self.driver.terminate()


def _is_preempted() -> bool:
    """Whether SLURM, and no person, ends this job for another's sake."""
    command = ["scontrol", "show", "job", "--oneliner", os.environ["SLURM_JOB_ID"]]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return bool(re.search(r"\bPreemptTime=(?!None|Unknown|\(null\))\S", said))


def _hosts_of_job() -> list[str]:
    command = ["scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def _srun(count: int, *options: str) -> list[str]:
    """One task on each node, with this process's environment whatever SBATCH_EXPORT said."""
    return ["srun", f"--nodes={count}", f"--ntasks={count}", "--export=ALL", *options]


def _require_shared(run_dir: Path, file: Path, count: int, stop: _StopFlag) -> None:
    """Asked before anything comes up, without a Python that might not be there either."""
    script = 'test -e "$0" || echo "$SLURMD_NODENAME"'
    command = [*_srun(count, "--chdir=/"), "sh", "-c", script, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    sys.stderr.write(done.stderr)
    if stop.is_set:
        raise StopRequested("stopped before Ray was up; submit again to continue")
    if done.returncode:
        raise EnvironmentFailure(
            f"srun could not reach every node (exit code {done.returncode}); submit again"
        )
    if unseeing := sorted(done.stdout.split()):
        raise InputError(
            f"host {', '.join(unseeing)} does not see the run folder {run_dir}; name one on a disk that all "
            "nodes share, with --run or HUNMIN_RUNS"
        )


def _run_on(hosts: list[str], run_dir: Path, meeting: Path, srun_flags: list[str], stop: _StopFlag) -> int:
    """Bring Ray up, run hunmin on it, take it down; hunmin's exit code."""
    nodes = _start_nodes(len(hosts), meeting, srun_flags)
    try:
        address = _await_head(nodes, meeting, stop)
        say(f"Ray: head at {address}; {len(hosts)} node(s): {', '.join(hosts)}")
        environment = {"RAY_ADDRESS": address, "HUNMIN_HOSTS": ",".join(hosts)}
        return _drive(run_dir, environment, nodes=nodes, meeting=meeting, stop=stop)
    finally:
        _end_nodes(nodes)


def _start_nodes(count: int, meeting: Path, srun_flags: list[str]) -> subprocess.Popen[bytes]:
    # A node that fails says so in the meeting; were all killed with it, none could clear up after itself.
    command = _srun(count, "--ntasks-per-node=1", "--kill-on-bad-exit=0")
    if cpus := os.environ.get("SLURM_CPUS_PER_TASK"):  # srun no longer takes it from the job
        command.append(f"--cpus-per-task={cpus}")
    command += [*srun_flags, sys.executable, "-m", "launcher.cluster.allocation", "node", str(meeting)]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def _await_head(nodes: subprocess.Popen[bytes], meeting: Path, stop: _StopFlag) -> str:
    deadline = time.monotonic() + START_LIMIT_S
    while (address := _head_address(meeting)) is None:
        if stop.is_set:
            raise StopRequested("stopped before Ray was up; submit again to continue")
        if failed := _failed_hosts(nodes, meeting):
            raise EnvironmentFailure(f"Ray did not come up on {failed}, see above; submit again")
        if time.monotonic() > deadline:
            raise EnvironmentFailure(
                f"Ray did not come up: its head did not answer within {START_LIMIT_S:.0f} s; does every node "
                f"see {meeting.parent}?"
            )
        time.sleep(0.2)
    return address


def _drive(
    run_dir: Path,
    environment: dict[str, str],
    *,
    nodes: subprocess.Popen[bytes],
    meeting: Path,
    stop: _StopFlag,
) -> int:
    """Run hunmin on the Ray that is up; its exit code."""
    command = [sys.executable, "-m", "launcher", "run", str(run_dir / "config.yaml"), "--run", str(run_dir)]
    stop.driver = driver = subprocess.Popen(command, env=os.environ | environment)
    if stop.is_set:
        driver.terminate()
    while driver.poll() is None:
        if not (failed := _failed_hosts(nodes, meeting)):
            time.sleep(0.2)
            continue
        try:
            driver.wait(DRIVER_LIMIT_S)
        except subprocess.TimeoutExpired:
            driver.kill()
            driver.wait()
        if driver.returncode in (0, StopRequested.exit_code):
            break
        raise EnvironmentFailure(
            f"Ray ended on {failed} while the run was going, see above; submit again to continue"
        )
    return driver.returncode if driver.returncode >= 0 else 128 - driver.returncode


def _failed_hosts(nodes: subprocess.Popen[bytes], meeting: Path) -> str:
    """Which nodes are no longer there, in words; empty while all are."""
    return ", ".join(_lost_hosts(meeting)) or ("its nodes" if nodes.poll() is not None else "")


def _lost_hosts(meeting: Path) -> list[str]:
    return sorted(path.name.removeprefix("failed.") for path in meeting.glob("failed.*"))


def _end_nodes(nodes: subprocess.Popen[bytes]) -> None:
    assert nodes.stdin is not None
    nodes.stdin.close()
    try:
        nodes.wait(DRIVER_LIMIT_S)
    except subprocess.TimeoutExpired:
        nodes.kill()  # SLURM ends the step's processes with the job
        nodes.wait()


def node(meeting: Path) -> int:
    """A node of the job's Ray, until standard input ends; not 0 where Ray ended before."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # for all that Ray starts, whatever it handles
    host = os.environ["SLURMD_NODENAME"]
    prefix = f"hm{os.environ['SLURM_JOB_ID']}-"
    code = 1
    try:
        parent = folder_for_sockets(name_bytes=len(prefix) + 8 + len("/r"))
        with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as temp:
            code = _run_ray(host, Path(temp), meeting)
    except HunminError as error:
        print(f"hunmin: {host}: {error}", file=sys.stderr, flush=True)
        code = error.exit_code
    finally:
        if code and meeting.exists():
            (meeting / f"failed.{host}").touch()
    return code


def _require_token() -> None:
    """Without these two Ray would start, and take work from anyone on the network."""
    if os.environ.get("RAY_AUTH_MODE") != "token" or not os.environ.get("RAY_AUTH_TOKEN_PATH"):
        raise EnvironmentFailure(
            "RAY_AUTH_MODE and RAY_AUTH_TOKEN_PATH did not reach this node, Ray is not started; does the "
            "site's SLURM keep srun from passing the environment on (--export)?"
        )


def _run_ray(host: str, temp: Path, meeting: Path) -> int:
    _require_token()
    is_head = os.environ["SLURM_PROCID"] == "0"
    if is_head:
        others = [name for name in _hosts_of_job() if name != host]
        ip = _own_address(toward=others[0] if others else "localhost")  # a node alone needs no network
        port = free_port(ip, first=20000 + int(os.environ["SLURM_JOB_ID"]) % 10000)
        address = f"{ip}:{port}"
    else:
        address = _wait_for_head(meeting)
        ip = _own_address(toward=address.rpartition(":")[0])
    log = temp / "start.log"
    ray_temp = temp / "r"  # Ray opens its folder to everyone; the one around it stays ours
    ray_temp.mkdir()
    command = start_command(ip=ip, address=address, is_head=is_head, name=host, temp_dir=ray_temp)
    with log.open("wb") as output:
        environment = os.environ | {"TMPDIR": str(temp)}  # what its workers leave goes with it
        ray = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        if is_head:
            _publish_when_up(address, ray, meeting)
        while not _input_ended(1.0):
            if ray.poll() is not None:
                said = log.read_text(errors="replace")[-3000:]
                print(f"{said}\nhunmin: Ray on {host} ended", file=sys.stderr, flush=True)
                return 1
        return 0
    finally:
        _kill_tree(ray)


def start_command(*, ip: str, address: str, is_head: bool, name: str, temp_dir: Path) -> list[str]:
    """`ray start` of a node: all that the job has of it and no more, no dashboard, no fixed port."""
    port = address.rpartition(":")[2]
    head = [
        "--head",
        f"--port={port}",
        "--include-dashboard=false",
        f"--ray-client-server-port={free_port(ip)}",
    ]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
    command += head if is_head else [f"--address={address}"]
    command += [
        f"--node-ip-address={ip}",
        f"--node-name={name}",
        f"--temp-dir={temp_dir}",
        f"--num-cpus={os.environ['SLURM_CPUS_ON_NODE']}",
        f"--num-gpus={os.environ.get('SLURM_GPUS_ON_NODE') or 0}",
        f"--dashboard-agent-listen-port={free_port(ip)}",
        *("--min-worker-port=0", "--max-worker-port=0"),
    ]
    memory = _object_store_bytes()
    return [*command, f"--object-store-memory={memory}"] if memory else command


def free_port(ip: str, *, first: int | None = None) -> int:
    """A port that nobody holds: the first one from `first` on, or any.

    Raises:
        EnvironmentFailure: a hundred in a row are taken.
    """
    for port in [0] if first is None else range(first, first + 100):
        with socket.socket() as probe:
            try:
                probe.bind((ip, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise EnvironmentFailure(f"ports {first} to {(first or 0) + 99} of {ip} are all in use; submit again")


def _own_address(*, toward: str) -> str:
    """The address of this node on the network that leads to another."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((toward, 9))  # sends nothing
        except OSError as error:
            raise EnvironmentFailure(f"the name of node {toward} has no address here ({error})") from error
        return probe.getsockname()[0]


def _head_address(meeting: Path) -> str | None:
    path = meeting / "head"
    return path.read_text() if path.exists() else None


def _wait_for_head(meeting: Path) -> str:
    deadline = time.monotonic() + START_LIMIT_S
    while (address := _head_address(meeting)) is None:
        if _input_ended(0.2):
            raise StopRequested("the job ended before its Ray had a head")
        if time.monotonic() > deadline:
            raise EnvironmentFailure(f"no word of the head in {meeting} within {START_LIMIT_S:.0f} s")
    return address


def _publish_when_up(address: str, ray: subprocess.Popen[bytes], meeting: Path) -> None:
    ip, _, port = address.rpartition(":")
    while ray.poll() is None and not _input_ended(0.2):
        with socket.socket() as probe:
            if probe.connect_ex((ip, int(port))) == 0:
                partial = meeting / "head.partial"
                partial.write_text(address)
                partial.rename(meeting / "head")
                return


def _input_ended(timeout_s: float) -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], timeout_s)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1)


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    """End the process and all below it at once: they block SIGTERM, and their work is over."""
    try:
        tree = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        tree = []
    for one in tree:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
    psutil.wait_procs(tree, timeout=10)


def _object_store_bytes() -> int | None:
    """Three tenths of the memory that the job may use on a node, as Ray takes of a whole machine."""
    memory = machine_memory()
    if memory is None or memory.usable == memory.machine:
        return None
    free = shutil.disk_usage("/dev/shm").free
    return int(min(0.3 * memory.usable, 0.9 * free)) or None


if __name__ == "__main__":
    if sys.argv[1] == "node":
        sys.exit(node(Path(sys.argv[2])))
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
