"""Small finished runs whose answers are known, to be set side by side."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from report_run import sample

from eval.compare import RunsBeside, compare
from hunmin.schema import HELDOUT, SAMPLES

LABELS = ("긍정", "부정")


def write_answers(run_dir: Path, answers: Sequence[str], *, first: int = 0, task: str = "감성") -> Path:
    """A run that was asked the samples from `first` on, whose right answers are 긍정 and 부정 by turns."""
    (run_dir / "data").mkdir(parents=True)
    (run_dir / "eval").mkdir()
    heldout, asked = [], []
    for number, answer in enumerate(answers, start=first):
        row_id, label = f"영화평:reviews.tsv:{number}.0", LABELS[number % 2]
        heldout.append({"row_id": row_id, "family_id": f"{number:064x}", "task": task})
        asked.append(sample(f"{row_id}/0", "tuned", task, references=[label], label=label, answer=answer))
    info: Any = {"labels": list(LABELS), "metrics": ["accuracy", "exact_match"]}
    metadata = {b"hunmin": json.dumps({"tasks": {task: info}}).encode()}
    table = pa.Table.from_pylist(heldout, schema=HELDOUT).replace_schema_metadata(metadata)
    pq.write_table(table, run_dir / "data" / "heldout.parquet")
    pq.write_table(pa.Table.from_pylist(asked, schema=SAMPLES), run_dir / "eval" / "samples.parquet")
    return run_dir


def right_answers(num: int, *, first: int = 0) -> list[str]:
    """All right."""
    return [LABELS[number % 2] for number in range(first, first + num)]


def beside(runs: Sequence[Path], **changes: Any) -> RunsBeside:
    """The runs as the launcher would tell of them."""
    values: dict[str, Any] = {
        "folders": list(runs),
        "names": [run.name for run in runs],
        "settings": {"train.learning_rate": [2e-5 * (number + 1) for number in range(len(runs))]},
        "content": {"data": ["d"] * len(runs), "train": [run.name for run in runs]},
        "counts": {"steps": [40] * len(runs), "best validation loss": [2.5] * len(runs)},
        "scores": compare(runs),
    }
    return RunsBeside(**values | changes)
