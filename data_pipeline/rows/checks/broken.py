"""Answers that broke off, or that are stuck in a loop."""

import re
import zlib
from collections import Counter

from data_pipeline.reasons import REPEATED_TEXT, TRUNCATED_TEXT, Refusal
from data_pipeline.rows.checks.exchange import Exchange, is_code

# ---- truncated_text
_MARKER = re.compile(
    r"[\[(<](?:truncated|cut off|text truncated|output truncated|잘림|중략됨|이하 잘림)[\])>]\s*\.*$", re.I
)
_FENCE = re.compile(r"^[ \t]*```", re.MULTILINE)
_OPEN_END = re.compile(r"(?:[\[「『《〈“‘]|(?<![:;=8xX^-])\(|\s[\"'])$")
_LONE_JAMO = re.compile(r"[가-힣][ㄱ-ㅊㅌㅍ]$")
_ANY_JAMO = re.compile(r"[ㄱ-ㅣ]")
_SENTENCE_END = re.compile(r"[.!?。…][\"'”’)\]]*(?=\s)")
_DANGLING = re.compile(
    r"(?:\b(?:the|a|an|of|to|and|or|with|in|for|from|by|at|is|are|was|were|that|which|who|because|as|than|their|its"
    r"|his|her|your|my|our|can|will|would|should)|[가-힣](?:은|는|을|를|와|과|으로|에서|하고|하며|지만|면서|하여|되어|있는|되는"
    r"|하는|대한|위한|통해|위해|따라)|,)$"
)
MIN_TRUNCATED = 60  # characters; shorter answers are phrases
MIN_SENTENCES = 3  # that end properly before the last one may be called broken off
MIN_TEXT, MIN_WORDS = 200, 4  # of the text, and of its last sentence, where its last word is no sign
MIN_LINE = 60  # characters; shorter lines need no full stop
_ITEM = re.compile(r"\s*(?:[-*•·#>|]|\d+[.)])")
_LINE_END = re.compile(r"[.!?。…:)\"'”’]\s*$")
_SYLLABLE = re.compile(r"[가-힣]")
_FORMAL_END = re.compile(r"(?:다|요|까|죠)[.!?][\"'”’)\]]*$")
_FINAL_SYLLABLES = frozenset("다요까네죠지라자나군걸음함임됨듯데게래야어아해봐줘오소랴니냐것")

# ---- repeated_text
MIN_REPEATED = 200  # characters; shorter texts are not looked at
COMPRESSED = 0.2  # of its bytes: texts that pack worse do not loop
MIN_TIMES, REPEATED_SHARE = 5, 0.5
MIN_LOOPS = 10  # times that each word is said on average
_ASKED = re.compile(
    r"repeat|반복|번\s?(?:씩\s?)?(?:써|쓰|말|적|외)|\btimes\b|가사|lyrics|song|노래|chorus|poem|pattern|패턴|ascii",
    re.I,
)
_UNIT = re.compile(r"[.!?。\n]+\s*")


def truncated_text(exchange: Exchange) -> Refusal:
    """Refuse an answer that breaks off. Labels, and short answers without sentences, cannot be told."""
    answer = exchange.answer.rstrip()
    if exchange.is_label or not answer:
        return None
    why = _why_truncated(answer)
    return (TRUNCATED_TEXT, f"{exchange.where}answer {why}: {answer[-40:]!r}") if why else None


def _why_truncated(answer: str) -> str | None:
    last = answer[-1]
    if last in "])>" and _MARKER.search(answer):
        return "is marked as cut off"
    if answer.count("```") % 2 and len(_FENCE.findall(answer)) % 2:
        return "has a code block that is not closed"
    if (
        last in "[「『《〈“‘('\""
        and _OPEN_END.search(answer)
        and not (last in "'\"" and answer.count(last) % 2 == 0)
    ):
        return "ends with an opening sign"
    if last in ".!?。…\"'”’)]}>`*~|;" or len(answer) < MIN_TRUNCATED:
        return None
    if _LONE_JAMO.search(answer) and len(_ANY_JAMO.findall(answer)) == 1:
        return "ends within a syllable"
    line = answer[answer.rfind("\n") + 1 :]
    return "ends within a sentence" if _breaks_off(answer, line) and not is_code(line) else None


def _breaks_off(text: str, last_line: str) -> bool:
    """Whether a text whose sentences are all ended properly has a last one that is not."""
    if _ITEM.match(last_line):
        return False
    whole = [
        line for line in text[: -len(last_line)].split("\n") if len(line) > MIN_LINE and not _ITEM.match(line)
    ]
    if not all(_LINE_END.search(line) for line in whole):
        return False
    *ended, last = _sentences(last_line)
    if not ended and len(last) <= MIN_LINE:  # a signature, a title
        return False
    ended += [sentence for line in whole for sentence in _sentences(line) if sentence]
    if len(ended) < MIN_SENTENCES or not last:
        return False
    if _DANGLING.search(last):
        return True
    if len(text) < MIN_TEXT or len(last.split()) < MIN_WORDS:
        return False
    if _SYLLABLE.match(last[-1]):
        return last[-1] not in _FINAL_SYLLABLES and all(_FORMAL_END.search(sentence) for sentence in ended)
    # Who begins every sentence with a capital ends them too.
    return last[-1].isascii() and last[-1].islower() and not any(one[0].islower() for one in [*ended, last])


def _sentences(line: str) -> list[str]:
    """The sentences of a line; the last one is what follows the last sign that ends one, perhaps empty."""
    ends = [match.end() for match in _SENTENCE_END.finditer(line)]
    return [line[one:other].strip() for one, other in zip([0, *ends], [*ends, len(line)], strict=True)]


def repeated_text(exchange: Exchange) -> Refusal:
    """Refuse an answer most of which is one sentence, or a few words, over and over."""
    answer = exchange.answer
    if len(answer) < MIN_REPEATED or exchange.is_label:
        return None
    data = answer.encode()
    if len(zlib.compress(data, 1)) > COMPRESSED * len(data):
        return None
    if _ASKED.search(exchange.prompt) or is_code(answer):
        return None
    for units in ([unit.strip() for unit in _UNIT.split(answer)], answer.split()):
        found = _loop(units, len(answer))
        if found:
            return REPEATED_TEXT, f"{exchange.where}answer says {found[0]!r} {found[1]} times"
    return None


def _loop(units: list[str], length: int) -> tuple[str, int] | None:
    """The commonest unit and its count, where it makes up most of the text."""
    counts = Counter(unit for unit in units if any(sign.isalnum() for sign in unit))
    for unit, times in counts.most_common(1):
        if times >= MIN_TIMES and times * len(unit) >= REPEATED_SHARE * length:
            return unit[:40], times
        if sum(counts.values()) >= MIN_LOOPS * len(counts):  # a few words in turn
            return unit[:40], times
    return None
