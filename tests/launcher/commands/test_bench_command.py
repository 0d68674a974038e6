"""`hunmin bench` in the terminal: its table, and what stops it before a model is loaded."""

from pathlib import Path
from typing import Any

import pytest

from hunmin.errors import InputError
from launcher.commands.bench import as_text, bench

NOTHING: dict[str, Any] = {"limit": None, "shots": None, "batch_size": None}


def found(base: float, tuned: float, **values: Any) -> dict[str, Any]:
    means = {
        name: {"value": value, "low": None, "high": None}
        for name, value in (("base", base), ("tuned", tuned))
    }
    delta = {"value": tuned - base, "low": 0.1, "high": 0.3}
    return {"n": 1200, "systems": means, "delta": delta, "num_cut": {"base": 0, "tuned": 0}, **values}


def test_the_table_of_the_terminal() -> None:
    results: Any = {
        "tasks": {"quiz": found(0.25, 0.45), "long_quiz": found(0.5, 0.5, num_cut={"base": 2, "tuned": 2})},
        "overall": found(0.3, 0.5),
        "protocol": {
            "harness": "lm-evaluation-harness 0.4.13",
            "engine": "hf",
            "dtype": "float32",
            "template_sha256": "ab" * 32,
            "limit": 20,
        },
    }
    assert as_text(results).splitlines() == [
        "                n     base    tuned  tuned minus base",
        "quiz        1,200    0.250    0.450  +0.200  [+0.100, +0.300]",
        "long_quiz   1,200    0.500    0.500  +0.000  [+0.100, +0.300]",
        "all         1,200    0.300    0.500  +0.200  [+0.100, +0.300]",
        "lm-evaluation-harness 0.4.13, hf float32, template abababababab; "
        "the first 20 of each task: no number to compare",
        "long_quiz: 2 of 1200 prompts were longer than the context, and were cut",
    ]


def test_no_run_and_an_unfinished_one_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such run folder"):
        bench(tmp_path / "none", suite_name="gsm8k", data=None, fetch=False, **NOTHING)
    (tmp_path / "config.yaml").write_text("name: x\n")
    with pytest.raises(InputError, match="training is not finished"):
        bench(tmp_path, suite_name="gsm8k", data=None, fetch=False, **NOTHING)


def test_data_can_be_fetched_before_there_is_a_run(tmp_path: Path) -> None:
    dataset = tmp_path / "hub"
    dataset.mkdir()
    (dataset / "test.jsonl").write_text('{"question": "1+1?", "label": 0}\n')
    suite = tmp_path / "own.yaml"
    suite.write_text(
        "name: own\ntitle: Own\nlanguages: [ko]\nlicence: CC0-1.0\nsource: S\ntasks:\n  - task: own\n"
        f"    define: {{dataset_path: {dataset}, output_type: multiple_choice, test_split: test, "
        "doc_to_text: '{{question}}', doc_to_choice: [a, b], doc_to_target: label, "
        "metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]}\n"
    )
    into = tmp_path / "into"
    assert bench(tmp_path / "none", suite_name=str(suite), data=into, fetch=True, **NOTHING) is None
    assert [path.name for path in into.glob("*/default/*")] == ["test.parquet"]
