"""The words of wrappers, in Korean and English: who speaks, and requests for steps before the answer."""

import re

# A role must be true beside any answer: it promises nothing about length, tone, form or content.
ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    "expert": {
        "ko": (
            "당신은 이 분야의 전문가입니다.",
            "당신은 해당 분야에서 오래 일해 온 전문가입니다.",
            "너는 이 주제를 깊이 공부한 전문가야.",
            "사용자의 요청이 속한 분야의 전문가 입장에서 답합니다.",
            "당신은 사람들이 조언을 구하러 찾아오는 전문가입니다.",
        ),
        "en": (
            "You are an expert in this field.",
            "You are a specialist with many years of experience in the field in question.",
            "Act as someone who knows this subject well.",
            "You answer as an expert on the matter at hand.",
            "You are a professional whom people come to with such requests.",
        ),
    },
    "teacher": {
        "ko": (
            "당신은 학생들을 가르치는 선생님입니다.",
            "너는 학생의 요청에 답하는 교사야.",
            "당신은 학교에서 여러 해 동안 학생들을 만나 온 교사입니다.",
            "사용자는 당신의 학생입니다. 선생님으로서 답해 주세요.",
            "당신은 학생의 공부를 돕는 선생님입니다.",
        ),
        "en": (
            "You are a teacher.",
            "You are a teacher who answers the requests of students.",
            "The user is your student. Answer as their teacher.",
            "You have taught for many years, and you help students with their work.",
            "You are a tutor working with a student.",
        ),
    },
    "assistant": {
        "ko": (
            "당신은 사용자의 요청을 돕는 어시스턴트입니다.",
            "너는 사용자를 돕는 AI 어시스턴트야.",
            "당신은 사용자의 말에 응답하는 어시스턴트입니다.",
            "어시스턴트로서 사용자의 요청에 답합니다.",
            "당신은 사용자의 일을 거드는 비서입니다.",
        ),
        "en": (
            "You are an assistant who helps the user.",
            "You are an AI assistant.",
            "You are an assistant that responds to the user's messages.",
            "As an assistant, you answer what the user asks.",
            "You assist the user with their requests.",
        ),
    },
    "creative": {
        "ko": (
            "당신은 창의적인 작가입니다.",
            "너는 글과 아이디어를 다루는 창작자야.",
            "당신은 새로운 생각을 즐기는 창작자입니다.",
            "당신은 상상력이 풍부한 사람입니다.",
        ),
        "en": (
            "You are a creative writer.",
            "You are a creator who works with words and ideas.",
            "You are someone who enjoys new ideas.",
            "You are a person with a rich imagination.",
        ),
    },
}

# Asked for before an answer that shows its steps and ends in "정답: X" or "Answer: X"
# (hunmin/language/answers/final_answer.py).
STEPS: dict[str, tuple[str, ...]] = {
    "ko": (
        "단계별로 생각한 뒤 마지막 줄에 '정답:'으로 답을 적어 주세요.",
        "답을 내기까지의 과정을 먼저 쓰고, 끝에 '정답: '을 붙여 답을 밝혀 주세요.",
        "차근차근 풀어 나가고, 맨 끝에 '정답:' 형식으로 답해 주세요.",
        "왜 그런 답이 나오는지 먼저 설명하십시오. 답은 마지막에 '정답:' 다음에 적으십시오.",
        "근거를 먼저 말하고 나서 '정답:'으로 마무리해 줘.",
        "생각하는 과정을 보여 줘. 답은 끝에 '정답:' 하고 써 줘.",
    ),
    "en": (
        "Think step by step, then give the answer after 'Answer:'.",
        "Show your reasoning first and finish with a line that starts with 'Answer:'.",
        "Work through it step by step. End with 'Answer:' followed by the answer.",
        "Explain how you get there before you answer; put the answer after 'Answer:' at the end.",
        "Please reason it out first, and close with 'Answer:' and your answer.",
        "Let's go through this one step at a time. State the result at the end after 'Answer:'.",
    ),
}

# Instructions that want the bare answer: asking for steps beside them would contradict them.
_BARE = re.compile(
    r"\b(only|just|nothing but|nothing else|(one|single) (word|sentence|letter|number)|briefly"
    r"|without (an? )?(explanation|explaining|reasoning)|(no|do not|don't) expla\w+)\b"
    r"|만으로|만 (?:간단히 )?(?:답|대답|출력|적|써|쓰|고르|골라|말)|(?:한|하나의) (?:단어|낱말|문장|글자)"
    r"|(?:설명|이유|풀이|과정) ?(?:없이|은 빼고|을 빼고)|단답|간단히|짧게",
    re.IGNORECASE,
)


def wants_bare_answer(instruction: str | None) -> bool:
    """The instruction leaves no room for steps before the answer."""
    return bool(_BARE.search(instruction or ""))
