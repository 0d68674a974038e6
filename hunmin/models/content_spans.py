"""Where the contents of messages stand in a render."""

from hunmin.models.rendered_turns import AnyMessage, ChatTemplate, Conversation, RowRefused

_FIRST_NAME = 0x100000  # private use, plane 16: the n-th message's content is rendered as its n-th character
_MOST_NAMES = 0xFFFD


def content_spans(template: ChatTemplate, chat: Conversation, text: str) -> list[tuple[int, int, int]]:
    """(message, start, end) of the contents that a render of the conversation holds, in the order of places.

    Contents are rendered as private characters, one for each message, that stand in the same places. Where a
    template looks into contents, they are found by their text, in order. What is not found is left out.
    """
    starts = _by_name(template, chat, text)
    if starts is None:
        starts = _by_text(chat, text)
    spans = [(index, start, start + len(part)) for index, start, part in starts]
    return sorted(spans, key=lambda span: span[1])


def _by_name(template: ChatTemplate, chat: Conversation, text: str) -> list[tuple[int, int, str]] | None:
    names = [chr(_FIRST_NAME + index % _MOST_NAMES) for index in range(len(chat.messages))]
    named = [_named(message, name) for message, name in zip(chat.messages, names, strict=True)]
    try:
        other = template.render(Conversation(named, chat.tools))
    except RowRefused:
        return None
    if len(other) > len(text) or any(
        a != b and ord(b) < _FIRST_NAME for a, b in zip(text, other, strict=False)
    ):
        return None
    found: list[tuple[int, int, str]] = []
    for index, (message, name) in enumerate(zip(chat.messages, names, strict=True)):
        content = message["content"] or ""
        bare = content.strip()
        if not bare or name not in other:
            continue
        start = other.index(name)
        lead = len(content) - len(content.lstrip())
        if start >= lead and text.startswith(content, start - lead):
            found.append((index, start - lead, content))
        elif text.startswith(bare, start):
            found.append((index, start, bare))
        else:
            return None
    return found


def _named(message: AnyMessage, name: str) -> AnyMessage:
    """The message with every character of its content but white space replaced."""
    content = message["content"] or ""
    return {**message, "content": "".join(char if char.isspace() else name for char in content)}


def _by_text(chat: Conversation, text: str) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []
    at = 0
    for index, message in enumerate(chat.messages):
        for part in (message["content"] or "", (message["content"] or "").strip()):
            start = text.find(part, at) if part else -1
            if start >= 0:
                found.append((index, start, part))
                at = start + len(part)
                break
    return found
