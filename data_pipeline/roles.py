"""The names under which files and prompts know the roles of a conversation: one list for all readers."""

from typing import Literal, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]

NAMES: dict[Role, tuple[str, ...]] = {
    "system": ("system", "developer", "시스템"),
    "user": (
        *("human", "user", "prompter", "instruction", "question"),
        *("사용자", "유저", "질문", "질문자", "인간"),
    ),
    "assistant": (
        *("gpt", "assistant", "bot", "ai", "chatgpt", "chatbot", "model", "vicuna", "response", "answer"),
        *("어시스턴트", "도우미", "챗봇", "봇", "비서", "인공지능", "답변", "답변자"),
    ),
    "tool": (
        *("tool", "function", "observation", "tool_response", "function_response", "tool_result", "ipython"),
        *("도구", "함수", "관찰"),
    ),
}
# Turns of an assistant that are nothing but its calls, as ShareGPT writes them.
CALL_NAMES = ("function_call", "tool_call", "tool_calls")

ROLE_OF: dict[str, Role] = {name: role for role, names in NAMES.items() for name in names}
