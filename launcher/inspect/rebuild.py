"""A packed row made again from its source: read, prepared and encoded as the data stage does it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from data_pipeline.build.context import FEW_SHOT, BuildContext
from data_pipeline.config import SourceConfig
from data_pipeline.packing.encode import encode
from data_pipeline.rows.prepare import prepare
from data_pipeline.sources import expand, read
from data_pipeline.sources.find import Unit
from data_pipeline.tasks.tasks import load_tasks
from hunmin.errors import InputError
from hunmin.models.renderer import Piece
from hunmin.rows import DraftRow, Kept, Message, Rejected, Rendered, Unrendered
from hunmin.section import resolve_path
from launcher.commands.run_folder import find_run
from launcher.config import load
from launcher.inspect.packed_data import Corpus, LedgerRow
from launcher.inspect.tokens import TokenTexts

Read = DraftRow | Rejected


class SourceChanged(InputError):
    """A source does not give the packed row any more; the message names the file and says what it gives."""


@dataclass(frozen=True)
class Rebuilt:
    """A row as its source gives it now."""

    line: LedgerRow  # of rows.parquet
    paths: tuple[str, ...]  # of the file it was read from, or of both parallel files; of what was joined
    row: Kept  # as prepared
    messages: list[Message]
    examples: list[str]  # row ids of the worked examples that were drawn, in order
    input_ids: list[int]
    labels: list[int]
    pieces: list[Piece]  # their ids, joined, are input_ids
    num_behind: int = 0  # messages of the conversation behind `messages`


def rebuild_segment(build: BuildContext, line: LedgerRow) -> Rebuilt:
    """One row again.

    Raises:
        SourceChanged: the record is not there any more, or is refused now.
        InputError: the source's files are not there.
    """
    return next(rebuild_segments(build, [line]))


def rebuild_segments(build: BuildContext, lines: Iterable[LedgerRow]) -> Iterator[Rebuilt]:
    """Many rows again, by source and file; each file is read once, up to the last record that is needed.

    Raises:
        SourceChanged: a record is not there any more, or is refused now.
        InputError: a source's files are not there.
    """
    by_file: dict[tuple[str, str], list[LedgerRow]] = {}
    for line in lines:
        by_file.setdefault((line["source"], line["file"]), []).append(line)
    for (source_name, file), members in by_file.items():
        source, unit = _find(build, source_name, file)
        drafts = _drafts(unit, source, {(line["record"], line["sub_record"]) for line in members})
        for line in members:
            yield _rebuilt(build, line, drafts.get((line["record"], line["sub_record"])), unit)


def rebuild_in_order(build: BuildContext, lines: Iterable[LedgerRow]) -> Iterator[Rebuilt]:
    """As `rebuild_segments`, for lines in the order of rows.parquet; one in memory at a time.

    Raises:
        SourceChanged: a record is not there any more, or is refused now.
        InputError: a source's files are not there.
    """
    for (source_name, file), members in groupby(lines, key=itemgetter("source", "file")):
        source, unit = _find(build, source_name, file)
        drafts = read(unit, source)
        draft: Read | None = next(drafts, None)
        for line in members:
            while draft is not None and _place(draft) < _place(line):
                draft = next(drafts, None)
            found = draft if draft is not None and _place(draft) == _place(line) else None
            yield _rebuilt(build, line, found, unit)


def _place(line: LedgerRow | Read) -> tuple[int, int]:
    return line["record"], line["sub_record"]


def build_of(run: Path, corpus: Corpus) -> BuildContext:
    """The build of a run's data stage, as its config.yaml has it.

    Raises:
        ArtifactError: what few-shot examples are drawn from is missing or differs from its manifest.
    """
    corpus.verify([FEW_SHOT])
    config, base = load(find_run(run) / "config.yaml", [])
    tasks = load_tasks(resolve_path(config.data.tasks, base) if config.data.tasks else None)
    return BuildContext(config.data, tasks, config.seed, base, corpus.folder)


def _find(build: BuildContext, name: str, file: str) -> tuple[SourceConfig, Unit]:
    for index, source in enumerate(build.config.sources):
        if source.name == name:
            for unit in expand(source, index=index, base=build.base):
                if unit.file == file:
                    return source, unit
            raise SourceChanged(f"source {name}: {source.path} holds no {file} any more")
    raise SourceChanged(f"the run's config.yaml has no source {name} any more")


def _drafts(unit: Unit, source: SourceConfig, wanted: set[tuple[int, int]]) -> dict[tuple[int, int], Read]:
    """The drafts of some records of a file, by (record, sub_record); what is not there is left out."""
    found: dict[tuple[int, int], Read] = {}
    for draft in read(unit, source):
        key = draft["record"], draft["sub_record"]
        if key in wanted:
            found[key] = draft
            if len(found) == len(wanted):
                break
    return found


def _rebuilt(build: BuildContext, line: LedgerRow, draft: Read | None, unit: Unit) -> Rebuilt:
    paths = (*unit.paths, *unit.joined)
    place = f"{' and '.join(paths)}: record {line['record']}"
    if draft is None:
        raise SourceChanged(f"{place} is not there any more")
    row = prepare(draft, config=build.config, tasks=build.tasks, seed=build.seed, base=build.base)
    if "reason" in row:
        raise SourceChanged(f"{place} is refused now: {row['reason']}: {row['detail']}")
    # The place among all records, `ord`, orders the data stage's work and says nothing about the row itself.
    row["split"] = line["split"]
    encoded = _turn(encode(row, build=build, epoch=line["epoch"], repeat=line["repeat"]), line)
    if encoded is None:
        raise SourceChanged(f"{place} gives fewer rendered rows now")
    if "reason" in encoded:
        raise SourceChanged(f"{place} cannot be rendered now: {encoded['reason']}: {encoded['detail']}")
    return Rebuilt(
        line=line,
        paths=paths,
        row=row,
        messages=encoded["messages"],
        examples=encoded["examples"],
        input_ids=encoded["input_ids"],
        labels=encoded["labels"],
        pieces=_pieces(build, encoded["messages"], row.get("tools")),
        num_behind=encoded["num_behind"],
    )


def _turn(encoded: list[Rendered | Unrendered], line: LedgerRow) -> Rendered | Unrendered | None:
    """The rendered row of the line's turn; of a run that was made before there were several, the only one."""
    return next((one for one in encoded if one["turn"] == line.get("turn", 0)), None)


def _pieces(build: BuildContext, messages: list[Message], tools: str | None) -> list[Piece]:
    """The pieces of a row, with the most exact offsets that there are."""
    texts = _texts(build.out_dir / "tokenizer")
    return [
        replace(piece, offsets=texts.offsets(piece.text, piece.input_ids) or piece.offsets)
        for piece in build.renderer.pieces_with_offsets(messages, tools)
    ]


@lru_cache(maxsize=1)
def _texts(folder: Path) -> TokenTexts:
    return TokenTexts(folder)
