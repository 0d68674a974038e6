"""Codes of languages, as a config may name them."""

from typing import Annotated

from pydantic import AfterValidator

# ISO 639-1, https://www.loc.gov/standards/iso639-2/php/code_list.php
_ISO_639_1 = """
aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee
el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io
is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn
mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se
sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo
wa wo xh yi yo za zh zu
"""
TWO_LETTERS = frozenset(_ISO_639_1.split())
UNNAMED = frozenset({"und", "other"})
# What people write for a language: codes of countries, or of three letters where there are two.
# "kr" is a language too, Kanuri, whose code of three letters is kau.
_MISTAKEN_FOR = {
    "ko": "kr kor korean",
    "en": "eng english us gb",
    "ja": "jp jpn japanese",
    "zh": "cn zho chi chinese",
}
MISTAKEN = {mistake: code for code, mistakes in _MISTAKEN_FOR.items() for mistake in mistakes.split()}


def language_code(code: str) -> str:
    """The code, if it is one: of ISO 639-1, three letters of ISO 639-2 or -3, `und` or `other`.

    Raises:
        ValueError: it is none, or one that is mostly meant for another.
    """
    primary = code.lower().split("-")[0].split("_")[0]
    meant = MISTAKEN.get(primary)
    if meant is None and code != primary and primary in TWO_LETTERS:
        meant = primary  # ko-KR, KO
    if meant is not None:
        raise ValueError(f"{code!r} is not how a language is named here; did you mean {meant}?")
    three = len(code) == 3 and code.isascii() and code.isalpha()
    if code not in TWO_LETTERS | UNNAMED and not three:
        raise ValueError(f"{code!r} is no code of a language; take one of ISO 639: ko, en, ja")
    return code


Language = Annotated[str, AfterValidator(language_code)]
