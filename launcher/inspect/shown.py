"""What `hunmin show` tells, as plain values: a pack, or a row wherever it went."""

from dataclasses import asdict, dataclass
from typing import Any

from hunmin.errors import InputError
from hunmin.schema import IGNORE_INDEX
from launcher.inspect.packed_data import Corpus, LedgerRow, Pack
from launcher.inspect.part_kinds import with_kinds
from launcher.inspect.tokens import TokenGroup, TokenTexts


@dataclass(frozen=True)
class ShownSegment:
    """A segment as it is shown: its line of rows.parquet and its tokens as whole characters."""

    index: int  # in the pack
    line: LedgerRow
    groups: list[TokenGroup]

    def as_json(self) -> dict[str, Any]:
        """Plain values; positions are those of the pack."""
        return {
            "segment": self.index,
            "start": self.groups[0].position,
            "row": self.line,
            "tokens": [asdict(group) for group in self.groups],
        }


@dataclass(frozen=True)
class ShownPack:
    """A pack, or some of its segments."""

    pack: Pack
    segments: list[ShownSegment]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return place_of(self.pack) | {
            "num_tokens": len(self.pack.input_ids),
            "num_trained_tokens": num_trained(self.pack),
            "segments": [segment.as_json() for segment in self.segments],
        }


@dataclass(frozen=True)
class ShownRow:
    """Where a row went, and how it looks there.

    `lines` are all its lines in rows.parquet, of which `shown` is the first; `heldout` and `rejected` are
    its lines in those tables. At least one of the three is there.
    """

    row_id: str
    lines: list[LedgerRow]
    shown: ShownPack | None
    heldout: list[LedgerRow]
    rejected: list[LedgerRow]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return vars(self) | {"shown": self.shown and self.shown.as_json()}


def show_pack(corpus: Corpus, *, split: str, epoch: int, number: int) -> ShownPack:
    """A whole pack.

    Raises:
        InputError: there is none of that number.
    """
    pack = corpus.pack(split, epoch=epoch, number=number)
    return _shown(corpus, pack, range(len(pack.segments)))


def show_row(corpus: Corpus, row_id: str) -> ShownRow:
    """A row: the segment of its first line in full, and every other place it went to.

    Raises:
        InputError: no record gave a row of that id; names the nearest.
    """
    lines = corpus.lines_of(row_id)
    heldout, rejected = corpus.heldout_of(row_id), corpus.rejections_of(row_id)
    if not lines and not heldout and not rejected:
        raise InputError(no_such_row(corpus, row_id))
    shown = None
    if lines:
        pack, index = find_segment(corpus, lines[0])
        shown = _shown(corpus, pack, [index])
    return ShownRow(row_id, lines, shown, heldout, rejected)


def find_segment(corpus: Corpus, line: LedgerRow) -> tuple[Pack, int]:
    """The pack of a line of rows.parquet, and the index of its segment there."""
    pack = corpus.pack(line["split"], epoch=line["epoch"], number=line["pack"])
    return pack, [segment.row for segment in pack.segments].index(line["row"])


def no_such_row(corpus: Corpus, row_id: str) -> str:
    """The message about a row id that no record has, with the nearest one that exists."""
    near = corpus.nearest(row_id)
    return f"no row {row_id}; " + (
        f"the nearest is {near}" if near else "a row id is SOURCE:FILE:RECORD.SUB, as in data/rows.parquet"
    )


def place_of(pack: Pack) -> dict[str, Any]:
    """Where a pack lies."""
    names = ("split", "epoch", "number", "num_packs", "shard", "seq_len")
    return {("pack" if name == "number" else name): getattr(pack, name) for name in names}


def drawn_facts(line: LedgerRow) -> list[str]:
    """What was drawn for a line of rows.parquet, and its tokens."""
    drawn = [f"{name.partition('_')[0]} {line[name]}" for name in ("wording_id", "wrapper") if line[name]]
    tokens = f"{line['num_tokens']} tokens, {line['num_trained_tokens']} trained"
    return [*drawn, *line["transforms"], *rendered_facts(line), tokens]


def rendered_facts(line: LedgerRow) -> list[str]:
    """Which of a row's renderings in its epoch a line is, but for the first; its weight, but for 1."""
    which = [f"{name} {line[name]}" for name in ("repeat", "turn") if line.get(name)]
    weight = line.get("weight") or 1
    return [*which, f"weight {weight:g}"] if weight != 1 else which


def num_trained(pack: Pack) -> int:
    """Tokens of a pack that are targets."""
    return sum(label != IGNORE_INDEX for label in pack.labels)


def _shown(corpus: Corpus, pack: Pack, indices: Any) -> ShownPack:
    texts, marks = TokenTexts(corpus.tokenizer), corpus.part_marks()
    chosen = [(index, pack.segments[index]) for index in indices]
    segments = []
    for (index, segment), line in zip(chosen, corpus.lines(one.row for _, one in chosen), strict=True):
        ids, labels = (values[segment.start : segment.end] for values in (pack.input_ids, pack.labels))
        groups = texts.groups(ids, labels, start=segment.start)
        segments.append(ShownSegment(index, line, with_kinds(list(groups), marks)))
    return ShownPack(pack, segments)
