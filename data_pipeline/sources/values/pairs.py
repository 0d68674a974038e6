"""A text and its translation: the rows of one pair, in the directions that the source wants."""

import unicodedata

from data_pipeline import reasons
from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.records import Draft, Reject, content_key, present

Pair = tuple[str, str]


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
