"""What can be put around a row's request: a task prefix, a role, a request for steps, worked examples.

Each is a pure function of the row and its place (`Chance`). Examples stand as earlier turns, not as text in
the user message: the template marks where each answer starts and ends as it does in a real conversation, so
the examples' answers are context (train false) by the same mask as everything else, and at generation a
prompt with examples is built by nothing but appending messages.
"""

from typing import NamedTuple

from data_pipeline.augment.chance import Chance
from data_pipeline.augment.personas import fits, phrasings
from data_pipeline.config import ROLE_NAMES, AugmentConfig
from data_pipeline.tasks.derived import is_derived
from data_pipeline.tasks.tasks import DEFAULT_CHAT_TASK, Task
from hunmin.language.korean.rewording import mixes_levels
from hunmin.language.script import language_of
from hunmin.language.variants.wrapper_words import STEPS
from hunmin.rows import Message, Row


class Role(NamedTuple):
    """A role prompt. A text of the user's own is named by its place: own_1 is the first of augment.roles."""

    name: str
    text: str


class Steps(NamedTuple):
    """A request for steps before the answer; `language` (ko, en) is that of the answer's marker."""

    language: str
    request: str


def wrapper_language(instruction: str | None, *, row: Row) -> str:
    """`ko` or `en`: that of the instruction, else that of the answer, else English."""
    for language in (language_of(instruction or ""), row["language"]):
        if language in STEPS:
            return language
    return "en"


def with_prefix(text: str | None, task: Task, *, augment: AugmentConfig) -> str | None:
    """The text behind the task's prefix, where the task has one and `augment.task_prefix` is on."""
    return f"{task.prefix} {text or ''}".rstrip() if augment.task_prefix and task.prefix else text


def draw_steps(instruction: str | None = None, *, language: str, chance: Chance) -> Steps:
    """A sentence that asks for steps and then the answer behind its marker, as politely as the rest."""
    bank = [steps for steps in STEPS[language] if not mixes_levels(f"{instruction or ''}\n{steps}")]
    return Steps(language, bank[chance.pick("steps", len(bank))])


def write_question(instruction: str | None, text: str | None, steps: Steps | None) -> str:
    """The user's message: instruction, request for steps, input; what is absent leaves no gap."""
    head = "\n".join(part for part in (instruction, steps and steps.request) if part)
    return "\n\n".join(part for part in (head, text) if part)


def draw_role(row: Row, task: Task, *, augment: AugmentConfig, language: str, chance: Chance) -> Role | None:
    """A role that is true of the row; None where none is drawn, or a system message stands already."""
    has_system = any(message["role"] == "system" for message in row["messages"] or [])
    if has_system or not chance.happens("role", augment.role):
        return None
    chat = bool(row["messages"]) or row["task"] == DEFAULT_CHAT_TASK
    fields = row["fields"] or {}
    labelled = bool(task.labels or fields.get("label"))
    derived = is_derived(task.name, fields.get("instruction"))
    roles = [
        (role if role in ROLE_NAMES else f"own_{place}", role)
        for place, role in enumerate(augment.roles, start=1)
        if fits(role, labelled=labelled, chat=chat, derived=derived)
    ]
    if not roles:
        return None
    name, role = roles[chance.pick("which_role", len(roles))]
    texts = phrasings(role, language=language)
    return Role(name, texts[chance.pick("role_text", len(texts))])


def with_role(messages: list[Message], role: Role | None) -> list[Message]:
    """The messages below the role as system message."""
    return messages if role is None else [{"role": "system", "content": role.text, "train": False}, *messages]


def exchange(user: str, answer: str, *, train: bool, weight: float = 1.0) -> list[Message]:
    """A question and its answer as two turns; the answer has a weight where it is not 1."""
    reply: Message = {"role": "assistant", "content": answer, "train": train}
    if train and weight != 1:
        reply["weight"] = weight
    return [{"role": "user", "content": user, "train": False}, reply]


def wrapper_name(
    task: Task,
    *,
    augment: AugmentConfig,
    role: Role | None,
    num_examples: int = 0,
    steps: Steps | None = None,
) -> str | None:
    """What stands around a row, for the ledger: role:teacher+few_shot:2+chain_of_thought+task_prefix."""
    parts = (
        f"role:{role.name}" if role else None,
        f"few_shot:{num_examples}" if num_examples else None,
        "chain_of_thought" if steps else None,
        "task_prefix" if augment.task_prefix and task.prefix else None,
    )
    return "+".join(part for part in parts if part) or None
