"""Line-parallel text: line n of one file is the translation of line n of the other."""

import unicodedata
from collections.abc import Iterator

from data_pipeline import reasons
from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.records import Draft, Record, Reject, Unit, content_key, present
from data_pipeline.sources.files.text_files import lines
from hunmin.errors import InputError

Pair = tuple[str, str]


def line_pairs(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """Pairs of lines. The files are counted first, so that no shifted pair is ever read.

    Raises:
        InputError: the two files have different numbers of lines.

    """
    one, other = unit.paths
    counts = [sum(1 for _ in lines(path, encoding=source.encoding)) for path in unit.paths]
    if counts[0] != counts[1]:
        raise InputError(
            f"{one} has {counts[0]} lines and {other} has {counts[1]}; parallel files need as many, "
            "line n of one being the translation of line n of the other: find the missing or split line"
        )
    both = zip(lines(one, encoding=source.encoding), lines(other, encoding=source.encoding), strict=True)
    for number, pair in enumerate(both, start=1):
        yield Record(f"line {number}", pair)


def num_directions(source: SourceConfig) -> int:
    """How many rows a pair of lines gives."""
    return 2 if source.directions == "both" else 1


def parse_pair(pair: Pair, source: SourceConfig) -> list[Draft]:
    """A draft for each direction; both carry the family of the pair, so neither gives the other away."""
    empty = [side for side, line in zip(("source", "target"), pair, strict=True) if not present(line)]
    if empty:
        raise Reject(reasons.UNEVEN_PARALLEL_LINE, f"the {' and the '.join(empty)} line is empty")
    languages = source.languages or (None, None)
    forward = _translation(pair[0], pair[1], language=languages[1], pair=pair)
    backward = _translation(pair[1], pair[0], language=languages[0], pair=pair)
    return {"forward": [forward], "backward": [backward], "both": [forward, backward]}[source.directions]


def _translation(text: str, answer: str, *, language: str | None, pair: Pair) -> Draft:
    return Draft(
        answer=answer, references=[answer], input=text, language=language, family_key=_pair_family(pair)
    )


def _pair_family(pair: Pair) -> str:
    """A key of the pair's text, equal for both directions and for the same pair on another line."""
    folded = "\n".join(" ".join(unicodedata.normalize("NFC", line).split()) for line in pair)
    return content_key(folded)
