"""The data stage: sources to packed Arrow. Read this first; it is the only file here that knows Ray.

    sources -> read, normalize, validate, split      Ray Data, a task a file
            -> drop exact duplicates                 here, from ids alone
            -> tokenizer                             the model's, or trained on the train split
            -> draw wordings, render, tokenize, mask Ray Data
            -> plan packs                            here, from lengths alone
            -> write shards                          Ray Data, a task a shard

Blocks arrive in any order from any number of workers. Every decision is therefore a pure function of row
ids, texts and lengths in canonical order (source, file, record, sub-record), and so is every output.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from ray.data.context import ShuffleStrategy

from data_pipeline import artifact, ledger, sources, stats
from data_pipeline.config import STAGE_VERSION, DataConfig, ModelConfig, resolve_path
from data_pipeline.ledger import Placement, Shard
from data_pipeline.model_folder import locate_model
from data_pipeline.packing.encode import encode
from data_pipeline.packing.shards import read_shard, write_shard
from data_pipeline.packing.template import Renderer, load_tokenizer, template_text
from data_pipeline.packing.tokenizer import MAX_SENTENCES, train_tokenizer
from data_pipeline.progress import progress, say
from data_pipeline.rows.prepare import prepare
from data_pipeline.rows.split import stable_hash
from data_pipeline.schema import LEDGER, MESSAGE, ROW, SCHEMA_VERSION, PackMetadata
from data_pipeline.variants.tasks import (
    Task,
    load_tasks,
    task_of,
    to_messages,
)

# Rows between reading and rendering: kept ones, and refused ones with a reason.
PREPARED = pa.schema(
    [*ROW, *((name, pa.string()) for name in ("split", "text_key", "short_answer", "reason", "detail"))]
)
# A row in an epoch, between rendering and writing.
ENCODED = pa.schema(
    [
        ("row_id", pa.string()),
        ("split", pa.string()),
        ("epoch", pa.int32()),
        ("task", pa.string()),
        ("wording_id", pa.string()),
        ("transforms", pa.list_(pa.string())),
        ("num_tokens", pa.int32()),
        ("num_trained_tokens", pa.int32()),
        ("num_chars", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("messages", pa.list_(MESSAGE)),
        ("input_ids", pa.list_(pa.int32())),
        ("labels", pa.list_(pa.int32())),
    ]
)
_HEAVY = ("fields", "messages", "references", "input_ids", "labels")


@dataclass(frozen=True)
class Build:
    """What every step of one build needs; travels to the workers."""

    config: DataConfig
    tasks: dict[str, Task]
    seed: int
    base: Path  # the config file's folder
    out_dir: Path


def run(
    *,
    config: DataConfig,
    model: ModelConfig,
    seed: int,
    base: Path,
    out_dir: Path,
    parents: dict[str, str],
    config_sha256: str,
) -> artifact.Manifest:
    """Build `data/` in out_dir. Ray is already up.

    Args:
        config: the data section.
        model: whose tokenizer is used, or that one is to be trained.
        seed: of splits and wordings.
        base: the folder that relative paths start from.
        out_dir: the stage's folder; emptied first.
        parents: none for this stage.
        config_sha256: of the content fields, for the manifest.

    Raises:
        InputError: a source, template or tokenizer is not as the config says.
        GateError: nothing to train on.
    """
    start = time.monotonic()
    _quiet_ray()
    artifact.clear(out_dir)
    tasks = load_tasks(resolve_path(config.tasks, base) if config.tasks else None)
    build = Build(config, tasks, seed, base, out_dir)

    prepared, dialects = _prepare_rows(build)
    origins = ledger.in_order(_collect(prepared, _light(PREPARED)), config)
    ledger.mark_duplicates(origins)
    ledger.mark_heldout_families(origins, config.split.heldout_tasks)
    kept = {row["row_id"] for row in origins if row["reason"] is None}

    tokenizer_sha256, template_sha256 = _make_tokenizer(build, model, prepared, kept)
    encoded = _encode_rows(build, prepared, kept)
    renders = ledger.in_order(_collect(encoded, _light(ENCODED)), config, by=origins)
    ledger.mark_unrendered(origins, renders)
    ledger.require_trained_tokens(origins, renders)

    rows, shards = ledger.plan(origins, renders, seq_len=config.seq_len)
    metadata = _metadata(config, rows, shards, tokenizer_sha256, template_sha256)
    _write_shards(build, encoded, rows, shards, metadata)

    heldout = ledger.heldout(
        _collect(_of_split(prepared, "heldout"), ROW.names),
        _collect(_of_split(encoded, "heldout"), [*_light(ENCODED), "messages"]),
        origins,
        tasks={name: task_of(tasks, name).info() for name in {row["task"] for row in origins} - {None}},
        trained_tasks={row["task"] for row in rows},
    )
    tables = {
        "rows.parquet": pa.Table.from_pylist(rows, schema=LEDGER),
        "rejected.parquet": ledger.rejected(origins),
        "heldout.parquet": heldout,
    }
    for name, table in tables.items():
        artifact.write_parquet(out_dir / name, table)
    numbers = stats.summarize(
        config,
        origins=origins,
        renders=renders,
        rows=rows,
        dialects=dialects,
        vocab_size=len(load_tokenizer(out_dir / "tokenizer")),
    )
    artifact.write_json(out_dir / "stats.json", numbers)
    content = {
        "tokenizer": tokenizer_sha256,
        "template": template_sha256,
        "shards": {s.path: artifact.table_sha256(read_shard(out_dir / s.path)) for s in shards},
        "tables": {name: artifact.table_sha256(table) for name, table in tables.items()},
    }
    return artifact.commit(
        out_dir,
        stage="data",
        stage_version=STAGE_VERSION,
        parents=parents,
        config_sha256=config_sha256,
        content_sha256=artifact.sha256_json(content),
        counts={
            "records": len(origins),
            "rejected": numbers["rejected"],
            "splits": numbers["splits"],
        },
        files=artifact.files_below(out_dir),
        rows={name: table.num_rows for name, table in tables.items()}
        | {shard.path: shard.num_packs for shard in shards},
        seconds=time.monotonic() - start,
    )


def _prepare_rows(build: Build) -> tuple[ray.data.Dataset, dict[str, list[str]]]:
    """Every record of every source as a line of PREPARED; and each source's dialects, in words."""
    config, tasks = build.config, build.tasks
    units = []
    dialects: dict[str, list[str]] = {}
    for index, source in enumerate(config.sources):
        own = sources.expand(source, index=index, base=build.base)
        units += own
        words = [sources.describe(unit, source) for unit in own]
        dialects[source.name] = sorted({word for words_of_file in words for word in words_of_file})
        how = "; ".join(dialects[source.name])
        say(f"data: source {source.name}: {len(own)} file(s), {source.format}, {how}")

    def read(batch: pa.Table) -> Iterator[pa.Table]:
        for number in batch.column("unit").to_pylist():
            unit = units[number]
            drafts = sources.read(unit, config.sources[unit.source_index])
            rows = (prepare(draft, config=config, tasks=tasks, seed=build.seed) for draft in drafts)
            yield from _tables(rows, PREPARED, config.batch_rows)

    listed = ray.data.from_items([{"unit": i} for i in range(len(units))], override_num_blocks=len(units))
    dataset = listed.map_batches(read, batch_format="pyarrow", batch_size=1)
    return _execute(dataset, "data: records read"), dialects


def _make_tokenizer(
    build: Build, model: ModelConfig, prepared: ray.data.Dataset, kept: set[str]
) -> tuple[str, str]:
    """Write `tokenizer/` with the chosen template; sha256 of the tokenizer and of the template."""
    if model.from_scratch is None:
        assert model.path is not None
        tokenizer = load_tokenizer(locate_model(model.path, base=build.base, weights=False))
    else:
        say("data: training a SentencePiece tokenizer on the train split")
        tokenizer = train_tokenizer(
            _train_texts(build, prepared, kept), vocab_size=model.from_scratch.vocab_size
        )
    template = template_text(build.config.template, tokenizer, build.base)
    tokenizer.chat_template = template
    renderer = Renderer(tokenizer)  # refuses a template that cannot be trained on
    if not renderer.same_generation_prompt:
        say(
            "data: the template's add_generation_prompt writes another text than stands before an answer in "
            "training; hunmin generates with the trained one, other programs may not"
        )
    tokenizer.save_pretrained(str(build.out_dir / "tokenizer"))
    logical = tokenizer.backend_tokenizer.to_str()
    return artifact.sha256_bytes(logical.encode()), artifact.sha256_bytes(template.encode())


def _train_texts(build: Build, prepared: ray.data.Dataset, kept: set[str]) -> list[str]:
    """Texts of the train split as first rendered, in canonical order, at most MAX_SENTENCES rows."""
    augment = build.config.augment
    train = [row for row in _collect(_of_split(prepared, "train"), ROW.names) if row["row_id"] in kept]
    train.sort(key=lambda row: stable_hash("tokenizer", row["row_id"]))
    texts = []
    for row in sorted(train[:MAX_SENTENCES], key=lambda row: row["row_id"]):
        messages, _ = to_messages(
            row,
            task_of(build.tasks, row["task"]),
            seed=build.seed,
            epoch=0,
            wordings=augment.wordings,
            prefix=augment.task_prefix,
        )
        texts.append("\n".join(message["content"] for message in messages))
    return texts


def _encode_rows(build: Build, prepared: ray.data.Dataset, kept: set[str]) -> ray.data.Dataset:
    """Every kept row once an epoch (validation and held-out rows once), as lines of ENCODED."""
    config, tasks, folder = build.config, build.tasks, str(build.out_dir / "tokenizer")
    wanted = ray.put(kept)

    def render(batch: pa.Table) -> Iterator[pa.Table]:
        renderer = _renderer(folder)
        chosen: set[str] = _shared(wanted)
        rows = (
            encode(row, epoch=epoch, renderer=renderer, tasks=tasks, config=config, seed=build.seed)
            for row in batch.to_pylist()
            if row["row_id"] in chosen
            for epoch in range(config.epochs if row["split"] == "train" else 1)
        )
        yield from _tables(rows, ENCODED, config.batch_rows)

    dataset = prepared.map_batches(render, batch_format="pyarrow", batch_size=config.batch_rows)
    return _execute(dataset, "data: rows tokenized")


def _metadata(
    config: DataConfig, rows: list[dict[str, Any]], shards: list[Shard], tokenizer: str, template: str
) -> dict[str, PackMetadata]:
    """By shard's path: what stands in its schema. All shards share one list of tasks."""
    tasks = sorted({row["task"] for row in rows})
    return {
        shard.path: PackMetadata(
            schema_version=SCHEMA_VERSION,
            split=shard.split,
            epoch=shard.epoch,
            seq_len=config.seq_len,
            tasks=tasks,
            tokenizer_sha256=tokenizer,
            template_sha256=template,
        )
        for shard in shards
    }


def _write_shards(
    build: Build,
    encoded: ray.data.Dataset,
    rows: list[dict[str, Any]],
    shards: list[Shard],
    metadata: dict[str, PackMetadata],
) -> None:
    """Bring the rows of each shard together and write it. A task that is run again writes the same file."""
    places = ray.put(ledger.placements(rows, shards))
    out_dir = build.out_dir
    for shard in shards:
        (out_dir / shard.path).parent.mkdir(exist_ok=True)

    def place(batch: pa.Table) -> pa.Table:
        of_row: dict[tuple[str, int], Placement] = _shared(places)
        keys = zip(batch.column("row_id").to_pylist(), batch.column("epoch").to_pylist(), strict=True)
        found = [of_row.get(key) for key in keys]
        inside = batch.filter(pa.array([place is not None for place in found]))
        at = [place for place in found if place is not None]
        return (
            inside.select(["task", "input_ids", "labels"])
            .append_column("shard", pa.array([place.shard for place in at], pa.string()))
            .append_column("pack", pa.array([place.pack for place in at], pa.int64()))
            .append_column("slot", pa.array([place.slot for place in at], pa.int64()))
            .append_column("row", pa.array([place.row for place in at], pa.int64()))
        )

    def write(group: pa.Table) -> pa.Table:
        path = group.column("shard")[0].as_py()
        table = ledger.pack_table(group, tasks=metadata[path]["tasks"])
        write_shard(out_dir / path, table, metadata[path])
        return pa.table({"shard": [path]})

    placed = encoded.map_batches(place, batch_format="pyarrow", batch_size=build.config.batch_rows)
    written = placed.groupby("shard").map_groups(write, batch_format="pyarrow")
    _execute(written, "data: shards written", total=len(shards))


def _execute(dataset: ray.data.Dataset, label: str, total: int | None = None) -> ray.data.Dataset:
    """Run the plan now, showing rows as they come; the result lies in the object store."""
    blocks = []
    with progress(label, total) as ticker:
        for bundle in dataset.iter_internal_ref_bundles():
            blocks += bundle.block_refs
            ticker.advance(bundle.num_rows() or 0)
    return ray.data.from_arrow_refs(blocks)


def _collect(dataset: ray.data.Dataset, columns: list[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    refs = dataset.select_columns(columns).to_arrow_refs()
    for table in ray.get(refs):  # type: ignore[call-overload, arg-type]
        rows += table.to_pylist()
    return rows


def _of_split(dataset: ray.data.Dataset, split: str) -> ray.data.Dataset:
    def choose(batch: pa.Table) -> pa.Table:
        return batch.filter(pc.field("split") == split)

    return dataset.map_batches(choose, batch_format="pyarrow", batch_size=None)


def _tables(rows: Iterable[dict[str, Any]], schema: pa.Schema, size: int) -> Iterator[pa.Table]:
    """Tables of `size` rows; one empty table where there is no row, so that the schema is known."""
    pending: list[dict[str, Any]] = []
    empty = True
    for row in rows:
        pending.append(row)
        if len(pending) == size:
            yield pa.Table.from_pylist(pending, schema=schema)
            pending, empty = [], False
    if pending or empty:
        yield pa.Table.from_pylist(pending, schema=schema)


def _light(schema: pa.Schema) -> list[str]:
    return [name for name in schema.names if name not in _HEAVY]


@lru_cache(maxsize=1)
def _renderer(folder: str) -> Renderer:
    """A worker's renderer; loading a tokenizer takes as long as a thousand rows."""
    return Renderer(load_tokenizer(Path(folder)))


@lru_cache(maxsize=4)
def _shared(ref: ray.ObjectRef) -> Any:
    """An object that all tasks of a worker read: fetched once, not once a batch."""
    return ray.get(ref)


def _quiet_ray() -> None:
    """Our own progress instead of Ray Data's; a sort shuffle, which needs no actors beside the tasks."""
    context = ray.data.DataContext.get_current()
    context.print_on_execution_start = False
    context.shuffle_strategy = ShuffleStrategy.SORT_SHUFFLE_PULL_BASED
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # our own words, not its tracebacks
