"""docs/reasons.md has every reason code that the code can give, with its meaning and a cure, and no other."""

import re
from pathlib import Path

from data_pipeline.reasons import CHECKS, LATER, READING, REASONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reasons.md"
WHERE = {"row", "corpus", "tokens"}


def table() -> dict[str, tuple[str, str, str]]:
    lines = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text("utf-8"), re.M)
    assert len({line[0] for line in lines}) == len(lines)
    return {code: (found_by, meaning, cure) for code, found_by, meaning, cure in lines}


def test_the_table_and_the_code_agree() -> None:
    found = {code: (line[0] == "reader", line[1]) for code, line in table().items()}
    wanted = {code: (code in READING, meaning) for code, meaning in REASONS.items()}
    wrong = {
        code: wanted.get(code) for code in wanted.keys() | found.keys() if wanted.get(code) != found.get(code)
    }
    assert not wrong, f"docs/reasons.md: these codes are missing, surplus or worded differently: {wrong}"


def test_every_reason_has_a_place_and_a_cure() -> None:
    for code, (found_by, _, cure) in table().items():
        assert found_by == "reader" or found_by in WHERE, code
        assert len(cure.split()) > 1, code
    assert {code for code, line in table().items() if line[0] == "row"} >= CHECKS.keys()


def test_no_code_has_two_meanings() -> None:
    assert len(REASONS) == len(READING) + len(CHECKS) + len(LATER)
