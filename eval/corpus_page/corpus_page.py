"""corpus.html in the run folder: the counts of the data stage, and single rows of everything it did.

A function of `data/` alone, made after the stage and again where it is missing: no stage reads it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from eval.report.html_page import render_page
from eval.report.report import LEDGER_COLUMNS
from eval.report.sections import corpus
from hunmin import artifact
from hunmin.readable import MAX_CHARS
from hunmin.schema import CorpusSamples, Stats

PAGE = "corpus.html"
FOLDER = Path(__file__).parent
READ = ("stats.json", "corpus.json", "rows.parquet", "heldout.parquet")
# Classes of a page's colours, which a person who sees no colours can do without: every part is named too.
KINDS = ("system", "user", "thought", "answer", "call", "tool")

Section = dict[str, Any]


def write_page(run_dir: Path, *, name: str, cure: str) -> None:
    """Write the page of a finished data stage.

    Args:
        cure: the command that builds the stage again, for messages.

    Raises:
        ArtifactError: the stage is not finished, or a file differs from its manifest.
    """
    data = run_dir / "data"
    artifact.verify(data, cure=cure, only=READ)
    stats: Stats = json.loads((data / "stats.json").read_text(encoding="utf-8"))
    samples: CorpusSamples = json.loads((data / "corpus.json").read_text(encoding="utf-8"))
    numbers = corpus.section(
        stats,
        ledger=pq.read_table(data / "rows.parquet", columns=LEDGER_COLUMNS),
        heldout=pq.read_table(data / "heldout.parquet", columns=["family_id"]),
    )
    artifact.write_atomic(run_dir / PAGE, render(name, numbers, stats, samples).encode())


def render(name: str, numbers: Section, stats: Stats, samples: CorpusSamples) -> str:
    """The page: what came in and what was left out, labels and languages, single rows.

    Args:
        numbers: the report's corpus section.
    """
    sources = stats["sources"].values()
    groups = sample_groups(stats, samples)
    return render_page(
        "corpus_page.html.j2",
        folder=FOLDER,
        css=(FOLDER / "corpus_page.css").read_text(encoding="utf-8"),
        name=name,
        corpus=numbers,
        summary={
            "records": sum(source["records"] for source in sources),
            "kept": sum(source["kept"] for source in sources),
        },
        labels=_histograms(samples["labels"]),
        languages=[
            {"source": source, "pairs": _with_bars(pairs)} for source, pairs in samples["languages"].items()
        ],
        groups=groups,
        num_shown=sum(len(group["samples"]) for group in groups),
        max_chars=MAX_CHARS,
        kinds=KINDS,
    )


def sample_groups(stats: Stats, samples: CorpusSamples) -> list[Section]:
    """Kept rows by source, near pairs, rejected records by reason: each with how many there are."""
    kept = [
        _group("kept", source, stats["sources"][source]["kept"], rows)
        for source, rows in samples["kept"].items()
    ]
    near = [_group("near", "near_duplicate", samples["num_near_pairs"], samples["near_pairs"])]
    rejected = [
        _group("rejected", reason, stats["rejected"][reason], rows, samples["meanings"][reason])
        for reason, rows in samples["rejected"].items()
        if reason != "near_duplicate" or not samples["near_pairs"]
    ]
    return [group for group in (*kept, *near, *rejected) if group["samples"]]


def _group(kind: str, title: str, total: int, rows: Any, meaning: str = "") -> Section:
    return {"kind": kind, "title": title, "total": total, "samples": rows, "meaning": meaning}


def _histograms(labels: Mapping[str, Mapping[str, int]]) -> list[Section]:
    """Labels of a task with their shares, and how long their bars are."""
    return [
        {
            "task": task,
            "labels": _with_bars([{"label": label, "rows": rows} for label, rows in counts.items()]),
        }
        for task, counts in labels.items()
    ]


def _with_bars(lines: list[Any]) -> list[Section]:
    total, most = sum(line["rows"] for line in lines), max(line["rows"] for line in lines)
    return [line | {"share": line["rows"] / total, "bar": line["rows"] / most} for line in lines]
