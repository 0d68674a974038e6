"""The main job, whole and killed, as a user starts it."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import hunmin
from damage import outcome
from transformers import AutoModelForCausalLM, AutoTokenizer

from eval.report.report import read_contents, render
from hunmin.artifact import commit, load_manifest
from hunmin.stage import find_finished
from launcher.commands import chat as chatting
from launcher.inspect.diff import diff
from launcher.run import open_run
from launcher.stages import STAGES

CONFIG = """\
name: small
model: {from_scratch: {hidden_size: 32, num_layers: 2, num_heads: 2, vocab_size: 600}}
data:
  seq_len: 96
  sources:
    - {name: reviews, format: table, path: reviews.tsv, task: sentiment,
       columns: {input: text, label: label}, labels: {"1": 긍정, "0": 부정}}
    - {name: sums, format: alpaca, path: sums.jsonl}
  split: {val: 0.1, heldout: 0.2}
train: {num_steps: 14, global_batch_size: 4, learning_rate: 3.0e-3, val_interval: 5, save_interval: 3}
eval: {max_new_tokens: 8, bootstrap_samples: 50, safety: 1}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    words = [("마음에 들었다", 1), ("실망스러웠다", 0), ("다시 가고 싶다", 1), ("돈이 아까웠다", 0)]
    lines = [f"{i}번째 가게, {words[i % 4][0]}\t{words[i % 4][1]}" for i in range(80)]
    (folder / "reviews.tsv").write_text("\n".join(["text\tlabel", *lines]))
    rows = [{"instruction": f"{i} 더하기 1은?", "input": "", "output": f"{i + 1}입니다."} for i in range(60)]
    (folder / "sums.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    path = folder / "small.yaml"
    path.write_text(CONFIG)
    return path


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "launcher", *map(str, args)]


def run_whole(config: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return hunmin("run", config, "--run", folder, timeout_s=400)


@pytest.fixture(scope="module")
def finished(config: Path) -> tuple[Path, str]:
    folder = config.parent / "finished"
    done = run_whole(config, folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def content(folder: Path, stage: str) -> str:
    return json.loads((folder / stage / "manifest.json").read_text())["content_sha256"]


@pytest.mark.slow
def test_it_ends_with_scores_seconds_and_the_report(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    assert "sentiment" in printed
    assert "accuracy" in printed
    assert "tuned - base [95 %]" in printed
    assert all(f"{stage} " in printed.split("seconds:")[1] for stage in ("data", "train", "eval", "report"))
    report = Path(printed.split("report:")[-1].strip())
    assert report == folder / "report" / "index.html"
    assert "긍정" in report.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in (folder / "train" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "train"] == list(range(1, 15))
    assert [line["step"] for line in lines if line["kind"] == "val"] == [5, 10, 14]
    systems = set(pq.read_table(folder / "eval" / "samples.parquet").column("system").to_pylist())
    assert systems == {"base", "tuned", "majority", "copy", "first_sentence"}


@pytest.mark.slow
def test_the_export_loads_with_two_lines(finished: tuple[Path, str]) -> None:
    export = finished[0] / "train" / "export"
    model = AutoModelForCausalLM.from_pretrained(export)
    tokenizer = AutoTokenizer.from_pretrained(export)
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "3 더하기 1은?"}], add_generation_prompt=True, return_tensors="pt"
    )
    out = model.generate(**ids, max_new_tokens=4)  # type: ignore[attr-defined]
    assert out.shape[0] == 1
    assert tokenizer.decode(tokenizer("뜻밖의 글 🙂")["input_ids"]) == "뜻밖의 글 🙂"


@pytest.mark.slow
def test_a_run_starts_from_another_runs_export(config: Path, finished: tuple[Path, str]) -> None:
    """The second run's base is the first one's tuned model: equal answers, and nothing made from scratch."""
    folder = config.parent / "chained"
    model = ["model.from_scratch=null", f"model.path={finished[0]}", "train.num_steps=2"]
    done = subprocess.run(
        command("run", config, *model, "--run", folder),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / "train" / "base").exists()

    def answers(run: Path, system: str) -> dict[str, str]:
        rows = pq.read_table(run / "eval" / "samples.parquet").to_pylist()
        return {row["sample_id"]: row["answer"] for row in rows if row["system"] == system}

    assert answers(folder, "base") == answers(finished[0], "tuned")


@pytest.mark.slow
def test_a_second_run_does_nothing_and_says_why(config: Path, finished: tuple[Path, str]) -> None:
    start = time.monotonic()
    again = run_whole(config, finished[0])
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("done already") == 4
    assert again.stdout.splitlines()[-1].startswith("report:")
    assert time.monotonic() - start < 60


@pytest.mark.slow
def test_an_interrupt_in_training_is_75_and_continues_to_the_same_weights(
    config: Path, finished: tuple[Path, str]
) -> None:
    folder = config.parent / "interrupted"
    metrics = folder / "train" / "metrics.jsonl"
    driver = subprocess.Popen(
        command("train", config, "--run", folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    driver.wait()
    assert driver.returncode == 2, "data is missing yet"
    shutil.copytree(finished[0] / "data", folder / "data")
    driver = subprocess.Popen(
        command("train", config, "--run", folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 240
    while not (metrics.exists() and metrics.read_text().count('"kind": "train"') >= 2):
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    driver.send_signal(signal.SIGINT)
    _, errors = driver.communicate(timeout=120)
    assert driver.returncode == 75, errors
    assert "stopped on request after step" in errors, "saved at the step's end, not lost"
    step = int(errors.split("after step ")[1].split()[0])
    assert (folder / f"train/checkpoints/step-{step:08d}/checkpoint.json").exists()
    done = subprocess.run(
        command("train", config, "--run", folder), capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    assert content(folder, "train") == content(finished[0], "train")


@pytest.mark.slow
def test_killed_at_random_steps_it_ends_in_the_same_weights(config: Path, finished: tuple[Path, str]) -> None:
    """SIGKILL of the driver and all its Ray processes, twice, at steps drawn by a seed."""
    seed = int(os.environ.get("HUNMIN_TEST_SEED", "7"))
    draw = random.Random(seed)
    folder = config.parent / "killed"
    metrics = folder / "train" / "metrics.jsonl"
    for number, kill_at in enumerate(sorted(draw.sample(range(1, 13), 2)), 1):
        driver = subprocess.Popen(
            command("run", config, "--run", folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 240
        while not (metrics.exists() and metrics.read_text().count('"kind": "train"') >= kill_at):
            assert driver.poll() is None, f"ended before step {kill_at}, seed {seed}"
            assert time.monotonic() < deadline, f"step {kill_at} was never reached, seed {seed}"
            time.sleep(0.01)
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        assert not (folder / "train" / "manifest.json").exists(), f"kill {number} came too late, seed {seed}"
    done = run_whole(config, folder)
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    assert "data: done already" in done.stdout
    for stage in ("data", "train", "eval"):
        assert content(folder, stage) == content(finished[0], stage), f"{stage} differs, seed {seed}"
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "train"] == list(range(1, 15))


def run_diff(*runs: Path) -> dict[str, Any]:
    done = subprocess.run(
        command("diff", *runs, "--json"), capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_an_ablation_of_the_task_prefix_side_by_side(config: Path, finished: tuple[Path, str]) -> None:
    folder = config.parent / "prefixed"
    prefixed = config.parent / "prefixed.yaml"
    prefixed.write_text(CONFIG.replace("  seq_len: 96", "  seq_len: 96\n  augment: {task_prefix: true}"))
    done = run_whole(prefixed, folder)
    assert done.returncode == 0, done.stderr
    found = run_diff(finished[0], folder)
    assert found["config"] == ["data.augment.task_prefix: False -> True"]
    assert found["stages"] == {"data": "differs", "train": "differs", "eval": "differs"}
    assert min(found["counts"]["trained tokens"]) > 0
    own = [json.loads((run / "eval/scores.json").read_text())["tasks"] for run in (finished[0], folder)]
    assert {row["task"] for row in found["scores"]} == own[0].keys() | own[1].keys()
    for row in found["scores"]:
        assert row["delta"]["value"] == pytest.approx(row["second"]["value"] - row["first"]["value"])
        assert row["delta"]["low"] <= row["delta"]["value"] <= row["delta"]["high"]
        # A prefix makes rows longer, and seq_len is small here: some may be in one run alone.
        for side, tasks in (("first", own[0]), ("second", own[1])):
            score = tasks[row["task"]]["metrics"][row["metric"]]
            if not row[f"only_{side}"]:
                assert row[side]["value"] == pytest.approx(score["systems"]["tuned"]["value"])


def answer_for(stage_dir: Path) -> None:
    """Let the manifest vouch for the files as they are now."""
    manifest = load_manifest(stage_dir)
    assert manifest is not None
    kept = {"stage", "stage_version", "parents", "config_sha256", "counts", "seconds", "extra"}
    commit(
        stage_dir,
        **{name: value for name, value in vars(manifest).items() if name in kept},
        content_sha256="edited",
        files=[stage_dir / entry.path for entry in manifest.files],
    )


def test_diff_of_a_run_and_one_that_answers_rightly(config: Path, finished: tuple[Path, str]) -> None:
    right = config.parent / "right"
    shutil.copytree(finished[0], right)
    table = pq.read_table(right / "eval/samples.parquet")
    rows = table.to_pylist()
    for row in rows[: len(rows) // 2]:
        row["references"] = ["another answer altogether"]  # rows that the runs do not share
    for row in rows:
        if row["system"] == "tuned":
            row["answer"] = row["label"] or row["references"][0]
    pq.write_table(table.from_pylist(rows, schema=table.schema), right / "eval/samples.parquet")
    told = subprocess.run(
        command("diff", finished[0], right), capture_output=True, text=True, timeout=200, check=False
    )
    assert told.returncode == 4
    assert "samples.parquet" in told.stderr
    assert f"hunmin eval {right}/config.yaml --run {right}" in told.stderr, "edited answers are not believed"
    answer_for(right / "eval")
    found = run_diff(finished[0], right)
    assert found["config"] == []
    assert any(row["only_first"] == row["only_second"] > 0 for row in found["scores"])
    sentiment = next(
        row for row in found["scores"] if (row["task"], row["metric"]) == ("sentiment", "accuracy")
    )
    if sentiment["n"]:
        assert sentiment["second"]["value"] == 1.0
    text = subprocess.run(
        command("diff", finished[0], right), capture_output=True, text=True, timeout=200, check=False
    ).stdout
    assert "the same, but for how the work is done" in text
    assert "rows that both were asked" in text
    page = subprocess.run(
        command("report", finished[0], right, "--out", config.parent / "page.html"),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert page.returncode == 0, page.stderr
    assert "sentiment: no sample was asked of all, of " in page.stdout
    assert "2 runs side by side" in (config.parent / "page.html").read_text()


@pytest.mark.parametrize(
    ("address", "hosts", "expected"),
    [
        (None, None, {"num_cpus": 1, "in_cluster": False}),
        ("head:6379", None, {"num_cpus": 1, "in_cluster": True}),  # of ray job submit: nobody says how many
        ("head:6379", "one,two", {"num_cpus": 1, "in_cluster": True}),
        ("head:6379", "one", {"num_cpus": 3, "in_cluster": False}),
    ],
)
def test_a_job_of_several_nodes_is_a_cluster_to_the_data_stage(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    address: str | None,
    hosts: str | None,
    expected: dict[str, Any],
) -> None:
    for name, value in (("RAY_ADDRESS", address), ("HUNMIN_HOSTS", hosts)):
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    asked: dict[str, Any] = {}
    monkeypatch.setattr("launcher.run.usable_cores", lambda: (3.0, ""))
    monkeypatch.setattr("data_pipeline.build.inputs.choose_workers", lambda config, **how: asked.update(how))
    run_dir = tmp_path / "r"
    run_dir.mkdir()
    _ = open_run(config, ["cluster.num_cpus=1"], run_dir, force=False).data_workers
    assert {name: asked[name] for name in expected} == expected


@pytest.mark.slow
def test_no_damage_to_a_finished_run_is_believed(
    config: Path, finished: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bit of each file, wherever it lies: the stage, diff, report and chat find it, or say the same."""
    run_dir = config.parent / "damaged"
    shutil.copytree(finished[0], run_dir)
    monkeypatch.setattr("eval.answering.conversation.Chat", lambda *args, **kwargs: "a model")
    monkeypatch.setattr(chatting, "talk", lambda chat, **how: None)
    opened = open_run(config, [], run_dir, force=False)

    def chat() -> None:
        chatting.chat(run_dir, base=False, max_new_tokens=None, temperature=0.0, system=None)

    readers: dict[str, Callable[[], object]] = {
        **{
            name: partial(
                lambda stage, inputs: find_finished(run_dir / stage, inputs), name, stage.inputs(opened)
            )
            for name, stage in STAGES.items()
        },
        "diff": lambda: diff(finished[0], run_dir),
        "the report": lambda: render(read_contents(run_dir, {}), "small")[0],
        "chat": chat,
    }
    sound = {name: read() for name, read in readers.items()}
    unread = {"checkpoints", "tensorboard", "figures"}
    believed = []
    files = [
        path
        for stage in STAGES
        for path in sorted((run_dir / stage).rglob("*"))
        if path.is_file() and path.stat().st_size and not unread & {*path.parts}
    ]
    for number, path in enumerate(files):
        content = path.read_bytes()
        place = (len(content) - 1) * (number % 5) // 4
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << number % 8]) + content[place + 1 :])
        told = {name: outcome(read) for name, read in readers.items()}
        believed += [
            f"{path.relative_to(run_dir)}, {name}"
            for name, (text, result) in told.items()
            if (not text and result != sound[name]) or (text and str(run_dir) not in text)
        ]
        if "export" in path.parts:
            assert told["train"][0]
            assert told["chat"][0]
        path.write_bytes(content)
    assert believed == []


def test_diff_of_no_run_is_one_line(config: Path, finished: tuple[Path, str]) -> None:
    done = subprocess.run(
        command("diff", finished[0], config.parent / "nowhere"),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 2
    assert "no such run folder" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_run_goes_on_from_another_with_new_tokens(config: Path, finished: tuple[Path, str]) -> None:
    rows = [
        {"instruction": f"{i} 빼기 1은?", "input": "", "output": f"<생각>{i} - 1</생각>{i - 1}입니다."}
        for i in range(2, 62)
    ]
    (config.parent / "steps.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    path = config.parent / "second.yaml"
    path.write_text(
        "name: second\n"
        f"model: {{path: {finished[0]}, add_tokens: ['<생각>', '</생각>']}}\n"
        "data:\n  seq_len: 96\n  sources: [{name: steps, format: alpaca, path: steps.jsonl}]\n"
        "  split: {val: 0.1, heldout: 0.2}\n"
        "train: {num_steps: 4, global_batch_size: 2, val_interval: 2}\n"
        "eval: {max_new_tokens: 8, bootstrap_samples: 20, safety: 0}\n"
    )
    second = config.parent / "second"
    done = run_whole(path, second)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 model.add_tokens are new to the tokenizer" in done.stdout
    assert "new ones begin as the mean of their pieces" in done.stdout, "what ranks say is shown"
    export = second / "train/export"
    tokenizer = AutoTokenizer.from_pretrained(export)
    new = tokenizer.convert_tokens_to_ids(["<생각>", "</생각>"])
    packs = pa.ipc.open_stream(next((second / "data/train").glob("*.arrow"))).read_all()
    trained = {token for labels in packs["labels"].to_pylist() for token in labels}
    assert set(new) <= trained, "they are trained where they stand in answers"
    assert AutoModelForCausalLM.from_pretrained(export).config.vocab_size > max(new)
    manifests = [folder / "train/manifest.json" for folder in (finished[0], second)]
    first, run = (json.loads(path.read_text()) for path in manifests)
    (parent,) = run["extra"]["lineage"]
    assert parent["run"] == "small", "by its name, wherever its folder is"
    assert parent["train_content_sha256"] == first["content_sha256"]
    card = (export / "README.md").read_text()
    assert "2. `small`" in card
    assert str(config.parent) not in card + (export / "hunmin.json").read_text()
