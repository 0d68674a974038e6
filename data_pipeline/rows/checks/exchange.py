"""What the checks of `rows.validate` look at: one thing asked, and its answer."""

import re
from typing import NamedTuple

from hunmin.rows import DraftRow

# Signs that program text is full of and prose has hardly ever.
_CODE = re.compile(
    r"```|[;{][ \t]*$|\w\(\)|=>|->|[=!]=|\w = \S|^[ \t]*@\w|\bdef\s\w+\(|\bf['\"]|\w\.\w+\("
    r"|^[ \t]*(?:def|import|print|const|let|var|#include|SELECT|<\?php|<!DOCTYPE)\b[^.?!\n]*[;:{(=,)>]"
    r"|^[ \t]*(?:for|while|if|elif|public|function|class|package|using)\b[^.?!\n]*"
    r"(?:\)[ \t]*[:{]|[{;])[ \t]*$"
    r"|^[ \t]*(?:from\s\w+\s)?import\s\w|^[ \t]*(?:>>>|\$\s|[A-Z]:\\)|^[ \t]*</?[a-z][\w-]*[^>\n]*>",
    re.MULTILINE,
)


class Exchange(NamedTuple):
    """A row of fields, or a user's turn of a conversation with the reply to it. Absent texts are empty."""

    instruction: str
    input: str
    answer: str
    is_label: bool  # the answer is a label of the task
    declared: str | None  # language of the answer, said by a source of translations
    where: str  # "" or "message 3: ", for details

    @property
    def prompt(self) -> str:
        """Everything that was asked."""
        return f"{self.instruction}\n{self.input}" if self.input else self.instruction


def exchanges_of(draft: DraftRow) -> list[Exchange]:
    """The exchanges of a draft row: each answer with the user's turn right before it."""
    # Elsewhere `language` is of a whole source, which may hold code, names or quotations.
    declared = draft["language"] if draft["task"] == "translation" else None
    if not draft["messages"]:
        fields = draft["fields"]
        texts = (fields["instruction"] or "", fields["input"] or "", fields["answer"] or "")
        return [Exchange(*texts, fields["label"] is not None, declared, "")]
    found = []
    before = {"role": "", "content": ""}
    for number, message in enumerate(draft["messages"]):
        if message["role"] == "assistant" and message["content"]:  # not calls alone
            asked = before["content"] if before["role"] == "user" else ""
            found.append(
                Exchange(asked, "", message["content"], False, declared, f"message {max(0, number - 1)}: ")
            )
        before = message
    return found


def is_code(text: str) -> bool:
    """Whether the text holds program text, whose signs mean other things than in prose."""
    return _CODE.search(text) is not None
