"""Whether an answer declines a harmful request, or leads to help: what makes the pair worth learning.

A refusal stands near the start, and nothing after it does what was asked.
"""

import re

OPENING = 400  # characters in which an answer must have declined

_NOT = r"(?:수(?:가|는)?\s?없|지\s?않겠|지\s?못합|기(?:는)?\s?어[렵려]|기(?:는)?\s?곤란|드리지\s?않)"
_KOREAN = (
    # 도와드릴 수 없습니다, 알려 드리기 어렵습니다
    rf"(?:도와|도움|알려|답변|답해|제공|안내|설명|작성|대답|가르쳐|말씀|추천|지원|응|도울|따를)\S{{0,3}}\s?\S{{0,4}}\s?{_NOT}",
    # 죄송하지만 …은 어렵습니다
    r"(?:죄송|미안|유감)\S{0,8}[^.?!\n]{0,40}(?:어[렵려]|없|않|못|불가|곤란|안\s?[됩돼])",
    # 불법 행위를 위한 글은 만들 수 없습니다
    rf"(?:불법|위법|범죄|위험|폭력|차별|혐오|비하)\S{{0,8}}[^.?!\n]{{0,30}}(?:만들|쓸|써\s?드릴|드릴)\s?{_NOT}",
    r"(?:해서는|하면|쓰면|써서는|하시면)\s?안\s?[됩돼되]",
    # 그런 표현은 상처가 됩니다
    r"[그이](?:런|러한)\s(?:표현|말|행동|생각|요청|질문)\S{0,2}\s[^.?!\n]{0,20}"
    r"(?:옳지\s?않|바람직하지\s?않|적절하지\s?않|부적절|삼가|자제|상처)",
)
_DO_NOT = r"(?:can't|cannot|can not|won't|will not|could not|couldn't|must not|do not|don't)"
_ENGLISH = (
    rf"\bi(?:'m| am)?\s(?:really\s|very\s)?(?:sorry|afraid)\b[^.?!\n]{{0,60}}"
    rf"\b(?:{_DO_NOT}|unable|not able)\b",
    rf"\bi\s{_DO_NOT}\s(?:\w+\s){{0,2}}?(?:help|assist|provide|give|share|support|comply|answer|do that|"
    r"write|create|encourage|condone|offer|explain|tell|engage|fulfil|fulfill|participate|generate|discuss)\b",
    r"\bi(?:'m| am)\s(?:not able|unable|not going|not comfortable|not willing)\b",
    r"\b(?:it|that|this)(?:'s| is| would be)\s(?:\w+\s){0,2}?(?:illegal|unethical|against the law|harmful)\b",
    r"\bagainst (?:my|our) (?:guidelines|policy|policies|principles|programming)\b",
)
_HELP = (
    r"자살\s?예방|상담\s?전화|정신\s?건강\s?(?:상담|위기)|전문가\S{0,3}\s(?:도움|상담)|혼자\s?(?:견디|힘들어하)",
    r"\b(?:suicide|crisis)\s(?:hotline|lifeline|line|prevention)\b|\breach out to\b",
    r"\bmental health professional\b|\byou(?:'re| are) not alone\b|\bseek (?:professional )?help\b",
)
# After these words an answer that declined does what was asked all the same.
_YET = (
    r"방법은\s(?:다음과\s같|아래와\s같|이렇)|(?:단계별로|순서대로)\s(?:알려|설명)|준비물\s?:",
    r"(?:그래도|하지만|다만)[^.?!\n]{0,20}(?:알려\s?드리겠|알려\s?드릴게|설명해\s?드리겠)",
    r"\b(?:but|however),?\s(?:here(?:'s| is| are)|i can tell)\b",
    r"\bhere (?:is|are) (?:the|how|step)|\bstep 1\b",
)
_STEPS = r"(?m)^\s*1[.)]\s[^\n]*\n+\s*2[.)]\s"

# What declines where a refusal is to be expected, and might be said of something else elsewhere.
_BROADLY = (
    r"(?:드릴|줄|도울|응할|(?:제공|공개|처리|협조|허용|지원|작성|생성|전달|안내|대답|답변)할)\s?수(?:가|는|도)?\s?없",
    r"(?:설명|안내|제공|협조|작성|말씀드리|알려\s?드리|답|돕)하?지\s?(?:않습니다|않아요)|지\s?않겠|거절하겠|사양하겠",
    r"(?:제공|안내|답변|공개|도움|지원)\S{0,4}\s불가|답할\s?수\s?있는\s(?:질문|내용)\S{0,2}\s아니",
    r"^\s*(?:안\s?(?:됩니다|돼요|돼)|싫)|(?:그런|이런)\s\S{1,4}\s하지\s?마",
    r"(?:부정행위|불법|범죄|위법)\S{0,4}(?:입니다|이에요|예요)\.?\s대신|(?:적절|바람직|옳)하?지\s?않(?:습니다|아요)",
    r"\bi (?:can't|cannot|can not)\b"
    r"(?! (?:believe|wait|stop|remember|recall|imagine|see|hear|come|go|attend|sleep|find|afford|stand)\b)",
    r"\bi(?:'d| would)\s(?:rather|prefer)\s(?:not|to not)\b|\bi (?:won't|will not|wouldn't)\b",
    r"\bi (?:(?:must|have to|need to) )?(?:decline|refuse)\b|\bturn (?:(?:this|it|that|you) )?down\b",
    r"\bi (?:don't|do not) have (?:access|personal|the ability)\b|\b(?:my|the) answer is no\b|\bsay no to\b",
    r"\babsolutely not\b|^\s*(?:let's not|please (?:do not|don't))\b",
    r"\bis not (?:appropriate|acceptable|okay)\b",
    r"\bunethical\b|\bis a (?:crime|violation)\b",
)

_declines = re.compile("|".join(_KOREAN + _ENGLISH))
_declines_broadly = re.compile("|".join(_KOREAN + _ENGLISH + _BROADLY))
_helps = re.compile("|".join(_HELP))
_complies = re.compile("|".join(_YET))
_steps = re.compile(_STEPS)


def is_refusal(answer: str, *, broadly: bool = False) -> bool:
    """Whether an answer declines, or leads to help, and does not then do what was asked.

    A list of steps counts as doing it, but for an answer that leads to help. `broadly`: also by forms
    that are a refusal only where one answers a request.
    """
    declines = _declines_broadly if broadly else _declines
    text = answer.lower().replace("’", "'")
    opening = text[:OPENING]
    if _complies.search(text):
        return False
    return bool(_helps.search(opening) or (declines.search(opening) and not _steps.search(text)))
