"""`hunmin judge` as a user meets it: who judges, what is refused, what is printed."""

from pathlib import Path

import pytest
import yaml
from chat_server import serving
from judge_run import fair, write_run
from typer.testing import CliRunner

from launcher.cli import app
from launcher.commands.judge_command import KEY, MODEL, URL


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (URL, MODEL, KEY):
        monkeypatch.delenv(name, raising=False)
    folder = write_run(tmp_path / "run")
    config = {
        "name": "run",
        "model": {"from_scratch": {}},
        "data": {"sources": [{"name": "a", "format": "alpaca", "path": "a.jsonl"}]},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def test_a_judge_from_the_environment_judges(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(fair) as served:
        monkeypatch.setenv(URL, served.url)
        monkeypatch.setenv(MODEL, "judge")
        monkeypatch.setenv(KEY, "s3cret")
        done = CliRunner().invoke(app, ["judge", str(run)])
    assert done.exit_code == 0, done.output
    assert f"questions and answers of the run are sent to {served.url}" in done.output
    assert "6 pairs judged by judge in both orders; 2 were equal, 0 could not be read" in done.output
    assert "overall       tuned wins  83.3 %" in done.output
    assert "tokens: 800 read, 160 written" in done.output
    assert {one["Authorization"] for one in served.headers} == {"Bearer s3cret"}
    assert "s3cret" not in "".join(path.read_text() for path in (run / "judge").iterdir()) + done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "no judge is named; needed are --url"),
        (["--url", "http://127.0.0.1:9/v1"], "no judge is named"),
        (["--url", "https://me:pass@host/v1", "--model", "m"], "the URL holds a secret"),
        (["--url", "127.0.0.1", "--model", "m"], "no address of an endpoint"),
        (["--local", "models/x", "--model", "m"], "leave one"),
    ],
)
def test_without_a_judge_nobody_is_asked(run: Path, options: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["judge", str(run), *options])
    assert done.exit_code == 2
    assert message in done.output
    assert "pass@" not in done.output
    assert not (run / "judge").exists()
