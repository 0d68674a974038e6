"""Role prompts: who speaks, in several phrasings a language.

A role must be true beside any answer that it may stand above: it names a person and promises nothing about
length, tone, form or content. Where a role speaks of what the answer is, `fits` keeps it from other rows.
"""

from data_pipeline.config import ROLE_NAMES
from hunmin.language.variants.wrapper_words import ROLES


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
