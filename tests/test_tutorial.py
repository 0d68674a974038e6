"""The tutorial in an empty folder, as it is written; only the model and the number of epochs are smaller."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TUTORIAL = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "-- next block --"
SMALLER = (
    "sed -i -e 's/hidden_size: [0-9]*, num_layers: [0-9]*/hidden_size: 64, num_layers: 2/' "
    "-e 's/epochs: [0-9]*/epochs: 4/' my.yaml\n"
)


def commands_and_outputs() -> list[tuple[str, str]]:
    """Each block of commands with the block of output that stands under it, which may be missing."""
    found: list[tuple[str, str]] = []
    for language, text in BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")):
        if language == "bash":
            found.append((text, ""))
        elif not language and found and not found[-1][1]:
            found[-1] = (found[-1][0], text)
    return found


def in_one_shell(blocks: list[str], folder: Path) -> list[str]:
    """What each block prints, run one after another in one shell."""
    script = "set -eo pipefail\n" + f"\necho; echo '{MARK}'\n".join(blocks)
    script = script.replace("/path/to/hunmin/.venv/bin", str(ROOT / ".venv" / "bin"))
    script = script.replace("hunmin doctor\n", "")  # tests/launcher/doctor/test_doctor.py
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HUNMIN_", "RAY_"))}
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=600, check=False, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [part.strip("\n") for part in done.stdout.split(MARK)]


@pytest.mark.slow
def test_the_tutorial_runs_as_it_is_written(tmp_path: Path) -> None:
    written = commands_and_outputs()
    commands = [text for text, _ in written]
    at = next(index for index, text in enumerate(commands) if text.startswith("hunmin init"))
    printed = in_one_shell([*commands[: at + 1], SMALLER, *commands[at + 1 :]], tmp_path)
    del printed[at + 1]
    shown = {text.split("\n")[0]: output for text, output in written}
    said = {text.split("\n")[0]: output for text, output in zip(commands, printed, strict=True)}
    for command in ("hunmin init reviews.csv", 'python -c "'):
        assert said[command] == shown[command].strip("\n"), "docs/tutorial.md: the output has changed"
    assert "data: done in" in said["hunmin data my.yaml"]
    assert "because of other sources" in said["hunmin run my.yaml"]
    assert re.search(r"^sentiment +accuracy", said["hunmin run my.yaml"], re.MULTILINE)
    assert printed[-1], "the chat gave no answer"
    assert (tmp_path / "reviews" / "runs" / "my" / "report" / "index.html").exists()
