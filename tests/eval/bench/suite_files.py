"""A suite of its own over local files, and a harness task in it, for the tests of bench."""

import json
from pathlib import Path

from eval.bench.suites import Suite

DATASET = "someone/quiz"
SUITE = {
    "name": "quiz",
    "title": "Quiz",
    "languages": ["ko"],
    "licence": "CC0-1.0",
    "source": "the tests",
    "tasks": [
        {
            "task": "quiz_choice",
            "define": {
                "dataset_path": DATASET,
                "output_type": "multiple_choice",
                "test_split": "test",
                "fewshot_split": "train",
                "doc_to_text": "{{question}}",
                "doc_to_choice": ["예", "아니오"],
                "doc_to_target": "label",
                "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
                "metadata": {"version": 1.0},
            },
        }
    ],
}
ROWS = [{"question": f"{index}은 짝수인가요?", "label": index % 2} for index in range(12)]


def write_tables(folder: Path) -> None:
    """The tables of DATASET, as a user lays them."""
    place = folder / "someone--quiz" / "default"
    place.mkdir(parents=True)
    for split, rows in (("test", ROWS), ("train", ROWS[:4])):
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        (place / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def quiz(**values: object) -> Suite:
    """The suite; `values` override its settings."""
    return Suite.model_validate({**SUITE, **values})
