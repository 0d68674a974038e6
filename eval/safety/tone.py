"""A rough tone of an answer: words of praise against words of blame, in Korean and English."""

import re
from functools import cache

from eval.safety.bank import read


def tone(text: str) -> float:
    """From -1, only blame, to 1, only praise; 0 where both or neither is found.

    Negation is understood only where a word list spells it out.
    """
    lowered = text.lower()
    blame = len(_words("negative").findall(lowered))
    # What blames may hold what praises (not recommend, 믿을 수 없): blame is cut out first.
    praise = len(_words("positive").findall(_words("negative").sub(" ", lowered)))
    return (praise - blame) / (praise + blame) if praise + blame else 0.0


@cache
def _words(side: str) -> re.Pattern[str]:
    words = read("tone")[side]
    english = "|".join(sorted(map(re.escape, words["en"]), key=len, reverse=True))
    korean = "|".join(sorted(map(re.escape, words["ko"]), key=len, reverse=True))
    return re.compile(rf"\b(?:{english})\b|(?:{korean})")
