"""Forms in which a text and its copies compare equal, from strict to loose. Pure and deterministic."""

import re
import unicodedata

from hunmin.language.script import comparable

_NO_LETTER = re.compile(r"[\W_]+")

# Particles that may follow a Korean noun. Chains of them (에서는) need no entry.
_PARTICLES = """
    은 는 이 가 을 를 에 의 도 만 로 와 과 께 야 아 나 랑 에서 에게 한테 께서 으로 이랑 이나 하고 까지 부터
    처럼 보다 마다 조차 마저 밖에 대로 만큼 라도 이라도 이든 든지 이든지
"""
_PARTICLE = re.compile(rf"(?<=\S)(?:{'|'.join(_PARTICLES.split())})+(?= |$)")


def words_of(text: str) -> str:
    """Letters and digits of the `comparable` text, one space between words: no punctuation, case or width."""
    return _NO_LETTER.sub(" ", comparable(text)).strip()


def squeezed(words: str) -> str:
    """Words without the spaces between them: Korean is spaced in many ways."""
    return words.replace(" ", "")


def without_particles(words: str) -> str:
    """Words without the particles at their ends and without spaces.

    A word keeps at least one character. The ending goes by its letters, not by grammar, so 나이 (age) loses
    its 이 too. That is no harm: two texts with the same nouns and other particles come out equal, which is
    all that is asked, and a whole text is compared, never a word.
    """
    return squeezed(words if words.isascii() else _PARTICLE.sub("", words))


def jamo(text: str) -> str:
    """The text with each Hangul syllable as its two or three letters, and accents apart from theirs."""
    return unicodedata.normalize("NFKD", text)
