"""Roles that were written into the text: `사용자: …`, `USER: … ASSISTANT:`, `### Instruction:` blocks.

A prompt that is nothing but such turns becomes messages, or, where it is one turn, a bare instruction. What
could be a dialogue to work on (more text around it, an input, other speakers) stays as it is.
"""

import re
from itertools import pairwise
from typing import TypeAlias

from data_pipeline.roles import ROLE_OF, Role
from hunmin.rows import DraftRow, Message, with_values

Turn: TypeAlias = tuple[Role, str]

PREFIX_REMOVED = "role_prefix_removed"
ROLES_SPLIT = "roles_split"

# Names that speak to each other. A mark of one family does not close a turn of another.
_FAMILIES: tuple[dict[str, Role], ...] = tuple(
    {name: ROLE_OF[name] for name in names}
    for names in (
        ("system", "user", "assistant", "gpt"),
        ("human", "ai", "assistant", "bot"),
        ("시스템", "사용자", "유저", "어시스턴트", "도우미", "챗봇"),
        ("instruction", "response"),
    )
)
_SPEAKER = re.compile(
    r"(?:^|(?<=\s))(?P<name>USER|ASSISTANT|SYSTEM|[Uu]ser|[Aa]ssistant|[Ss]ystem|GPT|[Hh]uman|HUMAN|AI|[Bb]ot"
    r"|사용자|유저|시스템|어시스턴트|도우미|챗봇)\s?[:：](?:\s+|$|(?=\S))"
)
_BLOCK = re.compile(r"^\#{2,3}\s?(?P<name>Instruction|Input|Response)\s?:[^\S\n]*\n?", re.MULTILINE)
_OTHER_SPEAKER = re.compile(r"^[^\W\d]{1,12}\s?[:：]\s", re.MULTILINE)
_HINT = re.compile(r"[:：]")
_PREAMBLE = re.compile(
    r"\A(?:Below is an instruction that describes a task[^\n]*|A chat between a curious (?:user|human) and an"
    r" artificial intelligence assistant\.[^\n]*?)\s*(?=###|USER:|Human:|\Z)",
    re.IGNORECASE,
)


def take_roles_apart(draft: DraftRow) -> tuple[DraftRow, list[str]]:
    """The draft with roles as messages instead of text, and the names of the steps that changed it.

    A row of fields is looked at where it has no input and no label; a conversation, where a turn begins with
    its own role's name, or where its only user turn is a whole script.
    """
    if draft["messages"]:
        return _from_messages(draft, draft["messages"])
    fields = draft["fields"]
    text, answer = fields["instruction"], fields["answer"]
    if not text or not answer or fields["label"] is not None or not _HINT.search(text):
        return draft, []
    if fields["input"]:
        return draft, []
    block = _instruction_block(text)
    if block is not None:
        instruction, given = block
        return _changed(draft, {"instruction": instruction, "input": given}), [PREFIX_REMOVED]
    turns = script_turns(text)
    if turns is None or (len(turns) == 1 and _OTHER_SPEAKER.search(turns[0][1])):
        return draft, []
    row = _changed(draft, {"instruction": turns[-1][1]})
    if len(turns) == 1:
        return row, [PREFIX_REMOVED]
    messages = _messages([*turns, ("assistant", row["fields"]["answer"])])
    return with_values(row, messages=messages), [ROLES_SPLIT]


def script_turns(text: str) -> list[Turn] | None:
    """The turns of a prompt that is wholly a script: user first (a system turn may precede), user last.

    An assistant's mark at the end, which asked for the answer, is dropped. None where the text is no script,
    or could be something else: text before the first mark, an empty turn, roles out of turn, names of two
    families.
    """
    text = _PREAMBLE.sub("", text)
    marks = list(_SPEAKER.finditer(text)) or list(_BLOCK.finditer(text))
    if not marks or marks[0].start() != 0:
        return None
    names = [mark["name"].lower() for mark in marks]
    family = next((family for family in _FAMILIES if all(name in family for name in names)), None)
    if family is None:
        return None
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    turns: list[Turn] = [
        (family[name], text[mark.end() : end].strip())
        for name, mark, end in zip(names, marks, ends, strict=True)
    ]
    if turns[-1] == ("assistant", ""):
        turns.pop()
    return turns if _in_order(turns) else None


def _in_order(turns: list[Turn]) -> bool:
    spoken = turns[1:] if turns and turns[0][0] == "system" else turns
    return (
        bool(spoken)
        and spoken[0][0] == "user"
        and spoken[-1][0] == "user"
        and all(text for _, text in turns)
        and all(one[0] != other[0] for one, other in pairwise(spoken))
        and all(role != "system" for role, _ in spoken)
    )


def _instruction_block(text: str) -> tuple[str, str | None] | None:
    """(instruction, input) of an Alpaca prompt: `### Instruction:`, perhaps `### Input:`, `### Response:`."""
    text = _PREAMBLE.sub("", text)
    marks = list(_BLOCK.finditer(text))
    names = [mark["name"] for mark in marks]
    if not marks or marks[0].start() != 0 or names[0] != "Instruction":
        return None
    if names not in (
        ["Instruction"],
        ["Instruction", "Response"],
        ["Instruction", "Input", "Response"],
        ["Instruction", "Input"],
    ):
        return None
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    parts = {mark["name"]: text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}
    if not parts["Instruction"] or parts.get("Response"):
        return None
    return parts["Instruction"], parts.get("Input") or None


def _from_messages(draft: DraftRow, messages: list[Message]) -> tuple[DraftRow, list[str]]:
    if [message["role"] for message in messages] == ["user", "assistant"]:
        turns = script_turns(messages[0]["content"])
        if turns is not None and len(turns) > 1:
            row = _changed(draft, {"instruction": turns[-1][1]})
            answer = with_values(messages[1], content=_bare(messages[1]["content"], "assistant"))
            return with_values(row, messages=[*_messages(turns), answer]), [ROLES_SPLIT]
    bare = [with_values(message, content=_bare(message["content"], message["role"])) for message in messages]
    if bare == messages:
        return draft, []
    instruction = draft["fields"]["instruction"]
    row = _changed(draft, {"instruction": instruction and _bare(instruction, "user")})
    return with_values(row, messages=bare), [PREFIX_REMOVED]


def _changed(draft: DraftRow, fields: dict[str, str | None]) -> DraftRow:
    """The draft with other fields, and without an assistant's name before its answers."""
    answer = draft["fields"]["answer"]
    whole = {**draft["fields"], **fields, "answer": answer and _bare(answer, "assistant")}
    references = [_bare(text, "assistant") for text in draft["references"]]
    return with_values(draft, fields=whole, references=references)


def _bare(text: str, role: str) -> str:
    """The text without the name of its own role before it, if that is the only name in it."""
    match = _SPEAKER.match(text) or _BLOCK.match(text)
    if match is None:
        return text
    name = match["name"].lower()
    others = [*_SPEAKER.finditer(text, match.end()), *_BLOCK.finditer(text, match.end())]
    spoken = any(family.get(name) == role for family in _FAMILIES)
    rest = text[match.end() :].strip()
    return rest if spoken and rest and not others else text


def _messages(turns: list[Turn]) -> list[Message]:
    return [{"role": role, "content": content} for role, content in turns]
