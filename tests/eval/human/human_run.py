"""A run folder whose answers people rate: eight questions of two tasks, base and tuned differ in six."""

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from report_run import RunSpec, sample, small_run, write_run

from hunmin.artifact import FileEntry, Manifest, write_json
from hunmin.hashing import sha256_file
from hunmin.schema import HELDOUT

CONFIG = """\
name: rated
seed: 7
model: {from_scratch: {hidden_size: 64, num_layers: 2, num_heads: 2, vocab_size: 512}}
data: {sources: [{name: src, format: alpaca, path: rows.json}]}
"""
FORMULA = '=HYPERLINK("http://example.com";"눌러 보세요")'
LONG = "가나다라마바사 " * 5_000
SCRIPT = "</script><script>alert('답')</script>\u2028<b>굵게</b>"
TASKS = {
    "번역": {"metrics": ["chrf"], "labels": [], "language": "ko"},
    "chat": {"metrics": ["chrf"], "labels": [], "language": "en"},
}
# Question, answers of base and tuned, chrF of both.
ASKED = [
    ("서울은 어디에 있나요?", "몰라요", "서울은 한국에 있습니다.", 10.0, 60.0),
    ("-3 더하기 5는?", "=2", "2입니다.", 40.0, 50.0),
    ("봄을 노래해 줘", "봄봄봄", FORMULA, 20.0, 15.0),
    ("같은 답", "네.", "네.", 99.0, 99.0),
    ("What is Hangul?", "@script", SCRIPT, 5.0, 45.0),
    ("Say it long.", "no", LONG, 1.0, 30.0),
    ("Say nothing.", "", "Fine, I say nothing.", 0.0, 35.0),
    ("One more?", "\tno\r\nmore", "Yes, one more.", 12.0, 70.0),
]


def rated_run() -> RunSpec:
    spec = small_run()
    spec.samples, spec.heldout, spec.config = [], [], CONFIG
    for number, (question, base, tuned, *scores) in enumerate(ASKED):
        task = "번역" if number < 4 else "chat"
        row_id = f"src:rows.tsv:{number}.0"
        for system, answer, score in (("base", base, scores[0]), ("tuned", tuned, scores[1])):
            facts = {"prompt": question, "answer": answer, "scores": [("chrf", score)]}
            spec.samples.append(sample(f"{row_id}/0", system, task, **facts))
        spec.heldout.append(_row(row_id, question, task, number))
    return spec


def _row(row_id: str, question: str, task: str, number: int) -> dict[str, Any]:
    system = [{"role": "system", "content": "짧게 답하세요.", "train": False}] if number == 0 else []
    return {
        "row_id": row_id,
        "family_id": f"{number:064x}",
        "task": task,
        "language": "ko" if task == "번역" else "en",
        "licence": "CC0-1.0",
        "messages": [
            *system,
            {"role": "user", "content": question, "train": False},
            {"role": "assistant", "content": "정답", "train": True},
        ],
        "references": ["정답"],
        "seen_task": True,
        "seen_wording": True,
    }


def write_rated_run(run_dir: Path) -> None:
    """The folder, with the tasks that eval reads in heldout.parquet."""
    spec = rated_run()
    write_run(run_dir, spec)
    path = run_dir / "data" / "heldout.parquet"
    tasks = {"hunmin": json.dumps({"tasks": TASKS}, ensure_ascii=False)}
    pq.write_table(pa.Table.from_pylist(spec.heldout, schema=HELDOUT).replace_schema_metadata(tasks), path)
    manifest = run_dir / "data" / "manifest.json"
    said = json.loads(manifest.read_text())
    said["files"] = [one for one in said["files"] if one["path"] != path.name]
    said["files"].append(asdict(FileEntry(path.name, path.stat().st_size, None, sha256_file(path))))
    write_json(manifest, asdict(Manifest(**said)))


def filled(form: Path, reply: Any) -> bytes:
    """A CSV form as a rater hands it back: `reply(row, title)` for each cell to fill in, None to leave it."""
    rows = list(csv.DictReader(io.StringIO(form.read_bytes().decode("utf-8-sig"), newline="")))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(row | {title: reply(row, title) for title in row if "(" in title})
    return b"\xef\xbb\xbf" + out.getvalue().encode()
