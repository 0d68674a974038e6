"""Role prompts: who speaks, in several phrasings a language.

A role must be true beside any answer that it may stand above: it names a person and promises nothing about
length, tone, form or content. Where a role speaks of what the answer is, `fits` keeps it from other rows.
"""

from data_pipeline.config import ROLE_NAMES

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


def fits(role: str, *, labelled: bool, chat: bool, derived: bool = False) -> bool:
    """Whether a role is true of a row.

    Nobody invents a label, or a translation (tasks/derived.py). In a chat the speaker may have said already
    who they are, so only the assistant stands above one. A text of the user's own is the user's word.
    """
    if role not in ROLE_NAMES:
        return True
    if chat:
        return role == "assistant"
    return not ((labelled or derived) and role == "creative")


def phrasings(role: str, *, language: str) -> tuple[str, ...]:
    """The texts of a role in `ko` or `en`; a text of the user's own is its only one."""
    return ROLES[role][language] if role in ROLES else (role,)
