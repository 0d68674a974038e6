"""What templates leave behind: their marks, unfilled variables, filler texts, and two instructions in one."""

import re
from itertools import pairwise

from data_pipeline.reasons import PLACEHOLDER, STACKED_INSTRUCTIONS, TEMPLATE_LEFTOVER, Refusal
from data_pipeline.rows.checks.exchange import Exchange, is_code
from data_pipeline.rows.checks.requests import FINAL_REQUEST
from hunmin.language.normalize import says_no_input

# One cheap look that most texts do not pass.
_HINT = re.compile(r"<\s?no|###|\[/?INST\]|<\||<<SYS|</?s>|\{\s?\{?\s?\w|BEGINNING OF CONVERSATION")
_MARK = re.compile(
    r"<\s?no[ _]?(?:in|out)put\s?>"
    r"|^\#{2,3}\s?(?:Instruction|Input|Response|Output|Human|Assistant|명령어|입력|응답|답변)\s?:"
    r"|\[/?INST\]|<<SYS>>|<\|(?:im_start|im_end|im_sep|endoftext|eot_id|begin_of_text|end_of_text|start_header_id"
    r"|end_header_id|user|assistant|system|endofturn|pad|end)\|>|^<s>|</?s>$|BEGINNING OF CONVERSATION:",
    re.MULTILINE | re.IGNORECASE,
)
_VARIABLE = re.compile(
    r"(?<![\w\\}$%^_#{])(?:\{\s?(?:instruction|input|output|response|answer|question|context|passage|document|prompt"
    r"|sentence[12]?|source_text|target_text|text|query|name|user_?name|topic"
    r"|입력|출력|질문|답변|본문|문장|내용|이름|주제)\s?\}(?!\})"
    r"|\{\{\s?[A-Za-z가-힣_][\w.가-힣]*\s?\}\}(?!\}))"
)
# Rows that are about templates may show them.
_ABOUT = re.compile(
    r"template|템플릿|prompt|프롬프트|jinja|mustache|handlebars|placeholder|자리\s?표시|format(?:ting)?\s?string|f-string"
    r"|포맷|서식|token|토큰|chatml|llama|tag\b|태그|markdown|마크다운|latex|html"
    r"|\bvue\b|angular|react|regex|정규식|variable|변수|merge field",
    re.IGNORECASE,
)
_INLINE_CODE = re.compile(r"`[^`\n]+`")

_FILLERS = (
    "sample input|sample output|sample text|sample answer|example input|example output|your input here"
    "|your text here|your answer here|your response here|insert text here|insert answer here|enter text here"
    "|enter your text here|type your answer here|input goes here|output goes here|text goes here|placeholder"
    "|placeholder text|to be filled|to be filled in|todo|tbd|fixme|to do|lorem ipsum"
    "|lorem ipsum dolor sit amet"
    "|여기에 입력|여기에 입력하세요|여기에 입력해 주세요|여기에 입력해주세요"
    "|여기에 작성|여기에 작성하세요"
    "|여기에 내용을 입력하세요|여기에 텍스트를 입력하세요|여기에 답변을 입력하세요"
    "|내용을 입력하세요|텍스트를 입력하세요|답변을 입력하세요|예시 입력|예시 출력|예시 답변|예시 텍스트"
    "|샘플 입력|샘플 출력|샘플 텍스트|입력 예시|출력 예시"
    "|추후 작성|작성 예정|작성 필요|작성 중|내용 추가 예정"
)
_FILLER = frozenset(_FILLERS.split("|"))
_FILLER_EDGES = " \t\n.,:;!…()[]{}<>*_-"  # no quotes: "sample text" in quotes is a value for a program
_LONGEST_FILLER = max(map(len, _FILLER)) + 12
_LOREM = re.compile(r"^lorem ipsum dolor sit amet\b", re.IGNORECASE)

_DEIXIS = r"(?:다음|아래|주어진|the following|the given|the (?:text|sentence|passage|article) below)"
# 다음 형식, 아래 조건 …: what follows is no text to work on.
_NO_TEXT = (
    r"(?!\s?(?:의\s)?(?:형식|조건|기준|예시|예|규칙|단계|순서|지침|사항|방식|방법|양식"
    r"|format|rules?|steps?|criteria|example))"
)
_KOREAN_STACK = re.compile(
    rf"(?:{_DEIXIS}){_NO_TEXT}[^.?!:：\n]{{0,40}}?{FINAL_REQUEST}(?P<end>\s*[.:：!]?)(?:\s+|$)|(?P<rest>\S)"
)
_ENGLISH_STACK = re.compile(
    r"(?:please\s+|could you\s+)?"
    r"(?P<verb>translate|summari[sz]e|classify|analy[sz]e|paraphrase|rewrite|explain|convert)\s+"
    rf"(?:{_DEIXIS}){_NO_TEXT}[^.?!:\n]{{0,60}}?(?P<end>[.:?!])(?:\s+|$)|(?P<rest>\S)",
    re.IGNORECASE,
)
_KIND = re.compile(
    r"번역|옮|통역|의역|직역|요약|줄[여이]|분류|분석|평가|판단|설명|작성|생성|변환|바꾸|바꿔|정리|추출|교정|고쳐"
)
_WORDS_OF = {"번역": "옮 통역 의역 직역", "요약": "줄여 줄이", "교정": "고쳐", "변환": "바꿔 바꾸"}
_SAME = {word: kind for kind, words in _WORDS_OF.items() for word in words.split()}
MAX_STACK = 300  # characters; longer instructions explain


def template_leftover(exchange: Exchange) -> Refusal:
    """Refuse marks and unfilled variables of prompt templates, but not where templates are the subject."""
    for name in ("instruction", "input", "answer"):
        text = getattr(exchange, name)
        if not _HINT.search(text):
            continue
        bare = _INLINE_CODE.sub(" ", text)
        found = _MARK.search(bare) or (None if is_code(bare) else _VARIABLE.search(bare))
        if found is None:
            continue
        # <noinput> is no subject of anybody's question when it is all there is.
        if found[0] != text and (_ABOUT.search(exchange.prompt) or "```" in text):
            continue
        return TEMPLATE_LEFTOVER, f"{exchange.where}{name} holds {found[0]!r}"
    return None


def placeholder(exchange: Exchange) -> Refusal:
    """Refuse a text that is wholly filler, such as "sample input"; one in a longer text is a subject."""
    for name in ("instruction", "input", "answer"):
        text = getattr(exchange, name)
        if name == "answer" and exchange.is_label:
            continue
        if len(text) <= _LONGEST_FILLER and text.strip(_FILLER_EDGES).casefold() in _FILLER:
            return PLACEHOLDER, f"{exchange.where}{name} is {text!r}"
        if name == "input" and says_no_input(text):  # beside an instruction it was taken away
            return PLACEHOLDER, f"{exchange.where}input is {text!r}, and there is no instruction"
        if name != "input" and _LOREM.match(text) and not _asks_for_lorem(exchange, name):
            return PLACEHOLDER, f"{exchange.where}{name} begins {text[:40]!r}"
    return None


def _asks_for_lorem(exchange: Exchange, name: str) -> bool:
    return name == "answer" and "lorem" in exchange.prompt.casefold()


def stacked_instructions(exchange: Exchange) -> Refusal:
    """Refuse an instruction that is two requests over one text: 다음을 요약해주세요: 다음을 번역해주세요:.

    The whole instruction must consist of such requests. Two of one kind are one too many; two of different
    kinds only where the first ends in a colon, with nothing after it to work on.
    """
    text = exchange.instruction
    if not text or len(text) > MAX_STACK:
        return None
    requests = _requests(text)
    for (first, colon), (second, _) in pairwise(requests):
        if colon or first == second:
            return (
                STACKED_INSTRUCTIONS,
                f"{exchange.where}two requests, {first} and {second}, in {text[:80]!r}",
            )
    return None


def _requests(text: str) -> list[tuple[str, bool]]:
    """(kind, whether a colon ends it) of each request, if the text is nothing but requests; else nothing."""
    english = text.isascii()
    found = []
    for match in (_ENGLISH_STACK if english else _KOREAN_STACK).finditer(text):
        if match["rest"]:
            return []
        kind = match["verb"].lower() if english else _korean_kind(match[0])
        found.append((kind, match["end"].strip() in (":", "：")))
    # A text after the last colon may itself be a request: then it is what the first one works on.
    return found if len(found) > 1 and (found[-1][1] or not found[0][1]) else []


def _korean_kind(request: str) -> str:
    kinds: list[str] = _KIND.findall(request)
    return _SAME.get(kinds[-1]) or kinds[-1] if kinds else request
