"""A run with answers to judge, and a judge that is fair."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from chat_server import Answer

from eval.judge.rubric import CRITERIA
from hunmin.artifact import commit, files_below
from hunmin.schema import HELDOUT, SAMPLES


def write_run(folder: Path, *, num: int = 6, label: str | None = None) -> Path:
    """A run whose tuned model answers "good N" and whose base answers "bad N"; the first two alike."""
    rows = [
        {
            **dict.fromkeys(HELDOUT.names),
            "row_id": f"src:a.json:{index}.0",
            "family_id": f"f{index}",
            "task": ("chat", "qa")[index % 2],
        }
        for index in range(num)
    ]
    table = pa.Table.from_pylist(rows, schema=HELDOUT)
    (folder / "data").mkdir(parents=True)
    (folder / "eval").mkdir()
    told = {b"hunmin": json.dumps({"tasks": {}}).encode()}
    pq.write_table(table.replace_schema_metadata(told), folder / "data" / "heldout.parquet")
    samples = [
        {
            **dict.fromkeys(SAMPLES.names),
            "sample_id": f"{row['row_id']}/0",
            "row_id": row["row_id"],
            "system": system,
            "task": row["task"],
            "language": "ko",
            "prompt": f"물음 {index}",
            "references": ["정답"],
            "label": label,
            "answer": f"{'good' if system == 'tuned' else 'bad'} {index}" if index > 1 else "alike",
        }
        for index, row in enumerate(rows)
        for system in ("base", "tuned", "copy")
    ]
    pq.write_table(pa.Table.from_pylist(samples, schema=SAMPLES), folder / "eval" / "samples.parquet")
    commit(
        folder / "eval", stage="eval", stage_version=1, parents={}, config_sha256="", content_sha256="e",
        counts={}, files=files_below(folder / "eval"), seconds=0,
    )  # fmt: skip
    return folder


def fair(body: dict[str, Any], number: int) -> Answer:
    """Prefers what is good, in whichever order."""
    text = body["messages"][1]["content"]
    return Answer(json.dumps(dict.fromkeys(CRITERIA, "A" if "<answer_A>\ngood" in text else "B")))
