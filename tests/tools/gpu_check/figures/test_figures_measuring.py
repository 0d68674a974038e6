"""The script as it is started, on toy sizes; what becomes of a measurement that crashes, hangs or is late."""

import io
import json
import multiprocessing as mp
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hunmin.errors import ConfigError, InputError
from tools.gpu_check.figures import measuring, rank
from tools.gpu_check.figures.measurements import SHARES, TINY, Measurement, measurements, share_s
from tools.gpu_check.figures.measuring import Place, Results, measure_all, measure_one
from tools.gpu_check.figures.random_packs import SHIPPED, read_rows

ROOT = Path(__file__).resolve().parents[4]
ALL = {one.name: one for one in measurements(TINY)}
HIDDEN = os.environ | {"CUDA_VISIBLE_DEVICES": ""}


def start(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.gpu_check.figures", "--out", str(out), *arguments]
    return subprocess.run(command, cwd=ROOT, env=HIDDEN, capture_output=True, text=True, check=False)


def found_in(out: Path) -> dict[str, dict[str, Any]]:
    whole = json.loads((out / "results.json").read_text())
    return {line["name"]: line for line in whole["measurements"]}


@pytest.mark.slow
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_everything_runs_on_toy_sizes_without_ray(tmp_path: Path, num_ranks: int) -> None:
    """Each rank asserts that it loaded no Ray. Exactness and every switch of the trainer is judged."""
    done = start(tmp_path, "--tiny", "--ranks", str(num_ranks), "--limit-s", "500")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = found_in(tmp_path)
    assert lines.keys() == ALL.keys()
    not_run = {name for name, line in lines.items() if line["state"] != "pass"}
    wants_gpu = {"switches: kernels=liger"}
    assert not_run == wants_gpu | {one.name for one in ALL.values() if one.min_ranks > num_ranks}
    assert {line["found"]["world_size"] for line in lines.values() if "done" in line["found"]} == {num_ranks}
    assert 0 < lines["gradient fp32"]["found"]["error"] < 1e-5 < lines["gradient bf16"]["found"]["error"]
    full, plain = lines["full 1B"]["found"], lines["plain full 1B"]["found"]
    assert full["losses"] == pytest.approx(plain["losses"], rel=1e-5)
    assert full["resumed"] == full["never_stopped"]
    assert (tmp_path / "table.txt").read_text() == done.stdout
    assert done.stdout.startswith(measuring.TOY)
    assert not list(tmp_path.rglob("checkpoints")), "they are gone with the measurement"


def test_without_a_gpu_the_real_sizes_are_refused(tmp_path: Path) -> None:
    done = start(tmp_path / "out")
    assert (done.returncode, done.stdout) == (4, "")
    assert "no GPU that torch can use" in done.stderr
    assert "--tiny" in done.stderr
    assert not (tmp_path / "out").exists()


def test_rows_that_are_none_are_refused(tmp_path: Path) -> None:
    done = start(tmp_path / "out", "--tiny", "--rows", str(tmp_path / "absent.txt"))
    assert done.returncode == 2
    assert "absent.txt" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(1, mp.get_context("fork"), tmp_path, read_rows(SHIPPED))


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path, machine={"gpus": []})


def acting(monkeypatch: pytest.MonkeyPatch, act: Any) -> Measurement:
    """A measurement whose ranks, forked from here, do this in the place of theirs."""
    monkeypatch.setattr(measuring.rank, "main", act)
    return ALL["full 1B"]


def write(given: Any, **found: Any) -> None:
    with open(given.results, "a", encoding="utf-8") as file:
        print(json.dumps(found), file=file, flush=True)


def test_what_is_found_is_in_the_files_while_the_ranks_go_on(
    monkeypatch: pytest.MonkeyPatch, place: Place, results: Results
) -> None:
    def act(given: Any, contract: Any) -> None:
        write(given, peak=2**30)
        while "1.00 GiB" not in (place.out / "table.txt").read_text():
            time.sleep(0.01)
        assert found_in(place.out)["full 1B"]["reason"] == "under way"
        write(given, tokens_per_s=5.0, flops_per_s=1e12)
        time.sleep(600)

    start_s = time.monotonic()
    (place.out / "table.txt").write_text("")
    measure_one(acting(monkeypatch, act), place, results, until=time.time() + 2)
    assert time.monotonic() - start_s < 30
    line = found_in(place.out)["full 1B"]
    assert (line["state"], line["reason"]) == ("skip", measuring.CUT)
    assert line["measured"] == "5 tokens/s/rank, 1 TFLOP/s, peak 1.00 GiB"


def test_a_rank_that_dies_is_a_line(monkeypatch: pytest.MonkeyPatch, place: Place, results: Results) -> None:
    def act(given: Any, contract: Any) -> None:
        write(given, peak=2**30)
        os.kill(os.getpid(), 9)

    measure_one(acting(monkeypatch, act), place, results, until=time.time() + 60)
    line = found_in(place.out)["full 1B"]
    assert line["state"] == "FAIL"
    assert "a rank ended with -9" in line["reason"]


def test_ranks_are_ended_where_one_of_them_fails(
    monkeypatch: pytest.MonkeyPatch, place: Place, results: Results
) -> None:
    def act(given: Any, contract: Any) -> None:
        if contract["RANK"] == "1":
            write(given, failed="RuntimeError: CUDA error")
            sys.exit(1)
        time.sleep(600)  # in a collective

    start_s = time.monotonic()
    measure_one(acting(monkeypatch, act), replace(place, num_ranks=2), results, until=time.time() + 500)
    assert time.monotonic() - start_s < 60
    assert found_in(place.out)["full 1B"]["reason"] == "RuntimeError: CUDA error"


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (ConfigError("train.kernels: no such package"), {"refused": "train.kernels: no such package"}),
        (InputError("rows see each other"), {"failed": "InputError: rows see each other"}),
        (RuntimeError("CUDA out of memory\nTried"), {"failed": "RuntimeError: CUDA out of memory"}),
    ],
)
def test_only_a_setting_that_does_not_go_here_is_a_refusal(error: Exception, found: dict[str, str]) -> None:
    file = io.StringIO()
    rank._tell(error, file)
    assert json.loads(file.getvalue()) == found


def test_a_line_that_is_half_written_comes_next_time(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    file.write_text('{"a": 1, "b": 1}\n{"b": 2}\n{"c":')
    assert measuring._read(file) == {"a": 1, "b": 2}


def test_a_part_that_uses_its_share_up_leaves_the_others_theirs(
    monkeypatch: pytest.MonkeyPatch, place: Place, results: Results
) -> None:
    now = [0.0]
    given: list[tuple[str, float]] = []

    def measured(one: Measurement, place: Place, results: Results, *, until: float) -> None:
        given.append((one.name, until - now[0]))
        results.set(one, {"done": True, "refused": "only pretended"})
        now[0] = until if one.part == "exact" else now[0]  # the first part hangs, the second takes no time

    monkeypatch.setattr(measuring.time, "time", lambda: now[0])
    monkeypatch.setattr(measuring, "measure_one", measured)
    chosen = [one for one in ALL.values() if one.part in ("exact", "LoRA 8B", "full 8B", "switches")]
    measure_all(chosen, place, results, until=400.0)
    # 3 of 16 parts of 400 s, as full 8B has none: 75 s. Each of the four may take twice its due of the rest.
    assert [seconds for _, seconds in given[:3]] == pytest.approx([37.5, 25, 12.5])
    assert given[3] == ("LoRA 8B", pytest.approx(4 / 13 * 325))
    assert given[4][0] == "switches: defaults"
    lines = found_in(place.out)
    assert lines["resume"]["reason"] == measuring.USED_UP
    assert lines["full 8B"]["reason"] == "not run: takes 4 ranks, here are 1"


def test_shares_are_of_what_is_left() -> None:
    assert {one.part for one in ALL.values()} == set(SHARES)
    assert share_s("exact", left_s=560.0, parts_left=list(SHARES)) == pytest.approx(560 * 3 / 29)
    assert share_s("switches", left_s=100.0, parts_left=["switches"]) == 100.0
