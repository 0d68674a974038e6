"""Every figure that can be had of the trainer on this machine, within a time.

    make gpu-figures            or  python -m tools.gpu_check.figures [--help]

Each measurement has ranks of its own, so that one that crashes or hangs is one line. Each part has a share of
the time, and is cut when that is used up. OUT/results.json and OUT/table.txt are written anew whenever a rank
has found something: a run that is ended keeps what it had. Needs no Ray, no tokenizer and no weights.

Exit codes: 0 no FAIL; 1 a FAIL; 2 wrong arguments; 4 no GPU here, and not --tiny.
Not yet run on a GPU.
"""

import argparse
import json
import multiprocessing as mp
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hunmin.artifact import written_whole
from hunmin.errors import HunminError
from tools.gpu_check.check import MeasureFailed, driver_version, measure, table
from tools.gpu_check.figures import rank, verdicts
from tools.gpu_check.figures.measurements import (
    PUBLISHED,
    REAL,
    SHARES,
    TINY,
    Measurement,
    measurements,
    share_s,
)
from tools.gpu_check.figures.random_packs import SHIPPED, read_rows, write_packs
from tools.gpu_check.figures.rank import Given
from tools.gpu_check.judge_trainer import Outcome

LIMIT_S = 560.0
START_S = 120.0  # in which the trainer is loaded
LEAST_S = 5.0  # with less left, ranks would not even have met
POLL_S = 0.2
STEPS_OF_PACKS = 4  # what is written; later steps take the packs again, in another order
NO_GPU = (
    "gpu: no GPU that torch can use on this machine (torch {torch}, built for CUDA {cuda}), and the sizes "
    "are for GPUs. Run it where one is, or with --tiny, which only shows that it runs"
)
TOY = "toy sizes under the names of the real ones: what runs is told, how fast is not"
USED_UP = "not run: its share of the time was used up"
CUT = "cut, its share of the time was used up: what it had measured stands"


@dataclass
class Results:
    """What was found so far, by measurement, and the files that say it."""

    out: Path
    machine: dict[str, Any]
    is_tiny: bool = False
    found: dict[str, tuple[Measurement, dict[str, Any]]] = field(default_factory=dict)

    def set(self, measurement: Measurement, found: dict[str, Any]) -> None:
        """Remember, and write both files anew."""
        self.found[measurement.name] = (measurement, found)
        lines = [
            {"part": one.part, **asdict(outcome), "found": found}
            for (one, found), outcome in zip(self.found.values(), self.outcomes(), strict=True)
        ]
        whole = {
            "machine": self.machine,
            "is_tiny": self.is_tiny,
            "published_by_others": PUBLISHED,
            "measurements": lines,
        }
        with written_whole(self.out / "results.json") as partial:
            partial.write_text(json.dumps(whole, indent=1, ensure_ascii=False), encoding="utf-8")
        with written_whole(self.out / "table.txt") as partial:
            partial.write_text(self.table() + "\n", encoding="utf-8")

    def outcome(self, measurement: Measurement) -> Outcome:
        """The line of a measurement."""
        _, beside = self.found.get(measurement.beside or "", (None, None))
        return verdicts.outcome(measurement, self.found[measurement.name][1], beside=beside)

    def outcomes(self) -> list[Outcome]:
        """The lines so far."""
        return [self.outcome(measurement) for measurement, _ in self.found.values()]

    def table(self) -> str:
        """The lines as text."""
        return (TOY + "\n" if self.is_tiny else "") + table(self.outcomes())


@dataclass(frozen=True)
class Place:
    """Where ranks are started: how many, in which way, in which folder, on rows of which lengths."""

    num_ranks: int
    context: Any  # of multiprocessing
    out: Path
    rows: np.ndarray


def main(argv: Sequence[str]) -> int:
    """Measure, print the table, and return the exit code."""
    asked = _arguments(argv)
    until = time.time() + asked.limit_s
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that ranks are ended
    try:
        machine = measure(["-m", "tools.gpu_check.gpus"]) | {"driver": driver_version()}
        rows = read_rows(asked.rows)
    except MeasureFailed as error:
        print(f"gpu: torch cannot be asked for GPUs: {error}", file=sys.stderr)
        return 4
    except HunminError as error:
        print(f"gpu: {error}", file=sys.stderr)
        return error.exit_code
    num_gpus = len(machine["gpus"])
    if not num_gpus and not asked.tiny:
        print(NO_GPU.format(**machine), file=sys.stderr)
        return 4
    asked.out.mkdir(parents=True, exist_ok=True)
    place = Place(asked.ranks or num_gpus or 1, _way_to_start(), asked.out, rows)
    results = Results(asked.out, machine, is_tiny=asked.tiny)
    chosen = [
        one for one in measurements(TINY if asked.tiny else REAL) if not asked.only or one.part in asked.only
    ]
    measure_all(chosen, place, results, until=until)
    print(results.table())
    return 1 if any(outcome.state == "FAIL" for outcome in results.outcomes()) else 0


def measure_all(chosen: Sequence[Measurement], place: Place, results: Results, *, until: float) -> None:
    """Measure part by part, each within its share of what is left of the time."""
    fitting = [one for one in chosen if one.min_ranks <= place.num_ranks]
    parts = list(dict.fromkeys(one.part for one in fitting))
    for number, part in enumerate(parts):
        part_until = time.time() + share_s(part, left_s=until - time.time(), parts_left=parts[number:])
        of_part = [one for one in fitting if one.part == part]
        for index, one in enumerate(of_part):
            left_s = part_until - time.time()
            fair_s = left_s / (len(of_part) - index)
            if left_s < LEAST_S:
                results.set(one, {"cut": USED_UP})
            else:  # twice its due: one that hangs leaves half of the part's time to the others
                measure_one(one, place, results, until=time.time() + min(left_s, 2 * fair_s))
            outcome = results.outcome(one)
            said = outcome.measured or outcome.reason
            print(f"gpu: {outcome.name}: {outcome.state}: {said}", file=sys.stderr, flush=True)
    for one in chosen:
        if one.min_ranks > place.num_ranks:
            results.set(one, {"cut": f"not run: takes {one.min_ranks} ranks, here are {place.num_ranks}"})


def measure_one(one: Measurement, place: Place, results: Results, *, until: float) -> None:
    """Start ranks, take what the first writes as it comes, and end them when they are done or it is time."""
    folder = place.out / "work" / one.name.replace(" ", "_").replace("/", "_")
    shutil.rmtree(folder, ignore_errors=True)
    given = _prepared(one, folder, place, until)
    port = _free_port()
    ranks = [
        place.context.Process(target=rank.main, args=(given, _contract(index, place.num_ranks, port)))
        for index in range(place.num_ranks)
    ]
    try:
        for process in ranks:
            process.start()
        found = _watch(one, ranks, Path(given.results), results, until=until)
    finally:
        _end(ranks)
    results.set(one, found)
    shutil.rmtree(given.scratch, ignore_errors=True)


def _way_to_start() -> Any:
    """Ranks are forked from a server that has the trainer loaded, which saves each of them the imports.

    A process that was forked cannot use a GPU that its parent has used. So one is tried, and where it fails
    each rank loads everything itself.
    """
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # asks for GPUs without using one
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(["tools.gpu_check.figures.acts"])
    probe = context.Process(target=rank.use_device)
    probe.start()
    probe.join(START_S)
    failed = probe.exitcode != 0
    _end([probe])
    return mp.get_context("spawn") if failed else context


def _end(processes: Sequence[Any]) -> None:
    for process in processes:
        if process.pid is not None:
            process.kill()
            process.join()


def _watch(
    one: Measurement, ranks: Sequence[Any], file: Path, results: Results, *, until: float
) -> dict[str, Any]:
    """What was found when all ranks have ended, one has failed, or it is time."""
    while True:
        codes = [process.exitcode for process in ranks]
        is_late = time.time() > until
        found = _read(file)
        if is_late or any(codes) or all(code == 0 for code in codes):
            break
        if found and found != results.found.get(one.name, (None, None))[1]:
            results.set(one, found)
        time.sleep(POLL_S)
    if found.get("done") or found.keys() & {"failed", "refused"}:
        return found
    if any(codes):
        died = next(code for code in codes if code)
        return found | {"failed": f"a rank ended with {died}; its last words are in {file.with_name('log')}"}
    return found | {"cut": CUT if found else USED_UP}


def _read(file: Path) -> dict[str, Any]:
    """The sum of the objects that the ranks have written; a line that is not whole yet comes next time."""
    found: dict[str, Any] = {}
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                found |= json.loads(line)
    return found


def _prepared(one: Measurement, folder: Path, place: Place, until: float) -> Given:
    """The files that the ranks read: the model's config and the packs."""
    (folder / "model").mkdir(parents=True)
    described = json.dumps(one.shape.config(max_tokens=one.seq_len))
    (folder / "model" / "config.json").write_text(described, encoding="utf-8")
    write_packs(
        folder / "packs",
        place.rows,
        num_packs=STEPS_OF_PACKS * one.packs_per_rank * place.num_ranks,
        seq_len=one.seq_len,
        vocab_size=one.shape.vocab_size,
    )
    scratch = folder / "scratch"
    scratch.mkdir()
    return Given(
        measurement=one,
        model=str(folder / "model"),
        packs=str(folder / "packs"),
        scratch=str(scratch),
        results=str(folder / "results.jsonl"),
        log=str(folder / "log"),
        until=until,
    )


def _contract(index: int, world_size: int, port: int) -> dict[str, str]:
    """The variables that a rank is told its place by."""
    return {
        "RANK": str(index),
        "LOCAL_RANK": str(index),
        "WORLD_SIZE": str(world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.gpu_check.figures",
        description="What the trainer does on this machine: exactness, speed, memory, every switch.",
    )
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="seconds that all of it may take")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu_figures"), help="folder of the results")
    parser.add_argument("--ranks", type=int, help="ranks; default: one a GPU")
    parser.add_argument("--only", action="append", choices=SHARES, help="this part; may be repeated")
    parser.add_argument("--rows", type=Path, default=SHIPPED, help="lengths of rows: RUN/data/rows.parquet")
    parser.add_argument("--tiny", action="store_true", help="toy sizes, for a machine without a GPU")
    return parser.parse_args(argv)
