"""Rows as people read them: who says what, personal data masked, long texts cut in their middle."""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from hunmin.rows import DraftRow, Message, Row
from hunmin.safety import personal_data

MAX_CHARS = 2_000  # of a text that is kept for people to read
_TAIL = 500  # of them from its end: an answer that breaks off does so there

Kind = Literal["system", "user", "thought", "answer", "call", "tool"]


class Part(NamedTuple):
    """What is said at a time: an assistant thinks, answers and calls; a tool gives its result."""

    kind: Kind
    text: str


def parts_of(row: DraftRow | Row) -> list[Part]:
    """All that a row says, before any wording or template."""
    if row["messages"]:
        return parts_of_messages(row["messages"])
    fields = row["fields"]
    asked = "\n\n".join(text for text in (fields["instruction"], fields["input"]) if text)
    thought = [Part("thought", fields["rationale"])] if fields["rationale"] else []
    return [Part("user", asked), *thought, Part("answer", fields["answer"])]


def parts_of_messages(messages: Iterable[Message]) -> list[Part]:
    """All that messages say, in their order."""
    return [part for message in messages for part in _parts(message)]


def _parts(message: Message) -> Iterator[Part]:
    role, content, calls = message["role"], message["content"] or "", message.get("tool_calls") or []
    if reasoning := message.get("reasoning"):
        yield Part("thought", reasoning)
    if role == "system" or role == "user" or role == "tool":
        yield Part(role, content)
    elif content or not calls:
        yield Part("answer", content)
    for call in calls:
        yield Part("call", f"{call['name']}({call['arguments']})")


def transcript(parts: Iterable[Part]) -> str:
    """The parts as one text, each behind its kind."""
    return "\n".join(f"{part.kind}: {part.text}" for part in parts)


def shown(text: str, *, max_chars: int = MAX_CHARS) -> str:
    """A text as it may be shown: its personal data masked, and if it is longer than `max_chars`, its middle
    left out and said so. Beginning and end stay, for a fault may stand at either.
    """
    masked, _ = personal_data.mask(text)
    return shortened(masked, max_chars=max_chars)


def shortened(text: str, *, max_chars: int) -> str:
    """The text, without its middle where it is longer."""
    if len(text) <= max_chars:
        return text
    tail = min(_TAIL, max_chars // 4)
    head = max_chars - tail
    return f"{text[:head]}\n[… {len(text) - max_chars:,} characters left out …]\n{text[-tail:]}"
