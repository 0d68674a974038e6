"""What a failure deep inside becomes on the command line."""

import errno
from pathlib import Path

import pytest
import safetensors.torch
import torch
import typer
from ray.exceptions import WorkerCrashedError

from hunmin.errors import EnvironmentFailure, GateError, InputError, one_line
from hunmin.stage import Inputs
from launcher.config import load
from launcher.failures import known_error, reported
from launcher.run import Run
from launcher.stages import STAGES


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "x"),
        PermissionError(errno.EACCES, "Permission denied", "x"),
        Exception("No space left on device (os error 28)"),  # as tokenizers tells it
        WorkerCrashedError(),
    ],
    ids=["full disk", "no permission", "full disk in Rust", "lost worker"],
)
def test_the_environments_failures_are_exit_4_however_deep(error: Exception) -> None:
    outer = RuntimeError("a task failed")
    outer.__cause__ = error
    known = known_error(outer)
    assert isinstance(known, EnvironmentFailure)
    assert known.exit_code == 4


def test_a_bug_after_a_handled_error_stays_a_bug() -> None:
    bug = KeyError("x")
    bug.__context__ = GateError("handled before")
    assert known_error(bug) is None


def test_train_and_eval_depend_on_the_base_models_weights_and_data_does_not(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (tmp_path / "a.jsonl").write_text("{}\n")
    path = tmp_path / "c.yaml"
    source = "{name: a, format: alpaca, path: a.jsonl}"
    path.write_text(f"name: t\nmodel: {{path: model}}\ndata: {{sources: [{source}]}}\n")
    run = Run(*load(path, []), tmp_path / "run")

    def inputs(value: float) -> dict[str, Inputs]:
        safetensors.torch.save_file({"w": torch.full((2,), value)}, model / "model.safetensors")
        return {name: STAGES[name].inputs(run) for name in ("data", "train", "eval")}

    before, after = inputs(1.0), inputs(2.0)
    assert before["data"] == after["data"]
    assert before["train"] != after["train"]
    assert before["eval"] != after["eval"]
    assert after == inputs(2.0)


@pytest.mark.parametrize(
    ("text", "first", "last"), [("", "ValueError", "ValueError"), ("\n one \n\ntwo\n", "one", "two")]
)
def test_an_error_in_one_line_even_where_it_says_nothing(text: str, first: str, last: str) -> None:
    assert (one_line(ValueError(text)), one_line(ValueError(text), -1)) == (first, last)


def test_a_secret_of_a_url_is_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = "https://me:geheim@host.invalid/a.jsonl?token=geheim"
    for error in (InputError(f"{url} is gone"), RuntimeError(url)):
        with pytest.raises(typer.Exit), reported(tmp_path):
            raise error
    said = capsys.readouterr().err + "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    assert "https://***@host.invalid/a.jsonl?token=***" in said
    assert "geheim" not in said


def test_a_path_that_no_file_can_have_is_the_users(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path, said in ((tmp_path / ("x" * 5000), "File name too long"), (loop, "levels of symbolic links")):
        with pytest.raises(OSError, match=said) as caught:
            path.read_text()
        known = known_error(caught.value)
        assert isinstance(known, InputError)
        assert said in str(known)
        assert len(str(known)) < 300
