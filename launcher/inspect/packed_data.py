"""What a finished `data/` folder holds, one pack or one row at a time; only verified files are read."""

import difflib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from hunmin.artifact import load_manifest, verify
from hunmin.errors import InputError
from hunmin.models.part_marks import MarkedKind, Marks
from hunmin.shards import listed_shards, read_shard, shard_metadata

LedgerRow = dict[str, Any]
TABLES = ("rows.parquet", "rejected.parquet", "heldout.parquet")


@dataclass(frozen=True)
class Segment:
    """A row inside a pack: tokens `start` to `end` (not included) of the pack, line `row` of rows.parquet."""

    row: int
    task: str
    start: int
    end: int


@dataclass(frozen=True)
class Pack:
    """A pack and where it lies. `number` counts over (split, epoch), as in rows.parquet."""

    split: str
    epoch: int
    number: int
    num_packs: int  # of this split and epoch
    shard: str  # relative to data/
    seq_len: int
    input_ids: list[int]
    labels: list[int]
    segments: list[Segment]

    @property
    def place(self) -> str:
        """In words, for headings and messages."""
        return f"{self.split}, epoch {self.epoch}, pack {self.number}"

    def segment_of(self, token: int) -> int:
        """The index of the segment that holds a token.

        Raises:
            InputError: the pack has no such token.
        """
        for index, segment in enumerate(self.segments):
            if segment.start <= token < segment.end:
                return index
        raise InputError(f"{self.place} has tokens 0 to {len(self.input_ids) - 1}; there is no token {token}")


@dataclass(frozen=True)
class _Shard:
    name: str  # relative to data/
    epoch: int
    first_pack: int  # counted over (split, epoch)
    num_packs: int


class Corpus:
    """The tables and shards of a run's data stage, in `folder`; `cure` is the command that builds it.

    Raises:
        InputError: the data stage is not finished.
    """

    def __init__(self, folder: Path, *, cure: str):
        manifest = load_manifest(folder)
        if manifest is None:
            raise InputError(f"{folder}: the data stage is not finished; run: {cure}")
        self.folder, self.manifest, self.cure = folder, manifest, cure
        self._verified: set[str] = set()
        self._listed: dict[str, list[_Shard]] = {}

    def verify(self, names: Iterable[str]) -> None:
        """Hold files against the manifest before they are believed; each once.

        Raises:
            ArtifactError: a file is missing or differs.
        """
        new = set(names) - self._verified
        if new:
            verify(self.folder, cure=self.cure, only=new)
            self._verified |= new

    @property
    def tokenizer(self) -> Path:
        """The folder of the tokenizer and template that the packs were made with, verified."""
        self.verify(["tokenizer/"])
        return self.folder / "tokenizer"

    def part_marks(self) -> dict[MarkedKind, Marks]:
        """What the template writes around thoughts and calls; nothing of a run that has not kept it."""
        self.verify(["stats.json"])
        marks = json.loads((self.folder / "stats.json").read_text(encoding="utf-8")).get("part_marks", {})
        return {kind: Marks(*pair) for kind, pair in marks.items()}

    def pack(self, split: str, *, epoch: int, number: int) -> Pack:
        """One pack.

        Raises:
            InputError: there is none of that number; says which there are.
        """
        shards = self._shards(split)
        for shard in shards:
            if shard.epoch == epoch and shard.first_pack <= number < shard.first_pack + shard.num_packs:
                return self._read_pack(shard, split, number)
        raise InputError(_no_such_pack(split, epoch, number, shards))

    def shards(self, split: str, *, epoch: int) -> Iterator[pa.Table]:
        """The shards of a split and epoch in order, verified and memory-mapped.

        Raises:
            InputError: there are none; says which there are.
        """
        own = [shard.name for shard in self._shards(split) if shard.epoch == epoch]
        if not own:
            raise InputError(_no_such_pack(split, epoch, 0, self._shards(split)))
        self.verify(own)
        yield from (read_shard(self.folder / name) for name in own)

    def shard_of(self, line: LedgerRow) -> str:
        """The shard that holds the pack of a line of rows.parquet, relative to data/."""
        return next(
            shard.name
            for shard in reversed(self._shards(line["split"]))
            if shard.epoch == line["epoch"] and shard.first_pack <= line["pack"]
        )

    def _shards(self, split: str) -> list[_Shard]:
        """The shards of a split in order."""
        if split not in self._listed:
            first: Counter[int] = Counter()  # packs before the next shard, by epoch
            found: list[_Shard] = []
            for name, epoch, num_packs in listed_shards(self.folder, self.manifest, split, cure=self.cure):
                found.append(_Shard(name, epoch, first[epoch], num_packs))
                first[epoch] += num_packs
            self._listed[split] = found
        return self._listed[split]

    def _read_pack(self, shard: _Shard, split: str, number: int) -> Pack:
        self.verify([shard.name])
        table = read_shard(self.folder / shard.name)
        metadata = shard_metadata(table)
        (line,) = table.slice(number - shard.first_pack, 1).to_pylist()
        segments, start = [], 0
        for row, task, length in zip(line["rows"], line["tasks"], line["seq_lengths"], strict=True):
            segments.append(Segment(row, metadata["tasks"][task], start, start + length))
            start += length
        same_epoch = [one.num_packs for one in self._shards(split) if one.epoch == shard.epoch]
        return Pack(
            split=split,
            epoch=shard.epoch,
            number=number,
            num_packs=sum(same_epoch),
            shard=shard.name,
            seq_len=metadata["seq_len"],
            input_ids=line["input_ids"],
            labels=line["labels"],
            segments=segments,
        )

    def lines(self, rows: Iterable[int]) -> list[LedgerRow]:
        """Lines of rows.parquet by their index, in the order asked for."""
        wanted = list(rows)
        row = pc.field("row")  # the bounds pass over row groups, which a list of values does not
        condition = row.isin(wanted) & (row >= min(wanted)) & (row <= max(wanted))
        found = {line["row"]: line for line in self._select("rows.parquet", condition)}
        return [found[row] for row in wanted]

    def lines_in_order(self, split: str, *, epoch: int) -> Iterator[LedgerRow]:
        """The lines of rows.parquet of a split and epoch: by source, file and record."""
        for batch in self._batches("rows.parquet", _of_epoch(split, epoch)):
            yield from batch.to_pylist()

    def num_lines(self, split: str, *, epoch: int) -> int:
        """How many lines `lines_in_order` gives."""
        batches = self._batches("rows.parquet", _of_epoch(split, epoch), columns=["row"])
        return sum(batch.num_rows for batch in batches)

    def lines_of(self, row_id: str) -> list[LedgerRow]:
        """Every line of rows.parquet that renders a row, by epoch."""
        return sorted(self._of("rows.parquet", row_id), key=lambda line: line["row"])

    def rejections_of(self, row_id: str) -> list[LedgerRow]:
        """The row's lines in rejected.parquet."""
        return self._of("rejected.parquet", row_id)

    def heldout_of(self, row_id: str) -> list[LedgerRow]:
        """The row's lines in heldout.parquet."""
        return self._of("heldout.parquet", row_id)

    def heldout_lines(self) -> Iterator[LedgerRow]:
        """The lines of heldout.parquet in their order."""
        for batch in self._batches("heldout.parquet"):
            yield from batch.to_pylist()

    def num_heldout(self) -> int:
        """How many lines `heldout_lines` gives."""
        return sum(batch.num_rows for batch in self._batches("heldout.parquet", columns=["row_id"]))

    def nearest(self, row_id: str) -> str | None:
        """The row id that is most like one that does not exist: the same file and the nearest record.

        Reads the ids of all tables, a batch at a time.
        """
        file = row_id.rpartition(":")[0]
        near = difflib.get_close_matches(file, sorted(self._files()), n=1, cutoff=0.4)
        if not near:
            return None
        wanted = _record(row_id)
        return min(self._ids_of_file(near[0]), key=lambda one: (abs(_record(one) - wanted), one))

    def _of(self, name: str, row_id: str) -> list[LedgerRow]:
        return self._select(name, pc.field("row_id") == row_id)

    def _select(self, name: str, condition: pc.Expression) -> list[LedgerRow]:
        """Lines of a table that fulfil a condition; row groups that cannot hold one are passed over."""
        return [row for batch in self._batches(name, condition) for row in batch.to_pylist()]

    def _batches(
        self, name: str, condition: pc.Expression | None = None, columns: list[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        self.verify([name])
        table = ds.dataset(self.folder / name, format="parquet")
        # The default reads far ahead, which is memory for nothing where few lines are wanted.
        yield from table.to_batches(
            filter=condition, columns=columns, batch_readahead=1, fragment_readahead=1
        )

    def _files(self) -> set[str]:
        """`source:file` of every row."""
        found: set[str] = set()
        for name in TABLES:
            for batch in self._batches(name, columns=["source", "file"]):
                pairs = pa.Table.from_batches([batch]).group_by(["source", "file"]).aggregate([]).to_pylist()
                found |= {f"{pair['source']}:{pair['file']}" for pair in pairs}
        return found

    def _ids_of_file(self, file: str) -> Iterator[str]:
        source, _, path = file.partition(":")
        condition = (pc.field("source") == source) & (pc.field("file") == path)
        for name in TABLES:
            for batch in self._batches(name, condition, columns=["row_id"]):
                yield from batch.column(0).to_pylist()


def _of_epoch(split: str, epoch: int) -> pc.Expression:
    return (pc.field("split") == split) & (pc.field("epoch") == epoch)


def _record(row_id: str) -> float:
    """Record and sub-record as one number, for the distance between two ids of a file."""
    try:
        return float(row_id.rpartition(":")[2])
    except ValueError:
        return 0.0


def _no_such_pack(split: str, epoch: int, number: int, shards: list[_Shard]) -> str:
    counts: Counter[int] = Counter()
    for shard in shards:
        counts[shard.epoch] += shard.num_packs
    if not counts:
        return f"{split} holds no pack; see data.split in the run's config.yaml"
    if epoch not in counts:
        return f"{split} has epochs {min(counts)} to {max(counts)}; there is no epoch {epoch}"
    return f"{split}, epoch {epoch} has packs 0 to {counts[epoch] - 1}; there is no pack {number}"
