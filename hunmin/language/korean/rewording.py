"""Rewordings of Korean requests and questions: the ending changes, nothing else does.

The last sentence of a text must be a request or a question; it gets each ending that says the same, and the
sentences before it follow where the speech level would clash. What comes out is read again: every morpheme
but those of the endings must be the one it was. A question that puts one thing beside another (네이버야
네이트야?) is left as it is: its parts end alike.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from hunmin.language.korean import endings as table
from hunmin.language.korean.endings import Form, Level
from hunmin.language.korean.inflection import inflected, request_surface
from hunmin.language.korean.sentence_types import Sentence, read
from hunmin.language.protected import quoted_spans

SPOKEN_CHARS = 60  # a longer question is written
# I and you as said to someone near.
_INTIMATE = re.compile(
    r"(?<![가-힣])(?:나|난|나는|나도|나를|내|내가|너|넌|널|너는|너도|너를|네가|니가)(?![가-힣])"
)
# Behind 내 and 제: in 내방 and 제습기 they may be part of a word.
_ALONE = re.compile(r"[가게]?(?: |$)")
_FIRST_PERSON = {("나", "NP"), ("저", "NP")}
_PRONOUNS = {
    "나": {"저": "나", "제": "내", "전": "난"},
    "저": {"나": "저", "내": "제", "난": "전", "날": "저를"},
}
# 하세요 and 하십시오, which nobody mixes; a greeting goes with both.
_HASEYO, _HASIPSIO = re.compile(r"(?<!안녕하)(?:세요|셔요)(?![가-힣])"), re.compile(r"십시오(?![가-힣])")
# What a question may end in; a word before it that ends so is a question of its own.
_ASKING = re.compile(r"(?:야|니|냐|요|까|지|죠|래|나|[인는은]가)$")
Edit = tuple[int, int, str]  # start, end, what stands there instead


def korean_candidates(text: str) -> list[tuple[str, str]]:
    """(rule, text) of each rewording, not confirmed yet; none where the text is no request or question."""
    before = read(text)
    if not before or before[-1].kind not in ("request", "question") or text[before[-1].mark_end :].strip():
        return []
    if before[-1].kind == "question" and _has_alternatives(text, before):
        return []
    found: list[tuple[str, str]] = []
    for rule, level, edit in _targets(before[-1]):
        edits = _follow(text, before, level, rule) if _fits(before, level) else None
        if edits is None:
            continue
        result = _apply(text, [*edits, edit])
        if mixes_levels(result):
            continue
        if level not in table.POLITE or before[-1].level in table.POLITE or not _INTIMATE.search(result):
            found.append((rule, result))
    return [*found, *_embedded(text, before)]


def _has_alternatives(text: str, before: tuple[Sentence, ...]) -> bool:
    """Whether the last question has another one beside it, with nothing or a comma between."""
    last = before[-1]
    if len(before) > 1:
        between = text[before[-2].words[-1].end : last.words[0].start]
        if not re.search(r"[.?!:;…\n]", between):
            return True
    # 이게 맞아 틀려? The first ending is one that may close a sentence, and no auxiliary verb follows it.
    for word, after in pairwise(last.words):
        if (word.form, word.tag) == ("어", "EC") and after.kind != "VX" and last.form in ("어", "어요"):
            return True
    mark = _ASKING.search(last.surface)
    earlier = text[last.words[0].start : last.start].split()
    return mark is not None and any(one.rstrip(",").endswith(mark[0]) for one in earlier)


def mixes_levels(text: str) -> bool:
    """Whether 하세요 stands beside 하십시오, outside of quotations: nobody asks so."""
    if not (_HASEYO.search(text) and _HASIPSIO.search(text)):
        return False
    for start, end in reversed(quoted_spans(text)):
        text = text[:start] + " " + text[end:]
    return bool(_HASEYO.search(text) and _HASIPSIO.search(text))


def korean_confirms(original: str, rule: str, text: str) -> bool:
    """Whether a candidate, read anew, has the form it was meant to have and the original's morphemes."""
    before, after = read(original), read(text)
    if rule.startswith("ko:question_form"):
        kept, words = _content(before[-1]), _content(after[-1]) if len(after) == 1 else []
        return words[: len(kept)] == kept and after[-1].kind == "request"
    if len(before) != len(after) or not all(map(_same_content, before, after)):
        return False
    form = after[-1].form
    return rule == (form if after[-1].kind == "request" else table.RULE_OF_ENDING.get(form))


def _same_content(one: Sentence, other: Sentence) -> bool:
    """Whether all morphemes before the endings are the same, and the kind of sentence."""
    first, second = _content(one), _content(other)
    if one.connective is not None and one.connective == other.connective:  # the stem stands as it stood
        first, second = first[:-1], second[:-1]
    return one.kind == other.kind and first == second


def _content(sentence: Sentence) -> list[str]:
    """The morphemes before the ending; 나 and 저 are the same person."""
    return ["나" if word.form == "저" else word.form for word in sentence.words]


def _targets(last: Sentence) -> Iterator[tuple[str, Level, Edit]]:
    """(rule, level, edit) of every other form of the last sentence."""
    if last.kind == "request":
        for form in _request_forms(last):
            surface = request_surface(last, form)
            if surface is not None and form.rule != last.form:
                yield form.rule, form.level, (last.start, last.mark_end, surface)
        return
    mood, _ = table.QUESTIONS[last.form]
    for ending, rule in table.QUESTION_RULES.items():
        level = table.QUESTIONS[ending][1]
        if table.QUESTIONS[ending][0] != mood or ending == last.form or not _may_ask(last, ending):
            continue
        surface = inflected(last, ending)
        if surface is not None:
            mark = last.mark if "?" in last.mark or ending in table.SURE_QUESTIONS else "?"
            yield rule, level, (last.start, last.mark_end, surface + mark)


def _request_forms(sentence: Sentence) -> list[Form]:
    """The forms in which the request asks for the same."""
    is_task = sentence.verb in table.TASK_VERBS
    # Talk leaves the object's particle out, and what lacks it does not suit the forms of writing:
    # 영화 추천해 줘 does not become 영화 추천하라.
    is_whole = any(word.tag == "JKO" or (word.form, word.tag) == ("ᆫ지", "EC") for word in sentence.words)
    heads = sentence.stem.kind == "XSV" or sentence.stem.form in table.HEADING_VERBS
    plain = [form for form in table.PLAIN if heads or form.rule != "ko:noun_gi"]
    benefactive = [form for form in table.BENEFACTIVE if is_whole or form.rule != "ko:hope_hapsyo"]
    if sentence.connective is None:
        return [*benefactive, *plain] if is_task else list(table.PLAIN[:2])
    if not (is_task and is_whole):
        return benefactive
    spoken = sentence.level == "hae"
    return [*benefactive, *(form for form in plain if not spoken or form.level != "written")]


def _may_ask(last: Sentence, ending: str) -> bool:
    """Whether a question ending goes with this stem."""
    forms = {word.form for word in last.words}
    if "겠" in last.eps and ending in ("나요", "ᆫ가"):
        return False
    if last.form in ("나요", "ᆫ가요") and ending == "나요":
        return False
    if ending in ("어", "어요", "니") and not _is_spoken(last, forms):
        return False
    if ending == "ᆸ니까" and (last.form == "어" or last.stem.form == "알"):  # far from how it was said; blunt
        return False
    if ending == "니" and (last.form not in ("어", "냐") or "나" in forms):
        return False
    if ending == "ᆫ가":
        formal = last.form in ("나요", "ᆫ가요", "ᆸ니까") and not forms & table.SPOKEN_WORDS
        return formal and bool(forms & table.WH_WORDS)
    return last.form != "나" or ending == "나요"


def _is_spoken(last: Sentence, forms: set[str]) -> bool:
    """Whether a question may end as in talk: not the long and the written ones (무엇인가? 할 것인가?)."""
    if last.stem.kind == "VCP" and (last.words[-2].form == "것" or "무엇" in forms):
        return False
    return last.level != "written" and last.end <= SPOKEN_CHARS


def _follow(text: str, before: tuple[Sentence, ...], level: Level, rule: str) -> list[Edit] | None:
    """Edits that bring pronouns and earlier sentences to a level; None where one cannot follow."""
    edits = _pronouns(text, before, level)
    if edits is None:
        return None
    for sentence in before[:-1]:
        same = sentence.kind == "question" and sentence.form == before[-1].form  # 갈까요 말까요
        polite = {sentence.level, level} <= set(table.POLITE) and sentence.kind != "request"
        if _is_plain(sentence) and level in table.POLITE and not _may_follow_plain(before[-1], rule):
            return None  # 비가 온다. 우산을 쓸까요?
        if (polite or sentence.level in ("neutral", level)) and not same:
            continue
        edit = _levelled(sentence, level, rule)
        if edit is None:
            return None
        edits.append((sentence.start, sentence.mark_end, edit))
    return edits


def _is_plain(sentence: Sentence) -> bool:
    """A statement as in written prose: 비가 온다."""
    return sentence.kind == "statement" and sentence.form.endswith("다") and sentence.level == "neutral"


def _may_follow_plain(last: Sentence, rule: str) -> bool:
    """Whether a polite form may: only a request that was polite before, and as no question."""
    asks = rule in {form.rule for form in table.BENEFACTIVE if form.asks}
    return last.kind == "request" and last.level in table.POLITE and not asks


def _pronouns(text: str, before: tuple[Sentence, ...], level: Level) -> list[Edit] | None:
    """나 and 내 become 저 and 제 where the level turns polite, and the other way round."""
    if level == "written" or (level in table.POLITE) == (before[-1].level in table.POLITE):
        return []
    words = [word for sentence in before for word in sentence.words if (word.form, word.tag) in _FIRST_PERSON]
    edits: list[Edit] = []
    for word in words:
        own, other = ("나", "저") if level in table.POLITE else ("저", "나")
        if word.form != own:
            continue
        new = _PRONOUNS[other].get(text[word.start])
        if new is None or (text[word.start] in "내제" and not _ALONE.match(text, word.start + 1)):
            return None
        edits.append((word.start, word.start + 1, new))
    return edits


def _levelled(sentence: Sentence, level: Level, rule: str) -> str | None:
    if sentence.kind == "request":
        forms = _request_forms(sentence)
        chosen = [form for form in forms if form.rule == rule and not form.asks] or [
            form for form in forms if form.level == level and not form.asks
        ]
        return request_surface(sentence, chosen[0]) if chosen else None
    ending = _ending_at(sentence, level, rule)
    if ending is None:
        return None
    surface = inflected(sentence, ending)
    return None if surface is None else surface + sentence.mark


def _ending_at(sentence: Sentence, level: Level, rule: str) -> str | None:
    """The ending of a question or statement at a level, by that rule where it goes."""
    if level == "written" or sentence.kind in ("other", "fixed"):
        return None
    if sentence.kind == "question":
        mood = table.QUESTIONS[sentence.form][0]
        fitting = [
            ending
            for ending, (other, at) in table.QUESTIONS.items()
            if other == mood and (at == level or (level == "hapsyo" and at == "haeyo"))
        ]
        by_rule = [ending for ending in fitting if table.QUESTION_RULES.get(ending) == rule]
        return (by_rule or fitting or [None])[0]
    if sentence.stem.kind == "VCP" and not sentence.mark:
        return None  # 친구야 calls, or tells
    if level in table.POLITE:
        return sentence.form + "요" if sentence.form in table.STATEMENTS else None
    if sentence.form == "ᆸ니다":
        return "어"
    plain = sentence.form.removesuffix("요")
    return plain if plain in table.STATEMENTS else None


def _fits(before: tuple[Sentence, ...], level: Level) -> bool:
    """Whether the words outside the endings go with the level."""
    last, earlier = before[-1], before[:-1]
    if level == last.level:
        return True
    words = [word for sentence in before for word in sentence.words]
    pairs, forms = {(word.form, word.kind) for word in words}, {word.form for word in words}
    called = any(kind == "IC" for _, kind in pairs)
    if last.runs_on:
        return False
    honours = ("시", "EP") in pairs or any("시" in sentence.eps for sentence in before)
    if level == "hapsyo" and forms & table.SPOKEN_WORDS:
        return False
    if level in table.POLITE:
        return last.level in table.POLITE or not (pairs & table.INTIMATE_WORDS or called)
    if honours or called or pairs & table.POLITE_WORDS:
        return False
    if level == "hae":
        return True
    polite = any(sentence.level in table.POLITE for sentence in earlier if sentence.kind != "request")
    return not (polite or forms & table.PERSONAL_WORDS)


def _apply(text: str, edits: list[Edit]) -> str:
    for start, end, surface in sorted(edits, reverse=True):
        text = text[:start] + surface + text[end:]
    return text


def _embedded(text: str, before: tuple[Sentence, ...]) -> Iterator[tuple[str, str]]:
    """수도는 어디인가요? as 수도는 어디인지 알려 주세요: one polite question with a question word."""
    last = before[-1]
    forms = {word.form for word in last.words}
    asks = last.kind == "question" and last.form in ("나요", "ᆫ가요", "ᆸ니까")
    if len(before) > 1 or not asks or {"시", "겠"} & set(last.eps):
        return
    if not forms & table.WH_WORDS or forms & {"당신", "여러분"}:
        return
    surface = inflected(last, "ᆫ지")
    if surface is None:
        return
    for rule, request in (
        ("ko:question_form", "알려 주세요."),
        ("ko:question_form_hapsyo", "알려 주십시오."),
    ):
        yield rule, _apply(text, [(last.start, last.mark_end, f"{surface} {request}")])
