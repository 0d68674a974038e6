"""Wrong input and interrupted work, from the command line: one clear message, the promised exit code."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import hunmin

CONFIG = """\
name: t
model: {from_scratch: {hidden_size: 32, num_layers: 1, vocab_size: 600}}
data:
  seq_len: 128
  sources: [{name: a, format: alpaca, path: a.jsonl}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    rows = [{"instruction": f"{i}번째 질문?", "input": "", "output": f"{i}번째 답입니다."} for i in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    (tmp_path / "broken.jinja").write_text("{% for m in messages %}{{ m['content'] }")
    path = tmp_path / "t.yaml"
    path.write_text(CONFIG)
    return path


def test_a_later_stage_alone_leaves_no_folder_behind(config: Path) -> None:
    wrong = config.parent / "elsewhere"
    done = hunmin("report", config, "--run", wrong)
    assert done.returncode == 2, done.stderr
    assert "no run there, and report needs the stages before it" in done.stderr
    assert not wrong.exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["train.num_stpes=3"], "train.num_stpes is unknown; did you mean train.num_steps?"),
        (["data.sources.0.path=b.jsonl"], "b.jsonl"),
        (["data.sources.0.format=table"], "add answer: COLUMN"),
        (["data.template=chatmll"], "neither chat, nor a built-in"),
        (["data.template=broken.jinja"], "data.template, line 1: not a Jinja template"),
        (["data.tasks=nowhere"], "no such folder"),
        (["data.split.heldout_tasks=[instrction]"], "did you mean instruction?"),
        (["model.from_scratch=null", "model.path=./nothing"], "neither a folder"),
        (["data.split.val=0.6", "data.split.heldout=0.5"], "leave nothing to train on"),
    ],
)
def test_wrong_input_is_one_message_and_exit_2(config: Path, args: list[str], message: str) -> None:
    done = hunmin("data", config, *args, "--run", config.parent / "run")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not (config.parent / "run" / "data" / "manifest.json").exists()
    assert not (config.parent / "run" / ".lock").exists()


def test_a_folder_that_no_run_made_is_left_alone(config: Path) -> None:
    precious = config.parent / "data" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("mine")
    done = hunmin("data", config, "--run", config.parent)
    assert done.returncode == 2
    assert "holds data/ that no run made" in done.stderr
    inside = config.parent / "run" / "corpus"
    inside.mkdir(parents=True)
    (config.parent / "a.jsonl").rename(inside / "a.jsonl")
    done = hunmin("data", config, "data.sources.0.path=run/corpus/a.jsonl", "--run", config.parent / "run")
    assert done.returncode == 2
    assert "lies inside the run folder" in done.stderr
    assert precious.read_text() == "mine"
    assert (inside / "a.jsonl").exists()
    done = hunmin("data", config, "--run", config)
    assert (done.returncode, "not a folder" in done.stderr) == (2, True)


def test_a_failed_start_does_not_bind_the_folder_to_its_config(config: Path) -> None:
    run = config.parent / "run"
    assert hunmin("data", config, "data.template=chatmll", "--run", run).returncode == 2
    done = hunmin("data", config, "data.seq_len=96", "data.tasks=nowhere", "--run", run)
    assert done.returncode == 2
    assert "no such folder" in done.stderr
    assert "another config" not in done.stderr


def test_a_missing_config_leaves_nothing_behind(tmp_path: Path) -> None:
    done = hunmin("run", tmp_path / "no.yaml", "--run", tmp_path / "run")
    assert (done.returncode, (tmp_path / "run").exists()) == (2, False)
    assert "no such config file" in done.stderr


def test_a_stage_whose_parent_is_missing_says_what_to_run(config: Path) -> None:
    done = hunmin("train", config, "--run", config.parent / "run")
    assert done.returncode == 2
    assert "run: hunmin data" in done.stderr


def test_another_config_is_refused_with_the_difference_and_force_keeps_the_old(config: Path) -> None:
    run = config.parent / "run"
    first = hunmin("data", config, "--run", run, "--json")
    assert first.returncode == 0, first.stderr
    content = json.loads(first.stdout)["content_sha256"]["data"]
    refused = hunmin("data", config, "data.seq_len=96", "--run", run)
    assert refused.returncode == 2
    assert "data.seq_len: 128 -> 96" in refused.stderr
    forced = hunmin("data", config, "data.seq_len=96", "--run", run, "--force")
    assert forced.returncode == 0, forced.stderr
    assert "another config" in forced.stdout
    (old,) = (run / "old").iterdir()
    assert json.loads((old / "manifest.json").read_text())["content_sha256"] == content
    source = config.parent / "a.jsonl"
    source.write_text(source.read_text().replace("0번째 답", "영번째 답"))
    changed = hunmin("data", config, "data.seq_len=96", "--run", run)
    assert changed.returncode == 0, changed.stderr
    assert "runs again, because of other sources" in changed.stdout
    assert len(list((run / "old").iterdir())) == 2
    damaged = run / "data" / "rows.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    broken = hunmin("data", config, "data.seq_len=96", "--run", run)
    assert broken.returncode == 4
    assert "rows.parquet" in broken.stderr


def test_two_processes_never_share_a_run_and_a_stopped_one_continues(config: Path) -> None:
    run = config.parent / "run"
    owner = started("data", config, "--run", run, "data.ray_from_mb=0")
    await_lock(run, owner)
    second = hunmin("data", config, "--run", run, "data.ray_from_mb=0")
    assert second.returncode == 2
    assert f"in use by process {owner.pid}" in second.stderr
    owner.send_signal(signal.SIGTERM)
    _, errors = owner.communicate(timeout=120)
    assert owner.returncode == 75, errors
    assert "the same command continues" in errors
    again = hunmin("data", config, "--run", run, "data.ray_from_mb=0")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("moment", ["while Ray starts", "while rows are read"])
def test_a_signal_stops_in_order_though_ray_handles_it_too(config: Path, moment: str) -> None:
    run = config.parent / "run"
    owner = started("data", config, "--run", run, "data.ray_from_mb=0")
    await_lock(run, owner)
    if moment == "while rows are read":
        assert owner.stdout is not None
        while "data: source a" not in (line := owner.stdout.readline()):
            assert line, "the stage ended before it read"
    else:
        time.sleep(1)
    owner.send_signal(signal.SIGTERM)
    _, errors = owner.communicate(timeout=120)
    assert owner.returncode == 75, errors
    assert "stopped by SIGTERM" in errors


def started(*args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "launcher", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def await_lock(run: Path, owner: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not (run / ".lock").exists():
        assert owner.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_full_disk_is_one_message_and_nothing_half_written_counts(config: Path) -> None:
    disk = config.parent / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        rows = [
            {"instruction": f"질문 {i}", "input": "", "output": f"{i * 7919} {i * 104729} 답"}
            for i in range(4000)
        ]
        (config.parent / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        done = hunmin("data", config, "--run", disk / "run")
        assert done.returncode == 4, done.stderr
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (disk / "run" / "data" / "manifest.json").exists()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_help_reads_like_a_page() -> None:
    done = hunmin("--help")
    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in ("run", "data", "train", "eval", "report"))
    assert "Example:\n  hunmin train" in hunmin("train", "--help").stdout
