"""Korean particles that follow the sound before them: 번호는, 이메일은."""

import re

from hunmin.language.sentences import with_particle

# After a consonant / after a vowel.
_PAIRS = (
    "은/는 이/가 을/를 과/와 으로/로 이라고/라고 이라는/라는 이라/라 이란/란 이며/며 이고/고 이나/나 이랑/랑 "
    "이든/든 이에요/예요 이야/야 이었다/였다 이었습니다/였습니다"
)
_PAIR_OF = {form: pair for pair in _PAIRS.split() for form in pair.split("/")}
# The particle ends its word, or another one that has a single form follows it: 으로도, 와는, 로부터.
_PARTICLE = re.compile(
    rf"({'|'.join(sorted(_PAIR_OF, key=len, reverse=True))})(?=(?:는|도|만|의|부터|서|써)?(?![가-힣]))"
)


def particle_after(word: str, text: str) -> tuple[str, int]:
    """The particle that `text` begins with, as it stands after `word`, and how many characters it replaces.

    ("", 0) where the text begins with none, or the last sound of the word is not known.
    """
    found = _PARTICLE.match(text)
    agreed = with_particle(word, _PAIR_OF[found[1]]) if found else None
    return (agreed.removeprefix(word), found.end()) if found and agreed else ("", 0)
