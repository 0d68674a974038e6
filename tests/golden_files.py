"""Golden files: what a test makes now, held against what is committed."""

import difflib
import os
from pathlib import Path

import pytest

MOST_LINES = 200  # of a difference that are shown


def check_golden(golden: Path, now: str) -> None:
    """Fail with the difference and what accepts it; HUNMIN_ACCEPT=1 writes the file anew first."""
    if os.environ.get("HUNMIN_ACCEPT"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(now, encoding="utf-8")
    before = golden.read_text(encoding="utf-8") if golden.exists() else ""
    if now != before:
        lines = difflib.unified_diff(before.splitlines(), now.splitlines(), golden.name, "now", lineterm="")
        test = os.environ["PYTEST_CURRENT_TEST"].split("::")[0]
        accept = f"  HUNMIN_ACCEPT=1 .venv/bin/python -m pytest {test}"
        shown = list(lines)[:MOST_LINES]
        pytest.fail("\n".join([*shown, "", "If this is meant, accept it with:", accept]))
