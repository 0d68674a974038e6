"""What a worker does with one part: read and judge its records, render and tokenize its rows. No Ray here."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from data_pipeline import sources
from data_pipeline.build.context import BuildContext
from data_pipeline.build.prepared_rows import GROUP_CHARS, GROUP_ROWS, rows_of, table_of
from data_pipeline.build.schemas import ASKED, IDS, PREPARED, RENDERED
from data_pipeline.build.work_folder import MAX_PART_ROWS, WorkFolder, first_ord, part_number
from data_pipeline.packing.encode import encode, encode_unseen
from data_pipeline.packing.gather import BATCH_ROWS
from data_pipeline.rows.prepare import prepare
from data_pipeline.stats.part_counts import KIND, PartCounts
from data_pipeline.workers.done import Done, note_done, noted
from hunmin.artifact import written_whole
from hunmin.errors import InputError
from hunmin.models.fast_ids import FastIdsDiffer
from hunmin.progress import say
from hunmin.rows import Rendered, texts_of

PART_CHARS = 1 << 25  # a part ends after so many characters, if it has not after data.part_rows
STRIDE_BYTES = 4 << 20  # of a file for which one task more is started

T = TypeVar("T")
Numbered = tuple[int, sources.Record]


class Stride(NamedTuple):
    """Every `step`-th part of a file, from the `first` on: what one task judges. Each reads all records."""

    unit_number: int
    unit: sources.Unit
    first: int
    step: int


def num_strides(unit: sources.Unit, *, num_cpus: int) -> int:
    """How many tasks share a file: by its size, so that large files use all CPUs; the parts are the same."""
    size = sum(os.path.getsize(path) for path in unit.paths if os.path.exists(path))
    return max(1, min(num_cpus, -(-size // STRIDE_BYTES)))


def read_stride(stride: Stride, *, build: BuildContext, work: WorkFolder) -> Done:
    """Write a file of PREPARED for each part of the stride that is not there yet; how many rows that took."""
    parts: list[Path] = []
    source = build.config.sources[stride.unit.source_index]
    records = enumerate(sources.records(stride.unit, source))
    judged = 0
    for number, members in groupby(_numbered(records, build.config.part_rows), key=itemgetter(0)):
        if number % stride.step != stride.first:
            continue  # other tasks make rows of these records, which takes several times as long
        place = part_number(stride.unit_number, number)
        path, note = work.path("read", place), work.path("read", place, "json")
        parts.append(path)
        if noted(note) is None:
            own = (record for _, record in members)
            count = _write_rows(path, _prepared(own, stride.unit, build=build, first=first_ord(place)))
            note_done(note, Done([path], {"judged": count}))
            judged += count
    return Done(parts, {"judged": judged})


def _numbered(records: Iterable[Numbered], part_rows: int) -> Iterator[tuple[int, Numbered]]:
    """Each record with the number of its part, which depends on the file and on part_rows alone."""
    part = size = chars = 0
    for number, record in records:
        yield part, (number, record)
        size += 1
        chars += _chars_in(record.value)
        if size == min(part_rows, MAX_PART_ROWS) or chars >= PART_CHARS:
            part, size, chars = part + 1, 0, 0


def _chars_in(value: Any) -> int:
    """Characters of all texts in a record."""
    chars, left = 0, [value]
    while left:
        one = left.pop()
        if isinstance(one, (str, bytes)):
            chars += len(one)
        elif isinstance(one, Mapping):
            left += one.values()
        elif isinstance(one, Sequence):
            left += one
    return chars


def _prepared(
    records: Iterable[Numbered], unit: sources.Unit, *, build: BuildContext, first: int
) -> Iterator[Mapping[str, Any]]:
    """The lines of PREPARED of a part's records, but for COMPARED; `first` is the `ord` of the first.

    Raises:
        InputError: the records give more rows than a part can number.
    """
    config, source = build.config, build.config.sources[unit.source_index]
    drafts = (draft for number, record in records for draft in sources.rows(record, number, unit, source))
    for index, draft in enumerate(drafts):
        if index == MAX_PART_ROWS:
            raise InputError(
                f"source {unit.source}: {unit.file} has data.part_rows = {config.part_rows} records that "
                f"give over {MAX_PART_ROWS} rows; set data.part_rows lower"
            )
        row = prepare(draft, config=config, tasks=build.tasks, seed=build.seed, base=build.base)
        yield {**row, "ord": first + index}


def _write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    with written_whole(path) as partial, pq.ParquetWriter(partial, PREPARED) as writer:
        for group in _groups(rows, max_chars=GROUP_CHARS):
            writer.write_table(table_of(group))
            count += len(group)
    return count


def _groups(rows: Iterable[T], *, max_chars: int | None = None) -> Iterator[list[T]]:
    """Rows in groups of GROUP_ROWS; with `max_chars` a group ends with the row that reaches it, too."""
    group: list[T] = []
    chars = 0
    for row in rows:
        group.append(row)
        chars += 0 if max_chars is None else _num_chars(row)
        if len(group) == GROUP_ROWS or (max_chars is not None and chars >= max_chars):
            yield group
            group, chars = [], 0
    if group:
        yield group


def _num_chars(row: Any) -> int:
    """Characters of a draft or prepared row; 0 of one that was rejected."""
    if "fields" not in row:
        return 0
    texts = sum(len(str(text)) for text in row["fields"].values() if text)
    return texts + sum(len(text) for turn in row["messages"] or () for text in texts_of(turn))


def encode_part(part: int, *, build: BuildContext, work: WorkFolder) -> Done:
    """Render and tokenize a part's rows in every epoch: ids to an Arrow file, the rest to Parquet beside."""
    try:
        return _encode_part(part, build=build, work=work)
    except FastIdsDiffer as error:
        say(f"data: data.fast_tokenizer is given up, part {part} is tokenized again without it: {error}")
        build.renderer.encode_slowly()
        return _encode_part(part, build=build, work=work)


def _encode_part(part: int, *, build: BuildContext, work: WorkFolder) -> Done:
    jobs = _jobs(work, part)
    encoded = (
        encode(row, build=build, epoch=epoch, repeat=repeat)
        for row in rows_of(work, part)
        for epoch, repeat in jobs.get(row["ord"], ())
    )
    kinds = (("ids", "arrow"), ("heldout", "parquet"), ("rendered", "parquet"), (KIND, "json"))
    files = [work.path(kind, part, suffix) for kind, suffix in kinds]
    ids_file, asked_file, light_file, tally_file = files
    tally, is_byte = PartCounts(), build.byte_tokens
    trained = 0
    with (
        written_whole(ids_file) as ids_path,
        written_whole(asked_file) as asked_path,
        written_whole(light_file) as light_path,
        written_whole(tally_file) as tally_path,
        pa.OSFile(str(ids_path), "wb") as sink,
        pa.ipc.new_file(sink, IDS) as ids,
        pq.ParquetWriter(asked_path, ASKED) as heldout,
        pq.ParquetWriter(light_path, RENDERED) as light,
    ):
        pending: list[Rendered] = []
        for group in _groups(line for lines in encoded for line in lines):
            done = [line for line in group if "input_ids" in line]
            for line in done:
                if line["split"] != "heldout":
                    line["part"], line["idx"] = part, trained
                    trained += 1
                    pending.append(line)
            light.write_table(pa.Table.from_pylist(group, schema=RENDERED))
            tally.add(group, is_byte=is_byte)
            asked_rows = [row for line in done if line["split"] == "heldout" for row in _asked(line, build)]
            if asked_rows:
                heldout.write_table(pa.Table.from_pylist(asked_rows, schema=ASKED))
            while len(pending) >= BATCH_ROWS:
                ids.write_batch(_ids(pending[:BATCH_ROWS]))
                pending = pending[BATCH_ROWS:]
        if pending:
            ids.write_batch(_ids(pending))
        tally.write(tally_path)
    return Done(files, {"rendered": trained})


def _ids(lines: list[Rendered]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [{name: line[name] for name in IDS.names} for line in lines], schema=IDS
    )


def _asked(line: Rendered, build: BuildContext) -> Iterator[dict[str, Any]]:
    """A row's lines of heldout.parquet: as prepared, with what was drawn; and in held-out wordings."""
    row = line["row"]
    for asked, seen in ((line, True), *((one, False) for one in encode_unseen(row, build=build))):
        drawn = ("messages", "wording_id", "wrapper", "constraints", "references")
        transforms = {"transforms": [*row["transforms"], *asked["transforms"]], "seen_wording": seen}
        yield {**row, **{name: asked[name] for name in drawn}, **transforms}


def _jobs(work: WorkFolder, part: int) -> dict[int, list[tuple[int, int]]]:
    """By ord: the (epoch, repeat) in which the rows of a part are rendered."""
    found = pq.read_table(
        work.jobs, filters=[("ord", ">=", first_ord(part)), ("ord", "<", first_ord(part + 1))]
    )
    columns = (found[name].to_numpy() for name in ("ord", "epoch", "repeat"))
    jobs: dict[int, list[tuple[int, int]]] = {}
    for place, epoch, repeat in zip(*columns, strict=True):
        jobs.setdefault(int(place), []).append((int(epoch), int(repeat)))
    return jobs
