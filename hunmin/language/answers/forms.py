"""Tests on an answer: its form, what it says, how it says it, its code. `constraints` names them."""

import ast
import json
import re
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from typing import Any

from hunmin.language.answers import python_code
from hunmin.language.script import language_of
from hunmin.language.sentences import sentences, speech_level, sure_sentences


class Answered:
    """An answer and the input it was given to, with what several checks need computed once."""

    def __init__(self, answer: str, given: str = ""):
        self.answer, self.input = answer, given

    @cached_property
    def sentences(self) -> list[str]:
        """The answer's sentences, at most."""
        return sentences(self.answer)

    @cached_property
    def sure_sentences(self) -> list[str]:
        """The answer's sentences, at least."""
        return sure_sentences(self.answer)

    @cached_property
    def lines(self) -> list[str]:
        """The answer's lines that hold something, stripped."""
        return [line.strip() for line in self.answer.splitlines() if line.strip()]

    @cached_property
    def language(self) -> str:
        """Of the answer: ko, en, other, und."""
        return language_of(self.answer)

    @cached_property
    def python(self) -> ast.Module | None:
        """The answer's syntax tree; None where the request is for another language, for some code is both."""
        if OTHER_LANGUAGE.search(self.input) and not re.search(r"python|파이썬", self.input, re.IGNORECASE):
            return None
        return python_code.parse(self.answer)

    @cached_property
    def levels(self) -> set[str | None]:
        """The speech levels of the answer's sentences; empty where it is not Korean."""
        return {speech_level(sentence) for sentence in self.sentences} if self.language == "ko" else set()


BULLET = re.compile(r"[-*•·▪◦‣–]\s+\S")
_NUMBERED = re.compile(r"\(?(\d{1,2})[.)]\s+\S")
_QUESTION = re.compile(r"(?:Q|질문|문|Question)\s*\d*\s*[.:)]\s*\S", re.IGNORECASE)
_REPLY = re.compile(r"(?:A|답변?|답|Answer)\s*\d*\s*[.:)]\s*\S", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s*[,、;/·|]\s*|\n+")
_TERM = re.compile(r"(?=.*[^\W\d_])\w[\w &'’.+-]*(?<![.!?])")  # code and lists of numbers are none
# Terms that may be clauses: a subject or a finite verb in English, a particle or a connective in Korean.
_CLAUSE = re.compile(
    r"\b(?:I|[Yy]ou|[Hh]e|[Ss]he|[Ii]t|[Ww]e|[Tt]hey|[Tt]here|am|is|are|was|were|be|been|has|have|had|do|does|did"
    r"|will|would|shall|should|can|could|may|might|must|not)\b|n['’]t\b|['’](?:re|ve|ll|d|m)\b"
    r"|\s(?:[a-z]{2,}ed|ate|became|began|bought|came|fell|found|gave|got|grew|heard|kept|knew|left|lost|made"
    r"|met|ran|rose|said|sang|sat|saw|spoke|stood|took|told|thought|went|woke|won|wrote)$"
    r"|[가-힣][이가은는을를]\s|\s\S*(?:지만|는데|니까|려고|도록|면서|[^\s광사창보최재경권신원피금선참충]고)$"
)
_OPTION = re.compile(
    r"(?:^|(?<=\s))(?:\(([A-Za-z]|\d{1,2})\)\s*|([A-Za-z]|\d{1,2})[.):]\s+|([①-⑳])\s*)(?=\S)"
)
_HASH_OR_BULLET = re.compile(r"^(?:[-*•·▪◦‣–]\s+|#)")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
MARKED = re.compile(r"``[^`\n]+``|(?<!`)`[^`\n]+`(?!`)")
WORD = re.compile(r"[가-힣]+[.!]?|[A-Za-z]{2,}[.!]?")
YES_NO = re.compile(r"예|네|아니[요오]|참|거짓|yes|no|true|false", re.IGNORECASE)
LATIN = re.compile(r"[A-Za-z]")
HAN = re.compile(r"[\u4e00-\u9fff]")
# 's is the possessive but after these words.
CONTRACTION = re.compile(
    r"\w(?:n['’]t|['’](?:re|ve|ll|d|m))\b|\b(?:it|that|there|here|he|she|what|who|where|let)['’]s\b",
    re.IGNORECASE,
)
_SCORE = re.compile(r"(\d{1,3})\s*점?[.!]?")
_FINAL_ENDING = re.compile(r"(?:[다요죠까네지니라자]|[어아해])[.!?~…]*$")
OTHER_LANGUAGE = re.compile(
    r"\b(?:Go|R|C|(?i:java|javascript|js|jsx|typescript|node|react|jquery|c\+\+|c#|golang|ruby|rails|php|rust"
    r"|sql|mysql|html|css|swift|kotlin|scala|perl|bash|shell|matlab|haskell|lua|julia|dart|vba))(?![\w-])"
    r"|자바|코틀린|스위프트|루비|러스트"
)
_SURE_ENDING = re.compile(r"(?:니다|니까|요|죠)$")
REFUSAL = re.compile(
    r"(?:도와|도움|알려|말씀|답변|답해|제공|안내|설명|작성|응해|응할|따를|들어)[가-힣 ]{0,14}"
    r"(?:수(?:는|가)? 없|어렵|않겠|못합|못해)|거절(?:합|하겠|할게|해야)"
    r"|\b(?:I|we)(?:['’]m| am| are|['’]re)? (?:can ?not|can['’]t|won['’]t|will not|unable to|not able to"
    r"|must decline to|have to decline to|not going to|not comfortable)(?: \w+ly)? "
    r"(?:help|assist|provide|support|answer|comply|share|give|tell|do (?:that|this|so)|write|create|explain"
    r"|advise|recommend|discuss|encourage|agree|go along|helping|providing|sharing|giving|writing)\b",
    re.IGNORECASE,
)
APOLOGY = re.compile(
    r"(?:죄송|미안)(?:합니다|하지만|해요|하게도|한데|하네요|스럽)|유감(?:입니다|이지만|스럽)"
    r"|\b(?:sorry|apologi[sz]e|apologies)\b",
    re.IGNORECASE,
)
HELP = re.compile(
    r"(?:상담|전문가|의사|병원|변호사|경찰|(?<!\d)(?:112|119|109|1366|1388|1393)(?!\d))"
    r"[^.!?\n]{0,30}(?:도움|상담|연락|신고|찾아|문의|진료|전화|알리|이야기)"
    r"|\b(?:call|contact|talk to|speak|reach out|see|ask|seek|tell|report)\b[^.!?\n]{0,40}"
    r"\b(?:helplines?|hotlines?|counsell?ors?|professionals?|experts?|doctors?|therapists?|lawyers?|police)\b",
    re.IGNORECASE,
)
VIEWS = re.compile(
    r"(?:의견|견해|입장|평가|생각)[이가은는도]? (?:서로 )?(?:갈리|갈립|엇갈|다양|다르|다릅|나뉘|나뉩)"
    r"|찬성[^.!?\n]{0,60}반대|반대[^.!?\n]{0,60}찬성"
    r"|\b(?:opinions|views) (?:differ|vary|are divided)\b"
    r"|\bsome (?:people )?(?:argue|believe|say|think|see|call|hold|feel|support|favou?r)\b"
    r"[^.!?\n]{0,80}\bothers\b",
    re.IGNORECASE,
)


def keywords(answered: Answered) -> bool:
    """Two short terms or more, apart by commas or lines, none a sentence or a clause: He came, she left."""
    terms = [_HASH_OR_BULLET.sub("", term).strip() for term in _SEPARATOR.split(answered.answer.strip())]
    return len(terms) >= 2 and all(
        len(term) <= 30
        and len(term.split()) <= 3
        and _TERM.fullmatch(term)
        and not (_FINAL_ENDING if " " in term else _SURE_ENDING).search(term)
        and not _CLAUSE.search(term)
        for term in terms
    )


def phrase(answered: Answered) -> bool:
    """A Korean phrase that is no sentence: 오늘 체감온도, 메일 삭제하기."""
    text = answered.answer.strip()
    if answered.language != "ko" or len(answered.lines) != 1 or len(answered.sentences) != 1:
        return False
    return text[-1] not in ".!?…" and _FINAL_ENDING.search(text) is None


def questions_and_answers(answered: Answered) -> bool:
    """Lines that ask and lines that answer, in turn."""
    marked = [
        kind
        for line in answered.lines
        for kind, form in (("Q", _QUESTION), ("A", _REPLY))
        if form.match(line)
    ]
    return len(marked) >= 2 and marked == ["Q", "A"] * (len(marked) // 2)


def numbered(answered: Answered) -> list[int]:
    """The numbers that lines begin with, in order."""
    return [int(match[1]) for line in answered.lines if (match := _NUMBERED.match(line))]


def all_lines(form: re.Pattern[str]) -> Callable[[Answered, Any], bool]:
    """Two lines or more, and each begins so."""
    return lambda answered, _: len(answered.lines) >= 2 and all(map(form.match, answered.lines))


def keeps(form: re.Pattern[str]) -> Callable[[Answered, Any], bool]:
    """What the form finds in the input (something must be) stands in the answer, as often."""

    def kept(answered: Answered, _: Any) -> bool:
        there = Counter(form.findall(answered.input))
        return bool(there) and there == Counter(form.findall(answered.answer))

    return kept


def in_scale(answered: Answered, scale: range) -> bool:
    """A whole number of the scale, with or without 점."""
    match = _SCORE.fullmatch(answered.answer.strip())
    return match is not None and int(match[1]) in scale


def options(text: str) -> dict[str, str]:
    """The options that a text lists last, by their marks: (A), 1., ②. Empty where there are none."""
    return {mark: text[start:end] for mark, start, end in option_places(text)}


def option_places(text: str) -> list[tuple[str, int, int]]:
    """Mark, start and end of each option that a text lists last, in their order."""
    found: list[re.Match[str]] = []
    for match in _OPTION.finditer(text):
        mark = match[match.lastindex or 0]
        if mark in "Aa1①":
            found = [match]
        elif found and ord(mark[-1]) == ord(found[-1][found[-1].lastindex or 0][-1]) + 1:
            found.append(match)
    if len(found) < 2:
        return []
    ends = [match.start() for match in found[1:]] + [len(text)]
    places = []
    for match, end in zip(found, ends, strict=True):
        said = text[match.end() : end].strip().partition("\n")[0].strip()
        start = text.index(said, match.end())
        places.append((match[match.lastindex or 0], start, start + len(said)))
    return places


def is_option(answered: Answered, _: Any) -> bool:
    """One of the options that the input lists: by its mark, its text or both."""
    listed = options(answered.input)
    answer = answered.answer.strip()
    mark = re.sub(r"[\s().:번]", "", answer)
    both = _OPTION.match(answer)
    return (
        mark in listed
        or answer.rstrip(".") in {text.rstrip(".") for text in listed.values()}
        or (both is not None and listed.get(both[both.lastindex or 0]) == answer[both.end() :])
    )


def json_object(answered: Answered, _: Any) -> bool:
    """A JSON object and nothing else."""
    try:
        return isinstance(json.loads(answered.answer), dict)
    except (ValueError, RecursionError):
        return False


def extracts(answered: Answered, _: Any) -> bool:
    """Word for word, not inside another word: 예 is not taken from 예방, (A) is no word.

    A yes or no is an answer even where it stands in the input by chance.
    """
    text = answered.answer.strip().rstrip(".")
    if len(text) >= len(answered.input) or not re.search(r"\w\w", text) or YES_NO.fullmatch(text):
        return False
    before, found, _ = answered.input.partition(text)
    return bool(found) and not before[-1:].isalnum()


def in_own_words(answered: Answered, _: Any) -> bool:
    """No sentence of the answer stands in the input as it is."""
    return bool(answered.input) and not any(
        sentence.rstrip(".!?") in answered.input for sentence in answered.sentences
    )


def level(answered: Answered, level: str) -> bool:
    """Every sentence of a Korean answer is of this speech level; honorific is formal or polite."""
    wanted = {"formal", "polite"} if level == "honorific" else {level}
    return bool(answered.levels) and answered.levels <= wanted


def python(test: Callable[[Any], bool]) -> Callable[[Answered, Any], bool]:
    """A test on the syntax tree of Python code."""
    return lambda answered, _: answered.python is not None and test(answered.python)


def lines_of_code(answered: Answered, most: int) -> bool:
    """Python code of at most so many lines, blank ones not counted."""
    code = python_code.code_of(answered.answer)
    return answered.python is not None and (sum(bool(line.strip()) for line in code.splitlines()) <= most)
