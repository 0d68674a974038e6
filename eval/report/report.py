"""The report stage: what the other stages left in a run folder, as one HTML page, figures and a model card.

The page is self-contained (style, script and figures inside it, no network) and a function of those files
alone: equal inputs give equal bytes. Read `run` first; what the page says is in `sections/` and, where only
some runs have it, in `optional/`; how it looks in `page.html.j2` and `page.css`, what moves in `page.js`.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from eval.report.drawing import pictures
from eval.report.drawing.svg import Figure
from eval.report.html_page import render_page
from eval.report.model_card import CARD, with_scores
from eval.report.optional import contents_of
from eval.report.sections import answers, corpus, facts, results, training
from eval.report.sections.facts import Fact
from hunmin import artifact, hashing
from hunmin.artifact import Manifest
from hunmin.errors import ArtifactError
from hunmin.progress import say
from hunmin.schema import SampleMetrics, Scores, Stats, TrainMetrics, ValMetrics
from hunmin.stage import Inputs, open_stage

PAGE = "index.html"
FIGURES = "figures"  # the folder of their PNG files
EXPORT_CARD = "export/README.md"
STAGES = {
    "data": ("stats.json", "rows.parquet", "heldout.parquet"),
    "train": ("metrics.jsonl", EXPORT_CARD),
    "eval": ("scores.json", "samples.parquet"),
}
BATCH_ROWS = 2_048  # of samples.parquet, which are Python objects at a time
LEDGER_COLUMNS = ["family_id", "split", "language", "licence", "synthetic"]

T = TypeVar("T")


@dataclass(frozen=True)
class RunContents:
    """Everything the page is made from."""

    config: dict[str, Any]
    config_text: str
    manifests: dict[str, Manifest]  # by stage, in the order of the stages
    stats: Stats
    ledger: pa.Table  # LEDGER_COLUMNS of rows.parquet
    heldout: pa.Table  # family_id of heldout.parquet
    train_metrics: list[TrainMetrics]  # one a step, ascending
    val_metrics: list[ValMetrics]
    sample_metrics: list[SampleMetrics]
    scores: Scores
    choice: answers.Choice  # which samples the page shows
    samples: pa.Table  # those
    optional: list[dict[str, Any]]  # the sections that not every run has
    export_card: str


def run(*, run_dir: Path, name: str, inputs: Inputs) -> Manifest:
    """Read the finished stages of a run and write `RUN/report/`: page, model card, figures, manifest last.

    Raises:
        ArtifactError: a stage is not finished, a file differs from its manifest, or a stage is not the
            one that `inputs` names.
    """
    contents = read_contents(run_dir, inputs.parents)
    page, figures = render(contents, name)
    out_dir = run_dir / "report"
    stage = open_stage(out_dir, inputs)
    artifact.clear(out_dir)
    artifact.write_atomic(out_dir / PAGE, page.encode())
    card = with_scores(contents.export_card, contents.scores, [fact for _, fact in first_screen(contents)])
    artifact.write_atomic(out_dir / CARD, card.encode())
    drawn = [out_dir / FIGURES / pictures.file_name(figure) for figure in figures]
    (out_dir / FIGURES).mkdir()
    for path, figure in zip(drawn, figures, strict=True):
        artifact.write_atomic(path, pictures.png(figure))
    say(f"report: {out_dir / PAGE}")
    return stage.commit(
        # Not of the page's bytes, which hold times: the page follows from these.
        content_sha256=hashing.sha256_json(
            {
                "stage_version": inputs.stage_version,
                "name": name,
                "parents": inputs.parents,
                "config": inputs.config_sha256,
            }
        ),
        counts={
            "tasks": len(contents.scores["tasks"]),
            "figures": len(figures),
            "samples": len(contents.choice.reasons),
            "page_bytes": len(page.encode()),
        },
        files=[out_dir / PAGE, out_dir / CARD, *drawn],
    )


def read_contents(run_dir: Path, parents: dict[str, str]) -> RunContents:
    """Everything the page needs, verified against the stages' manifests."""
    manifests = {stage: _verified(run_dir, stage, parents) for stage in STAGES}
    config_text = _read(run_dir / "config.yaml", Path.read_text)
    metrics = _read(run_dir / "train" / "metrics.jsonl", read_metrics)
    data = run_dir / "data"
    scores: Scores = _read(run_dir / "eval" / "scores.json", _load_json)
    samples = run_dir / "eval" / "samples.parquet"
    choice = _read(samples, lambda path: choose_samples(path, scores))
    return RunContents(
        config=yaml.safe_load(config_text),
        config_text=config_text,
        manifests=manifests,
        stats=_read(data / "stats.json", _load_json),
        ledger=_read(data / "rows.parquet", lambda path: pq.read_table(path, columns=LEDGER_COLUMNS)),
        heldout=_read(data / "heldout.parquet", lambda path: pq.read_table(path, columns=["family_id"])),
        train_metrics=[line for line in metrics if line["kind"] == "train"],
        val_metrics=[line for line in metrics if line["kind"] == "val"],
        sample_metrics=[line for line in metrics if line["kind"] == "samples"],
        scores=scores,
        choice=choice,
        samples=_read(samples, lambda path: read_samples(path, list(choice.reasons))),
        optional=contents_of(run_dir),
        export_card=_read(run_dir / "train" / EXPORT_CARD, lambda path: path.read_text(encoding="utf-8")),
    )


def render(contents: RunContents, name: str) -> tuple[str, list[Figure]]:
    """The page and the figures on it. What comes from data or config is escaped by the template engine."""
    sections: dict[str, Any] = {
        "summary": results.summary(contents.config, contents.manifests, contents.stats, contents.scores),
        "corpus": corpus.section(contents.stats, ledger=contents.ledger, heldout=contents.heldout),
        "training": training.section(
            contents.train_metrics,
            contents.val_metrics,
            contents.sample_metrics,
            contents.stats,
            export_step=contents.manifests["train"].counts["export_step"],
        ),
        "overview": results.overview(contents.scores),
        "scores": results.scores(contents.scores),
        "optional": contents.optional,
        "answers": answers.section(
            contents.samples.to_pylist(),
            contents.choice,
            contents.scores,
            skipped=contents.manifests["eval"].counts.get("skipped", {}),
            max_asked=(contents.config.get("eval") or {}).get("max_samples_per_task"),
        ),
        "provenance": results.provenance(contents.manifests, contents.scores),
    }
    figures = list(figures_of(sections))
    page = render_page(
        "page.html.j2",
        name=name,
        config_text=contents.config_text,
        num_figures=len(figures),
        facts=first_screen(contents),
        corpus_page="../corpus.html",  # eval/corpus_page lays it beside the stages' folders
        **sections,
    )
    return page, figures


def first_screen(contents: RunContents) -> list[tuple[str, Fact]]:
    """The facts above everything else, each with the section that has more of it."""
    rows = results.headlines(contents.scores)
    said = facts.first_facts(rows, contents.scores, contents.stats)
    told = [(shown["name"], fact) for shown in contents.optional for fact in shown["facts"]]
    unknown = [] if any(name == "safety" for name, _ in told) else [facts.SAFETY_UNKNOWN]
    return said + told + unknown


def figures_of(value: Any) -> Iterator[Figure]:
    """All figures in a section, however deep, in its order."""
    if isinstance(value, Figure):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from figures_of(member)


def read_metrics(path: Path) -> list[Any]:
    """The lines of metrics.jsonl by kind and step; where a resumed run wrote a step again, the later line.

    Raises:
        ArtifactError: a line is not JSON.
    """
    lines: dict[tuple[str, int], Any] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise ArtifactError(
                f"{path}, line {number}: not JSON ({error}); delete {path.parent} and run: "
                f"{_command('train', path.parent.parent)}"
            ) from error
        lines[record["kind"], record["step"]] = record
    return [lines[key] for key in sorted(lines)]


def choose_samples(path: Path, scores: Scores) -> answers.Choice:
    """Which samples the page shows, with few of them in memory at a time."""
    found = answers.outcomes(_rows(path, answers.OUTCOME_COLUMNS), scores)
    return answers.choose_samples(found, answers.text_bytes(_rows(path, answers.TEXT_COLUMNS)))


def read_samples(path: Path, sample_ids: list[str]) -> pa.Table:
    """What both models said to these samples, without reading the others."""
    wanted = [("sample_id", "in", sample_ids), ("system", "in", list(answers.MODELS))]
    return pq.read_table(path, filters=wanted if sample_ids else None)


def _rows(path: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=columns):
            yield from batch.to_pylist()


def _verified(run_dir: Path, stage: str, parents: dict[str, str]) -> Manifest:
    cure = _command(stage, run_dir)
    manifest = artifact.verify(run_dir / stage, cure=cure, only=STAGES[stage])
    wanted = parents.get(stage, manifest.content_sha256)
    if wanted != manifest.content_sha256:
        raise ArtifactError(
            f"{run_dir / stage}: content {manifest.content_sha256[:12]}… is not the {wanted[:12]}… that this "
            f"report is made from; run: {cure}"
        )
    return manifest


def _command(stage: str, run_dir: Path) -> str:
    return f"hunmin {stage} {run_dir / 'config.yaml'} --run {run_dir}"


def _read(path: Path, reader: Callable[[Path], T]) -> T:
    if not path.exists():
        raise ArtifactError(f"{path}: missing; the report needs it. Run the stage that writes it again")
    return reader(path)


def _load_json(path: Path) -> Any:
    return json.loads(path.read_text())
