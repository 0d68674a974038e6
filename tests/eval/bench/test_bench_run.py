"""A suite on a run: what is written, what a stopped one keeps, what another asking changes."""

import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from suite_files import DATASET, ROWS, SUITE, quiz

from eval.bench import benchmark, harness_processes
from eval.bench.bench_job import Job
from eval.bench.bench_results import read_results
from eval.bench.bench_scores import BENCH_SAMPLES
from eval.bench.benchmark import Asked
from eval.bench.harness import answer, tasks_of
from eval.bench.harness_processes import gpu_groups, run_jobs, shared_out
from eval.bench.question_tables import find_tables
from eval.bench.suites import Suite
from hunmin.artifact import Manifest, verify
from hunmin.errors import ArtifactError, EnvironmentFailure, InputError
from hunmin.hashing import sha256_bytes
from hunmin.models.tokenizer import load_tokenizer

TWO = [SUITE["tasks"][0], {**SUITE["tasks"][0], "task": "quiz_again"}]


def bench(run: Path, suite: Suite | None = None, **asked: Any) -> Manifest:
    suite = suite or quiz(tasks=TWO)
    tasks = tasks_of(suite)
    tables = find_tables(
        [one for task in tasks for one in task.wanted], suite=suite, folder=run / "tables", cure="x"
    )
    settings = {"batch_size": 4, "num_threads": 1, "limit": None, "seed": 0, "bootstrap_samples": 50}
    return benchmark.run(
        suite=suite,
        tasks=tasks,
        tables=tables,
        data=run / "tables",
        run_dir=run,
        base=str(run / "train" / "base"),
        asked=Asked(**{**settings, **asked}),
    )


@pytest.mark.usefixtures("answered_here")
def test_what_a_suite_leaves(bench_run: Path) -> None:
    manifest = bench(bench_run)
    folder = bench_run / "bench" / "quiz"
    assert verify(folder, cure="x") == manifest
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "results.json",
        "samples.parquet",
    ]
    results = read_results(bench_run, "quiz")
    told = results["protocol"]
    template = load_tokenizer(bench_run / "train" / "export").chat_template
    assert told["template_sha256"] == sha256_bytes(str(template).encode())
    assert told["same_ids_as_training"] is True
    assert told["harness"].startswith("lm-evaluation-harness 0.")
    task = results["tasks"]["quiz_choice"]
    assert task["dataset"]["name"] == DATASET
    assert list(task["dataset"]["sha256"]) == ["test"]
    table = pq.read_table(folder / "samples.parquet")
    assert table.schema.equals(BENCH_SAMPLES)
    tuned = [row for row in table.to_pylist() if (row["system"], row["task"]) == ("tuned", "quiz_choice")]
    assert task["systems"]["tuned"]["value"] == sum(row["value_sum"] for row in tuned) / len(ROWS)
    assert results["overall"] is not None
    assert results["overall"]["n"] == 2 * len(ROWS)


def test_a_finished_suite_is_not_asked_again_and_another_asking_is(
    bench_run: Path, answered_here: list[Job]
) -> None:
    first = bench(bench_run)
    asked = len(answered_here)
    assert bench(bench_run) == first
    assert len(answered_here) == asked
    again = bench(bench_run, limit=3)
    assert again.counts["samples"] == 6
    assert len(list((bench_run / "bench" / "old").iterdir())) == 1


def test_a_stopped_suite_goes_on_by_model_and_task(
    bench_run: Path, monkeypatch: pytest.MonkeyPatch, answered_here: list[Job]
) -> None:
    whole = bench(bench_run, limit=4)
    other = bench_run.parent / "other"
    os.rename(bench_run / "bench", other)

    def stopped(jobs: list[Job], places: list[str]) -> None:
        first = jobs[0]
        answer(Job(**{**vars(first), "tasks": first.tasks[:1]}))
        raise EnvironmentFailure("stopped")

    here = benchmark.run_jobs
    monkeypatch.setattr(benchmark, "run_jobs", stopped)
    with pytest.raises(EnvironmentFailure):
        bench(bench_run, limit=4)
    monkeypatch.setattr(benchmark, "run_jobs", here)
    answered_here.clear()
    assert bench(bench_run, limit=4).content_sha256 == whole.content_sha256
    assert [[task.name for task in job.tasks] for job in answered_here] == [
        ["quiz_again"],
        ["quiz_choice", "quiz_again"],
    ]


def test_a_damaged_part_is_asked_again(
    bench_run: Path, monkeypatch: pytest.MonkeyPatch, answered_here: list[Job], capsys: pytest.CaptureFixture
) -> None:
    def damaged(jobs: list[Job], places: list[str]) -> None:
        Path(jobs[0].parts["quiz_choice"]).write_text('{"task": ')
        raise EnvironmentFailure("stopped")

    here = benchmark.run_jobs
    monkeypatch.setattr(benchmark, "run_jobs", damaged)
    with pytest.raises(EnvironmentFailure):
        bench(bench_run, quiz())
    monkeypatch.setattr(benchmark, "run_jobs", here)
    bench(bench_run, quiz())
    assert "damaged" in capsys.readouterr().out
    assert len(answered_here) == 2


@pytest.mark.usefixtures("answered_here")
def test_the_content_does_not_depend_on_where_the_run_lies(bench_run: Path) -> None:
    first = bench(bench_run, quiz())
    moved = bench_run.parent / "moved"
    os.rename(bench_run, moved)
    (moved / "bench" / "quiz" / "manifest.json").unlink()
    assert bench(moved, quiz()).content_sha256 == first.content_sha256


def test_an_export_that_training_did_not_write_is_refused(bench_run: Path) -> None:
    (bench_run / "train" / "export" / "config.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"config\.json"):
        bench(bench_run)


def test_real_processes_answer_without_a_network(bench_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "run_jobs", lambda jobs, places: run_jobs(jobs, [*places, "second"]))
    manifest = bench(bench_run, quiz())
    assert manifest.counts == {"tasks": 1, "samples": 12}


class Ended:
    """A process that ended so."""

    def __init__(self, code: int, said: str):
        self._code, self._said, self.is_closed = code, said, False

    def exit_code(self) -> int:
        return self._code

    def last_lines(self) -> str:
        return self._said

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        (2, InputError, "bench: task quiz: no right answer"),
        (
            1,
            EnvironmentFailure,
            "the harness ended in task quiz_choice of .*: task quiz: no right answer; what it",
        ),
        (-9, EnvironmentFailure, "SIGKILL, perhaps for memory; what it had finished is kept"),
    ],
)
def test_a_process_that_fails_is_told_of_in_its_own_words(
    bench_run: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception], said: str
) -> None:
    process = Ended(code, "a line\ntask quiz: no right answer")
    monkeypatch.setattr(harness_processes, "_start", lambda *given: process)
    with pytest.raises(error, match=said):
        bench(bench_run, quiz())
    assert process.is_closed


def test_what_the_processes_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench_run: Path
) -> None:
    given: dict[str, Any] = {}

    class Process:
        def __init__(self, command: list[str], *, environment: dict[str, str]):
            given.update(command=command, environment=environment)

    monkeypatch.setattr(harness_processes, "ServerProcess", Process)
    jobs: list[Job] = []
    monkeypatch.setattr(benchmark, "run_jobs", lambda found, places: jobs.extend(found))
    with pytest.raises(ArtifactError):  # nobody answered
        bench(bench_run, quiz())
    harness_processes._start(jobs[0], "3,4", tmp_path / "job.json")
    assert given["environment"]["HF_HUB_OFFLINE"] == given["environment"]["HF_DATASETS_OFFLINE"] == "1"
    assert given["environment"]["CUDA_VISIBLE_DEVICES"] == "3,4"
    assert "<|im_end|>" in jobs[0].stop


def test_places_for_models_on_gpus() -> None:
    assert gpu_groups(0, 0, None) == [""]
    assert gpu_groups(4, 1, None) == ["0", "1", "2", "3"]
    assert gpu_groups(3, 2, "4,6,7") == ["4,6"]


def test_a_job_is_shared_out_task_by_task(bench_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[Job] = []
    monkeypatch.setattr(benchmark, "run_jobs", lambda found, places: jobs.extend(found))
    with pytest.raises(ArtifactError):
        bench(bench_run)
    names = [[task.name for task in share.tasks] for share in shared_out(jobs[0], 4)]
    assert names == [["quiz_choice"], ["quiz_again"]]
