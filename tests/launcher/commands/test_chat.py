"""The chat in a terminal and through a pipe, on a run with a tiny model."""

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from data_pipeline.packing.tokenizer_training import train_tokenizer
from hunmin.artifact import commit, files_below
from hunmin.errors import ArtifactError, InputError
from launcher.commands.chat import chat, find_run

ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 120
CONFIG = """\
name: tiny
base: .
model: {from_scratch: {hidden_size: 32, num_layers: 1, num_heads: 2, vocab_size: 600}}
data: {seq_len: 32, sources: [{name: a, format: alpaca, path: a.jsonl}]}
eval: {max_new_tokens: 12}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder as far as a chat reads it: config, train/export, train/base."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    tokenizer = train_tokenizer(
        ["안녕하세요? 오늘 날씨가 참 좋네요.", "How are you today?"] * 40, vocab_size=420
    )
    for name, seed in (("export", 0), ("base", 1)):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(
            LlamaConfig(
                hidden_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=64,
                vocab_size=len(tokenizer),
                max_position_embeddings=64,
            )
        )
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 2:
                    parameter.normal_(std=0.5)
        model.save_pretrained(folder / "train" / name)
        tokenizer.save_pretrained(folder / "train" / name)
    commit(
        folder / "train",
        stage="train",
        stage_version=1,
        parents={},
        config_sha256="",
        content_sha256="",
        counts={},
        files=files_below(folder / "train"),
        seconds=0,
    )
    (folder / "config.yaml").write_text(CONFIG)
    return folder


def piped(run: Path, text: str | bytes, *args: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "launcher", "chat", str(run), *args],
        input=text if isinstance(text, bytes) else text.encode(),
        capture_output=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_line_in_an_answer_out(run: Path) -> None:
    long = "좋네요 " * 60
    lines = [
        "안녕하세요?",
        "/reset",
        "안녕하세요?",
        long,
        "/help",
        "/reset",
        "안녕\\",
        "하세요?",
        "/quit",
        "never",
    ]
    done = piped(run, ("\n".join(lines) + "\n").encode())
    assert done.returncode == 0, done.stderr
    answers = re.fullmatch(r"(.+)\n\1\n(.+)\n", done.stdout, re.DOTALL)
    assert answers is not None, done.stdout
    assert answers[1] != answers[2]
    assert done.stderr.count("the conversation is forgotten") == 2
    assert "the model takes 64" in done.stderr
    assert "/help is no command here" in done.stderr
    assert "longer than any row of training (data.seq_len 32)" in done.stderr
    base = piped(run, "안녕하세요?", "--base")
    assert base.returncode == 0
    assert base.stdout
    assert not base.stdout.startswith(answers[1])


def test_a_reader_that_leaves_ends_it_quietly(run: Path) -> None:
    command = (
        f"printf '안녕\\377\\n안녕\\n안녕\\n안녕\\n' | {sys.executable} -m launcher chat {run} | head -1"
    )
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False, cwd=ROOT
    )
    assert len(done.stdout.splitlines()) == 1
    assert not [line for line in done.stderr.splitlines() if not line.startswith("(")], done.stderr


class Terminal:
    """A chat on a pseudo-terminal."""

    def __init__(self, run: Path):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.environ["TERM"] = "dumb"
            for ignored in (signal.SIGINT, signal.SIGHUP):  # as they are for a shell's job in the background
                signal.signal(ignored, signal.SIG_DFL)
            os.execv(sys.executable, [sys.executable, "-m", "launcher", "chat", str(run)])
        self.seen, self._bytes = "", b""

    def read(self, seconds: float) -> bool:
        """Whether something came before the end of the process or of the time."""
        ready, _, _ = select.select([self.fd], [], [], max(0.0, seconds))
        try:
            piece = os.read(self.fd, 4096) if ready else b""
        except OSError:  # the process has ended
            return False
        self._bytes += piece  # whole, for a piece may end inside a character
        self.seen = self._bytes.decode(errors="replace")
        return bool(piece)

    def until(self, text: str) -> None:
        while text not in self.seen:
            assert self.read(LIMIT_S), f"{text!r} did not come:\n{self.seen}"

    def send(self, text: str) -> None:
        self.seen, self._bytes = "", b""
        os.write(self.fd, text.encode())

    def end(self, key: str = "") -> int:
        """The exit code. The key is pressed until it is heard: one before readline listens may be lost."""
        deadline = time.monotonic() + LIMIT_S
        while (found := os.waitpid(self.pid, os.WNOHANG))[0] == 0:
            assert time.monotonic() < deadline, self.seen
            with contextlib.suppress(OSError):  # the process has ended
                os.write(self.fd, key.encode())
            again = time.monotonic() + 5
            while self.read(again - time.monotonic()):
                pass
            time.sleep(0.05)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(found[1])


def test_a_terminal_takes_hangul_and_ends_cleanly(run: Path) -> None:
    terminal = Terminal(run)
    terminal.until("> ")
    terminal.send("안녕하세요?\n")
    terminal.until("\n> ")
    assert "안녕하세요?" in terminal.seen
    assert terminal.end("\x04") == 0


def test_ctrl_c_ends_it_at_a_question_and_while_it_loads(run: Path) -> None:
    at_question, loading = Terminal(run), Terminal(run)
    loading.until("loading")
    os.kill(loading.pid, signal.SIGINT)
    assert loading.end() == -signal.SIGINT
    at_question.until("> ")
    assert at_question.end("\x03") == 0
    assert "Traceback" not in at_question.seen + loading.seen


def test_runs_without_a_model_are_refused(run: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(run, half, ignore=shutil.ignore_patterns("manifest.json"))
    for folder, message in (
        (half, "training is not finished"),
        (run.parent / "tyny", "no such run folder"),
        (run / "train" / "export", "a model folder, not a run"),
        (tmp_path, "not a run folder"),
    ):
        with pytest.raises(InputError, match=message):
            find_run(folder)
    assert find_run(run) == run


@pytest.mark.parametrize("name", ["export", "base"])
def test_a_model_that_training_did_not_write_is_refused(run: Path, tmp_path: Path, name: str) -> None:
    changed = tmp_path / "a run"
    shutil.copytree(run, changed)
    weights = changed / "train" / name / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(
        ArtifactError, match=r"model\.safetensors: sha256 .*hunmin train '.*a run/config\.yaml'"
    ):
        chat(changed, base=name == "base", max_new_tokens=None, temperature=0.0, system=None)


def test_a_run_is_found_by_its_name(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUNMIN_RUNS", str(run.parent))
    assert find_run(Path("tiny")) == run
    with pytest.raises(InputError, match=r"did you mean .*tiny"):
        find_run(Path("tinny"))
