"""The data stage: sources to packed Arrow. Read this first.

    sources -> read, normalize, judge, split          on all CPUs, by parts of files
            -> drop duplicates, gate, mix             here, in DuckDB (database/), from ids and hashes
            -> tokenizer                              the model's, or trained on the train split
            -> draw variants, render, tokenize, mask  on all CPUs, part by part
            -> plan packs                             here, from lengths alone
            -> write shards                           on all CPUs, shard by shard

What is done with a part stands in part_worker.py, and who does it in workers/: processes of this machine, or
Ray Data. Parts and shards are files that are whole or absent (build/work_folder.py): a task that is run again
writes the same file, and a killed build goes on with what is missing. Every decision is a pure function of
ids, texts and lengths in canonical order (source, file, record, sub-record), and so is every output, for any
worker count.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from data_pipeline import sources
from data_pipeline.augment.draw import Drawn, draw_variant
from data_pipeline.build.context import EXAMPLES, FEW_SHOT, BuildContext
from data_pipeline.build.prepared_rows import rows_at
from data_pipeline.build.work_folder import WorkFolder, part_number
from data_pipeline.config import STAGE_VERSION, DataConfig
from data_pipeline.database import decisions, tables
from data_pipeline.database.places import place_rows
from data_pipeline.database.row_database import RowDatabase
from data_pipeline.packing.gather import Shard, gather_packs
from data_pipeline.packing.tokenizer_training import MAX_SENTENCES, train_tokenizer
from data_pipeline.part_worker import Stride, encode_part, num_strides, read_stride
from data_pipeline.stats import sources_compared, stats
from data_pipeline.stats.corpus_samples import corpus_samples
from data_pipeline.stats.part_counts import PartCounts
from data_pipeline.stats.stats import Decided
from data_pipeline.tasks.tasks import load_tasks, task_of
from data_pipeline.workers.done import Done
from data_pipeline.workers.each_item import Workers, do_each
from hunmin import artifact, hashing
from hunmin.artifact import written_whole
from hunmin.errors import GateError, InputError
from hunmin.models.chat_templates import template_sha256, template_text
from hunmin.models.config import ModelConfig
from hunmin.models.part_marks import MarkedKind, Marks
from hunmin.models.served_template import settle_template
from hunmin.models.tokenizer import chosen_tokenizer, load_tokenizer
from hunmin.progress import say
from hunmin.rows import Row
from hunmin.schema import SCHEMA_VERSION, PackMetadata
from hunmin.section import content_of, resolve_path
from hunmin.shards import EPOCHS, write_shard
from hunmin.stage import Inputs, open_stage

TEMPLATE_ROWS = 256  # of the train split, which the template must fit before any is encoded


def run(
    *,
    config: DataConfig,
    model: ModelConfig,
    seed: int,
    base: Path,
    out_dir: Path,
    inputs: Inputs,
    workers: Workers,
) -> artifact.Manifest:
    """Build `data/` in out_dir, or go on building it.

    Args:
        workers: who does the steps' items.

    Raises:
        InputError: a source, template or tokenizer is not as the config says.
        GateError: nothing to train on, or held-out rows stand in the train split.
    """
    tasks = load_tasks(resolve_path(config.tasks, base) if config.tasks else None)
    build = BuildContext(config, tasks, seed, base, out_dir, workers)
    # Whether leaks may pass is asked when all is read, and changes no part: the answer goes on from there.
    of_parts = content_of(config.model_copy(update={"allow_contamination": None}))
    half = {
        "version": STAGE_VERSION,
        "config": hashing.sha256_json([of_parts, content_of(model), seed]),
        "parents": inputs.parents,
        "part_rows": config.part_rows,
        "code": artifact.code_sha256("hunmin", "data_pipeline"),  # parts of two codes must not be mixed
        "libraries": artifact.versions(),
    }
    stage = open_stage(out_dir, inputs, half=half)
    work = WorkFolder.open(out_dir)

    dialects = _read_sources(build, work)
    with closing(RowDatabase(work.folder, memory_mb=config.memory_mb)) as database:
        decided = _decide(build, work, database)

        _require_trained(
            database, "jobs SEMI JOIN (SELECT ord FROM rows WHERE split = 'train') USING (ord)", work, out_dir
        )
        tokenizer_sha256, template_sha256, part_marks = _make_tokenizer(build, model, work, database)
        _encode_rows(build, work)
        database.load_renders([work.path("rendered", part) for part in work.parts("rendered")])
        decisions.refuse_unrendered(database)
        _require_trained(database, "renders WHERE split = 'train' AND reason IS NULL", work, out_dir)

        shards = place_rows(database, seq_len=config.seq_len, work=work, workers=build.workers)
        infos = {
            line["task"]: task_of(tasks, line["task"]).info()
            for line in database.rows("SELECT DISTINCT task FROM alive")
        }
        written = {
            "rows.parquet": tables.write_ledger(database, out_dir / "rows.parquet", work=work),
            "rejected.parquet": tables.write_rejected(database, out_dir / "rejected.parquet", work=work),
            "heldout.parquet": tables.write_heldout(
                database, out_dir / "heldout.parquet", work=work, tasks=infos
            ),
        }
        metadata = _metadata(config, database, shards, tokenizer_sha256, template_sha256)
        shard_sha256 = _write_shards(build, work, shards, metadata)

        numbers = stats.summarize(
            database,
            config,
            decided,
            dialects=dialects,
            vocab_size=len(load_tokenizer(out_dir / "tokenizer")),
            tasks=tasks,
            tally=PartCounts.of_parts(work),
        )
        if left_out := numbers.get("left_out"):
            what = " and ".join(
                f"{kind} of {count} rendered row(s)" for kind, count in sorted(left_out.items())
            )
            say(f"data: data.template leaves out {what}; choose one of a model that is trained with them")
        if part_marks:
            numbers["part_marks"] = {**part_marks}
        artifact.write_json(out_dir / "stats.json", numbers)
        artifact.write_json(out_dir / "corpus.json", corpus_samples(database, build, work))
    content = {
        "tokenizer": tokenizer_sha256,
        "template": template_sha256,
        "shards": shard_sha256,
        "tables": {name: table.sha256 for name, table in written.items()},
    }
    manifest = stage.commit(
        content_sha256=hashing.sha256_json(content),
        counts={
            "records": sum(source["records"] for source in numbers["sources"].values()),
            "rejected": numbers["rejected"],
            "splits": numbers["splits"],
        },
        files=[path for path in artifact.files_below(out_dir) if work.folder not in path.parents],
        rows={name: table.num_rows for name, table in written.items()}
        | {shard.path: shard.num_packs for shard in shards},
        extra={EPOCHS: {shard.path: shard.epoch for shard in shards}},
    )
    work.remove()
    return manifest


def _read_sources(build: BuildContext, work: WorkFolder) -> dict[str, list[str]]:
    """Every record of every source as a line of PREPARED, in parts; and each source's dialects, in words."""
    units: list[sources.Unit] = []
    dialects: dict[str, list[str]] = {}
    for index, source in enumerate(build.config.sources):
        own = sources.expand(source, index=index, base=build.base)
        units += own
        words = [sources.describe(unit, source) for unit in own]
        dialects[source.name] = sorted({word for words_of_file in words for word in words_of_file})
        how = "; ".join(dialects[source.name])
        say(f"data: source {source.name}: {len(own)} file(s), {source.format}, {how}")
    cpus = build.workers.num_cpus
    strides = {
        work.path(f"strides-{step}", part_number(number, first), "json"): Stride(number, unit, first, step)
        for number, unit in enumerate(units)
        for step in [num_strides(unit, num_cpus=cpus)]
        for first in range(step)
    }
    do_each(
        "data: files read",
        strides,
        lambda stride: read_stride(stride, build=build, work=work),
        workers=build.workers,
    )
    return dialects


def _decide(build: BuildContext, work: WorkFolder, database: RowDatabase) -> Decided:
    """Which rows stay, and which of them are rendered in which epoch, how often: jobs.parquet, by ord.

    Raises:
        GateError: held-out rows stand in the train split.
    """
    config = build.config
    parts = [work.path("read", part) for part in work.parts("read")]
    if not parts:
        raise InputError(
            "data.sources: the files hold no record at all; look at their paths, and at max_records"
        )
    database.load_rows(parts)
    say(f"data: {database.number('SELECT count(*) FROM rows')} records, looking for duplicates and leaks")
    shared = sources_compared.shared_texts(database)  # before one of two copies is refused
    for note in sources_compared.notes(database, config.sources, shared):
        say(note)
    same_prompt = decisions.judge_same_prompts(database, config)  # first: a majority is of all copies
    if config.dedup.exact:
        decisions.refuse_duplicates(database)
    if config.dedup.near:
        decisions.refuse_near_duplicates(database, parts=parts, threshold=config.dedup.threshold)
    decisions.refuse_heldout_families(database, config)
    leaks = decisions.gate_contamination(database, config, parts=parts, work=work, out_dir=build.out_dir)
    mix = decisions.plan_jobs(database, config, seed=build.seed)
    if config.augment.few_shot:
        pool = list(rows_at(work, decisions.example_places(database)))
        artifact.write_parquet(build.out_dir / FEW_SHOT, pa.Table.from_pylist(pool, schema=EXAMPLES))
    with written_whole(work.jobs) as path:
        database.copy("SELECT * FROM jobs ORDER BY ord, epoch, repeat", path)
    return Decided(same_prompt=same_prompt, leaks=leaks, mix=mix, shared_texts=shared)


def _make_tokenizer(
    build: BuildContext, model: ModelConfig, work: WorkFolder, database: RowDatabase
) -> tuple[str, str, dict[MarkedKind, Marks]]:
    """Write `tokenizer/` with the chosen template; sha256 of both, the marks around thoughts and calls."""
    if model.from_scratch is None:
        tokenizer = chosen_tokenizer(model, base=build.base)
    else:
        say("data: training a SentencePiece tokenizer on the train split")
        texts = _train_texts(build, work, database)
        tokenizer = train_tokenizer(texts, vocab_size=model.from_scratch.vocab_size)
    config = build.config
    tokenizer.chat_template = template_text(config.template, tokenizer, build.base)
    renderer = settle_template(
        tokenizer,
        options=config.template_options,
        day=config.template_date,
        ask_as_trained=config.export_template == "trained",
        sample=(
            (drawn.messages, row.get("tools"))
            for row, drawn in _drawn_plainly(build, work, database, TEMPLATE_ROWS)
        ),
    )
    tokenizer.save_pretrained(str(build.out_dir / "tokenizer"))
    logical = tokenizer.backend_tokenizer.to_str()
    template = template_sha256(tokenizer.chat_template)
    return hashing.sha256_bytes(logical.encode()), template, renderer.part_marks


def _train_texts(build: BuildContext, work: WorkFolder, database: RowDatabase) -> Iterator[str]:
    """Texts of the train split, plainly rendered, in canonical order, of at most MAX_SENTENCES rows."""
    for _, drawn in _drawn_plainly(build, work, database, MAX_SENTENCES):
        texts = ((message["content"], message.get("reasoning")) for message in drawn.messages)
        yield "\n".join(text for of_message in texts for text in of_message if text)


def _drawn_plainly(
    build: BuildContext, work: WorkFolder, database: RowDatabase, count: int
) -> Iterator[tuple[Row, Drawn]]:
    """At most `count` rows of the train split, chosen by hash, as they are asked plainly in epoch 0."""
    chosen = database.arrays(
        "SELECT ord FROM alive WHERE split = 'train' ORDER BY row_hash, ord LIMIT ?", [count]
    )["ord"]
    for row in rows_at(work, chosen):
        yield (
            row,
            draw_variant(
                row,
                tasks=build.tasks,
                augment=build.config.augment,
                seed=build.seed,
                epoch=0,
                repeat=0,
                examples=None,
                plain=True,
            ),
        )


def _encode_rows(build: BuildContext, work: WorkFolder) -> None:
    """Every job of every part: ids in an Arrow file, the rest as lines of RENDERED, held-out rows apart."""
    parts = {work.path("encoded", part, "json"): part for part in work.parts("read")}
    if not build.workers.on_ray:
        _ = build.renderer, build.byte_tokens  # loaded once; forked processes have them
    do_each(
        "data: parts tokenized",
        parts,
        lambda part: encode_part(part, build=build, work=work),
        workers=build.workers,
    )


def _require_trained(database: RowDatabase, relation: str, work: WorkFolder, out_dir: Path) -> None:
    """Stop before an empty training: where the relation of train rows holds none.

    Raises:
        GateError: no train row holds a trained token; lists why rows were refused.
    """
    if database.number(f"SELECT count(*) FROM {relation}"):
        return
    tables.write_rejected(database, out_dir / "rejected.parquet", work=work)
    reasons = database.counts("SELECT reason, count(*) FROM refused GROUP BY 1")
    splits = database.counts("SELECT split, count(*) FROM alive GROUP BY 1")
    listed = ", ".join(f"{reason} {count}" for reason, count in reasons.items()) or "none"
    kept = ", ".join(f"{split} {count}" for split, count in sorted(splits.items())) or "none"
    records = database.number("SELECT count(*) FROM rows")
    raise GateError(
        f"data: no trainable token in the train split. {records} record(s) read; kept: {kept}; rejected: "
        f"{listed} (each with its place in {out_dir / 'rejected.parquet'}). Check the sources' columns, "
        "data.bounds, data.seq_len, data.split and data.mix"
    )


def _metadata(
    config: DataConfig, database: RowDatabase, shards: list[Shard], tokenizer: str, template: str
) -> dict[str, PackMetadata]:
    """By shard's path: what stands in its schema. All shards share one list of tasks."""
    tasks = sorted(
        database.counts(
            "SELECT task, count(*) FROM placed JOIN renders USING (ord, epoch, repeat, turn) GROUP BY 1"
        )
    )
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
    build: BuildContext, work: WorkFolder, shards: list[Shard], metadata: dict[str, PackMetadata]
) -> dict[str, str]:
    """Bring the rows of each shard together and write it; the hash of each one's content."""
    out_dir = build.out_dir
    for shard in shards:
        (out_dir / shard.path).parent.mkdir(exist_ok=True)

    def write(shard: Shard) -> Done:
        table = gather_packs(work, shard, tasks=metadata[shard.path]["tasks"])
        write_shard(out_dir / shard.path, table, metadata[shard.path])
        return Done([out_dir / shard.path], {"path": shard.path, "sha256": hashing.table_sha256(table)})

    items = {work.path("shards", number, "json"): shard for number, shard in enumerate(shards)}
    written = do_each("data: shards written", items, write, workers=build.workers)
    return {done["path"]: done["sha256"] for done in written}
