"""`hunmin human` as a user types it."""

import json
import os
from pathlib import Path

import pytest
from command_line import hunmin
from human_run import filled, write_rated_run
from typer.testing import CliRunner

from launcher.cli import app


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    write_rated_run(tmp_path / "run")
    return tmp_path / "run"


def said(*args: object, code: int = 0) -> str:
    """What a command prints, standard error included."""
    done = CliRunner().invoke(app, [str(arg) for arg in args])
    assert done.exit_code == code, done.output
    return done.output


def test_out_and_in_again(run_dir: Path) -> None:
    env = os.environ | {"LC_ALL": "ko_KR.UTF-8"}
    out = hunmin("human", "export", run_dir, "--pairwise", "--raters", "1", "--samples", "6", env=env)
    assert (out.returncode, out.stderr) == (0, "")
    assert "rater-1.csv\n  rater-1.xlsx\n  rater-1.html\n6 samples; " in out.stdout
    form = run_dir / "human" / "pairwise" / "for_raters" / "rater-1.csv"
    assert "질문" in form.read_text("utf-8-sig")  # the terminal's language
    form.write_bytes(filled(form, lambda row, title: "A"))  # filled in where it lies
    text = said("human", "import", run_dir, form)
    assert "pairwise, rater 1: 6 of 6 rated" in text or "pairwise, rater 1: 5 of 5 rated" in text
    assert "win rate" in text
    scores = json.loads(said("human", "import", run_dir, form, "--json"))
    assert scores["modes"]["pairwise"]["raters"] == 1
    said("human", "export", run_dir, "--language", "en", "--raters", "1")
    assert "pairwise" in said("human", "export", run_dir, "--pairwise", "--raters", "1", code=2)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("export", "{run}", "rater-1.csv"), "files: not for human export; leave out"),
        (("import", "{run}", "--raters", "2", "a.csv"), "raters: not for human import; leave out"),
        (("import", "{run}"), "no FILE: name what came back"),
        (("import", "{run}", "none.csv"), "no forms were handed out; run: hunmin human export"),
        (("export", "{run}x"), "no such run folder"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(run_dir: Path, args: tuple[str, ...], words: str) -> None:
    text = said("human", *(arg.format(run=run_dir) for arg in args), code=2)
    assert words in text
    assert text.count("\n") == 1
