"""Line-parallel text: line n of one file is the translation of line n of the other."""

from collections.abc import Iterator

from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.records import Record, Unit
from data_pipeline.sources.files.text_files import lines
from data_pipeline.sources.formats import LANGUAGES, SourceFormat, text_in_the_shape
from data_pipeline.sources.values.pairs import parse_pair
from hunmin.errors import InputError


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


FORMAT = SourceFormat(
    records=line_pairs,
    parse=parse_pair,
    settings=LANGUAGES,
    describe=text_in_the_shape("line-parallel"),
    needs_wordings=lambda source: True,
    sides=("source", "target"),
    from_hub=False,
)
