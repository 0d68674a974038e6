"""Hostile YAML is refused with its place, soon; plain YAML is read as PyYAML reads it."""

import time
from datetime import date

import pytest
import yaml

from hunmin.section import yaml_problem
from hunmin.yaml_limits import MAX_CHARS, load_yaml

BOMB = "- &a [1, 2]\n" + "".join(
    f"- &{name} [{', '.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefghij", "bcdefghijk", strict=True)
)
MERGES = "a0: &a0 {k: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(BOMB, "aliases stand for more than", id="bomb"),
        pytest.param(MERGES, "aliases stand for more than", id="merge keys"),
        ("a: &a [*a]", "stands inside what it stands for"),
        ("a: &a {b: {c: [*a]}}", "stands inside what it stands for"),
        pytest.param("[" * 100_000, "nested more than 64 deep", id="brackets"),
        pytest.param("{a: " * 5_000, "nested more than 64 deep", id="braces"),
        pytest.param("- " * 5_000, "nested more than 64 deep", id="dashes"),
        pytest.param("? " * 5_000, "nested more than 64 deep", id="keys"),
        pytest.param("a: " + "9" * 5_000, "cannot be read (Exceeds the limit", id="digits"),
        pytest.param("a: 0x" + "f" * 5_000, "a number of more than 256 bits", id="hexadecimal"),
        pytest.param("a: 1" + ":1" * 3_000, "a number of more than 256 bits", id="sexagesimal"),
        ('a: "x\\0y"', "a text with NUL"),
        ('"x\\0y": a', "a text with NUL"),
        ('a: "\\ud800"', "half a surrogate pair"),
        ("a: !!int ''", "cannot be read"),
        ("a: !!timestamp zz", "cannot be read"),
        ("a: 1\nb: 2\na: 3", "the key a stands twice"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
        pytest.param("x" * (MAX_CHARS + 1), "more than 524288 characters", id="long"),
    ],
)
def test_what_no_config_means_is_refused(text: str, said: str) -> None:
    start = time.monotonic()
    with pytest.raises(yaml.YAMLError) as refused:
        load_yaml(text)
    assert said in yaml_problem(refused.value)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: &x {b: 1}\nc: *x\nd: {<<: *x, b: 2}",
        "가: [나, 1, 2.5, .inf, true, null, 2024-02-29, 0x1F, 1_000]",
        "- &a [1, 2]\n- *a\n- *a",
    ],
)
def test_other_yaml_is_read_as_ever(text: str) -> None:
    assert load_yaml(text) == yaml.safe_load(text)


def test_a_day_that_no_calendar_has_is_a_text_for_its_field_to_refuse() -> None:
    assert load_yaml("{a: 2024-13-45, b: 2023-02-29, c: 2024-02-29}") == {
        "a": "2024-13-45",
        "b": "2023-02-29",
        "c": date(2024, 2, 29),
    }
