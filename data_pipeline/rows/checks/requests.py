"""Requests spelled out in an instruction: how Korean asks for something to be done.

A request is recognised by its whole ending, so that 번역하는, 번역해야 or 번역해 달라고 are none.
"""

_GIVE = (
    r"(?:줘요?|줄래요?|줘라|주라|주렴|주세요|주십시오|주시겠어요|주시겠습니까|주실래요|주실\s?수\s?있(?:나요|을까요)"
    r"|주기\s?바랍니다|주시기\s?바랍니다|주시길\s?바랍니다|주시면\s?(?:됩니다|감사하겠습니다)|보세요|보십시오|보아라|봐요?|봐라)"
)
_NOUN = (
    r"(?:번역|요약|분류|분석|평가|판단|설명|작성|생성|변환|정리|구현|완성|수정|교정|추출|대답|답변|응답|답|표현|서술"
    r"|말|소개|기술|통역|출력|제시|해석|의역|직역)"
)
_POLITE = r"(?:세요|십시오|시오|시기\s?바랍니다|시길\s?바랍니다)"

# 번역해 주세요, 번역하세요, 옮겨 줘, 쓰시오, 번역 부탁드립니다 …
REQUEST = (
    rf"(?:{_NOUN}\s?(?:을|를)?\s?해\s?(?:{_GIVE}|라|요)|{_NOUN}\s?(?:을|를)?\s?하(?:{_POLITE}|라|여라|여\s?{_GIVE})"
    rf"|{_NOUN}(?:을|를)?\s?부탁(?:해요?|합니다|드립니다|드려요)"
    rf"|(?:옮겨|바꿔|바꾸어|써|적어|고쳐|만들어|줄여|알려|골라|찾아)\s?{_GIVE}"
    rf"|(?:옮기|바꾸|쓰|적으|고치|만드|줄이|고르|찾으){_POLITE})(?![가-힣])"
)
# The same, also in the forms that are requests only at the end: 번역해, 번역하기, 번역.
FINAL_REQUEST = rf"(?:{REQUEST}|{_NOUN}(?:해|하기|할\s?것)?(?=\s*(?:[.!:：]|$)))"
