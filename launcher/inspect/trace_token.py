"""Where a token of a pack came from: its row is read and encoded again, and gives the same ids."""

from dataclasses import asdict, dataclass
from typing import Any

from data_pipeline.build.context import BuildContext
from hunmin.artifact import code_sha256
from hunmin.schema import IGNORE_INDEX
from launcher.inspect.origin import Origin, origin_of
from launcher.inspect.packed_data import Corpus, LedgerRow, Pack
from launcher.inspect.rebuild import Rebuilt, SourceChanged, rebuild_segment
from launcher.inspect.shown import place_of
from launcher.inspect.tokens import TokenGroup, TokenTexts


@dataclass(frozen=True)
class TokenTrace:
    """A token of a pack and the text of its source that it stands for."""

    pack: Pack
    position: int
    token_id: int
    trained: bool
    group: TokenGroup  # the whole characters that the token is part of
    segment: int
    line: LedgerRow
    rebuilt: Rebuilt
    origin: Origin

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return place_of(self.pack) | {
            "position": self.position,
            "id": self.token_id,
            "trained": self.trained,
            "characters": asdict(self.group),
            "segment": self.segment,
            "row": self.line,
            "source_paths": list(self.rebuilt.paths),
            "origin": asdict(self.origin),
            "checked_ids": len(self.rebuilt.input_ids),
        }


def trace_token(
    corpus: Corpus, build: BuildContext, *, split: str, epoch: int, number: int, token: int
) -> TokenTrace:
    """Where a token came from, after its row was read and encoded again and gave the same ids.

    Raises:
        InputError: there is no such pack or token; a source's file is not there.
        SourceChanged: the source gives other ids now.
    """
    pack = corpus.pack(split, epoch=epoch, number=number)
    index = pack.segment_of(token)
    segment = pack.segments[index]
    ids, labels = (values[segment.start : segment.end] for values in (pack.input_ids, pack.labels))
    (line,) = corpus.lines([segment.row])
    texts = TokenTexts(corpus.tokenizer)
    groups = list(texts.groups(ids, labels, start=segment.start))
    try:
        rebuilt = rebuild_segment(build, line)
        require_same_ids(rebuilt, ids, labels)
    except SourceChanged as changed:
        raise SourceChanged(f"{changed}; {_why(corpus)}") from None
    return TokenTrace(
        pack=pack,
        position=token,
        token_id=pack.input_ids[token],
        trained=pack.labels[token] != IGNORE_INDEX,
        group=next(one for one in reversed(groups) if one.position <= token),
        segment=index,
        line=line,
        rebuilt=rebuilt,
        origin=origin_of(build, rebuilt, token - segment.start),
    )


def require_same_ids(rebuilt: Rebuilt, ids: list[int], labels: list[int]) -> None:
    """Raise where a row made again is not the one that was packed.

    Raises:
        SourceChanged: names the file, the record and the first token that differs.
    """
    if rebuilt.input_ids == ids and rebuilt.labels == labels:
        return
    now = list(zip(rebuilt.input_ids, rebuilt.labels, strict=True))
    packed = list(zip(ids, labels, strict=True))
    at = next(
        (at for at, (a, b) in enumerate(zip(now, packed, strict=False)) if a != b), min(len(now), len(packed))
    )
    raise SourceChanged(
        f"{' and '.join(rebuilt.paths)}: record {rebuilt.line['record']} gives other tokens than were packed "
        f"({len(now)}, packed {len(packed)}; the first that differs is token {at} of the row)"
    )


def _why(corpus: Corpus) -> str:
    """What may have changed since the data stage, and the cure."""
    same_code = corpus.manifest.code_sha256 == code_sha256()
    what = "the file or a task file" if same_code else "the file, a task file or hunmin's own code"
    return f"{what} changed since data/ was built; build again with: {corpus.cure} --force"
