"""A new format, objective, engine or backend is one new file, reached from a config or the command line.

The code is copied, one file is laid into each seam, and one command goes through all of them.
"""

import json
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from command_line import hunmin

from launcher.cluster.snapshot import write_snapshot

pytestmark = pytest.mark.slow

FORMAT = '''
"""Questions and answers on one line, with an arrow between them."""
from data_pipeline import reasons
from data_pipeline.sources.files.records import Draft, Record, Reject
from data_pipeline.sources.files.text_files import lines
from data_pipeline.sources.formats import SourceFormat, text_in_the_shape

def records(unit, source):
    for number, line in enumerate(lines(unit.paths[0], encoding=source.encoding), start=1):
        yield Record(f"line {number}", line)

def parse(line, source):
    question, arrow, answer = line.partition(" => ")
    if not arrow:
        raise Reject(reasons.NO_ANSWER, "no arrow")
    return [Draft(answer=answer, references=[answer], instruction=question)]

FORMAT = SourceFormat(records=records, parse=parse, describe=text_in_the_shape("arrows"))
'''
OBJECTIVE = '''
"""The loss twice over, and how many trained tokens and rows it saw."""
from trainer.objectives import Minimised, Objective
from trainer.objectives.sft import minimise

def twice(scored):
    once = minimise(scored)
    seen = (float(len(scored.rows)), float(len(scored.rows.unique())))
    return Minimised(2 * once.loss, 2 * once.value, seen)

def OBJECTIVE(config, data_dir):
    assert (data_dir / "rows.parquet").exists()
    return Objective(twice, logs=("tokens", "rows"))
'''
ENGINE = '''
"""Says the last token of the prompt three times."""
from eval.engines import EngineKind, Generation, versions_here

class Echo:
    def generate(self, prompts):
        return [Generation([prompt[-1]] * 3, True) for prompt in prompts]

ENGINE = EngineKind(
    load=lambda path, settings, place: Echo(), versions=versions_here("numpy"), preference=lambda *gpus: 0
)
'''
BACKEND = '''
"""Runs at once, in the foreground."""
import subprocess, sys
from launcher.backends import Backend, Job, note_job

def submit(request, prepared):
    command = [sys.executable, "-m", "launcher", "run", request.config, "--run", request.run_dir]
    job = Job(f"{prepared}-{subprocess.run(command).returncode}", "foreground")
    note_job(job, request.run_dir)
    return job

BACKEND = Backend(
    prepare=lambda request: "prepared",
    submit=submit,
    wait=lambda job, run_dir: int(job.job_id.split("-")[1]),
    status=lambda job, run_dir: job.job_id,
    cancel=lambda job, run_dir: None,
)
'''
FILES = {
    "data_pipeline/sources/formats/arrows.py": FORMAT,
    "trainer/objectives/twice.py": OBJECTIVE,
    "eval/engines/echo.py": ENGINE,
    "launcher/backends/foreground.py": BACKEND,
}


def write_config(folder: Path) -> Path:
    texts = [f"{number}에 {number % 7}을 더하면? => {number + number % 7}입니다." for number in range(120)]
    (folder / "sums.txt").write_text("\n".join([*texts, "화살표가 없는 줄"]), encoding="utf-8")
    config = {
        "name": "seams",
        "model": {"from_scratch": {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "vocab_size": 600}},
        "data": {
            "sources": [{"name": "sums", "format": "arrows", "path": "sums.txt"}],
            "allow_contamination": "sums resemble each other",
            "dedup": {"near": False},
            "seq_len": 128,
            "split": {"val": 0.1, "heldout": 0.2},
        },
        "train": {"objective": "twice", "global_batch_size": 2, "num_steps": 3, "val_interval": 3},
        "eval": {
            "engine": "echo",
            "max_new_tokens": 8,
            "max_samples_per_task": 5,
            "bootstrap_samples": 20,
            "robustness": 0,
            "safety": 0,
        },
        "cluster": {"num_cpus": 2, "num_workers": 2},
    }
    path = folder / "seams.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """hunmin with one file more in each seam."""
    folder = tmp_path_factory.mktemp("seams") / "code"
    write_snapshot(folder)
    for name, text in FILES.items():
        (folder / name).write_text(text.lstrip(), encoding="utf-8")
    return folder


def hunmin_in(code: Path, *args: object) -> subprocess.CompletedProcess[str]:
    return hunmin(*args, cwd=code, env={"PYTHONPATH": str(code)}, timeout_s=400)


def test_one_command_goes_through_a_new_member_of_every_seam(code: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = hunmin_in(code, "submit", write_config(tmp_path), "--to", "foreground", "--run", run, "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    # the backend
    assert "  foreground job prepared-0: prepared-0\n" in hunmin_in(code, "status", run).stdout
    # the format: read, described, counted
    assert "data: source sums: 1 file(s), arrows, LF; arrows; utf-8" in done.stdout
    stats = json.loads((run / "data/stats.json").read_text())
    assert stats["sources"]["sums"]["records"] == 121
    assert stats["sources"]["sums"]["rejected"] == {"no_answer": 1}
    # the objective: minimised through ZeRO-3 on two ranks, logged over the step
    lines = [json.loads(line) for line in (run / "train/metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "train"]
    assert [line["objective"]["tokens"] for line in steps] == [line["num_valid_tokens"] for line in steps]
    assert all(0 < line["objective"]["rows"] < line["objective"]["tokens"] for line in steps)
    nats = [
        sum(task["loss"] * task["num_valid_tokens"] for task in line["tasks"].values())
        / line["num_valid_tokens"]
        for line in steps
    ]
    assert [line["loss"] for line in steps] == pytest.approx([2 * value for value in nats], rel=1e-6)
    # the engine: in the actors, its versions beside the scores
    samples = pq.read_table(run / "eval/samples.parquet").to_pylist()
    asked = [line for line in samples if line["system"] == "tuned"]
    assert len(asked) == 5
    assert {line["num_answer_tokens"] for line in asked} == {3}
    manifest = json.loads((run / "eval/manifest.json").read_text())
    assert manifest["extra"]["engine"]["name"] == "echo"
    assert set(manifest["extra"]["engine"]["versions"]) == {"numpy"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("data.sources.0.format=arows", "did you mean arrows?"),
        ("train.objective=twise", "did you mean twice?"),
        ("eval.engine=eco", "did you mean echo?"),
    ],
)
def test_a_misspelt_member_is_one_message_with_the_nearest(
    code: Path, tmp_path: Path, value: str, said: str
) -> None:
    done = hunmin_in(code, "plan", write_config(tmp_path), value, "--run", tmp_path / "run")
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
