"""The word lists: read, compiled, looked up. The first look is cheap and says no to nearly every text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from hunmin.errors import InputError
from hunmin.safety.detector import Hit
from hunmin.safety.disguises import (
    canonical,
    compose_jamo,
    has_lone_consonant,
    latin_words,
    squeeze,
    syllables,
    unmask,
)

FILES = tuple(Path(__file__).parent / name for name in ("lexicon_ko.txt", "lexicon_en.txt"))
ALLOW = "allow"

_HANGUL = r"[가-힣]"
_CONSONANT = "[ㄱ-ㅊㅌㅍ]"  # ㅋ and ㅎ laugh beside anything
# Between the syllables of a disguised word; the end of a sentence keeps words apart.
_NOISE = r"(?:(?![.?!]\s)[^가-힣a-z\n]){0,3}"
_AGAIN = "{1,20}"  # a letter drawn out; bounded, so that no text takes long
_GAP = r"[^.?!\n]{0,24}?"  # between the parts of a sentence
_FORMS = ("", "s", "es", "ed", "er", "ers", "ing", "in", "y")
# What may follow a whole word: particles, the copula, and the tails of insults.
_TAIL = (
    r"(?:은|는|이|가|을|를|과|와|도|만|의|에|에게|한테|로|으로|이랑|랑|들|들은|들이|들의|들아|아|야|이야|이다|"
    r"이네|이냐|이냐고|이지|이라|이라고|이라서|이고|이며|인|임|같은|같이|처럼|놈|놈아|놈이|년|년아|년이|것|것들|새끼)?"
    rf"(?!{_HANGUL})"
)
# Not meant against anybody: a swear word that makes praise stronger; one that is named to be put down.
_PRAISE = (
    r"(?:좋|맛있|맛나|재밌|재미있|예쁘|예뻐|이쁘|이뻐|귀엽|귀여|멋있|멋지|멋져|잘\s?(?:하|해|생|만들|먹)|행복|고맙|고마|감사"
    r"|감동|최고|사랑|편하|편해|시원|착하|착해)"
)
_EMPHASIS = (
    rf"(?:존나게?|졸라게?|존내)\s?(?:[가-힣]{{1,6}}\s)?{_PRAISE}"
    r"|\b(?:fuck(?:ing|in)|damn)\s(?:good|great|awesome|amazing|beautiful|brilliant|delicious|cool|happy|proud|love)\b"
)
_NAMED = (
    r"[\"'“‘]?[가-힣]{1,8}[\"'”’]?\s?(?:이라|라)(?:는|고)\s[^.?!\n]{0,24}?"
    r"(?:지\s?(?:마|말|맙|않아야)|안\s?(?:돼|됩|된)|잘못|나쁜|혐오|차별|비하|금지|삼가)"
    r"|\b(?:do not|don['’]t|never|stop)\s(?:say|saying|use|using|call|calling)\s"
    r"(?:people|anyone|them|others|women|men|the words?|words like|slurs like)\b[^.?!,\n]{0,30}"
)
# Words of English phrases that stand everywhere: never the ones that call for a closer look.
_COMMON = frozenset(("about", "going", "should", "would", "where", "people", "black", "with", "from", "your"))


@dataclass(frozen=True, eq=False)
class Term:
    """A line of a list. `parts`: what stands in this order in a sentence, each any of its spellings."""

    text: str
    parts: tuple[tuple[str, ...], ...]
    inside: bool = False  # may stand inside a word
    whole: bool = False
    tight: bool = False  # never read over spaces
    forms: bool = False  # with the English endings
    categories: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What a hit is called: the first spelling of each part."""
        return " ~ ".join(spellings[0] for spellings in self.parts)

    @property
    def latin(self) -> bool:
        """Written in Latin letters."""
        return self.text.isascii()

    @property
    def jamo(self) -> bool:
        """Holds letters that are no syllable."""
        return re.search("[ㄱ-ㅣ]", self.text) is not None


def parse(lines: Iterator[str], *, name: str) -> tuple[list[Term], list[str]]:
    """The terms of a list, and its harmless words.

    Raises:
        InputError: a line before any [category], or without a word.
    """
    terms: dict[str, Term] = {}
    allowed: list[str] = []
    category = None
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            category = line.strip("[]")
        elif category is None:
            raise InputError(f"{name}, line {number}: {line!r} stands in no category; begin with [category]")
        elif category == ALLOW:
            allowed.append(line)
        else:
            term = terms.setdefault(line, _term(line, where=f"{name}, line {number}"))
            term.categories.append(category)
    return list(terms.values()), allowed


def _term(line: str, *, where: str) -> Term:
    latin = line.isascii()
    text = line.rstrip(".=*") if latin else line.lstrip("*").rstrip(".=")
    parts = tuple(tuple(word.strip() for word in part.split("/")) for part in text.split("~"))
    if not all(word for part in parts for word in part):
        raise InputError(f"{where}: {line!r} has an empty part; write word, or a ~ b/c")
    return Term(
        text,
        parts,
        inside=line.startswith("*"),
        whole=line.endswith("."),
        tight=line.endswith("="),
        forms=latin and line.endswith("*"),
    )


class Lexicon:
    """Finds the terms of word lists in a text, disguised or not. Pure; equal for equal lists."""

    def __init__(self, files: tuple[Path, ...] = FILES) -> None:
        terms, allowed = [], []
        for path in files:
            more, harmless = parse(iter(path.read_text(encoding="utf-8").splitlines()), name=path.name)
            terms += more
            allowed += harmless
        harmless = [re.escape(word).replace(r"\ ", r"\s+") for word in allowed]
        self._allowed = _any([*harmless, _EMPHASIS, _NAMED])
        korean = [term for term in terms if not term.latin]
        self._syllables = [(squeeze(word), t) for t in korean if not t.jamo for word in t.parts[0]]
        self._suspicion = _prefix_tree({squeezed for squeezed, _ in self._syllables})
        self._jamo = [(_jamo_pattern(term), term) for term in korean if term.jamo]
        self._words, self._phrases = _latin_tables([term for term in terms if term.latin])
        self._maskable = _maskable(self._words)
        self._anchors = frozenset(self._words) | frozenset(self._phrases)

    def find(self, text: str) -> list[Hit]:
        """A hit per category and term, in order of the lists; empty for nearly every text."""
        text = canonical(text).lower()
        hits = self._find(text)
        if hits and self._allowed.search(text):
            hits = self._find(self._allowed.sub(" § ", text))
        return [Hit(category, term.name) for term in dict.fromkeys(hits) for category in term.categories]

    def _find(self, text: str) -> list[Term]:
        hits = [] if text.isascii() else self._find_korean(text)
        return hits + self._find_latin(text)

    def _find_korean(self, text: str) -> list[Term]:
        hits = self._find_syllables(text)
        if has_lone_consonant(text):
            spelled = compose_jamo(text)
            if spelled != text:
                hits += self._find_syllables(spelled)
            hits += [term for pattern, term in self._jamo if pattern.search(text)]
        return hits

    def _find_syllables(self, text: str) -> list[Term]:
        if not self._suspicion.search(syllables(text)):
            return []
        squeezed = squeeze(text)
        return [term for key, term in self._syllables if key in squeezed and _pattern(term).search(text)]

    def _find_latin(self, text: str) -> list[Term]:
        words = latin_words(text)
        hits = []
        if not self._anchors.isdisjoint(words):
            for word in sorted(words & self._anchors):
                hits += self._words.get(word, ())
                hits += [t for t in self._phrases.get(word, ()) if _pattern(t).search(text)]
        if "*" in text:
            masked = sorted(word for word in words if "*" in word)
            found = (unmask(word, self._maskable) for word in masked)
            hits += [term for word in found if word for term in self._words[word]]
        return hits


def _latin_tables(terms: list[Term]) -> tuple[dict[str, list[Term]], dict[str, list[Term]]]:
    """Word -> its terms, and for phrases: a word that must be there -> the phrases to look for."""
    words: dict[str, list[Term]] = {}
    phrases: dict[str, list[Term]] = {}
    for term in terms:
        if len(term.parts) == 1 and term.text.isalpha():
            for form in _FORMS if term.forms else ("",):
                words.setdefault(term.text + form, []).append(term)
        else:
            for spelling in term.parts[-1]:
                anchor = max(re.findall("[a-z]+", spelling), key=lambda w: (w not in _COMMON, len(w)))
                phrases.setdefault(anchor, []).append(term)
    return words, phrases


def _maskable(words: dict[str, list[Term]]) -> frozenset[str]:
    return frozenset(w for w, terms in words.items() if {"profanity", "hate"} & set(terms[0].categories))


@cache
def _compiled(
    term_text: str, parts: tuple[tuple[str, ...], ...], flags: tuple[bool, bool, bool]
) -> re.Pattern[str]:
    if term_text.isascii():
        return re.compile(_GAP.join(_either(part, r"\b", r"\b") for part in parts))
    inside, whole, tight = flags
    if len(parts) > 1:
        return re.compile(f"(?<!{_HANGUL})" + _GAP.join(_either(part, "", "") for part in parts))
    words = term_text
    letters = [re.escape(letter) + _AGAIN for letter in words if letter != " "]
    left = "" if inside else f"(?<!{_HANGUL})"
    plain = left + r"\s*".join(_runs(words)) + (_TAIL if whole else "")
    noise = _NOISE.replace("[^가", r"[^\s가") if tight else _NOISE
    return re.compile(f"{plain}|(?<![가-힣0-9])" + noise.join(letters) + _TAIL)


def _runs(words: str) -> list[str]:
    return ["".join(re.escape(letter) + _AGAIN for letter in word) for word in words.split()]


def _pattern(term: Term) -> re.Pattern[str]:
    return _compiled(term.text, term.parts, (term.inside, term.whole, term.tight))


def _either(spellings: tuple[str, ...], left: str, right: str) -> str:
    gap = r"\s+" if left else r"\s*"
    return left + "(?:" + "|".join(re.escape(s).replace(r"\ ", gap) for s in spellings) + ")" + right


def _jamo_pattern(term: Term) -> re.Pattern[str]:
    """Lone letters are a word only where no other lone consonant continues them."""
    text = term.text
    left = f"(?<!{_HANGUL})" if text[0] >= "가" else f"(?<!{_CONSONANT})"
    right = f"(?!{_CONSONANT})"
    return re.compile(
        left + r"[\s\d.\-_~!*]{0,2}".join(re.escape(letter) + _AGAIN for letter in text) + right
    )


def _any(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(patterns) or r"(?!)")


def _prefix_tree(words: set[str]) -> re.Pattern[str]:
    """Any of the words, their letters repeated or not, grouped by their first: most positions fail fast."""
    groups: dict[str, list[str]] = {}
    for word in sorted(words):
        groups.setdefault(word[0], []).append("".join(letter + _AGAIN for letter in word[1:]))
    return _any([f"{first}(?:{'|'.join(rest)})" for first, rest in groups.items()])
