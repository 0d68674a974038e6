"""Korean text read as sentences with their endings: which are requests, which questions, at which level."""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from hunmin.language.korean import endings as table
from hunmin.language.korean.endings import Level
from hunmin.language.korean.morphemes import Morpheme, sentences
from hunmin.language.protected import quoted_spans

_CLOSING = re.compile(r"\s*[.?!:]{0,3}\s*")
_STEM = r"^(?:.* )?(?P<stem>\S+/(?:VV|XSV|VX|VA|XSA|VCP|VCN)(?:-[IR])?)"
# Over the morphemes of a sentence, written "form/TAG form/TAG …".
_BENEFACTIVE = re.compile(rf"{_STEM} 어/EC 주/V[XV] (?P<tail>.+)$")
_JOINED_BENEFACTIVE = re.compile(r"^(?:.* )?(?P<stem>\S+주/VV) (?P<tail>.+)$")  # 도와주세요
_PLAIN = re.compile(rf"{_STEM} (?P<tail>(?:시/EP )?\S+/EF|기/ETN|ᆯ/ETM 것/NNB)$")
_FINITE = re.compile(rf"{_STEM}(?P<eps>(?: (?:시|었|겠)/EP)*) (?P<ending>\S+)/EF$")
# Connectives by the analyser's first guess that close a sentence where they end one: 알려 줘, 왔니.
_FINAL_TOO = {"어", "니", "나", "지"}
_TOPIC = {("은", "JX"), ("는", "JX"), ("ᆫ", "JX")}


@dataclass(frozen=True)
class Sentence:
    """A sentence as far as its ending goes. `text[start:mark_end]` is what a rewording may write anew."""

    kind: Literal["request", "question", "statement", "other", "fixed"]  # fixed: no ending that could change
    level: Level
    form: str  # of a request: the rule that would have made it, or ""; else the ending's name
    words: tuple[Morpheme, ...]  # up to the stem, which is the last
    start: int = 0
    end: int = 0
    eps: tuple[str, ...] = ()  # 시, 었, 겠 between stem and ending
    connective: str | None = None  # of a benefactive: what stands before 주, as it stands
    surface: str = ""  # text[start:end]
    mark: str = ""  # what closes the sentence
    mark_end: int = 0
    runs_on: bool = False  # two sentences without a mark between: 실례합니다 역이 어디예요

    @property
    def stem(self) -> Morpheme:
        """The verb, adjective or copula that ends the sentence."""
        return self.words[-1]

    @property
    def verb(self) -> str:
        """The stem with the noun that 하다 makes a verb."""
        if self.stem.kind == "XSV" and len(self.words) > 1:
            return self.words[-2].form + self.stem.form
        return self.stem.form


@lru_cache(maxsize=256)
def read(text: str) -> tuple[Sentence, ...]:
    """The sentences of a text that hold Hangul, in order."""
    quoted = quoted_spans(text)
    found, offset = [], 0
    for line in text.split("\n"):
        if re.search("[가-힣]", line):
            for morphemes in sentences(line, offset=offset):
                if re.search("[가-힣]", text[morphemes[0].start : morphemes[-1].end]):
                    found.append(_read(text, morphemes, quoted))
        offset += len(line) + 1
    return tuple(found)


def _read(text: str, morphemes: list[Morpheme], quoted: list[tuple[int, int]]) -> Sentence:
    words = list(morphemes)
    while words[-1].tag.startswith("S") and words[-1].tag not in ("SL", "SN", "SH") and len(words) > 1:
        words.pop()
    end, mark_end = words[-1].end, morphemes[-1].end
    closing = text[end:mark_end]
    if _closes(words, closing):
        words[-1] = replace(words[-1], tag="EF")
    found = None
    if _CLOSING.fullmatch(closing) and not any(a < end <= b for a, b in quoted):
        chain = " ".join(f"{word.form}/{word.tag}" for word in words)
        found = _request(text, words, chain, closing) or _finite(words, chain, closing)
    if found is None:
        return Sentence("fixed", "neutral", "", tuple(words), mark_end=mark_end)
    return replace(
        found,
        end=end,
        surface=text[found.start : end],
        mark=closing.strip(),
        mark_end=mark_end,
        runs_on=any(
            word.tag == "EF" and not any(a < word.end <= b for a, b in quoted) for word in found.words[:-1]
        ),
    )


def _closes(words: list[Morpheme], mark: str) -> bool:
    """Whether what the analyser took for a connective ends the sentence."""
    if words[-1].tag != "EC" or words[-1].form not in _FINAL_TOO:
        return False
    if words[-1].form != "니" or "?" in mark:
        return True
    asks = any(word.form in table.WH_WORDS for word in words)  # 달력을 보니 may go on; 언제 오니 does not
    return asks or (len(words) > 1 and words[-2].form in ("있", "없", "었", "겠"))


def _request(text: str, words: list[Morpheme], chain: str, mark: str) -> Sentence | None:
    for pattern, tails in (
        (_BENEFACTIVE, table.BENEFACTIVE_TAILS),
        (_JOINED_BENEFACTIVE, table.BENEFACTIVE_TAILS),
        (_PLAIN, table.PLAIN_TAILS),
    ):
        match = pattern.search(chain)
        if match is None or match["tail"] not in tails:
            continue
        place = chain[: match.start("stem")].count(" ")
        stem, connective = words[place], None
        if pattern is _BENEFACTIVE:
            connective = text[stem.start : words[place + 2].start]
        elif pattern is _JOINED_BENEFACTIVE:
            connective = stem.form[:-1]
            if not text.startswith(connective, stem.start):
                return None
        form, level = tails[match["tail"]]
        found = Sentence("request", level, form, tuple(words[: place + 1]), stem.start, connective=connective)
        return found if _is_request(found, match["tail"], mark) else None
    return None


def _is_request(found: Sentence, tail: str, mark: str) -> bool:
    """Whether the form is meant as a request: 해 줘, 하세요, 하기 can each be something else."""
    clause = {(word.form, word.tag) for word in _last_clause(found.words)}
    is_task = found.verb in table.TASK_VERBS
    if found.connective is None and not _is_command(found, mark):
        return False
    if tail in ("기/ETN", "ᆯ/ETM 것/NNB"):
        return is_task and any(tag == "JKO" for _, tag in clause)
    told = ("ko:request_haeyo", "ko:request_hapsyo", "ko:request_hae")
    if "?" in mark and found.form in told:  # 잘해 줘? asks what is done
        return False
    if any(form in table.WH_WORDS or tag == "JKS" or form in ("안", "못") for form, tag in clause):
        return False
    if is_task or found.form != "ko:request_hae":
        return True
    return not clause & _TOPIC and not any(form in table.TELLING for form, _ in clause)


def _is_command(found: Sentence, mark: str) -> bool:
    stem = found.stem
    if "?" in mark or stem.form in table.NOT_COMMANDED:
        return False
    if found.form == "" and stem.form in table.AMBIGUOUS_STEMS:  # 들어라 is of 듣다 or 들다
        return False
    auxiliary = stem.form in table.COMMANDED_AUXILIARIES | table.TASK_VERBS
    return stem.kind in ("VV", "XSV") or (stem.kind == "VX" and auxiliary)


def _last_clause(words: tuple[Morpheme, ...]) -> list[Morpheme]:
    """The words of the main verb's own clause: behind the last connective, adnominal or nominal ending."""
    clause: list[Morpheme] = []
    for word in reversed(words[:-1]):
        if word.tag in ("EC", "ETM", "ETN", "JKQ", "EF"):
            break
        clause.append(word)
    return clause


def _finite(words: list[Morpheme], chain: str, mark: str) -> Sentence | None:
    """A question or a statement."""
    match = _FINITE.search(chain)
    if match is None:
        last = words[-1]
        return Sentence("other", _level_of(last.form), "", tuple(words)) if last.tag == "EF" else None
    place = chain[: match.start("stem")].count(" ")
    stem, ending = words[place], match["ending"]
    eps = tuple(part.split("/")[0] for part in match["eps"].split())
    start = words[place - 1].start if stem.kind == "VCP" and place else stem.start
    is_question = ending in table.QUESTIONS and ("?" in mark or ending in table.SURE_QUESTIONS)
    level = table.QUESTIONS[ending][1] if is_question else _level_of(ending)
    kind = "question" if is_question else "statement"
    return Sentence(kind, level, ending, tuple(words[: place + 1]), start, eps=eps)


def _level_of(ending: str) -> Level:
    if ending.endswith("요"):
        return "haeyo"
    if ending in ("ᆸ니다", "ᆸ니까", "ᆸ시다", "ᆸ시오"):
        return "hapsyo"
    return "neutral" if ending.endswith("다") or ending == "ᆷ" else "hae"
