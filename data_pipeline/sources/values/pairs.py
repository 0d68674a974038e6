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
    # Of the pair's text: equal for both directions, and for the same pair on another line.
    family = content_key("\n".join(" ".join(unicodedata.normalize("NFC", line).split()) for line in pair))
    forward, backward = (
        Draft(answer, [answer], input=text, language=language, family_key=family)
        for text, answer, language in ((*pair, languages[1]), (*reversed(pair), languages[0]))
    )
    return {"forward": [forward], "backward": [backward], "both": [forward, backward]}[source.directions]
