"""One table: whether all that hunmin does on a GPU comes out right on this machine.

    make gpu            or  python -m tools.gpu_check [--json]

Each measurement runs in processes of its own (measure_trainer.py, measure_vllm.py), so a crash is one
line. Exit codes (make turns any but 0 into its own 2): 0 no FAIL; 1 a FAIL; 4 no GPU here, nothing checked.
Not yet run on a GPU.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from tools.gpu_check import judge_trainer
from tools.gpu_check.judge_trainer import Outcome

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 900.0
NO_GPU = (
    "gpu: no GPU that torch can use on this machine (torch {torch}, built for CUDA {cuda}); nothing was "
    "checked. Run it on a machine with an NVIDIA GPU, its driver, and a CUDA build of torch"
)


class MeasureFailed(Exception):
    """A measurement crashed, hung or printed nothing."""


def main(argv: Sequence[str]) -> int:
    """Check, print, and return the exit code."""
    as_json = "--json" in argv
    if set(argv) - {"--json"}:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        found = measure(["-m", "tools.gpu_check.gpus"])
    except MeasureFailed as error:
        print(f"gpu: torch cannot be asked for GPUs: {error}", file=sys.stderr)
        return 4
    if not found["gpus"]:
        message = NO_GPU.format(**found)
        print(json.dumps({"error": message, "checks": []}) if as_json else message)
        return 4
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="hunmin-gpu-") as folder:
        for outcome in checks(found, Path(folder)):
            outcomes.append(outcome)
            print(f"gpu: {outcome.name}: {outcome.state}", file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps({"checks": [asdict(outcome) for outcome in outcomes]}, ensure_ascii=False))
    else:
        print(table(outcomes))
    return 1 if any(outcome.state == "FAIL" for outcome in outcomes) else 0


def checks(found: dict[str, Any], folder: Path) -> Iterator[Outcome]:
    """Every check's outcome, in order."""
    from eval.engines.vllm import missing

    num_gpus = len(found["gpus"])
    known: dict[str, dict[str, Any] | MeasureFailed] = {}

    def once(what: str, key: str, *, ranks: int, hidden: bool = False) -> dict[str, Any]:
        """A measurement that several checks use; its failure is remembered as its result is."""
        if key not in known:
            try:
                known[key] = ranks_measure(what, folder / key, ranks=ranks, hidden=hidden)
            except MeasureFailed as error:
                known[key] = error
        found = known[key]
        if isinstance(found, MeasureFailed):
            raise MeasureFailed(*found.args)
        return found

    def steps(key: str, *, ranks: int, hidden: bool = False) -> dict[str, Any]:
        return once("steps", key, ranks=ranks, hidden=hidden)

    def packing() -> dict[str, Any]:
        return once("packing", "packing", ranks=1)

    yield judge_trainer.machine(found, driver=driver_version())
    yield outcome_of(
        "nccl", lambda: judge_trainer.nccl(ranks_measure("nccl", folder / "nccl", ranks=num_gpus))
    )
    yield outcome_of(
        "bf16",
        lambda: judge_trainer.bf16(steps("one", ranks=1), reference=steps("cpu", ranks=1, hidden=True)),
    )
    yield outcome_of("packing", lambda: judge_trainer.packing(packing()))
    yield outcome_of("flash", lambda: judge_trainer.flash(packing()))
    if num_gpus < 2:
        yield Outcome("zero3", "skip", reason="this machine has one GPU; it takes two")
    else:
        yield outcome_of(
            "zero3", lambda: judge_trainer.zero3(steps("all", ranks=num_gpus), one=steps("one", ranks=1))
        )
    yield outcome_of(
        "memory", lambda: judge_trainer.memory(ranks_measure("memory", folder / "memory", ranks=1))
    )
    if missing():
        yield Outcome("vllm", "skip", reason="vllm is not installed here; it has an environment of its own")
    else:
        yield outcome_of("vllm", lambda: vllm(folder / "vllm"))


def outcome_of(name: str, check: Callable[[], Outcome]) -> Outcome:
    """The check's outcome; a measurement that failed is a FAIL with what it said last."""
    try:
        return check()
    except MeasureFailed as error:
        return Outcome(name, "FAIL", reason=str(error))


def vllm(folder: Path) -> Outcome:
    """Greedy ids of both engines, each in a process of its own."""
    from tools.gpu_check.measure_vllm import judge

    folder.mkdir()
    run(["-m", "tools.gpu_check.measure_vllm", "vllm", str(folder)])
    return judge(measure(["-m", "tools.gpu_check.measure_vllm", "hf", str(folder)]))


def ranks_measure(what: str, folder: Path, *, ranks: int, hidden: bool = False) -> dict[str, Any]:
    """What measure_trainer finds on so many ranks; `hidden`: with the GPUs hidden, on the CPU."""
    folder.mkdir()
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    program = ["-m", "tools.gpu_check.measure_trainer", what, str(folder)]
    return measure([*torchrun, *program], **({"CUDA_VISIBLE_DEVICES": ""} if hidden else {}))


def measure(arguments: list[str], **environment: str) -> dict[str, Any]:
    """The JSON object that a Python process prints last.

    Raises:
        MeasureFailed: it ended badly, did not end, or printed none.
    """
    lines = [line for line in run(arguments, **environment).splitlines() if line.startswith("{")]
    if not lines:
        raise MeasureFailed(f"{_name(arguments)} printed no result")
    try:
        return json.loads(lines[-1])
    except ValueError as error:
        raise MeasureFailed(f"{_name(arguments)} printed half a result ({error})") from error


def run(arguments: list[str], **environment: str) -> str:
    """What a Python process prints.

    Raises:
        MeasureFailed: it ended badly or did not end.
    """
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise MeasureFailed(f"{_name(arguments)} did not end in {LIMIT_S:.0f} s") from None
    finally:
        _end_all(process)
    if process.returncode:
        said = [line.strip() for line in stderr.splitlines() if "Error" in line or "CUDA" in line]
        last = said or stderr.strip().splitlines() or ["nothing"]
        raise MeasureFailed(f"{_name(arguments)} ended with {process.returncode}: {last[0][:300]}")
    return stdout


def _end_all(process: subprocess.Popen[str]) -> None:
    """Kill what is left of a measurement: its group, and the ranks, which torchrun puts into other sessions.

    A rank that outlived its check would hold the GPU that the next one measures.
    """
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        below = []
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for one in below:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _name(arguments: list[str]) -> str:
    """The module and what it was to do, of a command line."""
    own = next(i for i, word in enumerate(arguments) if word.startswith("tools.gpu_check."))
    return " ".join(arguments[own : own + 2])


def driver_version() -> str:
    """The NVIDIA driver's version, as nvidia-smi tells it."""
    if shutil.which("nvidia-smi") is None:
        return "unknown (no nvidia-smi)"
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.splitlines()[0].strip() if done.stdout.strip() else "unknown"


def table(outcomes: Sequence[Outcome]) -> str:
    """Lines of equal columns: check, state, measured, bound, reason."""
    rows = [("check", "state", "measured", "bound", "reason")]
    rows += [(one.name, one.state, one.measured or "-", one.bound or "-", one.reason) for one in outcomes]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        for row in rows
    )
