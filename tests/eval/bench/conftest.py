"""Fixtures of bench: a finished run with two tiny models, and local questions."""

import shutil
from pathlib import Path

import pytest
from eval_stages import make_stages
from suite_files import write_tables
from transformers import PreTrainedTokenizerFast

from eval.bench import benchmark
from eval.bench.bench_job import Job
from eval.bench.harness import answer


@pytest.fixture(scope="session")
def bench_stages(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder as training leaves it, with tables/ beside its stages."""
    folder = tmp_path_factory.mktemp("bench")
    make_stages(folder, tokenizer)
    write_tables(folder / "tables")
    return folder


@pytest.fixture
def bench_run(bench_stages: Path, tmp_path: Path) -> Path:
    """The same, to be written into."""
    return Path(shutil.copytree(bench_stages, tmp_path / "run"))


@pytest.fixture
def answered_here(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Jobs are answered in this process, which is quicker; gives those that were."""
    jobs: list[Job] = []

    def run_jobs(given: list[Job], places: list[str]) -> None:
        for job in given:
            jobs.append(job)
            answer(job)

    monkeypatch.setattr(benchmark, "run_jobs", run_jobs)
    return jobs
